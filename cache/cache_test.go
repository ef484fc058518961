package cache_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

func TestNew_sameCache(t *testing.T) {
	c := cache.New(&idp{}, cache.Options{})
	if got := cache.New(c, cache.Options{DisableAsync: true}); got != c {
		t.Errorf("New(cache) made another cache")
	}
}

func TestNew_noSource(t *testing.T) {
	defer func() {
		if v := recover(); v != "cache: New: the source is nil" {
			t.Errorf("got panic %v", v)
		}
	}()
	cache.New(nil, cache.Options{})
}

func TestNew_doesNotCall(t *testing.T) {
	p := &idp{}
	cache.New(p, cache.Options{})
	if p.n() != 0 {
		t.Errorf("New called the source")
	}
}

func TestToken_shared(t *testing.T) {
	c := cache.New(&idp{}, cache.Options{})
	if a, b := want(t, c, "t1"), want(t, c, "t1"); a != b {
		t.Errorf("two calls returned two tokens, want one shared by all")
	}
}

// A source may go on using the token it returned: the cache has its own.
func TestToken_ownCopy(t *testing.T) {
	kept := &oauth2.Token{AccessToken: "a", Expiry: time.Now().Add(time.Hour)}
	kept = kept.WithExtra(map[string]any{"brickfed": "grant"})
	c := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) { return kept, nil }), cache.Options{})
	tok := want(t, c, "a")
	kept.AccessToken = "b"
	want(t, c, "a")
	if got := tok.Extra("brickfed"); got != "grant" {
		t.Errorf("Extra: got %v, want it kept", got)
	}
}

func TestTokenSource_copies(t *testing.T) {
	c := cache.New(&idp{}, cache.Options{})
	ts := c.TokenSource()
	for range 3 {
		tok, err := ts.Token()
		if err != nil {
			t.Fatal(err)
		}
		if tok.AccessToken != "t1" {
			t.Fatalf("got %s, want t1 whatever callers did to theirs", tok.AccessToken)
		}
		tok.AccessToken, tok.Expiry = "spoiled", time.Time{} // as databricks-sdk-go does
	}
	want(t, c, "t1")
}

func TestTokenSource_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := cache.New(&idp{delay: time.Hour}, cache.Options{}).TokenSource()
		var err error
		if got := took(func() { _, err = ts.Token() }); got != 30*time.Second {
			t.Errorf("returned after %v, want 30s", got)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
	})
}

func TestToken_hitAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	c := cache.New(&idp{}, cache.Options{})
	k := cache.NewKeyed[string](cache.Options{})
	fetch := (&idp{}).Token
	keys := []string{strings.Repeat("a", 64), strings.Repeat("b", 64)}
	for name, hit := range map[string]func(){
		"Cache": func() { _, _ = c.Token(ctx) },
		"Keyed": func() { _, _ = k.Token(ctx, keys[0], fetch); _, _ = k.Token(ctx, keys[1], fetch) },
	} {
		hit()
		if n := testing.AllocsPerRun(1000, hit); n != 0 {
			t.Errorf("%s: %v allocations per hit, want 0", name, n)
		}
	}
}

// A context bounds waiting, nothing else.
func TestToken_endedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{delay: time.Second}
		c := cache.New(p, cache.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Token(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("without a token: got %v, want the context's error", err)
		}
		if synctest.Wait(); p.n() != 0 {
			t.Errorf("a caller that is gone started a flight")
		}
		want(t, c, "t1")
		if tok, err := c.Token(ctx); err != nil || tok.AccessToken != "t1" {
			t.Errorf("with a token at hand: got %v, %v; want t1", tok, err)
		}
		time.Sleep(time.Hour - 10*time.Second) // past the hard point: it would have to wait
		if tok, err := c.Token(ctx); err != nil || tok.AccessToken != "t1" {
			t.Errorf("with a token that is nearly over: got %v, %v; want t1", tok, err)
		}
		if synctest.Wait(); p.n() != 1 {
			t.Errorf("a caller that is gone started a flight")
		}
	})
}

func TestToken_waitErrorMatchesCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&idp{delay: time.Second}, cache.Options{})
		errShutdown := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(errShutdown) })
		var err error
		if got := took(func() { _, err = c.Token(ctx) }); got != 100*time.Millisecond {
			t.Errorf("returned after %v, want 100ms", got)
		}
		if !errors.Is(err, errShutdown) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want both the cause and context.Canceled", err)
		}
		if want := "cache: wait for a token: context canceled: shutting down"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
		time.Sleep(time.Second) // the flight ends
	})
}

// While nobody asks there is no goroutine, and nothing happens.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sources []*idp
		for range 100 {
			p := &idp{delay: time.Second}
			sources = append(sources, p)
			want(t, cache.New(p, cache.Options{}), "t1")
		}
		synctest.Wait()
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		if strings.Contains(stacks, "cache.(*slot)") {
			t.Errorf("goroutines while idle:\n%s", stacks)
		}
		time.Sleep(48 * time.Hour)
		for _, p := range sources {
			if p.n() != 1 {
				t.Fatalf("%d exchanges while idle, want the first one only", p.n())
			}
		}
	})
}

func TestError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &idp{fail: func() error { return errDown }}
		c := cache.New(p, cache.Options{Rand: always(0.5)})
		err := errFrom(t, c, errDown)
		var ce *cache.Error
		if !errors.As(err, &ce) {
			t.Fatalf("got %T, want *cache.Error", err)
		}
		if want := time.Now().Add(750 * time.Millisecond); !ce.NextAttempt.Equal(want) {
			t.Errorf("NextAttempt: got %v, want %v", ce.NextAttempt, want)
		}
		if want := "cache: get a token: token endpoint: 503 (next attempt at 2000-01-01T00:00:00.750Z)"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	})
}

// A hit takes no lock: it goes on while somebody else holds it.
func TestCache_hitTakesNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(&idp{}, cache.Options{})
		want(t, c, "t1")
		want(t, c, "t1") // opens the fast path
		c.WithLock(func() { want(t, c, "t1") })
	})
}
