package exchange

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Bounds of what is believed about another machine's clock.
const (
	clockSamples   = 8
	clockSampleAge = time.Hour
	clockMaxRTT    = 10 * time.Second // a slower answer tells too little
	clockMaxOffset = 24 * time.Hour   // beyond that it is a hint, not a clock
	clockHintFrom  = 30 * time.Second
	clockStep      = 5 * time.Second // our own wall clock was set in between
)

// clock estimates the token endpoint's clock from the Date header of its
// answers (RFC 9110, section 6.6.1). It is used to judge absolute times in
// tokens and to explain errors, never to make anything live longer.
type clock struct {
	mu      sync.Mutex // guards samples; never held across a call
	samples [clockSamples]clockSample
	next    int
}

type clockSample struct {
	offset time.Duration // server minus local
	err    time.Duration // how wrong offset may be
	at     time.Time     // with its monotonic reading; zero for no sample
}

// observe takes a sample from an answer of the token endpoint itself.
func (c *clock) observe(a answer) {
	date, err := http.ParseTime(a.header.Get("Date"))
	rtt := a.received.Sub(a.sent)
	if err != nil || a.header.Get("Age") != "" || rtt < 0 || rtt > clockMaxRTT {
		return // no date, an answer out of a cache, or too slow a one
	}
	middle := a.received.Round(0).Add(-rtt / 2)
	s := clockSample{
		offset: date.Add(500 * time.Millisecond).Sub(middle), // Date has whole seconds
		err:    rtt/2 + 500*time.Millisecond,
		at:     a.received,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples[c.next%clockSamples] = s
	c.next++
}

// best returns the least uncertain sample that still holds at now.
func (c *clock) best(now time.Time) (s clockSample, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, candidate := range c.samples {
		if candidate.at.IsZero() || !candidate.holds(now) {
			continue
		}
		if !known || candidate.err < s.err {
			s, known = candidate, true
		}
	}
	return s, known
}

// holds is false for an old sample and for one from before our wall clock was
// set: then wall time and running time since the sample differ.
func (s clockSample) holds(now time.Time) bool {
	return credible(now.Sub(s.at), now.Round(0).Sub(s.at.Round(0)))
}

func credible(age, wall time.Duration) bool {
	return age <= clockSampleAge && (wall-age).Abs() <= clockStep
}

// serverTime returns the server's time at the local time now, and how wrong that
// may be.
func (c *clock) serverTime(now time.Time) (t time.Time, err time.Duration, known bool) {
	s, known := c.best(now)
	if !known || s.offset.Abs() > clockMaxOffset {
		return time.Time{}, 0, false
	}
	return now.Add(s.offset), s.err, true
}

// hint explains a clock that is off by more than it may.
func (c *clock) hint(now time.Time) string {
	s, known := c.best(now)
	if !known || s.offset.Abs() <= clockHintFrom+s.err {
		return ""
	}
	direction := "behind"
	if s.offset < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("the local clock is %v %s the token endpoint's; set it by NTP", s.offset.Abs().Round(time.Second), direction)
}

// offset returns server minus local time, or zero if it is not known.
func (c *clock) offset(now time.Time) time.Duration {
	s, _ := c.best(now)
	return s.offset
}
