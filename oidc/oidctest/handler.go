package oidctest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxForm     = 1 << 20 // bytes of a token request
	maxRequests = 10_000  // requests remembered
)

// ServeHTTP answers the provider's endpoints, so that it may be mounted in
// another server too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint, own := s.route(r.URL.Path)
	if endpoint == "" {
		http.NotFound(w, r)
		return
	}
	if endpoint == Token {
		// Read now: a faulty answer must not depend on the form either.
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		_ = r.ParseForm()
	}
	seen := &recorder{ResponseWriter: w}
	entry := s.record(endpoint, r)
	defer func() { // also if a fault ends the connection
		s.mu.Lock()
		entry.Status = seen.status
		s.mu.Unlock()
	}()
	seen.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	if f, ok := s.fault(endpoint); ok {
		s.play(seen, r, f, own)
		return
	}
	own.ServeHTTP(seen, r)
}

// route finds the endpoint of a path.
func (s *Server) route(path string) (Endpoint, http.Handler) {
	for e, h := range map[Endpoint]http.HandlerFunc{
		Discovery: s.serveMetadata, Metadata: s.serveMetadata, Keys: s.serveKeys, Token: s.serveToken,
	} {
		if e == Discovery && s.cfg.OAuthOnly {
			continue
		}
		if u, err := url.Parse(s.URL(e)); err == nil && u.Path == path {
			return e, h
		}
	}
	return "", nil
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// record notes a request when it comes in.
func (s *Server) record(e Endpoint, r *http.Request) *Request {
	form := maps.Clone(r.PostForm)
	form.Del("client_secret")
	form.Del("client_assertion")
	entry := &Request{Endpoint: e, Time: time.Now(), Method: r.Method, Path: r.URL.Path, Form: form}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	s.requests = append(s.requests, entry)
	s.counts[entry.Endpoint]++
	return entry
}

func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.issuer,
		"token_endpoint":                        s.URL(Token),
		"jwks_uri":                              s.URL(Keys),
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{s.cfg.Algorithm},
		"grant_types_supported":                 []string{"client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
	})
}

func (s *Server) serveKeys(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	keys := make([]map[string]any, len(s.keys))
	for i, k := range s.keys {
		keys[i] = k.jwk()
	}
	s.mu.Unlock()
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "public, max-age=600")
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// serveToken answers the client credentials grant. See RFC 6749, section 4.4.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	client, refusal := s.authenticate(r)
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "invalid_request", "use POST")
	case refusal != "":
		if r.Header.Get("Authorization") != "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="oidctest"`)
		}
		refuse(w, http.StatusUnauthorized, "invalid_client", refusal)
	case r.PostForm.Get("grant_type") != "client_credentials":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "only client_credentials is offered")
	default:
		s.grant(w, r.PostForm, client)
	}
}

// authenticate finds out which client asks, or says why it refuses it. See RFC
// 6749, section 2.3.1.
func (s *Server) authenticate(r *http.Request) (c Client, refusal string) {
	id, secret, basic := r.BasicAuth()
	if basic {
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err1 != nil || err2 != nil {
			return c, "the Basic credentials are not form-encoded"
		}
		if r.PostForm.Has("client_secret") {
			return c, "two authentication methods at once"
		}
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.ID != id {
			continue
		}
		if len(c.Secrets) == 0 && secret == "" || secret != "" && slices.Contains(c.Secrets, secret) {
			return c, ""
		}
		return Client{}, "wrong client secret"
	}
	return c, "no such client"
}

func (s *Server) grant(w http.ResponseWriter, form url.Values, c Client) {
	scope := form.Get("scope")
	access, err := s.accessToken(form, c, scope)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	answer := map[string]any{
		"access_token": access,
		"token_type":   "Bearer",
		"expires_in":   int(s.cfg.TokenLifetime / time.Second),
	}
	if scope != "" {
		answer["scope"] = scope
	}
	if slices.Contains(strings.Fields(scope), "openid") {
		claims := map[string]any{"sub": c.ID, "aud": c.ID}
		maps.Copy(claims, c.Claims)
		if answer["id_token"], err = s.Sign(claims); err != nil {
			refuse(w, http.StatusInternalServerError, "server_error", err.Error())
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, answer)
}

// accessToken makes a JWT access token. See RFC 9068, section 2.2.
func (s *Server) accessToken(form url.Values, c Client, scope string) (string, error) {
	if s.cfg.Opaque {
		return "opaque-" + rand.Text(), nil
	}
	claims := map[string]any{"sub": c.ID, "client_id": c.ID, "aud": audience(form, c, scope)}
	if scope != "" {
		claims["scope"] = scope
	}
	maps.Copy(claims, c.Claims)
	return s.SignWith(map[string]any{"typ": "at+jwt"}, claims)
}

// audience follows the request's resource (RFC 8707), audience (as Auth0) or
// scope (as Entra ID), in this order, and else the client's registration.
func audience(form url.Values, c Client, scope string) any {
	if resources := form["resource"]; len(resources) == 1 {
		return resources[0]
	} else if len(resources) > 1 {
		return resources
	}
	if wanted := form.Get("audience"); wanted != "" {
		return wanted
	}
	for _, one := range strings.Fields(scope) {
		if app, ok := strings.CutSuffix(one, "/.default"); ok {
			return app
		}
	}
	if c.Audience != "" {
		return c.Audience
	}
	return DefaultAudience
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]any{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}
