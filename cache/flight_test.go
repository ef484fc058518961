package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

type ctxKey struct{}

func TestFlight_ownContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		var value any
		var flight context.Context
		src := cache.SourceFunc(func(ctx context.Context) (*oauth2.Token, error) {
			flight = ctx
			deadline, _ := ctx.Deadline()
			left, value = time.Until(deadline), ctx.Value(ctxKey{})
			return &oauth2.Token{AccessToken: "a"}, nil
		})
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), ctxKey{}, "caller"), time.Second)
		defer cancel()
		if _, err := cache.New(src, cache.Options{}).Token(ctx); err != nil {
			t.Fatal(err)
		}
		if left != cache.FlightTimeout {
			t.Errorf("the flight has %v, want %v of its own", left, cache.FlightTimeout)
		}
		if value != nil {
			t.Errorf("the flight sees the value %v of its first caller", value)
		}
		if synctest.Wait(); flight.Err() != context.Canceled {
			t.Errorf("the flight is over and its context has not ended: a timer is left")
		}
	})
}

// What a source must not return.
func TestFlight_badAnswers(t *testing.T) {
	for _, tc := range []struct {
		name string
		src  cache.SourceFunc
		want error  // or
		text string // part of the message
	}{
		{"neither token nor error", func(context.Context) (*oauth2.Token, error) { return nil, nil }, cache.ErrNoToken, ""},
		{"no access token", func(context.Context) (*oauth2.Token, error) { return &oauth2.Token{RefreshToken: "r"}, nil }, cache.ErrNoAccess, ""},
		{"token and error", func(context.Context) (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "a"}, errDown }, errDown, ""},
		{"expired", func(context.Context) (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: "a", Expiry: time.Now().Add(-time.Hour)}, nil
		}, nil, "expired 1h0m0s ago"},
		{"ends when it comes", func(context.Context) (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: "a", Expiry: time.Now()}, nil
		}, nil, "expired 0s ago"},
		{"Goexit", func(context.Context) (*oauth2.Token, error) { runtime.Goexit(); return nil, nil }, cache.ErrGoexit, ""},
		{"panic with an error", func(context.Context) (*oauth2.Token, error) { panic(errDown) }, errDown, "panicked in github.com/brickfed/brickfed/cache_test.TestFlight_badAnswers.func"},
		{"runtime error", func(context.Context) (*oauth2.Token, error) { var none []*oauth2.Token; return none[0], nil }, nil, "(flight_test.go:"},
		{"panic with a secret", func(context.Context) (*oauth2.Token, error) { panic("dapi-secret") }, nil, "with a value of type string"},
		{"nil panic", func(context.Context) (*oauth2.Token, error) { panic(nil) }, nil, "panic called with nil argument"},
		{"nil function", nil, nil, "nil pointer dereference"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cache.New(tc.src, cache.Options{})
				for range 2 { // the second from memory
					tok, err := c.Token(t.Context())
					var ce *cache.Error
					if tok != nil || !errors.As(err, &ce) {
						t.Fatalf("got %v, %v; want a *cache.Error", tok, err)
					}
					if tc.want != nil && !errors.Is(err, tc.want) {
						t.Errorf("got %v, want %v", err, tc.want)
					}
					if !strings.Contains(err.Error(), tc.text) {
						t.Errorf("got %q, want it to contain %q", err, tc.text)
					}
					if strings.Contains(err.Error(), "dapi") {
						t.Errorf("secret in %q", err)
					}
				}
			})
		})
	}
}

// After a panic the cache is as good as before.
func TestFlight_panicDoesNotWedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		src := cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
			if n++; n == 1 {
				panic("boom")
			}
			return &oauth2.Token{AccessToken: "a"}, nil
		})
		c := cache.New(src, cache.Options{})
		if _, err := c.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		time.Sleep(time.Second)
		want(t, c, "a")
	})
}

// A panic in the midst of another one, and so on.
func TestFlight_nestedPanics(t *testing.T) {
	var dive func(n int)
	dive = func(n int) {
		if n > 0 {
			defer dive(n - 1)
		}
		panic(errDown)
	}
	c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) { dive(40); return nil, nil }), cache.Options{})
	if err := errFrom(t, c, errDown); !strings.Contains(err.Error(), "cache_test.TestFlight_nestedPanics.func1 (flight_test.go:") {
		t.Errorf("got %q, want it to name the place", err)
	}
}

// A source that respects its time limit, and one that does not.
func TestFlight_timeLimit(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf=%v", deaf), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				src := cache.SourceFunc(func(ctx context.Context) (*oauth2.Token, error) {
					if deaf {
						<-release
						return nil, errDown
					}
					<-ctx.Done()
					return nil, ctx.Err()
				})
				c := cache.New(src, cache.Options{Rand: always(1)})
				var err error
				if got := took(func() { _, err = c.Token(t.Context()) }); got != 30*time.Second {
					t.Errorf("the caller waited %v, want 30s", got)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if deaf && !errors.Is(err, cache.ErrTimeLimit) {
					t.Errorf("got %v, want it to say that the source did not answer", err)
				}
				close(release)
				synctest.Wait()
				if st := c.Status(); st.Failures != 1 || st.Failed != 1 {
					t.Errorf("%d, %d failures; the flight must count once", st.Failures, st.Failed)
				}
			})
		})
	}
}

// deaf ignores its context. Each call takes as long as the next of delays, then
// returns a token that lives as long as the next of ttls.
type deaf struct {
	n            atomic.Int32
	delays, ttls []time.Duration
	err          error // of the first call
}

func (d *deaf) Token(context.Context) (*oauth2.Token, error) {
	i := int(d.n.Add(1)) - 1
	time.Sleep(d.delays[i])
	if i == 0 && d.err != nil {
		return nil, d.err
	}
	return &oauth2.Token{AccessToken: fmt.Sprintf("t%d", i+1), Expiry: time.Now().Add(d.ttls[i])}, nil
}

// What a flight brings that was given up is used if it is the best there is.
func TestFlight_late(t *testing.T) {
	const minute = time.Minute
	first, now := 40*time.Second, time.Duration(0)
	for _, tc := range []struct {
		name   string
		deaf   *deaf
		refuse string // a token refused before the first flight is back
		want   string // the token held in the end
	}{
		{"nothing else has come", &deaf{delays: []time.Duration{first, time.Hour}, ttls: []time.Duration{60 * minute, 60 * minute}}, "", "t1"},
		{"a newer one has come", &deaf{delays: []time.Duration{first, now}, ttls: []time.Duration{50 * minute, 60 * minute}}, "", "t2"},
		{"a newer one that ends earlier", &deaf{delays: []time.Duration{first, now}, ttls: []time.Duration{60 * minute, 30 * minute}}, "", "t1"},
		{"a newer one was refused", &deaf{delays: []time.Duration{first, now}, ttls: []time.Duration{50 * minute, 60 * minute}}, "t2", "t1"},
		{"an error", &deaf{delays: []time.Duration{first, now}, ttls: []time.Duration{0, 60 * minute}, err: errDown}, "", "t2"},
		{"an expired one", &deaf{delays: []time.Duration{first, now}, ttls: []time.Duration{-1, 60 * minute}}, "", "t2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cache.New(tc.deaf, cache.Options{})
				wantErr(t, c, cache.ErrTimeLimit) // at 30 s
				time.Sleep(2 * time.Second)
				ctx, cancel := ctxFor(t, 9*time.Second)
				defer cancel()
				_, _ = c.Token(ctx) // the second flight, at 32 s
				c.Invalidate(&oauth2.Token{AccessToken: tc.refuse})
				<-ctx.Done() // 41 s
				want(t, c, tc.want)
				if st := c.Status(); st.Failures != 0 || st.Failed != 1 {
					t.Errorf("failures: %d in a row, %d in all; want 0 and 1", st.Failures, st.Failed)
				}
				time.Sleep(time.Hour) // everything has ended
			})
		})
	}
}

// A late token takes the place of an older one even if that would last longer: who
// asked last knows best.
func TestFlight_lateButNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&deaf{
			delays: []time.Duration{0, 40 * time.Second},
			ttls:   []time.Duration{2 * time.Hour, 10 * time.Minute},
		}, cache.Options{})
		want(t, c, "t1")
		time.Sleep(101 * time.Minute)
		want(t, c, "t1")
		time.Sleep(40 * time.Second)
		synctest.Wait()
		want(t, c, "t2")
	})
}

// A source with TokenOnce.
type patient struct{ idp }

type onceKey struct{}

func (p *patient) TokenOnce(ctx context.Context) (*oauth2.Token, error) {
	tok, err := p.Token(context.WithValue(ctx, onceKey{}, true))
	if tok != nil {
		tok.TokenType = "once"
	}
	return tok, err
}

// One attempt only while there is a usable token, and all of them when not.
func TestFlight_tokenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patient{}
		c := cache.New(p, cache.Options{})
		kind := func(name, once string) *oauth2.Token {
			t.Helper()
			tok := want(t, c, name)
			if tok.TokenType != once {
				t.Errorf("%s: fetched by %q, want %q", name, tok.TokenType, once)
			}
			return tok
		}
		kind("t1", "") // cold
		time.Sleep(41 * time.Minute)
		want(t, c, "t1")
		synctest.Wait()
		t2 := kind("t2", "once") // early
		time.Sleep(time.Hour - 10*time.Second)
		kind("t3", "once") // 10 s before the end
		time.Sleep(time.Hour)
		t4 := kind("t4", "") // too late
		c.Invalidate(t2)
		kind("t4", "")
		c.Invalidate(t4)
		kind("t5", "") // refused
	})
}

// A caller is not made to wait for the early refresh, with one exception.
func TestFlight_disableAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, fail := switchable()
		p := &idp{delay: time.Second, fail: fail}
		c := cache.New(p, cache.Options{DisableAsync: true})
		want(t, c, "t1")
		time.Sleep(41 * time.Minute)
		go func() {
			time.Sleep(500 * time.Millisecond)
			if got := took(func() { want(t, c, "t1") }); got != 0 {
				t.Errorf("another caller waited %v", got)
			}
		}()
		if got := took(func() { want(t, c, "t2") }); got != time.Second {
			t.Errorf("the first caller waited %v, want 1s", got)
		}

		time.Sleep(41 * time.Minute)
		down.Store(true)
		if got := took(func() { want(t, c, "t2") }); got != time.Second {
			t.Errorf("a refresh that fails took %v, want 1s", got)
		}
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if got := took(func() { _, _ = c.Token(ctx) }); got != 300*time.Millisecond {
			t.Errorf("a caller with a deadline waited %v, want 300ms", got)
		}
		time.Sleep(time.Second)
	})
}

// The life of a token counts from when it was asked for.
func TestFlight_anchoredToSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
			n++
			expiry := time.Now().Add(100 * time.Second)
			time.Sleep(20 * time.Second)
			return &oauth2.Token{AccessToken: fmt.Sprintf("t%d", n), Expiry: expiry}, nil
		}), cache.Options{Rand: always(0)})
		start := time.Now()
		want(t, c, "t1")
		// ttl 100 s: soft at 65 s, hard at 80 s, counted from the start.
		if got, want := c.Status().NextRefresh.Sub(start), 65*time.Second; got != want {
			t.Errorf("next refresh at %v, want %v", got, want)
		}
		if got, want := c.Status().Expiry.Sub(start), 100*time.Second; got != want {
			t.Errorf("expiry at %v, want %v", got, want)
		}
	})
}
