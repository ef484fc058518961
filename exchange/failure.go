package exchange

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/internal/redact"
)

// Bounds of what an [Error] tells, in bytes, besides the description.
const (
	maxClaim = 256
	maxWord  = 64
	maxID    = 128
	maxAud   = 8 // audiences
)

// refuse makes the error of something that is not sent or not accepted. What
// stands after the last semicolon of the reason tells what to change: it becomes
// the hint.
func (q question) refuse(kind Kind, reason string) *Error {
	e := &Error{Op: opExchange, Kind: kind}
	if i := strings.LastIndex(reason, "; "); i >= 0 {
		reason, e.Hint = reason[:i], reason[i+2:]
	}
	e.Err = errors.New(reason)
	q.describe(e)
	return e
}

// fail makes the error of an answer. Its body is not looked at.
func (q question) fail(kind Kind, a answer) *Error {
	e := &Error{Op: opExchange, Kind: kind, Status: a.status, RequestID: q.censor().requestID(a.header)}
	e.Wait = retryAfter(a.header, a.received)
	if kind == KindBadResponse {
		e.Hint = hintBadResponse
	}
	q.describe(e)
	return e
}

// describe completes an error with what it is about, and takes the subject token
// out of its cause.
func (q question) describe(e *Error) {
	e.Op = first(e.Op, opExchange)
	e.ClientID = first(e.ClientID, tidy(q.target.ClientID, maxWord))
	if u, err := url.Parse(first(q.endpoint, q.host)); err == nil {
		e.Endpoint = first(e.Endpoint, u.Host)
	}
	if q.subject == nil {
		return
	}
	c := q.subject.UnverifiedClaims()
	e.Issuer = first(e.Issuer, tidy(c.Issuer(), maxClaim))
	e.Subject = first(e.Subject, tidy(c.Subject(), maxClaim))
	if e.Audience == nil {
		for _, audience := range q.audiences() {
			e.Audience = append(e.Audience, tidy(audience, maxClaim))
		}
	}
	e.Err = redact.Error(e.Err, q.secrets()...)
}

// audiences returns the first few of the subject token.
func (q question) audiences() []string {
	if q.subject == nil {
		return nil
	}
	all, _, _ := q.subject.UnverifiedClaims().Strings("aud")
	return all[:min(len(all), maxAud)]
}

// secrets returns what must not come back in a text.
func (q question) secrets() []string {
	if q.subject == nil {
		return nil
	}
	return []string{q.subject.Raw()}
}

// censor knows the secrets, and the claims that may be named.
func (q question) censor() censor {
	c := censor{secrets: q.secrets(), known: []string{q.endpoint, q.account, q.audience, q.scope, q.target.ClientID}}
	if q.subject != nil {
		c.known = append(c.known, q.issuer(), q.subject.UnverifiedClaims().Subject())
		c.known = append(c.known, q.audiences()...)
	}
	return c
}

// refused makes the error of an answer that says no, of whatever shape.
func (q question) refused(a answer) *Error {
	c := readComplaint(a.body)
	kind, hint := q.judge(a, &c)
	e := q.fail(kind, a)
	e.tell(&c, a.header, q.censor())
	if hint != "" {
		e.Hint = hint
	}
	return e
}

// tell takes over what the server said.
func (e *Error) tell(c *complaint, h http.Header, by censor) {
	by.secrets = append(by.secrets, c.secrets...)
	e.Code = by.text(c.code, maxWord)
	e.ErrorID = by.text(c.errorID, maxID)
	e.RequestID = by.requestID(h)
	limit := redact.MaxText
	if !c.structured() {
		limit = maxExcerpt
	}
	e.Description = by.text(c.description, limit)
}

// unreadable makes the error of a successful status whose body is no document.
func (q question) unreadable(a answer, reason error) *Error {
	shape := bodyShape(a.body)
	if shape == shapePage {
		return q.refused(a)
	}
	e := q.fail(KindBadResponse, a)
	if shape != shapeJSON {
		reason = errors.New("it is " + string(shape))
	}
	e.Err = reason
	return e
}

// judge decides what a refusal means and what to change. The first sign that
// fits wins; the way to the server comes before what a server says.
func (q question) judge(a answer, c *complaint) (Kind, string) {
	switch {
	case a.status >= 300 && a.status < 400:
		return KindNotDatabricks, q.hintRedirect(a)
	case a.status == http.StatusTooManyRequests || c.throttled():
		return KindThrottled, hintThrottled
	case a.status == http.StatusProxyAuthRequired:
		return KindBlocked, hintProxy
	case a.status == http.StatusNetworkAuthenticationRequired:
		return KindBlocked, hintPortal
	case a.status == http.StatusNotImplemented:
		return KindNotDatabricks, q.hintEndpoint()
	case a.status >= 500 || a.status == http.StatusRequestTimeout || a.status == http.StatusTooEarly || c.unavailable():
		return KindUnavailable, hintUnavailable
	case c.shape == shapePage && (a.status == http.StatusForbidden || a.status == http.StatusUnavailableForLegalReasons):
		return KindBlocked, q.hintBlocked()
	case c.shape == shapePage:
		return KindNotDatabricks, q.hintPage()
	case c.shape == shapeOAuth:
		return q.judgeOAuth(a, c)
	}
	return q.judgeOther(a, c)
}

// judgeOAuth knows the error codes of RFC 6749, section 5.2 and RFC 8693,
// section 2.2.2 as Databricks uses them.
func (q question) judgeOAuth(a answer, c *complaint) (Kind, string) {
	code := strings.ToLower(c.code)
	switch {
	case c.mentions("token_audience_invalid"):
		return KindAudience, q.hintAudience()
	case c.mentions("openid configuration"):
		return KindNoPolicy, q.hintIssuer()
	case c.mentions("refresh token"):
		return KindLogin, hintLogin
	case c.mentions("token_invalid", "federation policy"):
		return q.judgePolicy(a, c)
	case q.target.AssumeGroup != "" && (code == "invalid_target" || c.mentions("assume", "group")):
		return KindGroup, q.hintGroup()
	case code == "invalid_grant" && c.mentions("expired"):
		return KindSubjectExpired, q.hintExpired(a)
	case code == "invalid_grant":
		return KindSubject, hintSubject
	case code == "invalid_client" || code == "unauthorized_client" || c.mentions("client_id", "client id"):
		return KindClient, q.hintClient()
	case code == "invalid_scope" || c.mentions("scope"):
		return KindScope, q.hintScope()
	case c.blocked() || code == "unknown":
		return KindBlocked, q.hintBlocked()
	case code == "access_denied":
		return KindPermission, q.hintPermission()
	case code == "unsupported_grant_type":
		return KindRequest, hintGrantType
	}
	return KindRequest, hintRequest
}

// judgePolicy says which of the many causes of TOKEN_INVALID it is, as far as
// the token itself tells.
func (q question) judgePolicy(a answer, c *complaint) (Kind, string) {
	if q.subject == nil {
		return KindNoPolicy, q.hintPolicy()
	}
	if !slices.Contains(algorithms[:], q.subject.Algorithm()) {
		return KindSubject, q.hintAlgorithm()
	}
	ended := q.subject.Expiry()
	if c.mentions("expired") || !ended.IsZero() && !ended.After(dateOf(a)) {
		return KindSubjectExpired, q.hintExpired(a)
	}
	return KindNoPolicy, q.hintPolicy()
}

// algorithms are the ones that Databricks takes, according to its "Configure a
// federation policy" documentation.
var algorithms = [...]string{"RS256", "ES256"}

// judgeOther judges what is not OAuth's way to say no. A Databricks host answers
// so before OAuth begins, mostly when an IP access list or a private link rule
// forbids the way (databricks-sdk-py#1210).
func (q question) judgeOther(a answer, c *complaint) (Kind, string) {
	switch {
	case c.blocked():
		return KindBlocked, q.hintBlocked()
	case a.status >= 200 && a.status < 300 && c.code == "":
		return KindBadResponse, hintBadResponse
	case a.status == http.StatusUnauthorized, a.status == http.StatusNotFound,
		a.status == http.StatusMethodNotAllowed, a.status == http.StatusGone:
		return KindNotDatabricks, q.hintEndpoint()
	case a.status == http.StatusRequestEntityTooLarge, a.status == http.StatusRequestURITooLong,
		a.status == http.StatusRequestHeaderFieldsTooLarge:
		return KindSubject, hintTooLarge
	case c.mentions("invalid_parameter_value", "malformed_request", "bad_request"):
		return KindRequest, hintRequest
	case a.status == http.StatusBadRequest || a.status == http.StatusForbidden:
		return KindBlocked, q.hintBlocked()
	}
	return KindRequest, hintRequest
}

// throttled knows the words for too many requests: some of Databricks' answers
// say it with status 400 (databricks-sdk-go#321).
func (c *complaint) throttled() bool {
	return c.structured() && c.mentions("throttled", "too many requests", "rate limit", "request_limit_exceeded", "resource_exhausted", "slow_down")
}

// unavailable knows the codes for an outage: Databricks' own is not OAuth's
// (databricks-sdk-go#1072).
func (c *complaint) unavailable() bool {
	switch strings.ToLower(c.code) {
	case "temporarily_unavailable", "server_error", "internal_error", "unavailable":
		return true
	}
	return false
}

// blocked knows how Databricks says that it does not like where a call comes
// from.
func (c *complaint) blocked() bool {
	return c.mentions("ip acl", "ip access list", "ip address", "network access", "public access", "private link", "privatelink", "network policy")
}
