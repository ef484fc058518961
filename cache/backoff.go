package cache

import (
	"errors"
	"time"
)

const (
	// maxRetryAfter bounds what a server may ask for, so that none can park us.
	maxRetryAfter = 10 * time.Minute
	// forcedEvery is the least distance of two refreshes demanded by Invalidate.
	forcedEvery = 5 * time.Second
)

// A tier says how delays grow: they double from start to limit.
type tier struct{ start, limit time.Duration }

// tiers are indexed by: is the error permanent? Is there no usable token?
var tiers = [2][2]tier{
	{{time.Second, 60 * time.Second}, {time.Second, 10 * time.Second}},
	{{30 * time.Second, 5 * time.Minute}, {5 * time.Second, 60 * time.Second}},
}

// backoff remembers the failures since the last success. The zero value means
// that there were none.
type backoff struct {
	failures  int
	err       error         // of the last one
	at        time.Duration // when it was
	permanent bool
	jitter    float64       // drawn once per failure
	asked     time.Duration // what the server asked for, with its own jitter
}

// fail notes one more failure.
func (b *backoff) fail(at time.Duration, err error, random func() float64) {
	*b = backoff{
		failures:  b.failures + 1,
		err:       err,
		at:        at,
		permanent: isPermanent(err),
		jitter:    random(),
	}
	if after := retryAfter(err); after > 0 {
		b.asked = time.Duration(float64(after) * (1 + random()/10))
	}
}

// next returns the earliest point of the next attempt. It depends on whether
// there is a usable token at present: when the last one ends, a long delay from
// better days becomes a short one.
func (b *backoff) next(usable bool) time.Duration {
	if b.failures == 0 {
		return 0
	}
	return b.at + max(b.delay(usable), b.asked)
}

func (b *backoff) delay(usable bool) time.Duration {
	t := tiers[index(b.permanent)][index(!usable)]
	d, least := t.limit, 0.75
	if n := b.failures - 1; n < 16 && t.start<<n < t.limit { // 2^16 times the start is beyond any limit
		d, least = t.start<<n, 0.5
	}
	// At the limit the spread keeps to its upper half. Callers have drifted apart by
	// then, and a long outage must not cost more flights than it has to.
	return time.Duration(float64(d) * (least + (1-least)*b.jitter))
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// isPermanent reports whether the error says that it is not temporary.
func isPermanent(err error) bool {
	var t interface{ Temporary() bool }
	if !errors.As(err, &t) {
		return false
	}
	if _, ok := t.(interface{ Timeout() bool }); ok {
		// A net.Error. Its Temporary is deprecated as ill-defined, and is false for
		// a refused connection or an unknown host, which an outage brings about.
		return false
	}
	return !t.Temporary()
}

func retryAfter(err error) time.Duration {
	var r interface{ RetryAfter() time.Duration }
	if !errors.As(err, &r) {
		return 0
	}
	return min(r.RetryAfter(), maxRetryAfter)
}
