package exchangetest

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Identifiers of RFC 8693, sections 2.1 and 3.
const (
	grantExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
)

// refusal is an answer of the token endpoint and the reason for the log.
type refusal struct {
	Fault
	reason string
}

// serveToken answers a token request (RFC 6749, section 3.2).
func (s *Server) serveToken(c *call) {
	c.w.Header().Set("Cache-Control", "no-store")
	if c.origin+c.URL.Path != s.issuer(c)+"/v1/token" {
		s.refuse(c, &refusal{recorded["not found"], "no token endpoint of this host"})
		return
	}
	form, no := s.readForm(c)
	if no == nil {
		no = s.admit(c.now)
	}
	if no != nil {
		s.refuse(c, no)
		return
	}
	var token accessToken
	switch grant := form.Get("grant_type"); grant {
	case grantExchange:
		token, no = s.exchange(c, form)
	case "client_credentials":
		token, no = s.clientCredentials(c, form)
	case "refresh_token":
		no = &refusal{recorded["refresh token"], "there are no refresh tokens here"}
	default:
		no = badRequest("unsupported_grant_type", fmt.Sprintf("grant type %q is not supported", grant))
	}
	if no == nil {
		no = s.narrow(c, form, &token)
	}
	if no != nil {
		s.refuse(c, no)
		return
	}
	s.grant(c, token, form.Get("grant_type") == grantExchange)
}

func (s *Server) refuse(c *call, no *refusal) {
	s.logReason(c, no.reason)
	no.send(c.w)
}

// readForm refuses what RFC 6749, sections 3.2 and 4, and RFC 8693, section 2.1,
// do not allow.
func (s *Server) readForm(c *call) (url.Values, *refusal) {
	if c.Method != http.MethodPost {
		return nil, &refusal{Fault{
			Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {http.MethodPost}}, Body: "Method Not Allowed",
		}, "the method is not POST"}
	}
	if !c.isForm() {
		return nil, badRequest("invalid_request", "the content type is not application/x-www-form-urlencoded")
	}
	form, err := c.form()
	if err != nil {
		return nil, badRequest("invalid_request", "the body is not a form")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, badRequest("invalid_request", fmt.Sprintf("parameter %q stands twice", name))
		}
	}
	if form.Get("grant_type") == "" {
		return nil, badRequest("invalid_request", "parameter \"grant_type\" is missing")
	}
	return form, nil
}

// rateWindow counts the token requests of one second.
type rateWindow struct {
	second int64
	count  int
}

func (s *Server) admit(now time.Time) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.window.second {
		s.window = rateWindow{second: second}
	}
	s.window.count++
	if s.cfg.RateLimit == 0 || s.window.count <= s.cfg.RateLimit {
		return nil
	}
	no := &refusal{recorded["too many requests"], "over the rate limit"}
	no.Header = http.Header{"Retry-After": {"1"}}
	return no
}

// exchange answers a token exchange (RFC 8693) as far as identity and life of
// the token to be issued.
func (s *Server) exchange(c *call, form url.Values) (accessToken, *refusal) {
	if got := form.Get("subject_token_type"); got != typeJWT {
		return accessToken{}, badRequest("invalid_request", fmt.Sprintf("subject token type %q is not supported", got))
	}
	raw := form.Get("subject_token")
	if raw == "" {
		return accessToken{}, badRequest("invalid_request", "parameter \"subject_token\" is missing")
	}
	p, expiry, no := s.federate(c, raw, form.Get("client_id"))
	if no != nil {
		return accessToken{}, no
	}
	return newToken(p, expiry), nil
}

// clientCredentials answers RFC 6749, section 4.4, for a service principal with
// a Secret, as a standard to compare an exchange with.
func (s *Server) clientCredentials(c *call, form url.Values) (accessToken, *refusal) {
	id, secret, basic := c.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id) // RFC 6749, section 2.3.1
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	s.mu.Lock()
	p := s.byName(id)
	s.mu.Unlock()
	if p == nil || p.Inactive || p.Secret == "" || subtle.ConstantTimeCompare([]byte(p.Secret), []byte(secret)) == 0 {
		return accessToken{}, &refusal{recorded["invalid client"], "wrong client or secret"}
	}
	return newToken(p, c.now.Add(s.cfg.MaxLifetime).Truncate(time.Second)), nil
}

func newToken(p *Principal, expiry time.Time) accessToken {
	return accessToken{Subject: p.name(), ClientID: p.ApplicationID, Expiry: expiry.Unix()}
}

// narrow decides on scope and group.
func (s *Server) narrow(c *call, form url.Values, token *accessToken) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byName(token.Subject)
	if p == nil {
		return tokenRefused("the principal was removed meanwhile", "", "", "")
	}
	scopes := strings.Fields(form.Get("scope"))
	if len(scopes) == 0 {
		scopes = []string{"all-apis"}
	}
	for _, scope := range scopes {
		if len(p.Scopes) > 0 && !slices.Contains(p.Scopes, scope) {
			return &refusal{recorded["scope"], fmt.Sprintf("scope %q is not among %q", scope, p.Scopes)}
		}
	}
	token.Scope = strings.Join(scopes, " ")
	if !form.Has("assume_group") {
		return nil
	}
	token.Group = form.Get("assume_group")
	switch {
	case c.kind != workspaceHost:
		return badRequest("invalid_request", "assume_group is supported for workspaces only")
	case !numericForm.MatchString(token.Group):
		return badRequest("invalid_request", "assume_group is not the numeric ID of a group")
	case s.group(token.Group) == nil || !slices.Contains(slices.Concat(p.Groups, p.Assumes), token.Group):
		return &refusal{
			oauthError(http.StatusForbidden, "access_denied", "The group "+token.Group+" cannot be assumed by the client"),
			"the group is unknown, or the principal is no member and may not assume it",
		}
	}
	return nil
}

// grant issues the token. The answer is that of RFC 8693, section 2.2.1, with
// the members that Databricks sends.
func (s *Server) grant(c *call, token accessToken, exchanged bool) {
	token.Issuer = s.issuer(c)
	token.Audience = s.cfg.AccountID
	if c.kind == workspaceHost {
		token.Audience = workspaceID(c.Host)
	}
	token.IssuedAt = c.now.Unix()
	raw, err := s.issue(token)
	if err != nil {
		s.refuse(c, &refusal{Fault{Status: http.StatusInternalServerError, Body: `{"error":"server_error"}`}, err.Error()})
		return
	}
	answer := map[string]any{
		"access_token": raw,
		"scope":        token.Scope,
		"token_type":   "Bearer",
		"expires_in":   int64(time.Unix(token.Expiry, 0).Sub(c.now) / time.Second),
	}
	if exchanged {
		answer["issued_token_type"] = typeAccessToken
	}
	c.json(http.StatusOK, answer)
}

// badRequest is a refusal that Databricks was not recorded to give: its text is
// ours.
func badRequest(code, description string) *refusal {
	return &refusal{oauthError(http.StatusBadRequest, code, description), description}
}

// tokenRefused is the one answer that Databricks has for every subject token
// that it does not take, except for the audience.
func tokenRefused(reason, issuer, subject, audience string) *refusal {
	return &refusal{
		oauthError(http.StatusBadRequest, "invalid_grant", fmt.Sprintf(tokenInvalid, issuer, subject, audience)),
		reason,
	}
}
