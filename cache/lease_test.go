package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/cache"
)

func TestPlan(t *testing.T) {
	const m, s = time.Minute, time.Second
	for _, tc := range []struct {
		name       string
		ttl, floor time.Duration
		jitter     float64
		soft, hard time.Duration
	}{
		{"hour, no jitter", time.Hour, 0, 0, 40 * m, 59*m + 20*s},
		{"hour, full jitter", time.Hour, 0, 1, 30 * m, 59*m + 20*s},
		{"day", 24 * time.Hour, 0, 0, 24*time.Hour - 20*m, 24*time.Hour - 40*s},
		{"3 minutes", 3 * m, 0, 0, 117 * s, 144 * s},
		{"3 minutes, full jitter", 3 * m, 0, 1, 85*s + 500*time.Millisecond, 144 * s},
		{"10 s", 10 * s, 0, 0, 6500 * time.Millisecond, 8 * s},
		{"floor below the default", time.Hour, 10 * s, 0, 40 * m, 59*m + 20*s},
		{"negative floor", time.Hour, -m, 0, 40 * m, 59*m + 20*s},
		{"raised floor", time.Hour, 5 * m, 0, 36*m + 11*s, 55 * m},
		{"floor at half the life", time.Hour, 30 * m, 0, 30*m + 40*s - 10*m - 44*s, 30 * m},
		{"floor beyond the life", time.Hour, 2 * time.Hour, 0, 30*m + 40*s - 10*m - 44*s, 30 * m},
	} {
		soft, hard := cache.Plan(tc.ttl, tc.floor, tc.jitter)
		if soft != tc.soft || hard != tc.hard {
			t.Errorf("%s: got %v, %v; want %v, %v", tc.name, soft, hard, tc.soft, tc.hard)
		}
	}
}

// Whatever the lifetime and the floor: the points are in order, and no token is
// due for its refresh in the first fifth of its life.
func TestPlan_order(t *testing.T) {
	for ttl := time.Millisecond; ttl <= 24*time.Hour; ttl += ttl/7 + 1 {
		for _, floor := range []time.Duration{0, time.Second, 41 * time.Second, ttl / 4, ttl / 2, ttl, 2 * ttl} {
			for _, jitter := range []float64{0, 0.5, 1} {
				soft, hard := cache.Plan(ttl, floor, jitter)
				if soft < ttl/5 || soft > hard || hard > ttl {
					t.Fatalf("ttl %v, floor %v, jitter %v: soft %v, hard %v", ttl, floor, jitter, soft, hard)
				}
			}
		}
	}
}

// The whole life of a one-hour token: no call before the soft point, nobody waits
// before the hard point, the last two seconds are nobody's.
func TestLease_points(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		down, fail := switchable()
		p := &idp{delay: 100 * time.Millisecond, fail: fail}
		c := cache.New(p, cache.Options{Rand: always(0)})
		want(t, c, "t1")
		at := func(d time.Duration) { time.Sleep(time.Until(start.Add(d))) }

		at(40*time.Minute - 1)
		if want(t, c, "t1"); p.n() != 1 {
			t.Errorf("a call before the soft point")
		}
		down.Store(true)
		at(40 * time.Minute)
		if got := took(func() { want(t, c, "t1") }); got != 0 {
			t.Errorf("at the soft point a caller waited %v", got)
		}
		synctest.Wait()
		if p.n() != 2 {
			t.Errorf("%d calls at the soft point, want 2", p.n())
		}
		at(59*time.Minute + 20*time.Second)
		if got := took(func() { want(t, c, "t1") }); got != 0 {
			t.Errorf("while refreshes fail, a caller waited %v past the hard point", got)
		}
		at(59*time.Minute + 58*time.Second - 1)
		want(t, c, "t1")
		at(59*time.Minute + 58*time.Second)
		wantErr(t, c, errDown)
	})
}

// Without failures before, a caller past the hard point waits for a better token,
// and gets the old one if that does not come in time.
func TestLease_gasp(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail bool
		most time.Duration // the caller's patience
		want string
		took time.Duration
	}{
		{"refreshed", false, time.Minute, "t2", time.Second},
		{"fails", true, time.Minute, "t1", time.Second},
		{"outlasts the caller", false, time.Second / 2, "t1", time.Second / 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down, fail := switchable()
				var rec recorder
				p := &idp{delay: time.Second, fail: fail}
				c := cache.New(p, cache.Options{OnEvent: rec.on})
				want(t, c, "t1")
				time.Sleep(time.Hour - 30*time.Second)
				down.Store(tc.fail)
				ctx, cancel := ctxFor(t, tc.most)
				defer cancel()
				got := took(func() {
					if tok, err := c.Token(ctx); err != nil || tok.AccessToken != tc.want {
						t.Errorf("got %v, %v; want %s", tok, err, tc.want)
					}
				})
				if got != tc.took {
					t.Errorf("took %v, want %v", got, tc.took)
				}
				stale := 0
				if tc.want == "t1" {
					stale = 1
				}
				if n := rec.count(cache.ServedStale); n != stale {
					t.Errorf("%d events for a stale token, want %d", n, stale)
				}
				time.Sleep(time.Second)
			})
		})
	}
}

// MinRemaining is what callers get, unless refreshes fail.
func TestLease_minRemaining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		down, fail := switchable()
		p := &idp{fail: fail}
		c := cache.New(p, cache.Options{MinRemaining: 10 * time.Minute})
		for time.Since(start) < 3*time.Hour {
			tok, err := c.Token(t.Context())
			if err != nil || time.Until(tok.Expiry) < 10*time.Minute {
				t.Fatalf("got %v, %v; want one with 10 min left", tok, err)
			}
			time.Sleep(11 * time.Minute)
		}
		tok, _ := c.Token(t.Context())
		down.Store(true)
		time.Sleep(time.Until(tok.Expiry.Add(-5 * time.Minute)))
		want(t, c, tok.AccessToken)
	})
}

// A token that lives shorter than MinRemaining does not cause a storm.
func TestLease_minRemainingBeyondLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &idp{ttl: 5 * time.Minute}
		c := cache.New(p, cache.Options{MinRemaining: time.Hour})
		for time.Since(start) < time.Hour {
			tok, err := c.Token(t.Context())
			if err != nil || time.Until(tok.Expiry) < 150*time.Second {
				t.Fatalf("got %v, %v; want one with half its life left", tok, err)
			}
			time.Sleep(time.Second)
		}
		if p.n() > 48 {
			t.Errorf("%d exchanges for 12 lifetimes, want 48 at most", p.n())
		}
	})
}

func TestLease_clampedToADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&idp{ttl: 80 * 365 * 24 * time.Hour}, cache.Options{})
		if got := time.Until(want(t, c, "t1").Expiry); got != 24*time.Hour {
			t.Errorf("expires in %v, want 24h", got)
		}
		time.Sleep(24 * time.Hour)
		want(t, c, "t2")
	})
}

// Tokens that live seconds, and one that has nearly ended when it comes.
func TestLease_veryShort(t *testing.T) {
	for _, ttl := range []time.Duration{time.Millisecond, time.Second, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			p := &idp{ttl: ttl}
			c := cache.New(p, cache.Options{})
			for time.Since(start) < 1000*ttl {
				tok, err := c.Token(t.Context())
				if err != nil || !tok.Expiry.After(time.Now()) {
					t.Fatalf("ttl %v: got %v, %v", ttl, tok, err)
				}
				time.Sleep(ttl / 3)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&idp{ttl: 3 * time.Second}, cache.Options{})
		want(t, c, "t1")
		time.Sleep(2 * time.Second) // the last two seconds, but before the hard point
		if want(t, c, "t1"); !c.Status().Ready {
			t.Errorf("not ready with a token that is handed out")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&idp{ttl: 20 * time.Second, delay: 19 * time.Second}, cache.Options{})
		want(t, c, "t1") // the flight's own callers get it
		want(t, c, "t2")
	})
}

// A source that is a cache itself returns the same token again and again. Each
// answer is used as long as it lasts, and there is no storm.
func TestLease_cachingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		upstream := &idp{}
		inner := cache.New(upstream, cache.Options{})
		outerCalls := 0
		outer := cache.New(countCalls{inner, &outerCalls}, cache.Options{})
		for time.Since(start) < 10*time.Hour {
			tok, err := outer.Token(t.Context())
			if err != nil || time.Until(tok.Expiry) < 40*time.Second {
				t.Fatalf("got %v, %v", tok, err)
			}
			time.Sleep(time.Second)
		}
		if upstream.n() > 20 || outerCalls > 60 {
			t.Errorf("%d exchanges and %d calls of the inner cache in 10 hours", upstream.n(), outerCalls)
		}
	})
}
