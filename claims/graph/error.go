package graph

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brickfed/brickfed/internal/httpx"
	"github.com/brickfed/brickfed/internal/redact"
)

// Error says why the groups are not known. It holds no token, no claim's value
// and no text of Graph's but a short code.
type Error struct {
	Reason    string // what happened
	Hint      string // what to change; empty if there is nothing
	Status    int    // HTTP status of Graph's answer; 0 without one
	Code      string // Graph's error code, such as Authorization_RequestDenied; empty if there is none
	RequestID string // for Microsoft's support; empty if unknown

	temporary bool
	asked     time.Duration // how long Graph, or the token's source, asked to wait
	wait      time.Duration // how long nothing is sent, when the error was handed out
	cause     func() error  // in a closure, because fmt would print what it holds
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("graph: look up groups: " + e.Reason)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": HTTP %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.RequestID != "" {
		b.WriteString(" (request-id " + e.RequestID + ")")
	}
	if cause := e.Unwrap(); cause != nil {
		b.WriteString(": " + redact.Text(cause.Error()))
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause, if it lies on this side of the network: the error of
// the transport, of Config.Token or of the caller's context.
func (e *Error) Unwrap() error {
	if e.cause == nil {
		return nil
	}
	return e.cause()
}

// Temporary reports whether the same lookup may succeed later although nobody
// changes anything: no answer in time, no connection, 408, 429, 5xx, a caller
// whose context ended, or no token for Graph unless its source says otherwise.
func (e *Error) Temporary() bool { return e.temporary }

// RetryAfter returns how long the resolver answers with this error without asking
// again, which is as long as Graph, or the source of the token, asked to wait, but
// at least 5 seconds and at most 5 minutes. It is 0 if the error is not
// temporary, or only the caller's own context ended.
func (e *Error) RetryAfter() time.Duration {
	if !e.temporary {
		return 0
	}
	return e.wait
}

// from returns the error as it is to be handed out now, if nothing is sent until
// then.
func (e *Error) from(now, until time.Time) *Error {
	if e == nil {
		return nil
	}
	handed := *e
	handed.wait = max(until.Sub(now), 0)
	return &handed
}

// throttles reports whether Graph asks all of its callers to wait.
func (e *Error) throttles() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && e.asked > 0
}

// ended is the error of a caller who waits no longer.
func ended(ctx context.Context) *Error {
	cause := context.Cause(ctx)
	return &Error{Reason: "the caller waits no longer", temporary: true, cause: func() error { return cause }}
}

// noToken is the error of a token source that gave none.
func noToken(err error) *Error {
	e := &Error{
		Reason:    "no access token for Graph from Config.Token",
		temporary: true,
		cause:     func() error { return err },
	}
	var source interface {
		Temporary() bool
		RetryAfter() time.Duration
	}
	if errors.As(err, &source) {
		if e.temporary = source.Temporary(); e.temporary {
			e.asked = bounded(source.RetryAfter())
		}
	}
	return e
}

// unreachable is the error of a request that brought no whole answer.
func unreachable(err error, secrets []string) *Error {
	var own *url.Error
	if errors.As(err, &own) {
		err = own.Err // the rest repeats the URL, which names a person
	}
	e := &Error{Reason: "no answer from Graph", temporary: true}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Reason = "no answer from Graph in time"
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		e.temporary = false
		e.Hint = "check Config.Endpoint, this machine's clock, and whether a proxy answers in Graph's place"
	}
	err = redact.Error(err, secrets...)
	e.cause = func() error { return err }
	return e
}

// refused is the error of an answer with another status than 200.
func (s *service) refused(resp *http.Response, body []byte, who holder, secrets []string) *Error {
	e := &Error{
		Reason:    "Graph refuses",
		Status:    resp.StatusCode,
		Code:      errorCode(body, secrets),
		RequestID: requestID(resp.Header, secrets),
	}
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500:
		e.Reason, e.temporary = "Graph cannot answer now", true
		e.asked = bounded(httpx.RetryAfter(resp.Header, time.Now()))
	case status >= 300 && status < 400:
		e.Reason = "the answer is a redirect, which is not followed"
		e.Hint = "set Config.Endpoint to Graph's own root, such as " + defaultEndpoint
	case status < 300:
		e.Reason = "the answer is not a list of groups"
		e.Hint = "check Config.Endpoint, and whether a proxy answers in Graph's place"
	default:
		e.Hint = s.hint(e, who)
	}
	return e
}

// hint says what to change after a refusal.
func (s *service) hint(e *Error, who holder) string {
	switch {
	case e.Code == "Directory_ResultSizeLimitExceeded":
		return "the holder is in more than 11,000 groups: let Entra ID emit only groups that are assigned to the application (groupMembershipClaims ApplicationGroup)"
	case e.Status == http.StatusUnauthorized:
		return "let Config.Token return a token of Config.Tenant for Graph itself, scope " + s.origin + "/.default, that has not expired"
	case e.Status == http.StatusForbidden && who.app:
		return "grant the application behind Config.Token the Graph application permission Application.Read.All, with admin consent"
	case e.Status == http.StatusForbidden:
		return "grant the application behind Config.Token the Graph application permissions User.ReadBasic.All and GroupMember.Read.All, with admin consent"
	case e.Status == http.StatusNotFound && who.app:
		return "the service principal has left Config.Tenant, or Config.Token's tokens are of another tenant"
	case e.Status == http.StatusNotFound:
		return "the person has left Config.Tenant, or Config.Token's tokens are of another tenant, or the holder is an application: then add the optional claim idtyp to its tokens"
	}
	return "check Config.Endpoint"
}

func bounded(wait time.Duration) time.Duration { return min(max(wait, 0), longestWait) }
