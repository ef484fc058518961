package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// The tests of this file measure what clients of other clouds were measured by:
// how many exchanges, who waits how long, who sees which error.

func TestMeasure_firstCallers(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail func() error
	}{
		{"success", nil},
		{"failure", func() error { return errDown }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &idp{delay: 60 * time.Millisecond, fail: tc.fail}
				c := cache.New(p, cache.Options{})
				start := time.Now()
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						_, err := c.Token(t.Context())
						if got := time.Since(start); got != 60*time.Millisecond {
							t.Errorf("a caller returned after %v, want 60ms", got)
						}
						if tc.fail == nil != (err == nil) {
							t.Errorf("a caller got %v", err)
						}
					})
				}
				wg.Wait()
				if p.n() != 1 {
					t.Errorf("%d exchanges, want 1", p.n())
				}
			})
		})
	}
}

// The failure is one and the same for all who waited.
func TestMeasure_sharedFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&idp{delay: time.Second, fail: func() error { return errDown }}, cache.Options{})
		errs := make([]error, 10)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = c.Token(t.Context()) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != errs[0] || !errors.Is(err, errDown) { //nolint:errorlint // the very same error for all
				t.Errorf("got %v, want %v for all", err, errs[0])
			}
		}
	})
}

func TestMeasure_waiterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: 600 * time.Millisecond}
		c := cache.New(p, cache.Options{})
		go func() { _, _ = c.Token(context.Background()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		var err error
		if got := took(func() { _, err = c.Token(ctx) }); got != 30*time.Millisecond {
			t.Errorf("returned after %v, want 30ms", got)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		if want(t, c, "t1"); p.n() != 1 {
			t.Errorf("%d exchanges, want 1", p.n())
		}
	})
}

func TestMeasure_leaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: 200 * time.Millisecond}
		c := cache.New(p, cache.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = c.Token(ctx) }()
		synctest.Wait()
		time.AfterFunc(40*time.Millisecond, cancel)
		if got := took(func() { want(t, c, "t1") }); got != 200*time.Millisecond {
			t.Errorf("the other caller was served after %v, want 200ms", got)
		}
		if p.n() != 1 {
			t.Errorf("%d exchanges, want 1", p.n())
		}
	})
}

// Five requests in the early window, each with a context that ends with it.
func TestMeasure_requestScopedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: time.Second}
		c := cache.New(p, cache.Options{})
		want(t, c, "t1")
		time.Sleep(41 * time.Minute)
		for range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			if got := took(func() { _, _ = c.Token(ctx) }); got != 0 {
				t.Errorf("a caller was blocked for %v", got)
			}
			cancel()
		}
		time.Sleep(2 * time.Second)
		want(t, c, "t2")
		if p.n() != 2 {
			t.Errorf("%d exchanges, want 2", p.n())
		}
	})
}

// An outage of 40 minutes around the end of a one-hour token, one call a second.
// How many flights it costs depends on where in its ten minutes of jitter the soft
// point lies; the bound holds wherever.
func TestMeasure_outage(t *testing.T) {
	for _, extreme := range []float64{0, 0.5, 1} {
		if n := outage(t, always(extreme)); n > 120 {
			t.Errorf("%d flights with a random number of always %v, want 120 at most", n, extreme)
		}
	}
	flights := make([]int, 100)
	for seed := range flights {
		flights[seed] = outage(t, seeded(uint64(seed)))
	}
	slices.Sort(flights)
	if most := flights[99]; most > 120 {
		t.Errorf("%d flights in the worst of 100 seeds, want 120 at most", most)
	}
	t.Logf("flights over 100 seeds: least %d, median %d, most %d", flights[0], flights[50], flights[99])
}

func outage(t *testing.T, random func() float64) (flights int) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &idp{fail: between(start.Add(30*time.Minute), start.Add(70*time.Minute), errDown)}
		c := cache.New(p, cache.Options{Rand: random})
		var firstError, lastError time.Duration
		for time.Since(start) < 71*time.Minute {
			tok, err := c.Token(t.Context())
			switch {
			case err == nil && time.Until(tok.Expiry) <= 2*time.Second:
				t.Fatalf("a token with %v left", time.Until(tok.Expiry))
			case err != nil && firstError == 0:
				firstError = time.Since(start)
				fallthrough
			case err != nil:
				lastError = time.Since(start)
			}
			time.Sleep(time.Second)
		}
		if firstError < 59*time.Minute+58*time.Second {
			t.Errorf("first error at %v, want not before 59m58s", firstError)
		}
		if recovery := lastError + time.Second - 70*time.Minute; recovery > 10*time.Second {
			t.Errorf("recovered after %v, want 10s at most", recovery)
		}
		flights = p.n()
	})
	return flights
}

// Lifetimes from 3 minutes to an hour, two hours, one call a second.
func TestMeasure_shortTokens(t *testing.T) {
	for _, tc := range []struct {
		ttl       time.Duration
		most      int
		leastLife time.Duration
	}{
		{3 * time.Minute, 75, 62 * time.Second},
		{5 * time.Minute, 47, 104 * time.Second},
		{10 * time.Minute, 24, 209 * time.Second},
		{time.Hour, 4, 20*time.Minute - time.Second},
	} {
		t.Run(tc.ttl.String(), func(t *testing.T) {
			most := 0
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					p := &idp{ttl: tc.ttl}
					c := cache.New(p, cache.Options{Rand: seeded(seed)})
					for time.Since(start) < 2*time.Hour {
						tok, err := c.Token(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if left := time.Until(tok.Expiry); left < tc.leastLife {
							t.Fatalf("a token with %v left, want %v at least", left, tc.leastLife)
						}
						time.Sleep(time.Second)
					}
					most = max(most, p.n())
				})
			}
			if most > tc.most {
				t.Errorf("%d exchanges, want %d at most", most, tc.most)
			}
			t.Logf("%d exchanges at most", most)
		})
	}
}

// 2000 replicas started within 10 seconds do not refresh together.
func TestMeasure_fleet(t *testing.T) {
	const replicas = 2000
	worst := 0
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			random := seeded(seed)
			perSecond := make(map[int64]int)
			for range replicas {
				c := cache.New(&idp{}, cache.Options{Rand: random})
				want(t, c, "t1")
				perSecond[c.Status().NextRefresh.Unix()]++
				time.Sleep(10 * time.Second / replicas)
			}
			for _, n := range perSecond {
				worst = max(worst, n)
			}
		})
	}
	if worst > 15 {
		t.Errorf("%d refreshes in one second, want 15 at most", worst)
	}
	t.Logf("worst second of 100 seeds: %d refreshes", worst)
}

// The same with real callers, one call a second each, for one seed: refreshes are
// counted where they arrive.
func TestMeasure_fleetCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := seeded(1)
		fleet := make([]*cache.Cache, 2000)
		var mu sync.Mutex
		perSecond := make(map[int64]int)
		for i := range fleet {
			fleet[i] = cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
				return &oauth2.Token{AccessToken: "a", Expiry: time.Now().Add(time.Hour)}, nil
			}), cache.Options{Rand: random, OnEvent: func(ev cache.Event) {
				if ev.Kind == cache.RefreshStarted && !ev.Expiry.IsZero() { // not the first
					mu.Lock()
					defer mu.Unlock()
					perSecond[ev.Time.Unix()]++
				}
			}})
			want(t, fleet[i], "a")
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(29 * time.Minute)
		for range 13 * 60 {
			for _, c := range fleet {
				_, _ = c.Token(t.Context())
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		sum, worst := 0, 0
		for _, n := range perSecond {
			sum, worst = sum+n, max(worst, n)
		}
		if sum != len(fleet) || worst > 15 {
			t.Errorf("%d refreshes, %d in one second; want %d, and 15 at most", sum, worst, len(fleet))
		}
	})
}

// A token without expiry is used for five minutes, not for ever.
func TestMeasure_unknownExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		p := &idp{ttl: -1}
		c := cache.New(p, cache.Options{OnEvent: rec.on})
		for i := range 48 {
			tok := want(t, c, fmt.Sprintf("t%d", i+1))
			if got := time.Until(tok.Expiry); got != 5*time.Minute {
				t.Fatalf("Expiry in %v, want 5m: the next cache would keep it for ever", got)
			}
			time.Sleep(time.Hour)
		}
		if p.n() != 48 || rec.count(cache.ExpiryUnknown) != 48 {
			t.Errorf("%d exchanges and %d events, want 48 of each", p.n(), rec.count(cache.ExpiryUnknown))
		}
	})
}

// 40 requests are refused with the same old token.
func TestMeasure_rejections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		p := &idp{delay: 100 * time.Millisecond}
		c := cache.New(p, cache.Options{OnEvent: rec.on})
		old := want(t, c, "t1")
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				cp := *old
				c.Invalidate(&cp)
				want(t, c, "t2")
			})
		}
		wg.Wait()
		if p.n() != 2 || rec.count(cache.Invalidated) != 1 {
			t.Errorf("%d exchanges and %d invalidations, want one of each after the first exchange", p.n(), rec.count(cache.Invalidated))
		}
	})
}
