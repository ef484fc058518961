package exchangetest

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is what goes wrong with a request. The zero Fault changes nothing; with
// Header, Delay, Drip or Chunked alone the server gives its own answer, so
// changed.
type Fault struct {
	// Times is how many requests meet it: 0 means one, a negative number all.
	Times int

	// Delay passes before anything else happens.
	Delay time.Duration

	// Hang never answers. It ends when the client goes away or the server closes.
	Hang bool

	// Drop closes the connection without an answer.
	Drop bool

	// Status is the status of the answer. Default: 200 if Body or Size is set,
	// else the server's own answer is given.
	Status int

	// Header is set on the answer; a name without values is deleted, Date too.
	Header http.Header

	// Body is the answer's body.
	Body string

	// Size pads the body with spaces to that many bytes.
	Size int

	// Drip pauses before each byte of the body.
	Drip time.Duration

	// Chunked sends the body in two chunks without a Content-Length.
	Chunked bool

	// Handler answers instead. It can read the body of the request, with the
	// tokens in it, though the server has read it before.
	Handler http.Handler
}

// Fail lets the next requests to an endpoint meet these faults, one fault after
// the other, each as often as its Times says. They queue behind those already
// there.
func (s *Server) Fail(e Endpoint, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[e] = append(s.faults[e], faults...)
}

// Heal removes all faults and ends all outages.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
	clear(s.outage)
}

// SetOutage lets endpoints answer 503, or ends that. Without endpoints it means
// the token endpoint, discovery and metadata, which break together.
func (s *Server) SetOutage(on bool, endpoints ...Endpoint) {
	if len(endpoints) == 0 {
		endpoints = []Endpoint{Token, Discovery, Metadata}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range endpoints {
		s.outage[e] = on
	}
}

// nextFault takes one use of the first fault in the queue.
func (s *Server) nextFault(e Endpoint) (fault *Fault, out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.faults[e]
	if len(queue) == 0 {
		return nil, s.outage[e]
	}
	f := queue[0]
	switch {
	case f.Times < 0:
	case f.Times > 1:
		queue[0].Times--
	default:
		s.faults[e] = slices.Clone(queue[1:])
	}
	return &f, false
}

// serve answers a call with the fault; own writes the server's own answer.
func (f *Fault) serve(c *call, own func(http.ResponseWriter)) {
	gone := !sleep(c, f.Delay)
	if f.Hang && !gone {
		<-c.Context().Done()
	}
	if gone || f.Hang || f.Drop {
		panic(http.ErrAbortHandler) // net/http closes the connection and says nothing
	}
	w := &faultWriter{ResponseWriter: c.w, call: c, fault: f}
	switch {
	case f.Handler != nil:
		f.Handler.ServeHTTP(w, c.Request)
	case f.Status == 0 && f.Body == "" && f.Size == 0:
		own(w)
	default:
		f.send(w)
	}
}

// send writes Status, Header and Body.
func (f Fault) send(w http.ResponseWriter) {
	switch {
	case strings.HasPrefix(f.Body, "{") || strings.HasPrefix(f.Body, "["):
		w.Header().Set("Content-Type", "application/json")
	case strings.HasPrefix(f.Body, "<"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	setHeader(w.Header(), f.Header)
	if f.Status == 0 {
		f.Status = http.StatusOK
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body+strings.Repeat(" ", max(f.Size-len(f.Body), 0)))
}

// setHeader copies from onto h. net/http leaves out a name with a nil value,
// its own Date too.
func setHeader(h, from http.Header) {
	for name, values := range from {
		name = http.CanonicalHeaderKey(name)
		if h[name] = slices.Clone(values); len(values) == 0 {
			h[name] = nil
		}
	}
}

// faultWriter adds a fault's Header, Chunked and Drip to any answer.
type faultWriter struct {
	http.ResponseWriter
	call  *call
	fault *Fault
	wrote bool
}

func (w *faultWriter) WriteHeader(status int) {
	w.wrote = true
	setHeader(w.Header(), w.fault.Header)
	w.ResponseWriter.WriteHeader(status)
}

func (w *faultWriter) Write(data []byte) (n int, err error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	step := len(data)
	switch {
	case w.fault.Drip > 0:
		step = 1
	case w.fault.Chunked:
		step = (len(data) + 1) / 2
	}
	for piece := range slices.Chunk(data, max(step, 1)) {
		if !sleep(w.call, w.fault.Drip) {
			panic(http.ErrAbortHandler)
		}
		m, err := w.ResponseWriter.Write(piece)
		if n += m; err != nil {
			return n, err
		}
		if w.fault.Drip > 0 || w.fault.Chunked {
			_ = http.NewResponseController(w.ResponseWriter).Flush()
		}
	}
	return n, nil
}

// sleep waits and reports false if the client left or the server closed first.
func sleep(c *call, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.Context().Done():
		return false
	}
}
