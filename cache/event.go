package cache

import "time"

// Kind says what an [Event] reports.
type Kind string

// The kinds of events, and the fields they set beside Kind, Time and Key.
const (
	// RefreshStarted: the source is about to be called. Fingerprint and Expiry
	// are those of the token held.
	RefreshStarted Kind = "refresh_started"
	// RefreshSucceeded: a new token was stored. Duration, Fingerprint, Expiry,
	// NextRefresh.
	RefreshSucceeded Kind = "refresh_succeeded"
	// RefreshFailed: the source failed, or what it returned was of no use.
	// Duration, Failures, Err, NextRefresh; Fingerprint and Expiry of the token
	// that is still held.
	RefreshFailed Kind = "refresh_failed"
	// ServedStale: a token past its hard point was handed out because refreshes
	// fail. Once per token. Fingerprint, Expiry, Failures, Err, NextRefresh.
	ServedStale Kind = "served_stale"
	// Invalidated: the token held was refused by a server, or its key revoked.
	// Fingerprint, Expiry.
	Invalidated Kind = "invalidated"
	// ClockStepped: the wall clock has moved by more than 5 s against the
	// monotonic clock. Step.
	ClockStepped Kind = "clock_stepped"
	// ExpiryUnknown: the source returned a token without expiry; it will be used
	// for five minutes. Fingerprint, Expiry.
	ExpiryUnknown Kind = "expiry_unknown"
)

// Event reports what a cache did. It never contains a token.
type Event struct {
	Kind Kind
	Time time.Time // on the local wall clock
	Key  any       // the key in a Keyed; nil in a Cache

	Fingerprint string        // first 16 hexadecimal digits of the SHA-256 of the access token; empty: none
	Expiry      time.Time     // of that token; zero: none
	NextRefresh time.Time     // earliest time of the next refresh; zero: now, or one is under way
	Duration    time.Duration // from the start of the flight to its end
	Failures    int           // failed flights since the last success
	Err         error         // why the last one failed
	Step        time.Duration // positive: suspended, or the clock was set forward; negative: set back
}

// note queues an event, to be sent when the lock is released. It is to be called
// with s.mu held, after a look at the clock.
func (s *slot) note(ev Event) {
	if s.env.OnEvent == nil {
		return
	}
	ev.Time, ev.Key = s.clock.wall, s.key
	s.events = append(s.events, ev)
}

// about returns an event with what is known about the lease, which may be nil.
func (s *slot) about(kind Kind, l *lease) Event {
	ev := Event{Kind: kind}
	if s.env.OnEvent != nil && l != nil { // the hash costs more than all the rest
		ev.Fingerprint, ev.Expiry = l.fingerprint(), s.clock.date(l.expiry)
	}
	return ev
}

// unlock releases s.mu and sends the events that were queued under it.
func (s *slot) unlock() {
	events := s.events
	s.events = nil
	s.mu.Unlock()
	s.env.emit(events...)
}
