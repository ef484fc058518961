package cache

import (
	"math/rand/v2"
	"time"
)

const defaultMaxKeys = 100_000

// env is what all slots of a cache share. It never changes.
type env struct {
	Options                  // with defaults filled in
	base    time.Time        // origin of the monotonic clock
	wall    func() time.Time // the wall clock: time.Now, except in tests
}

func newEnv(opts Options) *env {
	if opts.MaxKeys <= 0 {
		opts.MaxKeys = defaultMaxKeys
	}
	if opts.Rand == nil {
		opts.Rand = rand.Float64
	}
	return &env{Options: opts, base: time.Now(), wall: time.Now}
}

// mono reads the monotonic clock, and only that: time.Since of a time that has a
// monotonic reading costs about half as much as time.Now.
func (e *env) mono() time.Duration { return time.Since(e.base) }

// random returns a number in [0, 1], whatever Options.Rand returns.
func (e *env) random() float64 {
	if r := e.Rand(); r > 0 { // not so for NaN
		return min(r, 1)
	}
	return 0
}

func (e *env) emit(events ...Event) {
	if e.OnEvent == nil {
		return
	}
	for _, ev := range events {
		e.OnEvent(ev)
	}
}
