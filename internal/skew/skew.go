// Package skew estimates another machine's clock from the Date header of its
// answers, to explain times that do not fit. It never makes anything live
// longer.
package skew

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Bounds of what is believed about another machine's clock.
const (
	samples   = 8
	maxAge    = time.Hour
	maxTrip   = 10 * time.Second // a slower answer tells too little
	hintFrom  = 30 * time.Second // a smaller difference is not worth a word
	clockStep = 5 * time.Second  // our own wall clock was set in between
)

// Clock knows the last few differences. The zero Clock is ready and safe for
// concurrent use.
type Clock struct {
	mu   sync.Mutex // guards what follows; never held across a call
	seen [samples]Sample
	next int
}

// Sample is one observed difference between two clocks.
type Sample struct {
	Offset time.Duration // the other clock minus the local one
	Err    time.Duration // how wrong Offset may be
	Agreed bool          // another answer says the same: one Date alone may be wrong

	at time.Time // with its monotonic reading; zero for no sample
}

// Observe takes a sample from an answer whose request left at sent. An answer
// without Date, or with Age (it comes out of a cache, RFC 9111, section 5.1), or
// one that took longer than 10 seconds is no sample.
func (c *Clock) Observe(h http.Header, sent, received time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	trip := received.Sub(sent)
	if err != nil || h.Get("Age") != "" || trip < 0 || trip > maxTrip {
		return
	}
	middle := received.Round(0).Add(-trip / 2)
	s := Sample{
		Offset: date.Add(500 * time.Millisecond).Sub(middle), // Date has whole seconds
		Err:    trip/2 + 500*time.Millisecond,
		at:     received,
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[c.next%samples] = s
	c.next++
}

// Best returns the least uncertain sample that still holds at now: none older
// than an hour, and none from before the local wall clock was set.
func (c *Clock) Best(now time.Time) (best Sample, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var valid []Sample
	for _, s := range c.seen {
		if s.at.IsZero() || !holds(now.Sub(s.at), now.Round(0).Sub(s.at.Round(0))) {
			continue
		}
		valid = append(valid, s)
		if !known || s.Err < best.Err {
			best, known = s, true
		}
	}
	agreeing := 0
	for _, s := range valid {
		if (s.Offset - best.Offset).Abs() <= s.Err+best.Err {
			agreeing++ // best itself is one
		}
	}
	best.Agreed = agreeing > 1
	return best, known
}

// holds judges a sample by the running time since it was taken and by how far
// the wall clock went meanwhile.
func holds(age, wall time.Duration) bool {
	return age <= maxAge && (wall-age).Abs() <= clockStep
}

// Hint explains a local clock that differs by more than 30 seconds from that of
// other, such as "the issuer". It is empty if there is nothing to explain.
func (c *Clock) Hint(now time.Time, other string) string {
	s, known := c.Best(now)
	if !known || s.Offset.Abs() <= hintFrom+s.Err {
		return ""
	}
	direction := "behind"
	if s.Offset < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("the local clock is %v %s that of %s; set it by NTP", s.Offset.Abs().Round(time.Second), direction, other)
}
