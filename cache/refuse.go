package cache

import (
	"crypto/sha256"
	"slices"

	"golang.org/x/oauth2"
)

// maxRefusals is the number of refused tokens that a slot remembers. A source
// that returns a token which was refused longer ago gets it refused once more.
const maxRefusals = 8

// refusals are the hashes of the access tokens that were refused last.
type refusals [][sha256.Size]byte

func (r refusals) has(accessToken string) bool {
	return len(r) > 0 && slices.Contains(r, sha256.Sum256([]byte(accessToken)))
}

func (r *refusals) add(accessToken string) {
	if r.has(accessToken) {
		return
	}
	if len(*r) == maxRefusals {
		*r = slices.Delete(*r, 0, 1)
	}
	*r = append(*r, sha256.Sum256([]byte(accessToken)))
}

// invalidate takes a refused token out of use.
func (s *slot) invalidate(tok *oauth2.Token) {
	if tok == nil {
		return
	}
	s.mu.Lock()
	defer s.unlock()
	l := s.held.Load()
	held := l.is(tok)
	if held || s.flight != nil { // the flight may bring it, or bring it back
		s.refused.add(tok.AccessToken)
	}
	if !held || l.void.Load() {
		return
	}
	s.look()
	l.revoke()
	s.forced = true
	s.counts.invalidated++
	s.note(s.about(Invalidated, l))
}

// revoke takes the slot out of use, with its token and the flight under way.
func (s *slot) revoke() {
	s.mu.Lock()
	defer s.unlock()
	s.look()
	l := s.retire(ErrRevoked)
	if fl := s.flight; fl != nil {
		s.flight, fl.landed, fl.err = nil, true, ErrRevoked
		close(fl.done)
		fl.cancel()
		s.note(Event{
			Kind:     RefreshFailed,
			Duration: s.clock.elapsed - fl.sent,
			Failures: s.backoff.failures,
			Err:      ErrRevoked,
		})
	}
	s.note(s.about(Invalidated, l))
}

// evict takes the slot out of use unless a flight is under way: callers wait for
// that, and revoke could not reach it any more.
func (s *slot) evict() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return false
	}
	s.retire(errEvicted)
	return true
}

// retire closes the slot. Nobody gets its token any more: not from the slot, and
// not by having been on the way when it left the cache.
func (s *slot) retire(reason error) *lease {
	s.closed = reason
	l := s.held.Swap(nil)
	if l != nil {
		l.revoke()
	}
	return l
}

// spent reports whether the slot is worth nothing: its token has expired or its
// failure is forgotten, and nobody is waiting.
func (s *slot) spent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clock // a copy: to read the time without consequences
	c.look(s.env)
	l := s.held.Load()
	if s.flight != nil || l == nil && s.backoff.failures == 0 { // in use, or new
		return false
	}
	return (l == nil || c.elapsed >= l.expiry) && c.elapsed >= s.backoff.next(false)
}
