package cache

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// flightTimeout is long enough for three attempts, and short enough that a dead
// connection does not hold up callers for ever.
const flightTimeout = 30 * time.Second

// A flight is one call of the source on behalf of everybody.
type flight struct {
	sent   time.Duration // when it began
	wall   time.Time     // the same on the wall clock
	cancel context.CancelFunc
	landed bool // guarded by the slot's mu

	done chan struct{} // closed when the flight is over and the next two are final
	// The result: exactly one of the two.
	lease *lease
	err   error
}

// onceSource is the optional part of a [Source].
type onceSource interface {
	TokenOnce(ctx context.Context) (*oauth2.Token, error)
}

// start begins a flight. To be called with s.mu held, after a look at the clock.
func (s *slot) start(src Source) {
	now, l := s.clock.elapsed, s.held.Load()
	ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
	s.flight = &flight{sent: now, wall: s.clock.wall, cancel: cancel, done: make(chan struct{})}
	if s.forced {
		s.forced, s.nextForced = false, now+forcedEvery
	}
	s.counts.refreshes++
	started := s.about(RefreshStarted, l)
	started.Time, started.Key = s.clock.wall, s.key
	go s.fly(ctx, s.flight, src, l.usable(now), started)
}

// fly calls the source and makes sure that the flight ends, come what may.
func (s *slot) fly(ctx context.Context, fl *flight, src Source, warm bool, started Event) {
	defer fl.cancel()
	stop := context.AfterFunc(ctx, func() { s.land(fl, nil, errTimeLimit) })
	s.env.emit(started) // here, so that it comes before the end of the same flight

	var tok *oauth2.Token
	err := errGoexit // this stays if the source calls runtime.Goexit
	defer func() {
		if v := recover(); v != nil {
			err = panicError(v)
		}
		stop()
		s.land(fl, tok, err)
	}()
	tok, err = call(ctx, src, warm)
}

func call(ctx context.Context, src Source, warm bool) (*oauth2.Token, error) {
	if once, ok := src.(onceSource); ok && warm {
		return once.TokenOnce(ctx)
	}
	return src.Token(ctx)
}

// land ends the flight. A flight lands twice if its source did not respect the
// time limit: the second time nobody waits any more.
func (s *slot) land(fl *flight, tok *oauth2.Token, err error) {
	s.mu.Lock()
	late := fl.landed
	fl.landed = true
	if !late {
		s.flight = nil
		defer close(fl.done) // after the events were sent
	}
	defer s.unlock()
	if s.closed != nil {
		return
	}
	s.look()
	var l *lease
	if err == nil {
		l, err = s.admit(fl, tok)
	}
	switch {
	case late && (err != nil || s.superseded(l)):
	case late:
		s.store(l)
	case err != nil:
		fl.err = s.fail(fl, err)
	default:
		fl.lease = l
		s.store(l)
	}
}

// admit checks what the source has returned.
func (s *slot) admit(fl *flight, tok *oauth2.Token) (*lease, error) {
	switch {
	case tok == nil:
		return nil, errNoToken
	case tok.AccessToken == "":
		return nil, errNoAccess
	case s.refused.has(tok.AccessToken):
		return nil, errRefused
	}
	ttl, guessed := unknownTTL, tok.Expiry.IsZero()
	if !guessed {
		ttl = min(tok.Expiry.Round(0).Sub(fl.wall), maxTTL)
	}
	if age := s.clock.elapsed - fl.sent; age >= ttl {
		return nil, fmt.Errorf("the source returned a token that has expired %v ago: check the clocks, and that the source does not keep old tokens", age-ttl)
	}
	soft, hard := plan(ttl, s.env.MinRemaining, s.env.random())
	cp := *tok // the source may have kept the original
	cp.Expiry = fl.wall.Add(ttl)
	return &lease{
		tok:     &cp,
		sent:    fl.sent,
		soft:    fl.sent + soft,
		hard:    fl.sent + hard,
		expiry:  fl.sent + ttl,
		guessed: guessed,
	}, nil
}

// superseded reports whether the token that came late is no better than the one
// that came from a later flight.
func (s *slot) superseded(l *lease) bool {
	h := s.held.Load()
	return h != nil && !h.void.Load() && h.sent > l.sent && h.expiry >= l.expiry
}

// store puts the token in the place of the one held. The next caller opens the
// fast path.
func (s *slot) store(l *lease) {
	s.backoff, s.forced = backoff{}, false
	s.held.Store(l)
	ev := s.about(RefreshSucceeded, l)
	ev.Duration = s.clock.elapsed - l.sent
	ev.NextRefresh = s.nextRefresh()
	s.note(ev)
	if l.guessed {
		s.note(s.about(ExpiryUnknown, l))
	}
}

// fail remembers the failure and returns it in the form for those who waited.
func (s *slot) fail(fl *flight, err error) *Error {
	s.backoff.fail(s.clock.elapsed, err, s.env.random)
	s.counts.failed++
	l := s.held.Load()
	if l != nil {
		l.until.Store(0) // the fast path must come back for the next attempt
	}
	ev := s.about(RefreshFailed, l)
	ev.Duration = s.clock.elapsed - fl.sent
	ev.Failures, ev.Err = s.backoff.failures, err
	ev.NextRefresh = s.nextRefresh()
	s.note(ev)
	return s.failure()
}

// panicError makes an error of a panic of the source. It names the place, and of
// the value only the type unless it is an error: it might be a secret.
func panicError(v any) error {
	if err, ok := v.(error); ok {
		return fmt.Errorf("the source panicked in %s: %w", panicSite(), err)
	}
	return fmt.Errorf("the source panicked in %s with a value of type %T", panicSite(), v)
}

// panicSite returns function, file and line that panicked. To be called while
// panicking.
func panicSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	f, more := frames.Next()
	for more && f.Function != "runtime.gopanic" {
		f, more = frames.Next()
	}
	for more && strings.HasPrefix(f.Function, "runtime.") {
		f, more = frames.Next()
	}
	return fmt.Sprintf("%s (%s:%d)", f.Function, filepath.Base(f.File), f.Line)
}
