package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// verdict is an error as package exchange makes them.
type verdict struct {
	temporary bool
	after     time.Duration
}

func (v verdict) Error() string             { return fmt.Sprintf("verdict %v %v", v.temporary, v.after) }
func (v verdict) Temporary() bool           { return v.temporary }
func (v verdict) RetryAfter() time.Duration { return v.after }

// delays fails n flights in a row, each as soon as it may be, and returns the
// times between them.
func delays(t *testing.T, c *cache.Cache, p *idp, n int) []time.Duration {
	t.Helper()
	var ds []time.Duration
	for range n {
		last := time.Now()
		calls := p.n()
		next := c.Status().NextRefresh
		time.Sleep(time.Until(next) - 1)
		_, _ = c.Token(t.Context())
		synctest.Wait()
		if p.n() != calls {
			t.Fatalf("a call %v after the last, before it was due", time.Since(last))
		}
		time.Sleep(time.Nanosecond)
		_, _ = c.Token(t.Context())
		synctest.Wait()
		if p.n() != calls+1 {
			t.Fatalf("no call %v after the last, when it was due", time.Since(last))
		}
		ds = append(ds, time.Since(last))
	}
	return ds
}

func TestBackoff_growth(t *testing.T) {
	const s = time.Second
	refused := &url.Error{Op: "Post", URL: "https://h/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	if refused.Temporary() {
		t.Fatal("net calls a refused connection temporary: the special case is not needed any more")
	}
	for _, tc := range []struct {
		name string
		err  error
		warm bool
		want []time.Duration // with jitter 1
	}{
		{"temporary, cold", errDown, false, []time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}},
		{"temporary, warm", errDown, true, []time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}},
		{"says temporary", verdict{temporary: true}, false, []time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 10 * s}},
		{"network, which says permanent", refused, false, []time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 10 * s}},
		{"permanent, cold", verdict{}, false, []time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 60 * s, 60 * s}},
		{"permanent, warm", verdict{}, true, []time.Duration{30 * s, 60 * s, 120 * s, 240 * s, 300 * s, 300 * s}},
		{"permanent, wrapped", fmt.Errorf("exchange: %w", verdict{}), false, []time.Duration{5 * s, 10 * s}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down, fail := switchable()
				p := &idp{ttl: 2 * time.Hour}
				p.fail = func() error {
					if fail() != nil {
						return tc.err
					}
					return nil
				}
				c := cache.New(p, cache.Options{Rand: always(1)})
				if tc.warm {
					want(t, c, "t1")
					time.Sleep(91 * time.Minute)
				}
				down.Store(true)
				_, _ = c.Token(t.Context())
				synctest.Wait()
				got := delays(t, c, p, len(tc.want))
				if fmt.Sprint(got) != fmt.Sprint(tc.want) {
					t.Errorf("got %v, want %v", got, tc.want)
				}
			})
		})
	}
}

func TestBackoff_jitter(t *testing.T) {
	for _, tc := range []struct {
		u    float64
		want time.Duration
	}{
		{0, 500 * time.Millisecond},
		{0.5, 750 * time.Millisecond},
		{1, time.Second},
		{-7, 500 * time.Millisecond}, // out of range: taken as the nearest in range
		{7, time.Second},
		{math.NaN(), 500 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := cache.New(&idp{fail: func() error { return errDown }}, cache.Options{Rand: always(tc.u)})
			wantErr(t, c, errDown)
			if got := time.Until(c.Status().NextRefresh); got != tc.want {
				t.Errorf("random number %v: got %v, want %v", tc.u, got, tc.want)
			}
		})
	}
}

// Below the limit the spread is the upper half, at the limit the upper quarter.
func TestBackoff_jitterAtLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{fail: func() error { return errDown }}
		c := cache.New(p, cache.Options{Rand: always(0)})
		wantErr(t, c, errDown)
		if got := fmt.Sprint(delays(t, c, p, 6)); got != "[500ms 1s 2s 4s 7.5s 7.5s]" {
			t.Errorf("got %v", got)
		}
	})
}

// The fast path gives way when the next attempt is due, to the nanosecond.
func TestBackoff_warmAttemptOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, fail := switchable()
		p := &idp{fail: fail}
		c := cache.New(p, cache.Options{Rand: always(0)})
		want(t, c, "t1")
		time.Sleep(41 * time.Minute)
		down.Store(true)
		want(t, c, "t1")
		synctest.Wait()
		if got := delays(t, c, p, 4); fmt.Sprint(got) != "[500ms 1s 2s 4s]" {
			t.Errorf("got %v", got)
		}
	})
}

// After a success it starts from the beginning. After very many failures nothing
// overflows.
func TestBackoff_resetAndMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, fail := switchable()
		p := &idp{fail: fail}
		c := cache.New(p, cache.Options{Rand: always(1)})
		down.Store(true)
		for range 100 {
			wantErr(t, c, errDown)
			time.Sleep(10 * time.Second)
		}
		if st := c.Status(); st.Failures != 100 || !errors.Is(st.LastError, errDown) {
			t.Errorf("got %d failures, last %v; want 100, %v", st.Failures, st.LastError, errDown)
		}
		down.Store(false)
		want(t, c, "t101")
		if st := c.Status(); st.Failures != 0 || st.LastError != nil || st.Failed != 100 {
			t.Errorf("after a success: %+v", st)
		}
		time.Sleep(time.Hour)
		down.Store(true)
		wantErr(t, c, errDown)
		if got := time.Until(c.Status().NextRefresh); got != time.Second {
			t.Errorf("first delay after a success: %v, want 1s", got)
		}
	})
}

// A failure is remembered: callers get it at once, without a call.
func TestBackoff_negativeCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: time.Second, fail: func() error { return errDown }}
		c := cache.New(p, cache.Options{Rand: always(1)})
		err := errFrom(t, c, errDown)
		var first, second *cache.Error
		errors.As(err, &first)
		if got := took(func() { err = errFrom(t, c, errDown) }); got != 0 {
			t.Errorf("the remembered failure took %v", got)
		}
		errors.As(err, &second)
		if p.n() != 1 || !first.NextAttempt.Equal(second.NextAttempt) {
			t.Errorf("%d calls, next at %v and %v", p.n(), first.NextAttempt, second.NextAttempt)
		}
		time.Sleep(time.Until(first.NextAttempt))
		if got := took(func() { wantErr(t, c, errDown) }); got != time.Second {
			t.Errorf("the next attempt took %v, want 1s", got)
		}
	})
}

func TestBackoff_retryAfter(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
		u     float64
		want  time.Duration
	}{
		{"as asked", 100 * time.Second, 0, 100 * time.Second},
		{"up to a tenth later", 100 * time.Second, 1, 110 * time.Second},
		{"sooner than the delay", 100 * time.Millisecond, 1, time.Second},
		{"at most 10 minutes", 300 * time.Hour, 0, 10 * time.Minute},
		{"negative", -time.Hour, 1, time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &idp{fail: func() error { return fmt.Errorf("exchange: %w", verdict{temporary: true, after: tc.after}) }}
				c := cache.New(p, cache.Options{Rand: always(tc.u)})
				_, err := c.Token(t.Context())
				var ce *cache.Error
				if !errors.As(err, &ce) || time.Until(ce.NextAttempt) != tc.want {
					t.Errorf("got %v, want the next attempt in %v", err, tc.want)
				}
				delays(t, c, p, 1)
			})
		})
	}
}

// When the last usable token ends, a long delay from better days becomes short:
// an outage that ends just then is over for callers within ten seconds.
func TestBackoff_shrinksWhenTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &idp{}
		p.fail = between(start.Add(40*time.Minute), start.Add(time.Hour), errDown)
		c := cache.New(p, cache.Options{Rand: always(1)})
		for time.Since(start) < time.Hour-2*time.Second {
			_, _ = c.Token(t.Context())
			time.Sleep(time.Second)
		}
		waited := took(func() {
			for {
				if tok, err := c.Token(t.Context()); err == nil && tok.AccessToken != "t1" {
					return
				}
				time.Sleep(time.Second)
			}
		})
		if waited > 12*time.Second { // 2 s of outage, then 10 s at most
			t.Errorf("no token for %v", waited)
		}
	})
}

// One failure of the early refresh does not end the attempts.
func TestBackoff_goesOnWhileWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &idp{}
		p.fail = between(start.Add(30*time.Minute), start.Add(50*time.Minute), errDown)
		c := cache.New(p, cache.Options{})
		for time.Since(start) < 52*time.Minute {
			if _, err := c.Token(t.Context()); err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			time.Sleep(time.Second)
		}
		if tok, _ := c.Token(t.Context()); tok.AccessToken == "t1" {
			t.Errorf("not refreshed two minutes after the outage")
		}
	})
}

// The fast path stays open while a refresh is under way or has to wait: callers of a
// busy service do not queue up at the lock during an outage. Only the slow path
// reads the wall clock, which tells them apart.
func TestBackoff_hitsDuringOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks int
		down, fail := switchable()
		c := cache.New(&idp{delay: 5 * time.Second, fail: fail}, cache.Options{Rand: always(1)})
		c.SetWall(func() time.Time { looks++; return time.Now() })
		want(t, c, "t1")
		time.Sleep(35 * time.Minute)
		down.Store(true)
		for _, state := range []string{"under way", "has to wait"} {
			want(t, c, "t1")
			synctest.Wait()
			before := looks
			for range 100 {
				want(t, c, "t1")
				time.Sleep(time.Millisecond)
			}
			if looks != before {
				t.Errorf("while a refresh %s: %d of 100 callers took the slow path", state, looks-before)
			}
			time.Sleep(5*time.Second - 100*time.Millisecond)
			synctest.Wait()
		}
	})
}

var _ cache.Source = cache.SourceFunc(func(context.Context) (*oauth2.Token, error) { return nil, nil })
