package cache

import (
	"context"
	"time"
)

const (
	// maxNap is how long KeepWarm sleeps at most: a machine that was suspended has
	// a new token this long after it woke up.
	maxNap = 10 * time.Second
	// minNap is how long it sleeps at least between two flights, should a source
	// return tokens that end at once.
	minNap = 100 * time.Millisecond
)

// KeepWarm keeps the token fresh although nobody asks for it, until ctx ends: it
// gets the first token at once and starts each refresh when it is due. So the
// first caller after a quiet night waits for nothing. It is optional; most
// services are busy enough to do without.
//
// It blocks, waking up every ten seconds or less, and returns the cause of the end
// of ctx, never nil. Failures do not end it: they are in [Status] and [Event], and
// delays between attempts are the same as with callers.
func (c *Cache) KeepWarm(ctx context.Context) error {
	timer := time.NewTimer(maxNap)
	defer timer.Stop()
	for ctx.Err() == nil {
		landed, nap := c.slot.tend(c.source)
		timer.Reset(nap)
		select {
		case <-landed:
			timer.Reset(minNap)
		case <-timer.C:
			continue
		case <-ctx.Done():
			continue
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// tend starts a flight if one is due. It returns when to come back: at the end of
// the flight under way, if there is one, and after a time.
func (s *slot) tend(src Source) (landed <-chan struct{}, nap time.Duration) {
	s.mu.Lock()
	defer s.unlock()
	s.look()
	now, due := s.clock.elapsed, s.dueAt()
	if s.flight == nil && now >= due {
		s.start(src)
	}
	if s.flight != nil {
		return s.flight.done, maxNap
	}
	return nil, min(due-now, maxNap)
}
