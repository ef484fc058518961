package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// A world is a machine with one cache, in which things go wrong as the script of a
// test or fuzzer demands. It knows the truth: when each token really ends, and
// which ones were refused.
type world struct {
	t     *testing.T
	c     *cache.Cache
	wall  wallClock
	start time.Time

	mu      sync.Mutex
	slept   time.Duration // in suspends, unknown to the monotonic clock
	resumed time.Time     // when the last one ended
	stepped time.Time     // when the wall clock was moved last
	mode    byte          // what the source does
	calls   int
	inside  int
	first   *oauth2.Token            // the first token issued, which mode 6 repeats
	ends    map[string]time.Duration // age of the world at which each token ends
	refused []string                 // the last ones: the memory of a cache is bounded
}

// age is the real time that has passed.
func (w *world) age() time.Duration { return time.Since(w.start) + w.slept }

// Token is the source.
func (w *world) Token(ctx context.Context) (*oauth2.Token, error) {
	mode, tok := w.enter()
	if mode%8 == 5 { // dead: it returns when the next call may have begun already
		w.leave()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	defer w.leave()
	switch mode % 8 {
	case 1:
		return nil, errDown
	case 2:
		return nil, verdict{after: time.Minute}
	case 3:
		panic("boom")
	case 4: // slow
		time.Sleep(7 * time.Second)
	case 6: // caching
		return w.again(), nil
	}
	return tok, nil
}

// enter counts a call and issues its token.
func (w *world) enter() (mode byte, tok *oauth2.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.inside++; w.inside > 1 {
		w.t.Errorf("two calls of the source at a time")
	}
	ttl := []time.Duration{time.Hour, 3 * time.Minute, 10 * time.Second, time.Second}[w.calls%4]
	tok = &oauth2.Token{AccessToken: fmt.Sprintf("t%d", w.calls), Expiry: w.wall.now().Add(ttl)}
	w.ends[tok.AccessToken] = w.age() + ttl
	if w.first == nil {
		w.first = tok
	}
	return w.mode, tok
}

// again returns the first token once more. As its expiry is a time on the wall
// clock, setting that moves its end.
func (w *world) again() *oauth2.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends[w.first.AccessToken] = w.age() + w.first.Expiry.Sub(w.wall.now())
	return w.first
}

func (w *world) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inside--
}

// call asks for a token, with one second of patience, and judges the answer.
func (w *world) call() {
	w.mu.Lock()
	refused := slices.Clone(w.refused)
	w.mu.Unlock()
	began := time.Now()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
	defer cancel()
	tok, err := w.c.Token(ctx)

	w.mu.Lock()
	defer w.mu.Unlock()
	var ce *cache.Error
	switch {
	case err == nil:
		if slices.Contains(refused, tok.AccessToken) {
			w.t.Errorf("%s was handed out after it was refused", tok.AccessToken)
		}
		late := w.age() - w.ends[tok.AccessToken]
		if late >= 0 && time.Since(w.resumed) >= time.Second {
			w.t.Errorf("%s was handed out %v after its end", tok.AccessToken, late)
		}
	case errors.As(err, &ce):
		wait := ce.NextAttempt.Sub(w.wall.now())
		if time.Since(w.stepped) > 0 && (wait < 0 || wait > 11*time.Minute) {
			w.t.Errorf("next attempt in %v: %v", wait, err)
		}
	case !errors.Is(err, context.DeadlineExceeded):
		w.t.Errorf("unexpected error: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		w.t.Errorf("a caller with one second of patience waited %v", took)
	}
}

func (w *world) step(op byte) {
	switch op % 10 {
	case 0, 1, 2: // several callers
		for range op % 10 {
			go w.call()
		}
		w.call()
	case 3:
		time.Sleep(time.Duration(op) * 100 * time.Millisecond)
	case 4:
		time.Sleep(time.Duration(op) * 10 * time.Second)
	case 5: // refused
		if tok, err := w.c.Token(cancelled); err == nil {
			w.c.Invalidate(tok)
			w.mu.Lock()
			w.refused = append(w.refused, tok.AccessToken)
			w.refused = w.refused[max(0, len(w.refused)-cache.MaxRefusals):]
			w.mu.Unlock()
		}
	case 6, 7: // the source changes its ways
		w.mu.Lock()
		w.mode = op / 10
		w.mu.Unlock()
	case 8: // suspended
		w.mu.Lock()
		w.slept, w.resumed = w.slept+time.Duration(op)*10*time.Second, time.Now()
		w.mu.Unlock()
		w.stepWall(time.Duration(op) * 10 * time.Second)
	case 9: // the wall clock is set
		w.stepWall(time.Duration(int8(op)) * 20 * time.Second)
	}
}

func (w *world) stepWall(d time.Duration) {
	w.mu.Lock()
	w.stepped = time.Now()
	w.mu.Unlock()
	w.wall.step(d)
	w.c.Status() // a suspend and a backward step between two looks could hide each other
}

var cancelled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func live(t *testing.T, script []byte) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, start: time.Now(), ends: make(map[string]time.Duration)}
		w.c = cache.New(w, cache.Options{Rand: seeded(uint64(len(script))), DisableAsync: len(script)%2 == 1})
		w.c.SetWall(w.wall.now)
		for _, op := range script {
			w.step(op)
		}
		// When all is well again, so is the cache, within the longest delay.
		w.mu.Lock()
		w.mode = 0
		w.mu.Unlock()
		time.Sleep(12 * time.Minute)
		if _, err := w.c.Token(t.Context()); err != nil {
			t.Errorf("not recovered: %v", err)
		}
		time.Sleep(time.Minute) // all callers have returned
	})
}

// Whatever happens, in whatever order: no token past its end, no refused token, one
// call at a time, nobody waits longer than they want, and the cache recovers.
func TestProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		script := make([]byte, 1+r.IntN(200))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		if live(t, script); t.Failed() {
			t.Fatalf("script %v", script)
		}
	}
}

func FuzzProperties(f *testing.F) {
	f.Add([]byte{0, 4, 0, 14, 0})
	f.Add([]byte{2, 244, 16, 0, 244, 2, 5, 0, 3, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 500 {
			t.Skip("too long")
		}
		live(t, script)
	})
}

// Real time, real parallelism: for the race detector.
func TestStress(t *testing.T) {
	var mu sync.Mutex
	n := 0
	fetch := func(context.Context) (*oauth2.Token, error) {
		mu.Lock()
		defer mu.Unlock()
		switch n++; n % 5 {
		case 0:
			return nil, errDown
		case 1:
			panic(errDown)
		}
		return &oauth2.Token{AccessToken: fmt.Sprint(n), Expiry: time.Now().Add(time.Duration(n%7) * time.Millisecond)}, nil
	}
	opts := cache.Options{Rand: always(0), MaxKeys: 8, OnEvent: func(cache.Event) {}}
	c := cache.New(cache.SourceFunc(fetch), opts)
	k := cache.NewKeyed[int](opts)
	ctx, cancel := ctxFor(t, 300*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.KeepWarm(ctx) })
	for i := range 8 {
		wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				tok, err := c.Token(ctx)
				if err == nil && j%50 == 0 {
					c.Invalidate(tok)
				}
				_ = c.Status()
				key := (i + j) % 16
				tok, err = k.Token(ctx, key, fetch)
				switch {
				case err != nil:
				case j%30 == 0:
					k.Invalidate(key, tok)
				case j%40 == 0:
					k.Revoke(key)
				}
				_ = k.Len()
			}
		})
	}
	wg.Wait()
}
