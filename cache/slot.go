package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// A slot keeps one token fresh: the one of a Cache, or of one key of a Keyed.
type slot struct {
	env  *env
	key  any                   // in a Keyed, else nil
	held atomic.Pointer[lease] // the last token, or nil; stored with mu held

	mu         sync.Mutex // guards all that follows; never held while calling out
	clock      clock
	flight     *flight       // the call of the source under way, or nil
	backoff    backoff       // failures since the last success
	forced     bool          // the token held was refused, and no flight has begun since
	nextForced time.Duration // earliest start of the next flight begun for that reason
	refused    refusals
	closed     error // why the slot is not in use any more, or nil
	counts     counts
	events     []Event // to be sent by unlock
}

func (s *slot) init(e *env, key any) {
	s.env, s.key, s.clock = e, key, newClock(e)
}

// hit returns the token if it may be handed out unseen: the fast path. It takes
// no lock, allocates nothing, and reads only the monotonic clock.
func (s *slot) hit() *oauth2.Token {
	l := s.held.Load()
	if l == nil || int64(s.env.mono()) >= l.until.Load() {
		return nil
	}
	return l.tok
}

// token is the slow path: it looks at both clocks, starts a flight if one is due,
// and waits for it if it must.
func (s *slot) token(ctx context.Context, src Source) (*oauth2.Token, error) {
	fl, tok, err := s.decide(ctx, src)
	if fl == nil {
		return tok, err
	}
	return s.await(ctx, fl, src)
}

// decide returns a flight to wait for, or a token, or an error.
func (s *slot) decide(ctx context.Context, src Source) (*flight, *oauth2.Token, error) {
	s.mu.Lock()
	defer s.unlock()
	if s.closed != nil {
		return nil, nil, s.closed
	}
	s.look()
	now, l := s.clock.elapsed, s.held.Load()
	usable := l.usable(now)
	due := s.flight == nil && now >= s.dueAt()
	switch {
	case l.fresh(now), usable && s.backoff.failures > 0: // nobody has to wait
		if due {
			s.start(src)
			if s.env.DisableAsync { // nobody but this one caller
				return s.flight, nil, nil
			}
		}
		return nil, s.serve(l), nil
	case s.flight == nil && !due: // no use in waiting
		return nil, nil, s.failure()
	case ctx.Err() != nil && usable: // no time to wait
		return nil, s.serve(l), nil
	case ctx.Err() != nil:
		return nil, nil, waitError(ctx)
	case due:
		s.start(src)
	}
	return s.flight, nil, nil
}

// await waits for the end of the flight or of ctx.
func (s *slot) await(ctx context.Context, fl *flight, src Source) (*oauth2.Token, error) {
	select {
	case <-fl.done:
	case <-ctx.Done():
	}
	var err error
	select {
	case <-fl.done: // even if ctx has ended as well
		switch {
		case fl.err != nil:
			err = fl.err
		case fl.lease.void.Load(): // refused or revoked before we woke up
			return s.token(ctx, src)
		default:
			return fl.lease.tok, nil
		}
	default:
		err = waitError(ctx)
	}
	if tok := s.fallback(); tok != nil {
		return tok, nil
	}
	return nil, err
}

// fallback returns the token held if it is better than an error.
func (s *slot) fallback() *oauth2.Token {
	s.mu.Lock()
	defer s.unlock()
	s.look()
	if l := s.held.Load(); l.usable(s.clock.elapsed) {
		return s.serve(l)
	}
	return nil
}

// look reads the clocks. To be called with s.mu held, like all that follows.
func (s *slot) look() {
	if step := s.clock.look(s.env); step.Abs() > clockStep {
		s.counts.clockSteps++
		s.note(Event{Kind: ClockStepped, Step: step})
	}
}

// dueAt returns the earliest point at which a flight may start.
func (s *slot) dueAt() time.Duration {
	now, l := s.clock.elapsed, s.held.Load()
	at := s.allowedAt(l.usable(now))
	if l.fresh(now) {
		at = max(at, l.soft)
	}
	return at
}

// allowedAt is the same without regard to whether there is a need for a flight.
func (s *slot) allowedAt(usable bool) time.Duration {
	at := s.backoff.next(usable)
	if s.forced {
		at = max(at, s.nextForced)
	}
	return at
}

// serve hands out a usable token. While it is fresh, it opens the fast path up to
// the next point at which there is something to do or to see.
func (s *slot) serve(l *lease) *oauth2.Token {
	if !l.fresh(s.clock.elapsed) {
		s.servedStale(l)
		return l.tok
	}
	next := l.hard
	if s.flight == nil {
		next = min(next, s.dueAt())
	}
	l.until.Store(int64(s.clock.mono + min(next-s.clock.elapsed, maxBlind)))
	return l.tok
}

// failure returns the error for callers that cannot have a token and for whom the
// source is not asked.
func (s *slot) failure() *Error {
	err := s.backoff.err
	if err == nil {
		err = errDemanded
	}
	return &Error{Err: err, NextAttempt: s.clock.date(s.allowedAt(false))}
}
