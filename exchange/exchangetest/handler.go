package exchangetest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 256 << 10

// hostKind is what a host serves.
type hostKind string

const (
	workspaceHost hostKind = "workspace"
	accountHost   hostKind = "account"
	unifiedHost   hostKind = "unified"
)

// call is one request under way.
type call struct {
	*http.Request
	w      http.ResponseWriter
	kind   hostKind
	origin string // of the host asked, such as https://accounts.cloud.databricks.com
	now    time.Time
	body   []byte
	entry  *Request // in the log; guarded by Server.mu
}

// ServeHTTP serves every host: the Host header says which. It makes the server
// a handler for users who bring their own listener, for example one with TLS.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	s.calls.Add(1)
	s.mu.Unlock()
	defer s.calls.Done()

	c := s.newCall(w, r)
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	c.body = body
	c.Body = io.NopCloser(bytes.NewReader(body))
	s.log(c)
	recorder := &statusWriter{ResponseWriter: w}
	c.w = recorder
	defer func() { s.logStatus(c, recorder.status) }()
	switch {
	case err != nil:
		c.plain(http.StatusBadRequest, "cannot read the body")
	case len(body) > maxBody:
		c.plain(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	default:
		s.answer(c)
	}
}

func (s *Server) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{Request: r, w: w, kind: s.kindOf(r.Host), now: s.Now()}
	c.origin = "http://" + r.Host
	if r.TLS != nil || s.cfg.Pipe {
		c.origin = "https://" + r.Host
	}
	header := w.Header()
	header.Set("Date", c.now.UTC().Format(http.TimeFormat))
	header.Set("X-Request-Id", newUUID())
	if c.kind == workspaceHost {
		header.Set("X-Databricks-Org-Id", workspaceID(r.Host))
	}
	return c
}

// answer gives way to a fault or an outage, in this order, before it serves.
func (s *Server) answer(c *call) {
	endpoint := endpointOf(c.URL.Path)
	fault, out := s.nextFault(endpoint)
	switch {
	case fault != nil:
		fault.serve(c, func(w http.ResponseWriter) {
			c.w = w
			s.route(c, endpoint)
		})
	case out:
		unavailable(c.URL.Path).send(c.w)
	default:
		s.route(c, endpoint)
	}
}

func (s *Server) route(c *call, endpoint Endpoint) {
	switch endpoint {
	case Metadata:
		s.serveMetadata(c)
	case Discovery:
		s.serveDiscovery(c)
	case Keys:
		c.json(http.StatusOK, s.signer.keySet())
	case Token:
		s.serveToken(c)
	case API:
		s.serveAPI(c)
	default:
		// What a workspace says to a browser that is not logged in.
		recorded["login page"].send(c.w)
	}
}

func (s *Server) kindOf(host string) hostKind {
	switch {
	case host == s.hosts[accountHost] || strings.HasPrefix(host, "accounts.") || strings.HasPrefix(host, "accounts-dod."):
		return accountHost
	case host == s.hosts[unifiedHost]:
		return unifiedHost
	}
	return workspaceHost
}

// issuer is the base of the OAuth endpoints of the host asked, and the iss of
// the tokens that it issues.
func (s *Server) issuer(c *call) string {
	if c.kind == workspaceHost {
		return c.origin + "/oidc"
	}
	return c.origin + "/oidc/accounts/" + s.cfg.AccountID
}

func (c *call) json(status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		c.plain(http.StatusInternalServerError, "cannot marshal the answer")
		return
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(data)
}

func (c *call) plain(status int, text string) {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.w.WriteHeader(status)
	_, _ = io.WriteString(c.w, text)
}

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// workspaceID gives each workspace host a number of its own, always the same.
func workspaceID(host string) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, host)
	return fmt.Sprintf("71%010d", h.Sum32())
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// isForm reports whether the body is a form, whatever the charset parameter.
func (c *call) isForm() bool {
	mediaType, _, _ := strings.Cut(c.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded")
}

// form parses the body; parameters in the URL do not count.
func (c *call) form() (url.Values, error) { return url.ParseQuery(string(c.body)) }
