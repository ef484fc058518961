package cache_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// warm runs KeepWarm until the test ends, or stop is called, and checks what it
// returns.
func warm(t *testing.T, c *cache.Cache) (stop func()) {
	errStop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error)
	go func() { done <- c.KeepWarm(ctx) }()
	return func() {
		t.Helper()
		cancel(errStop)
		if err := <-done; !errors.Is(err, errStop) {
			t.Errorf("KeepWarm returned %v, want the cause", err)
		}
	}
}

// Nobody waits, after any time, except for the first token.
func TestKeepWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: time.Second}
		c := cache.New(p, cache.Options{Rand: always(0.5)})
		defer warm(t, c)()
		synctest.Wait()
		if p.n() != 1 || !c.Status().Refreshing {
			t.Errorf("the first token is not being fetched")
		}
		time.Sleep(time.Second)
		for range 20 {
			if got := took(func() { _, _ = c.Token(t.Context()) }); got != 0 {
				t.Errorf("a caller waited %v", got)
			}
			time.Sleep(71 * time.Minute)
		}
		// 23 h 40 min, a refresh each 35 min.
		if n := p.n(); n != 41 {
			t.Errorf("%d exchanges, want 41", n)
		}
	})
}

// The delays after failures are those of callers, and it does not give up.
func TestKeepWarm_outage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &idp{fail: between(start, start.Add(time.Hour), errDown)}
		c := cache.New(p, cache.Options{Rand: always(1)})
		defer warm(t, c)()
		time.Sleep(time.Hour - 1)
		// 0, 1, 3, 7, 15 s, then each 10 s.
		if n := p.n(); n < 362 || n > 363 {
			t.Errorf("%d exchanges in an hour, want 362", n)
		}
		time.Sleep(10 * time.Second)
		if !c.Status().Ready {
			t.Errorf("not ready 10 s after the outage")
		}
	})
}

// A token that was refused is replaced, and a machine that slept has a new one,
// without any caller.
func TestKeepWarm_refusedAndSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wall wallClock
		p := &idp{wall: &wall}
		c := cache.New(p, cache.Options{})
		c.SetWall(wall.now)
		defer warm(t, c)()
		synctest.Wait()
		c.Invalidate(want(t, c, "t1"))
		time.Sleep(cache.MaxNap)
		synctest.Wait()
		if p.n() != 2 {
			t.Errorf("%d exchanges before anybody asked, want 2", p.n())
		}
		want(t, c, "t2")
		wall.step(24 * time.Hour)
		time.Sleep(cache.MaxNap)
		synctest.Wait()
		if p.n() != 3 {
			t.Errorf("%d exchanges before anybody asked, want 3", p.n())
		}
		want(t, c, "t3")
	})
}

func TestKeepWarm_twice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: time.Second}
		c := cache.New(p, cache.Options{Rand: always(0)})
		defer warm(t, c)()
		defer warm(t, c)()
		time.Sleep(100 * time.Minute)
		if p.n() != 3 {
			t.Errorf("%d exchanges, want 3", p.n())
		}
	})
}

func TestKeepWarm_endedContext(t *testing.T) {
	p := &idp{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cache.New(p, cache.Options{}).KeepWarm(ctx); !errors.Is(err, context.Canceled) || p.n() != 0 {
		t.Errorf("got %v after %d calls, want context.Canceled after none", err, p.n())
	}
}

// Tokens that end at once do not turn KeepWarm into a busy loop.
func TestKeepWarm_tinyTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
			calls++
			return &oauth2.Token{AccessToken: fmt.Sprint(calls), Expiry: time.Now().Add(time.Microsecond)}, nil
		}), cache.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_ = c.KeepWarm(ctx)
		if calls > 101 {
			t.Errorf("%d calls in 10 s, want 101 at most", calls)
		}
	})
}
