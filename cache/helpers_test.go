package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

var errDown = errors.New("token endpoint: 503")

// idp is a token endpoint in a bubble: it issues t1, t2, … It is set up before use
// and may be called by many.
type idp struct {
	ttl   time.Duration // default an hour; negative: tokens without expiry
	delay time.Duration // how long an answer takes
	fail  func() error  // asked when the answer is due; nil: never fails
	wall  *wallClock    // of the machine, if it differs from that of the bubble

	mu    sync.Mutex
	calls []time.Time // when each call came
}

func (p *idp) Token(ctx context.Context) (*oauth2.Token, error) {
	p.mu.Lock()
	now := time.Now()
	p.calls = append(p.calls, now)
	n := len(p.calls)
	p.mu.Unlock()
	if p.wall != nil {
		now = p.wall.now()
	}
	if p.delay > 0 {
		select {
		case <-time.After(p.delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if p.fail != nil {
		if err := p.fail(); err != nil {
			return nil, err
		}
	}
	tok := &oauth2.Token{AccessToken: fmt.Sprintf("t%d", n)}
	switch {
	case p.ttl == 0:
		tok.Expiry = now.Add(time.Hour)
	case p.ttl > 0:
		tok.Expiry = now.Add(p.ttl)
	}
	return tok, nil
}

func (p *idp) n() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// at returns when the i-th call came, counted from start; the first has i = 0.
func (p *idp) at(i int, start time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[i].Sub(start)
}

// between returns the fail function of an outage.
func between(from, to time.Time, err error) func() error {
	return func() error {
		if now := time.Now(); now.Before(from) || !now.Before(to) {
			return nil
		}
		return err
	}
}

// switchable returns the fail function of an outage that is turned on and off.
func switchable() (down *atomic.Bool, fail func() error) {
	down = new(atomic.Bool)
	return down, func() error {
		if down.Load() {
			return errDown
		}
		return nil
	}
}

// always returns a source of randomness that is not random.
func always(u float64) func() float64 { return func() float64 { return u } }

// seeded returns one that is, but the same each time.
func seeded(seed uint64) func() float64 {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 0))
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Float64()
	}
}

// recorder collects events.
type recorder struct {
	mu     sync.Mutex
	events []cache.Event
}

func (r *recorder) on(ev cache.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

func (r *recorder) all() []cache.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]cache.Event(nil), r.events...)
}

func (r *recorder) kinds() []cache.Kind {
	var kinds []cache.Kind
	for _, ev := range r.all() {
		kinds = append(kinds, ev.Kind)
	}
	return kinds
}

func (r *recorder) count(kind cache.Kind) int {
	n := 0
	for _, k := range r.kinds() {
		if k == kind {
			n++
		}
	}
	return n
}

// tokener is a Cache, or one key of a Keyed.
type tokener interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// want asks for a token and compares its name.
func want(t *testing.T, c tokener, name string) *oauth2.Token {
	t.Helper()
	tok, err := c.Token(t.Context())
	if err != nil {
		t.Fatalf("Token: %v, want %s", err, name)
	}
	if tok.AccessToken != name {
		t.Fatalf("Token: got %s, want %s", tok.AccessToken, name)
	}
	return tok
}

// wantErr asks for a token and expects an error that wraps the target.
func wantErr(t *testing.T, c tokener, target error) {
	t.Helper()
	_ = errFrom(t, c, target)
}

// errFrom is wantErr for those who look at the error.
func errFrom(t *testing.T, c tokener, target error) error {
	t.Helper()
	tok, err := c.Token(t.Context())
	if tok != nil || !errors.Is(err, target) {
		t.Fatalf("Token: got %v, %v; want no token and %v", tok, err, target)
	}
	return err
}

// took measures f by the clock of the bubble.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func ctxFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// countCalls is a source around another.
type countCalls struct {
	cache.Source
	n *int
}

func (c countCalls) Token(ctx context.Context) (*oauth2.Token, error) {
	*c.n++
	return c.Source.Token(ctx)
}
