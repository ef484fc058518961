package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

func TestInvalidate_comparesAccessTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		p := &idp{}
		c := cache.New(p, cache.Options{OnEvent: rec.on})
		c.Invalidate(nil)
		c.Invalidate(&oauth2.Token{AccessToken: "t1"}) // nothing held
		want(t, c, "t1")
		c.Invalidate(nil)
		c.Invalidate(&oauth2.Token{})
		c.Invalidate(&oauth2.Token{AccessToken: "t0"})
		want(t, c, "t1")
		c.Invalidate(&oauth2.Token{AccessToken: "t1"})
		c.Invalidate(&oauth2.Token{AccessToken: "t1"})
		want(t, c, "t2")
		c.Invalidate(&oauth2.Token{AccessToken: "t1"})
		want(t, c, "t2")
		if p.n() != 2 || rec.count(cache.Invalidated) != 1 || c.Status().Invalidated != 1 {
			t.Errorf("%d exchanges, %d events; want 2 and 1", p.n(), rec.count(cache.Invalidated))
		}
	})
}

// A refused token is not handed out even if there is nothing else.
func TestInvalidate_notInAGasp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, fail := switchable()
		c := cache.New(&idp{fail: fail}, cache.Options{})
		old := want(t, c, "t1")
		down.Store(true)
		time.Sleep(time.Hour - 30*time.Second)
		want(t, c, "t1")
		c.Invalidate(old)
		wantErr(t, c, errDown)
		if st := c.Status(); st.Ready || !st.Expiry.IsZero() {
			t.Errorf("ready until %v with a refused token", st.Expiry)
		}
	})
}

// A source that keeps tokens returns the refused one once more.
func TestInvalidate_sourceReturnsItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := "a"
		n := 0
		c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
			n++
			return &oauth2.Token{AccessToken: name, Expiry: time.Now().Add(time.Hour)}, nil
		}), cache.Options{Rand: always(1)})
		a := want(t, c, "a")
		time.Sleep(time.Minute)
		c.Invalidate(a)
		wantErr(t, c, cache.ErrRefused)
		wantErr(t, c, cache.ErrRefused)
		if n != 2 {
			t.Errorf("%d calls, want 2: such a source must not be hammered", n)
		}
		time.Sleep(time.Second)
		name = "b"
		b := want(t, c, "b")
		time.Sleep(time.Minute)
		c.Invalidate(b)
		name = "a"
		wantErr(t, c, cache.ErrRefused) // not the last one refused, but one of the last eight
	})
}

// The memory of refused tokens is bounded.
func TestInvalidate_memory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := 0
		c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: fmt.Sprint(name)}, nil
		}), cache.Options{})
		for name = range 9 {
			c.Invalidate(want(t, c, fmt.Sprint(name)))
			time.Sleep(time.Minute)
		}
		name = 1
		wantErr(t, c, cache.ErrRefused)
		time.Sleep(time.Minute)
		name = 0
		want(t, c, "0")
	})
}

// A flight that began before the refusal must not bring the token back.
func TestInvalidate_flightUnderWay(t *testing.T) {
	for _, tc := range []struct {
		name  string
		bring string // what the flight brings
		err   error
	}{
		{"brings the refused one", "a", cache.ErrRefused},
		{"brings another one", "b", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bring := "a"
				c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
					time.Sleep(time.Second)
					return &oauth2.Token{AccessToken: bring, Expiry: time.Now().Add(time.Hour)}, nil
				}), cache.Options{})
				a := want(t, c, "a")
				time.Sleep(41 * time.Minute)
				bring = tc.bring
				want(t, c, "a") // starts the flight
				time.Sleep(time.Second / 2)
				c.Invalidate(a)
				waited := took(func() {
					if tc.err != nil {
						wantErr(t, c, tc.err)
					} else {
						want(t, c, tc.bring)
					}
				})
				if waited != time.Second/2 {
					t.Errorf("waited %v, want the rest of the flight", waited)
				}
			})
		})
	}
}

// The token is refused before it was ever held: another instance got it from the
// same source, for example.
func TestInvalidate_firstFlightUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&idp{delay: time.Second}, cache.Options{})
		time.AfterFunc(time.Second/2, func() { c.Invalidate(&oauth2.Token{AccessToken: "t1"}) })
		wantErr(t, c, cache.ErrRefused)
	})
}

// A caller that wakes up after the token it waited for was refused gets the next.
func TestInvalidate_whileWakingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: time.Second}
		var c *cache.Cache
		c = cache.New(p, cache.Options{OnEvent: func(ev cache.Event) {
			if ev.Kind == cache.RefreshSucceeded { // after it was stored, before anybody wakes up
				c.Invalidate(&oauth2.Token{AccessToken: "t1"})
			}
		}})
		if got := took(func() { want(t, c, "t2") }); got != 2*time.Second {
			t.Errorf("took %v, want two flights", got)
		}
	})
}

// Two refreshes on demand are 5 seconds apart; in between, the answer is an error
// that says so.
func TestInvalidate_spacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &idp{}
		c := cache.New(p, cache.Options{})
		time.Sleep(time.Minute)
		for time.Since(start) < 2*time.Minute { // each token is refused at once
			if tok, err := c.Token(t.Context()); err == nil {
				c.Invalidate(tok)
			} else {
				wantErr(t, c, cache.ErrDemanded)
				var ce *cache.Error
				if errors.As(err, &ce); time.Until(ce.NextAttempt) > 5*time.Second || time.Until(ce.NextAttempt) <= 0 {
					t.Fatalf("next attempt in %v", time.Until(ce.NextAttempt))
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		// The first token at 60 s was not demanded; then one at 60.1 s, 65.1 s, …
		for i := 2; i < p.n(); i++ {
			if gap := p.at(i, start) - p.at(i-1, start); gap < 5*time.Second {
				t.Errorf("demanded refreshes %v apart", gap)
			}
		}
		if n := p.n(); n < 12 || n > 14 {
			t.Errorf("%d exchanges in a minute, want about 13", n)
		}
	})
}

// A refresh that was under way when the token was refused is not one on demand: the
// next refusal is answered at once.
func TestInvalidate_spacingCountsDemandsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: time.Second}
		c := cache.New(p, cache.Options{})
		t1 := want(t, c, "t1")
		time.Sleep(41 * time.Minute)
		want(t, c, "t1") // starts a flight
		c.Invalidate(t1)
		want(t, c, "t2")
		time.Sleep(41 * time.Minute)
		want(t, c, "t2") // starts an ordinary one
		time.Sleep(2 * time.Second)
		c.Invalidate(want(t, c, "t3"))
		want(t, c, "t4")
	})
}

// During an outage a refusal does not shorten the delay.
func TestInvalidate_respectsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{}
		p.fail = func() error {
			if len(p.calls) > 1 {
				return verdict{temporary: true, after: time.Minute}
			}
			return nil
		}
		c := cache.New(p, cache.Options{Rand: always(0)})
		old := want(t, c, "t1")
		time.Sleep(41 * time.Minute)
		want(t, c, "t1")
		synctest.Wait()
		c.Invalidate(old)
		_, err := c.Token(t.Context())
		var ce *cache.Error
		if !errors.As(err, &ce) || time.Until(ce.NextAttempt) != time.Minute || p.n() != 2 {
			t.Errorf("got %v after %d calls, want the next attempt in a minute", err, p.n())
		}
	})
}

// Callers that invalidate, and callers that do not, all at once.
func TestInvalidate_race(t *testing.T) {
	p := &idp{}
	c := cache.New(p, cache.Options{})
	refused := want(t, c, "t1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c.Invalidate(refused)
			for range 100 {
				if tok, err := c.Token(t.Context()); err != nil || tok.AccessToken == "t1" {
					t.Errorf("got %v, %v after the refusal", tok, err)
				}
			}
		})
	}
	wg.Wait()
	if p.n() != 2 {
		t.Errorf("%d exchanges, want 2", p.n())
	}
}
