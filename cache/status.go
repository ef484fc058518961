package cache

import "time"

// Status is the state of a [Cache] at one moment.
type Status struct {
	// Ready reports that a call of Token would return a token, if need be one that
	// is past its hard point. It is false before the first token has come; with
	// KeepWarm that needs no caller.
	Ready bool
	// Refreshing reports that the source is being called.
	Refreshing bool
	// Expiry is the end of the token held. Zero: there is none, or a server has
	// refused it.
	Expiry time.Time
	// NextRefresh is the time from which on a call of Token, or KeepWarm, asks the
	// source. Zero: from now on, or it is being asked.
	NextRefresh time.Time
	// Failures is the number of refreshes that have failed since the last success,
	// and LastError why the last of them did. It is nil if there were none.
	Failures  int
	LastError error

	// What has happened since New. Tokens handed out are not counted: that would
	// cost the callers more than the token.
	Refreshes   uint64 // calls of the source begun
	Failed      uint64 // of these, how many failed
	Stale       uint64 // tokens handed out past their hard point
	Invalidated uint64 // tokens refused by a server
	ClockSteps  uint64 // times that the wall clock had stepped, or the machine slept
}

// counts are the numbers of a Status.
type counts struct {
	refreshes, failed, stale, invalidated, clockSteps uint64
}

// Status returns the present state, for example for a readiness probe. It does
// not call the source, and takes the lock that callers take once a second.
func (c *Cache) Status() Status { return c.slot.status() }

func (s *slot) status() Status {
	s.mu.Lock()
	defer s.unlock()
	s.look()
	l := s.held.Load()
	st := Status{
		Ready:       l.usable(s.clock.elapsed),
		Refreshing:  s.flight != nil,
		NextRefresh: s.nextRefresh(),
		Failures:    s.backoff.failures,
		LastError:   s.backoff.err,
		Refreshes:   s.counts.refreshes,
		Failed:      s.counts.failed,
		Stale:       s.counts.stale,
		Invalidated: s.counts.invalidated,
		ClockSteps:  s.counts.clockSteps,
	}
	if l != nil && !l.void.Load() {
		st.Expiry = s.clock.date(l.expiry)
	}
	return st
}

// nextRefresh returns when the next flight may start. Zero: from now on, or one is
// under way.
func (s *slot) nextRefresh() time.Time {
	if due := s.dueAt(); due > s.clock.elapsed {
		return s.clock.date(due)
	}
	return time.Time{}
}

// servedStale counts a token handed out past its hard point, and reports the
// first time.
func (s *slot) servedStale(l *lease) {
	s.counts.stale++
	if l.stale {
		return
	}
	l.stale = true
	ev := s.about(ServedStale, l)
	ev.Failures, ev.Err = s.backoff.failures, s.backoff.err
	ev.NextRefresh = s.nextRefresh()
	s.note(ev)
}
