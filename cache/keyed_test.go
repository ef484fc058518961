package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// of is one key of a Keyed, with the source that is used for it.
type of[K comparable] struct {
	keyed *cache.Keyed[K]
	key   K
	src   cache.Source
}

func (o of[K]) Token(ctx context.Context) (*oauth2.Token, error) {
	return o.keyed.Token(ctx, o.key, o.src.Token)
}

func TestKeyed_ownTokenPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[string](cache.Options{})
		alice, bob := &idp{}, &idp{fail: func() error { return errDown }}
		a, b := of[string]{k, "alice", alice}, of[string]{k, "bob", bob}
		for range 3 {
			want(t, a, "t1")
			wantErr(t, b, errDown) // and does not disturb alice
		}
		if alice.n() != 1 || bob.n() != 1 || k.Len() != 2 {
			t.Errorf("%d and %d exchanges, %d keys; want 1, 1, 2", alice.n(), bob.n(), k.Len())
		}
	})
}

func TestKeyed_oneFlightPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[int](cache.Options{})
		sources := make([]*idp, 20)
		var wg sync.WaitGroup
		for i := range sources {
			sources[i] = &idp{delay: time.Second}
			for range 20 {
				wg.Go(func() { want(t, of[int]{k, i, sources[i]}, "t1") })
			}
		}
		wg.Wait()
		for i, p := range sources {
			if p.n() != 1 {
				t.Errorf("key %d: %d exchanges, want 1", i, p.n())
			}
		}
	})
}

// The fetch of whoever comes when the refresh is due is used, in the background.
func TestKeyed_refresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[string](cache.Options{})
		p, q := &idp{delay: time.Second}, &patient{}
		want(t, of[string]{k, "a", p}, "t1")
		time.Sleep(41 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		if tok, err := k.Token(ctx, "a", q.Token); err != nil || tok.AccessToken != "t1" {
			t.Errorf("got %v, %v", tok, err)
		}
		cancel()
		synctest.Wait()
		if want(t, of[string]{k, "a", p}, "t1"); p.n() != 1 || q.n() != 1 {
			t.Errorf("%d and %d exchanges, want 1 and 1", p.n(), q.n())
		}
	})
}

func TestKeyed_invalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[string](cache.Options{})
		p, q := &idp{}, &idp{}
		a, b := of[string]{k, "a", p}, of[string]{k, "b", q}
		tok := want(t, a, "t1")
		want(t, b, "t1")
		k.Invalidate("nobody", tok)
		k.Invalidate("a", tok)
		k.Invalidate("a", tok)
		want(t, a, "t2")
		want(t, b, "t1")
		if k.Len() != 2 {
			t.Errorf("%d keys, want 2", k.Len())
		}
	})
}

func TestKeyed_revoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[string](cache.Options{})
		p := &idp{}
		a := of[string]{k, "a", p}
		want(t, a, "t1")
		k.Revoke("a")
		k.Revoke("a")
		k.Revoke("nobody")
		if k.Len() != 0 {
			t.Errorf("%d keys after Revoke, want 0", k.Len())
		}
		want(t, a, "t2")
	})
}

// Those who wait for a token of the revoked key do not get it, whether the source
// stops at once or ignores that its context has ended.
func TestKeyed_revokeFlightUnderWay(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf=%v", deaf), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rec recorder
				k := cache.NewKeyed[string](cache.Options{OnEvent: rec.on})
				start := time.Now()
				fetch := func(ctx context.Context) (*oauth2.Token, error) {
					if deaf {
						time.Sleep(2 * time.Second)
					} else {
						<-ctx.Done()
					}
					return &oauth2.Token{AccessToken: "late"}, nil
				}
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						tok, err := k.Token(t.Context(), "a", fetch)
						if tok != nil || !errors.Is(err, cache.ErrRevoked) {
							t.Errorf("got %v, %v; want ErrRevoked", tok, err)
						}
						if got := time.Since(start); got != time.Second {
							t.Errorf("a waiter returned after %v, want 1s", got)
						}
					})
				}
				time.Sleep(time.Second)
				k.Revoke("a")
				wg.Wait()
				time.Sleep(5 * time.Second)
				want(t, of[string]{k, "a", &idp{}}, "t1")
				got := fmt.Sprint(rec.kinds())
				if want := "[refresh_started refresh_failed invalidated refresh_started refresh_succeeded]"; got != want {
					t.Errorf("events: got %v, want %v", got, want)
				}
			})
		})
	}
}

// A waiter that wakes up after the revocation does not get the token either.
func TestKeyed_revokeWhileWakingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k *cache.Keyed[string]
		k = cache.NewKeyed[string](cache.Options{OnEvent: func(ev cache.Event) {
			if ev.Kind == cache.RefreshSucceeded { // after it was stored, before anybody wakes up
				k.Revoke("a")
			}
		}})
		tok, err := k.Token(t.Context(), "a", (&idp{delay: time.Second}).Token)
		if tok != nil || !errors.Is(err, cache.ErrRevoked) {
			t.Errorf("got %v, %v; want ErrRevoked", tok, err)
		}
	})
}

// No token that was fetched before Revoke is handed out after it, under load.
func TestKeyed_revokeRace(t *testing.T) {
	k := cache.NewKeyed[int](cache.Options{MaxKeys: 2})
	var epoch atomic.Int64 // raised before each revocation; part of each token
	fetch := func(context.Context) (*oauth2.Token, error) {
		e := epoch.Load()
		runtime.Gosched()
		return &oauth2.Token{AccessToken: fmt.Sprint(e)}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = k.Token(ctx, 0, fetch)
				_, _ = k.Token(ctx, i+1, fetch) // evictions
			}
		})
	}
	for range 300 {
		now := epoch.Add(1)
		k.Revoke(0)
		tok, err := k.Token(ctx, 0, fetch)
		if err != nil {
			t.Fatal(err)
		}
		var e int64
		if _, err := fmt.Sscan(tok.AccessToken, &e); err != nil || e < now {
			t.Fatalf("a token of epoch %d after the revocation at %d", e, now)
		}
	}
	cancel()
	wg.Wait()
}

func TestKeyed_bound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100
		k := cache.NewKeyed[int](cache.Options{MaxKeys: limit})
		p := &idp{}
		for i := range 10 * limit {
			if _, err := k.Token(t.Context(), i, p.Token); err != nil {
				t.Fatal(err)
			}
			if n := k.Len(); n > limit {
				t.Fatalf("%d keys, want %d at most", n, limit)
			}
		}
		if k.Len() != limit {
			t.Errorf("%d keys, want %d", k.Len(), limit)
		}
	})
}

// What is in use stays; but when the cache becomes full for the first time, all keys
// count as used, and one may be unlucky.
func TestKeyed_evictsTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[int](cache.Options{MaxKeys: 100})
		busy, rest := &idp{}, &idp{}
		for i := range 5000 {
			for j := range 10 {
				_, _ = k.Token(t.Context(), -1-j, busy.Token)
			}
			_, _ = k.Token(t.Context(), i, rest.Token)
		}
		if busy.n() > 11 {
			t.Errorf("%d exchanges for 10 keys in constant use, want 10 or 11", busy.n())
		}
	})
}

// The expired go first.
func TestKeyed_evictsTheExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[int](cache.Options{MaxKeys: 100})
		short, long := &idp{ttl: time.Minute}, &idp{ttl: time.Hour}
		for i := range 50 {
			_, _ = k.Token(t.Context(), i, long.Token)
			_, _ = k.Token(t.Context(), 50+i, short.Token)
		}
		time.Sleep(2 * time.Minute)
		for i := range 50 {
			_, _ = k.Token(t.Context(), 100+i, long.Token)
		}
		calls := long.n()
		for i := range 50 {
			_, _ = k.Token(t.Context(), i, long.Token)
		}
		if lost := long.n() - calls; lost > 0 {
			t.Errorf("%d good tokens were evicted while there were expired ones", lost)
		}
	})
}

// A cache that grew in a rush shrinks when new keys come, without being full.
func TestKeyed_shrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[int](cache.Options{})
		p := &idp{ttl: 10 * time.Minute}
		down := &idp{fail: func() error { return errDown }}
		for i := range 1000 {
			_, _ = k.Token(t.Context(), i, p.Token)
			_, _ = k.Token(t.Context(), 1000+i, down.Token)
		}
		if k.Len() != 2000 {
			t.Fatalf("%d keys, want 2000", k.Len())
		}
		time.Sleep(time.Hour)
		for i := range 600 {
			_, _ = k.Token(t.Context(), 2000+i, p.Token)
		}
		if k.Len() != 600 {
			t.Errorf("%d keys, want the new 600", k.Len())
		}
	})
}

// Keys in flight are not evicted, so the bound is exceeded for a while.
func TestKeyed_keepsKeysInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cache.NewKeyed[int](cache.Options{MaxKeys: 1})
		p := &idp{delay: time.Second}
		var wg sync.WaitGroup
		for i := range 20 {
			for range 2 {
				wg.Go(func() { _, _ = k.Token(t.Context(), i, p.Token) })
			}
		}
		synctest.Wait()
		if k.Len() != 20 {
			t.Errorf("%d keys in flight, want 20", k.Len())
		}
		wg.Wait()
		if p.n() != 20 {
			t.Errorf("%d exchanges, want 20", p.n())
		}
		_, _ = k.Token(t.Context(), 99, p.Token)
		if k.Len() != 1 {
			t.Errorf("%d keys at rest, want 1", k.Len())
		}
	})
}

// A caller that has found its key when it is evicted starts again: there is one
// flight per key all the same.
func TestKeyed_evictionRace(t *testing.T) {
	k := cache.NewKeyed[int](cache.Options{MaxKeys: 1})
	var wg sync.WaitGroup
	var busy [4]atomic.Int32
	for n := range 16 {
		wg.Go(func() {
			i := n % len(busy)
			name := fmt.Sprint(i)
			fetch := func(context.Context) (*oauth2.Token, error) {
				if busy[i].Add(1) > 1 {
					t.Errorf("two flights for key %d", i)
				}
				runtime.Gosched()
				busy[i].Add(-1)
				return &oauth2.Token{AccessToken: name}, nil
			}
			for range 2000 {
				if tok, err := k.Token(t.Context(), i, fetch); err != nil || tok.AccessToken != name {
					t.Errorf("key %d: got %v, %v", i, tok, err)
				}
			}
		})
	}
	wg.Wait()
}

// The same without chance: from an evicted entry nobody gets a token, and nobody
// starts a flight in it, which Revoke could not reach.
func TestKeyed_evictedEntry(t *testing.T) {
	k := cache.NewKeyed[string](cache.Options{})
	p := &idp{}
	want(t, of[string]{k, "a", p}, "t1")
	orphan, again := k.TokenAfterEviction(t.Context(), "a", p)
	if !errors.Is(orphan, cache.ErrEvicted) || again != nil || p.n() != 2 {
		t.Errorf("got %v, then %v, after %d exchanges; want %v, then nil, after 2", orphan, again, p.n(), cache.ErrEvicted)
	}
}

// A new key is not the next to go.
func TestKeyed_newKeysStay(t *testing.T) {
	const limit = 100
	k := cache.NewKeyed[int](cache.Options{MaxKeys: limit})
	p := &idp{}
	get := func(i int) { _, _ = k.Token(t.Context(), i, p.Token) }
	for i := range limit + 1 { // the last one evicts the first
		get(i)
	}
	for i := range limit - 1 { // all others are used
		get(i + 1)
	}
	get(limit + 1)
	before := p.n()
	if get(limit); p.n() != before {
		t.Errorf("the newest key was evicted before all others")
	}
}

func TestKeyed_structKey(t *testing.T) {
	type identity struct{ host, client string }
	k := cache.NewKeyed[identity](cache.Options{})
	p := &idp{}
	want(t, of[identity]{k, identity{"h", "c"}, p}, "t1")
	want(t, of[identity]{k, identity{"h", "c"}, p}, "t1")
	want(t, of[identity]{k, identity{"h", "d"}, p}, "t2")
}

func TestKeyed_eventsNameTheKey(t *testing.T) {
	var rec recorder
	k := cache.NewKeyed[string](cache.Options{OnEvent: rec.on})
	want(t, of[string]{k, "a", &idp{}}, "t1")
	for _, ev := range rec.all() {
		if ev.Key != "a" {
			t.Errorf("%s: key %v, want a", ev.Kind, ev.Key)
		}
	}
	if len(rec.all()) != 2 {
		t.Errorf("%d events, want 2", len(rec.all()))
	}
}

// Whoever comes with a context that has ended gets nothing and takes nobody's
// place.
func TestKeyed_endedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 10
		k := cache.NewKeyed[int](cache.Options{MaxKeys: bound})
		calls := 0
		fetch := func(context.Context) (*oauth2.Token, error) {
			calls++
			return &oauth2.Token{AccessToken: "t", Expiry: time.Now().Add(time.Hour)}, nil
		}
		for key := range bound {
			if _, err := k.Token(t.Context(), key, fetch); err != nil {
				t.Fatal(err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for key := range 20 * bound {
			if _, err := k.Token(ended, bound+key, fetch); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want context.Canceled", err)
			}
		}
		for key := range bound {
			if _, err := k.Token(ended, key, fetch); err != nil {
				t.Errorf("key %d was lost: %v", key, err)
			}
		}
		if calls != bound || k.Len() != bound {
			t.Errorf("%d fetches and %d keys, want %d of each", calls, k.Len(), bound)
		}
	})
}
