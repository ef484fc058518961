package oidc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/brickfed/brickfed/internal/flight"
)

// Bounds of a reusing source.
const (
	maxReused   = 64               // audiences remembered
	mintTimeout = 30 * time.Second // one call of the inner source
)

// Reuse returns a source that hands out one token of src again until it has less
// than minRemaining left, by its own exp claim and the local clock, or until a
// server refused it, which an exchange tells by [Invalidator]. It is for
// several exchanges that may share one token; a single [Source] needs no cache,
// because what comes out of an exchange is cached.
//
// A token without exp is never kept: no lifetime is guessed. Concurrent callers
// who ask for the same audience share one call of src, which has 30 seconds,
// outlives the caller who started it and carries none of that caller's context
// values; each caller waits no longer than its own ctx. Errors are shared by
// those who wait, and not kept. The tokens of at most 64 audiences are kept. A
// negative minRemaining is zero. Wrapping a reusing source again does not nest:
// the longer minRemaining counts.
//
// The result is a [Minter] that does not mint, and is named after src.
func Reuse(src Source, minRemaining time.Duration) Source {
	minRemaining = max(minRemaining, 0)
	if inner, ok := src.(*reuse); ok {
		if minRemaining <= inner.min {
			return inner
		}
		src = inner.src
	}
	return &reuse{src: src, min: minRemaining, slots: make(map[string]*slot)}
}

type reuse struct {
	src Source
	min time.Duration

	mu    sync.Mutex // guards slots and their tokens; never held across a call
	slots map[string]*slot
}

// slot is what is known of one audience.
type slot struct {
	flight flight.Flight[*Token]
	token  *Token
}

// Token implements Source.
func (r *reuse) Token(ctx context.Context, audience string) (*Token, error) {
	if r.src == nil {
		return nil, errors.New("oidc: Reuse: the source is nil")
	}
	t, s := r.lookup(audience)
	if t != nil {
		return t, nil
	}
	return s.flight.Do(ctx, mintTimeout, func(ctx context.Context) (*Token, error) {
		if t := r.kept(s); t != nil {
			return t, nil // somebody was faster
		}
		t, err := ask(ctx, r.src, audience)
		if err == nil && !t.Expiry().IsZero() {
			r.keep(s, t)
		}
		return t, err
	})
}

// lookup returns the kept token if it is good, and else the slot to fill.
func (r *reuse) lookup(audience string) (*Token, *slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.slots[audience]
	if s == nil {
		if len(r.slots) >= maxReused {
			r.evict()
		}
		s = &slot{}
		r.slots[audience] = s
	}
	if r.good(s.token) {
		return s.token, s
	}
	return nil, s
}

// good reports whether a kept token may be handed out.
func (r *reuse) good(t *Token) bool {
	if t == nil {
		return false
	}
	left := time.Until(t.Expiry())
	return left > 0 && left >= r.min
}

func (r *reuse) kept(s *slot) *Token {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.good(s.token) {
		return s.token
	}
	return nil
}

// evict drops the audience whose token ends first, one without a token before
// all. A call under way in a dropped slot still serves those who wait for it.
func (r *reuse) evict() {
	var victim string
	var ends time.Time
	found := false
	for audience, s := range r.slots {
		var end time.Time
		if s.token != nil {
			end = s.token.Expiry()
		}
		if !found || end.Before(ends) {
			victim, ends, found = audience, end, true
		}
	}
	delete(r.slots, victim)
}

func (r *reuse) keep(s *slot, t *Token) {
	r.mu.Lock()
	s.token = t
	r.mu.Unlock()
}

// Invalidate implements Invalidator. The inner source may hold the token too.
func (r *reuse) Invalidate(refused *Token) {
	if refused == nil {
		return
	}
	r.drop(refused.Raw())
	invalidate(r.src, refused)
}

func (r *reuse) drop(raw string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		if s.token != nil && s.token.Raw() == raw {
			s.token = nil
		}
	}
}

// Mints implements Minter.
func (r *reuse) Mints() bool { return false }

// String names the inner source.
func (r *reuse) String() string {
	if r.src == nil {
		return "no source"
	}
	return fmt.Sprintf("%s (reused)", describe(r.src))
}
