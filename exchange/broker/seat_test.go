package broker_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/broker"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

// Grants that differ in any field are not the same, also in one that is added to
// them some day.
func TestSame(t *testing.T) {
	full := func() claims.Grant {
		return claims.Grant{
			Policy: "p", Issuer: "i", Subject: "s", Rules: []string{"r"}, Groups: []string{"g", "h"},
			Target: claims.Target{Rule: "r", ClientID: "c", AssumeGroup: "1", Scopes: []string{"sql"}},
		}
	}
	if !broker.Same(full(), full()) || !broker.Same(claims.Grant{}, claims.Grant{}) {
		t.Error("equal grants differ")
	}
	changed := 0
	var change func(v reflect.Value, path string, g *claims.Grant)
	change = func(v reflect.Value, path string, g *claims.Grant) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				g := full()
				field := reflect.ValueOf(&g).Elem()
				if path != "" {
					field = field.FieldByName(path)
				}
				change(field.Field(i), field.Type().Field(i).Name, &g)
			}
			return
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Slice:
			v.Set(v.Slice(0, v.Len()-1))
		default:
			t.Fatalf("%s is a %s: compare it in same, and change it here", path, v.Kind())
		}
		changed++
		if broker.Same(full(), *g) {
			t.Errorf("%s is not compared", path)
		}
	}
	change(reflect.ValueOf(full()), "", nil)
	if changed != 9 {
		t.Errorf("%d fields were changed, want 9", changed)
	}
}

// What is remembered of people is bounded, whoever comes, and goes when it is of
// no more use.
func TestSeats_bounded(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		everybody := principal(1)
		w.set(claims.Rule{Name: "everybody", When: map[string]claims.Matcher{"aud": {Any: []any{app}}}, Target: &everybody})
		b := w.serving(quiet, func(c *broker.Config) { c.Cache.MaxKeys = 10 })
		ada := w.person("ada")
		first := get(t, b, ada, everybody)
		for n := range 100 {
			get(t, b, w.parsed(map[string]any{"sub": fmt.Sprint(n), "aud": app}), everybody)
			if again := get(t, b, ada, everybody); again.AccessToken != first.AccessToken {
				t.Fatal("who is always there lost the token")
			}
			if b.Seats() > 10 || b.Keys() > 10 {
				t.Fatalf("%d seats and %d keys, want 10 at most", b.Seats(), b.Keys())
			}
		}
		if n := w.exchanges(); n != 101 {
			t.Errorf("%d exchanges, want one for each", n)
		}
		time.Sleep(2 * time.Hour)
		for n := range 3 {
			get(t, b, w.parsed(map[string]any{"sub": fmt.Sprint(n), "aud": app}), everybody)
		}
		if b.Seats() > 3 || b.Keys() > 3 {
			t.Errorf("%d seats and %d keys of people who are all gone but 3", b.Seats(), b.Keys())
		}
	})
}

// The seats of calls under way stay, though that exceeds the bound: nobody is sent
// away because others come.
func TestSeats_busy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		everybody := principal(1)
		w.set(claims.Rule{Name: "everybody", When: map[string]claims.Matcher{"aud": {Any: []any{app}}}, Target: &everybody})
		b := w.serving(func(c *broker.Config) { c.Cache.MaxKeys = 4 })
		w.slow(3 * time.Second)
		var wg sync.WaitGroup
		for n := range 100 {
			who := w.parsed(map[string]any{"sub": fmt.Sprint(n), "aud": app})
			wg.Go(func() { get(t, b, who, everybody) })
		}
		synctest.Wait()
		if b.Seats() != 100 {
			t.Errorf("%d seats while 100 wait", b.Seats())
		}
		wg.Wait()
		if n := w.exchanges(); n != 100 {
			t.Errorf("%d exchanges, want 100", n)
		}
		get(t, b, w.person("ada"), everybody)
		if b.Seats() > 4 || b.Keys() > 4 {
			t.Errorf("%d seats and %d keys after the rush, want 4 at most", b.Seats(), b.Keys())
		}
	})
}

// A seat that is removed takes its token along: a holder who is revoked after that
// does not get it back.
func TestSeats_revokeFindsAll(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		everybody := principal(1)
		w.set(claims.Rule{Name: "everybody", When: map[string]claims.Matcher{"aud": {Any: []any{app}}}, Target: &everybody})
		b := w.serving(func(c *broker.Config) { c.Cache.MaxKeys = 3 })
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what begins in the background goes on
		for round := range 50 {
			who := w.parsed(map[string]any{"sub": fmt.Sprint(round % 5), "aud": app})
			_, _ = b.Token(ctx, who)
			first := get(t, b, who, everybody)
			for n := range 4 {
				get(t, b, w.parsed(map[string]any{"sub": fmt.Sprint("other", n), "aud": app}), everybody)
			}
			b.Revoke(w.idp.Issuer(), who.Claims.Subject())
			if again := get(t, b, who, everybody); again.AccessToken == first.AccessToken {
				t.Fatal("a revoked token came back")
			}
		}
	})
}

// crowd lets many others come, so that what is of no more use is removed.
func crowd(t *testing.T, w *world, b *broker.Broker, target claims.Target) {
	t.Helper()
	for n := range 20 {
		get(t, b, w.parsed(map[string]any{"sub": fmt.Sprint("other ", n), "aud": app}), target)
	}
}

// Somebody who is away for longer than the verified token lasts finds the cached
// token again.
func TestSeats_away(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		everybody := principal(1)
		w.set(claims.Rule{Name: "everybody", When: map[string]claims.Matcher{"aud": {Any: []any{app}}}, Target: &everybody})
		b := w.serving(quiet)
		first := get(t, b, w.until("ada", 5*time.Minute, nil), everybody)
		time.Sleep(20 * time.Minute)
		crowd(t, w, b, everybody)
		if again := get(t, b, w.until("ada", 5*time.Minute, nil), everybody); again.AccessToken != first.AccessToken {
			t.Error("the token was dropped though it is good")
		}
	})
}

// A flight goes on for a caller who left and comes back, whoever comes meanwhile.
func TestSeats_leftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		everybody := principal(1)
		w.set(claims.Rule{Name: "everybody", When: map[string]claims.Matcher{"aud": {Any: []any{app}}}, Target: &everybody})
		b := w.serving(quiet)
		ada := w.person("ada")
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Delay: 5 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if token, err := b.Token(ctx, ada); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", token, err)
		}
		crowd(t, w, b, everybody)
		get(t, b, ada, everybody)
		if n := w.exchanges(); n != 21 {
			t.Errorf("%d exchanges, want one for each of 21", n)
		}
	})
}

// hookedContext does something when it is asked whether it has ended, which a
// cache does before it begins a flight.
type hookedContext struct {
	context.Context
	hook func()
}

func (c hookedContext) Err() error {
	c.hook()
	return c.Context.Err()
}

// Revoke in the moment between taking a seat and beginning the flight: the token
// may be handed out, and the next Revoke must find it.
func TestSeats_revokedWhileTaken(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		b := w.serving()
		ada := w.person("ada")
		revoke := sync.OnceFunc(func() { b.Revoke(w.idp.Issuer(), "ada") })
		first, err := b.Token(hookedContext{t.Context(), revoke}, ada)
		if err != nil {
			t.Fatal(err)
		}
		if n := w.exchanges(); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
		b.Revoke(w.idp.Issuer(), "ada")
		if again := get(t, b, ada, principal(1)); again.AccessToken == first.AccessToken {
			t.Error("Revoke did not find the token")
		}
	})
}

// A seat that was removed because its holder seemed gone has its key revoked a
// moment later. Who comes back in that moment gets a token all the same.
func TestSeats_backInTheMoment(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)), gives("bob", principal(2)), gives("eve", principal(3)))
		var hook atomic.Pointer[func(cache.Event)]
		flying := make(chan struct{}, 10)
		b := w.broker(func(c *broker.Config) {
			c.Service = oidc.SourceFunc(func(ctx context.Context, audience string) (*oidc.Token, error) {
				flying <- struct{}{}
				return w.service(ctx, audience)
			})
			c.Cache.OnEvent = func(e cache.Event) {
				if f := hook.Load(); f != nil && e.Kind == cache.Invalidated {
					(*f)(e)
				}
			}
		})
		get(t, b, w.person("ada"), principal(1))
		get(t, b, w.person("bob"), principal(2))
		<-flying
		<-flying
		time.Sleep(2 * time.Hour)
		ada, bob, eve := w.person("ada"), w.person("bob"), w.person("eve")
		w.slow(time.Second)
		var wg sync.WaitGroup
		back := func(cache.Event) { // of the first key; the second is about to be revoked
			hook.Store(nil)
			wg.Go(func() { get(t, b, ada, principal(1)) })
			wg.Go(func() { get(t, b, bob, principal(2)) })
			<-flying
			<-flying
		}
		hook.Store(&back)
		get(t, b, eve, principal(3))
		wg.Wait()
		if hook.Load() != nil {
			t.Error("no seat was removed")
		}
		if w.minted != 6 {
			t.Errorf("%d flights, want 2 before, 3 after, and the one that was revoked", w.minted)
		}
	})
}
