package oidctest

import (
	"net/http"
	"strings"
	"time"
)

// Endpoint names a part of the provider, for [Server.URL], [Server.Fail] and
// [Server.Count].
type Endpoint string

// The endpoints.
const (
	Discovery Endpoint = "discovery" // OpenID Connect Discovery 1.0
	Metadata  Endpoint = "metadata"  // RFC 8414
	Keys      Endpoint = "keys"      // the key set, RFC 7517
	Token     Endpoint = "token"     // the token endpoint, RFC 6749
)

// Fault is what goes wrong with a request. The zero Fault changes nothing. A
// Fault with only Times, Delay and Header lets the provider answer as ever,
// slowly and with that header on top.
type Fault struct {
	// Times is how many requests it hits: 0 means one, a negative number all.
	Times int

	// Delay passes before anything else happens.
	Delay time.Duration

	// Hang never answers. It ends when the client goes away or the server closes.
	Hang bool

	// Drop closes the connection without an answer. Go's HTTP client repeats a
	// GET then if it used the connection before, so one request may use up two.
	Drop bool

	// Status is the status of the answer. Default: 200 if Body, Size or Handler is
	// set, else the provider's own answer.
	Status int

	// Header is set on the answer.
	Header http.Header

	// Body is the answer's body.
	Body string

	// Size pads the body with spaces to that many bytes.
	Size int

	// Drip pauses before each byte of the body.
	Drip time.Duration

	// Handler answers instead.
	Handler http.Handler
}

// Fail lets the next requests to an endpoint meet these faults, one fault after
// the other, each as often as its Times says. They queue behind those already
// there.
func (s *Server) Fail(e Endpoint, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults[e] = append(s.faults[e], &f)
	}
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	clear(s.faults)
	s.mu.Unlock()
}

// fault takes the next fault of an endpoint.
func (s *Server) fault(e Endpoint) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.faults[e]
	if len(queue) == 0 {
		return Fault{}, false
	}
	f := queue[0]
	if f.Times > 0 {
		if f.Times--; f.Times == 0 {
			s.faults[e] = queue[1:]
		}
	}
	return *f, true
}

// answersItself reports whether the provider's own answer is replaced.
func (f Fault) answersItself() bool {
	return f.Status != 0 || f.Body != "" || f.Size > 0 || f.Handler != nil
}

// play answers a request with the fault, or lets own answer it.
func (s *Server) play(w http.ResponseWriter, r *http.Request, f Fault, own http.Handler) {
	if !s.pause(r, f.Delay) {
		panic(http.ErrAbortHandler)
	}
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
	}
	if f.Hang || f.Drop {
		panic(http.ErrAbortHandler) // closes the connection without a word
	}
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	switch {
	case f.Handler != nil:
		f.Handler.ServeHTTP(w, r)
	case f.answersItself():
		s.write(w, r, f)
	default:
		own.ServeHTTP(w, r)
	}
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, f Fault) {
	if f.Status != 0 {
		w.WriteHeader(f.Status)
	}
	body := f.Body + strings.Repeat(" ", max(f.Size-len(f.Body), 0))
	if f.Drip <= 0 {
		_, _ = w.Write([]byte(body))
		return
	}
	flusher := http.NewResponseController(w)
	for i := range len(body) {
		if !s.pause(r, f.Drip) {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte{body[i]})
		_ = flusher.Flush()
	}
}

// pause waits, and reports false if the client or the server goes away first.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.closed:
	}
	return false
}
