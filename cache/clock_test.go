package cache_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// wallClock is a wall clock that can be moved against the monotonic one. A bubble
// moves both together; so does an idle machine. Moved forward, it is what a
// program sees after a suspend, or after the clock was set.
type wallClock struct{ offset atomic.Int64 }

func (w *wallClock) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *wallClock) step(d time.Duration) { w.offset.Add(int64(d)) }

// steady asks for a token once in 10 ms of running time, for d.
func steady(t *testing.T, c *cache.Cache, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := c.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A machine sleeps longer than its token lives. The old token is handed out for a
// second of running time at most.
func TestClock_suspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		var rec recorder
		p := &idp{wall: &wall}
		c := cache.New(p, cache.Options{OnEvent: rec.on})
		c.SetWall(wall.now)
		steady(t, c, 10*time.Second)
		wall.step(2 * time.Hour)
		resumed := time.Now()
		for {
			tok, err := c.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if tok.AccessToken != "t1" {
				break
			}
			if time.Since(resumed) >= time.Second {
				t.Fatalf("an expired token %v after the machine woke up", time.Since(resumed))
			}
			time.Sleep(10 * time.Millisecond)
		}
		events := rec.all()
		var step time.Duration
		for _, ev := range events {
			if ev.Kind == cache.ClockStepped {
				step += ev.Step
			}
		}
		if step != 2*time.Hour || c.Status().ClockSteps != 1 {
			t.Errorf("reported a step of %v, want 2h", step)
		}
	})
}

// A machine sleeps while it holds a token, and wakes up within one second of the
// token's life: nobody gets it after its end.
func TestClock_suspendUpToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		down, fail := switchable()
		c := cache.New(&idp{wall: &wall, fail: fail}, cache.Options{})
		c.SetWall(wall.now)
		tok := want(t, c, "t1")
		down.Store(true)
		wall.step(time.Hour - 5*time.Second)
		time.Sleep(time.Second)
		want(t, c, "t1") // 4 s left, and refreshes fail
		time.Sleep(2 * time.Second)
		if left := tok.Expiry.Sub(wall.now()); left != 2*time.Second {
			t.Fatalf("set up wrong: %v left", left)
		}
		wantErr(t, c, errDown)
	})
}

// An idle cache notices with the first call.
func TestClock_suspendWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		c := cache.New(&idp{wall: &wall}, cache.Options{})
		c.SetWall(wall.now)
		want(t, c, "t1")
		time.Sleep(5 * time.Second)
		wall.step(time.Hour)
		want(t, c, "t2")
	})
}

// Setting the wall clock back does not lengthen a token's life.
func TestClock_setBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		var rec recorder
		down, fail := switchable()
		c := cache.New(&idp{wall: &wall, fail: fail}, cache.Options{OnEvent: rec.on})
		c.SetWall(wall.now)
		steady(t, c, 5*time.Second)
		wall.step(-3 * time.Hour)
		steady(t, c, 2*time.Second)
		if n := rec.count(cache.ClockStepped); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
		if got := rec.all()[len(rec.all())-1].Step; got != -3*time.Hour {
			t.Errorf("step of %v, want -3h", got)
		}
		down.Store(true)
		time.Sleep(time.Hour)
		wantErr(t, c, errDown)
	})
}

// A suspend after a backward step is seen although the wall clock is still behind.
func TestClock_setBackThenSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		c := cache.New(&idp{wall: &wall}, cache.Options{})
		c.SetWall(wall.now)
		steady(t, c, 2*time.Second)
		wall.step(-3 * time.Hour)
		steady(t, c, 2*time.Second)
		wall.step(2 * time.Hour)
		time.Sleep(time.Second)
		want(t, c, "t2")
	})
}

// Small steps, as of a leap second, are no event; a jump from 1970 does not
// overflow; nor do many.
func TestClock_oddSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		var rec recorder
		c := cache.New(&idp{wall: &wall}, cache.Options{OnEvent: rec.on})
		c.SetWall(wall.now)
		want(t, c, "t1")
		wall.step(-5 * time.Second)
		steady(t, c, 2*time.Second)
		wall.step(5 * time.Second)
		steady(t, c, 2*time.Second)
		if n := rec.count(cache.ClockStepped); n != 0 {
			t.Errorf("%d events, want none", n)
		}
		want(t, c, "t1")
		for range 10 {
			old, _ := c.Token(t.Context())
			wall.step(200 * 365 * 24 * time.Hour)
			time.Sleep(2 * time.Second)
			if tok, err := c.Token(t.Context()); err != nil || tok == old {
				t.Fatalf("got %v, %v; want another token", tok, err)
			}
			wall.step(-200 * 365 * 24 * time.Hour)
			steady(t, c, 2*time.Second)
		}
	})
}

// A step while the source is called, before or after it computes the expiry: what
// comes may be used for less than its life, never for longer.
func TestClock_stepDuringFlight(t *testing.T) {
	for _, step := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		for _, before := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var wall wallClock
				n := 0
				c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
					if n++; n > 1 {
						return nil, errDown
					}
					if before {
						wall.step(step)
					} else {
						defer wall.step(step)
					}
					return &oauth2.Token{AccessToken: "t1", Expiry: wall.now().Add(time.Hour)}, nil
				}), cache.Options{})
				c.SetWall(wall.now)
				start := time.Now()
				want(t, c, "t1")
				var last time.Duration
				for time.Since(start) < 2*time.Hour {
					if tok, _ := c.Token(t.Context()); tok != nil {
						last = time.Since(start)
					}
					time.Sleep(time.Second)
				}
				if last < 49*time.Minute || last > time.Hour {
					t.Errorf("step %v, before %v: a one-hour token was handed out for %v", step, before, last)
				}
			})
		}
	}
}

// Delays pass while the machine sleeps.
func TestClock_backoffWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		p := &idp{fail: func() error { return verdict{after: 10 * time.Minute} }}
		c := cache.New(p, cache.Options{})
		c.SetWall(wall.now)
		_, _ = c.Token(t.Context())
		wall.step(time.Hour)
		_, _ = c.Token(t.Context())
		if p.n() != 2 {
			t.Errorf("%d calls, want 2", p.n())
		}
	})
}
