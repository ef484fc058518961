package exchangetest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/brickfed/brickfed/internal/redact"
)

// Endpoint is a group of paths that the log, the faults and the outages speak
// of.
type Endpoint string

// The endpoints.
const (
	Metadata  Endpoint = "metadata"  // /.well-known/databricks-config
	Discovery Endpoint = "discovery" // …/.well-known/oauth-authorization-server
	Keys      Endpoint = "keys"      // /oidc/jwks.json
	Token     Endpoint = "token"     // …/v1/token
	API       Endpoint = "api"       // /api/…
	Other     Endpoint = "other"     // everything else: the login page
)

// maxLog is how many requests the log keeps, the last ones.
const maxLog = 10_000

// Request is one request that came in. It holds no credential: tokens, secrets
// and assertions are replaced by their fingerprints, the first 16 hexadecimal
// digits of their SHA-256.
type Request struct {
	Endpoint Endpoint
	Time     time.Time // by the server's clock
	Method   string
	Host     string
	Path     string
	Query    string      // raw, credentials redacted
	Header   http.Header // Authorization is the scheme and the fingerprint
	Chunked  bool        // the body came without a Content-Length
	Form     url.Values  // token requests only
	Unknown  []string    // form parameters that Databricks is not known to read, sorted
	Status   int         // of the answer; 0 while it is under way, and if the connection was dropped
	Reason   string      // why it was refused, more exactly than the answer says; empty if it was not
}

// Requests returns what came in so far, oldest first, at most the last 10,000:
// all of it, or what went to the given endpoints. Requests under way are among
// them. The result belongs to the caller.
func (s *Server) Requests(only ...Endpoint) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Request
	for _, r := range s.requests {
		if len(only) > 0 && !slices.Contains(only, r.Endpoint) {
			continue
		}
		copied := *r
		copied.Header = r.Header.Clone()
		copied.Form = url.Values(http.Header(r.Form).Clone())
		copied.Unknown = slices.Clone(r.Unknown)
		list = append(list, copied)
	}
	return list
}

// Count returns how many requests to one endpoint came in, all of them.
func (s *Server) Count(e Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[e]
}

func endpointOf(path string) Endpoint {
	switch {
	case path == "/.well-known/databricks-config":
		return Metadata
	case strings.HasSuffix(path, "/.well-known/oauth-authorization-server"):
		return Discovery
	case path == "/oidc/jwks.json":
		return Keys
	case strings.HasPrefix(path, "/oidc/") && strings.HasSuffix(path, "/v1/token"):
		return Token
	case strings.HasPrefix(path, "/api/"):
		return API
	}
	return Other
}

// log enters a request whose body has been read.
func (s *Server) log(c *call) {
	entry := &Request{
		Endpoint: endpointOf(c.URL.Path),
		Time:     c.now,
		Method:   c.Method,
		Host:     c.Host,
		Path:     redact.Text(c.URL.Path),
		Query:    redact.Text(c.URL.RawQuery),
		Header:   safeHeader(c.Header),
		Chunked:  c.ContentLength < 0,
	}
	if entry.Endpoint == Token && c.isForm() {
		form, _ := c.form() // an invalid form is logged as far as it goes
		entry.Form, entry.Unknown = safeForm(form)
	}
	c.entry = entry
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enter(entry)
}

// enter needs s.mu.
func (s *Server) enter(entry *Request) {
	s.counts[entry.Endpoint]++
	if len(s.requests) == maxLog {
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	s.requests = append(s.requests, entry)
}

func (s *Server) logStatus(c *call, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.entry.Status = status
}

// logReason notes why a request is refused.
func (s *Server) logReason(c *call, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.entry.Reason = redact.Text(reason)
}

func safeHeader(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
		for i, value := range h[name] {
			scheme, credential, found := strings.Cut(value, " ")
			if !found {
				scheme, credential = "", value
			}
			h[name][i] = strings.TrimSpace(scheme + " " + fingerprint(credential))
		}
	}
	return h
}

// secretParameters of a token request. See RFC 8693, section 2.1, RFC 7521,
// section 4, and RFC 6749, sections 2.3.1, 4.1.3 and 6.
var secretParameters = []string{
	"subject_token", "actor_token", "assertion", "client_assertion", "client_secret", "refresh_token", "code", "code_verifier", "password",
}

// knownParameters are those that Databricks' own clients send.
var knownParameters = []string{
	"grant_type", "subject_token", "subject_token_type", "scope", "client_id", "client_secret", "assume_group",
	"authorization_details", "custom_claim", "return_original_token_if_authenticated",
}

func safeForm(form url.Values) (safe url.Values, unknown []string) {
	safe = make(url.Values)
	for name, values := range form {
		for _, value := range values {
			if slices.Contains(secretParameters, name) {
				value = fingerprint(value)
			}
			safe.Add(redact.Text(name), redact.Text(value))
		}
		if !slices.Contains(knownParameters, name) {
			unknown = append(unknown, redact.Text(name))
		}
	}
	slices.Sort(unknown)
	return safe, unknown
}

// fingerprint names a credential without showing it, as oidc.Token does.
func fingerprint(credential string) string {
	sum := sha256.Sum256([]byte(credential))
	return hex.EncodeToString(sum[:8])
}
