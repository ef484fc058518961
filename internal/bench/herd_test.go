package bench_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

const crowd = 50

// TestHerd lets 50 callers come at once to a cache that is empty.
func TestHerd(t *testing.T) {
	t.Run("success", func(t *testing.T) {
		together(t, func(t *testing.T, p peer) {
			s := &service{ttl: time.Hour, delay: 60 * time.Millisecond}
			callers(t, p.wrap(s.token, nil), nil)
			herdSuccess.record(t, p.name, float64(s.count()))
			if got := s.count(); p.name == brickfed && got != 1 {
				t.Errorf("%d calls for %d first callers, want 1", got, crowd)
			}
		})
	})
	t.Run("failure", func(t *testing.T) {
		together(t, func(t *testing.T, p peer) {
			s := &service{delay: 60 * time.Millisecond, down: func() bool { return true }}
			last := callers(t, p.wrap(s.token, nil), errDown)
			herdFailure.record(t, p.name, float64(s.count()))
			herdLast.recordTime(t, p.name, last)
			switch got := s.count(); {
			case p.name == brickfed && (got != 1 || last != s.delay):
				t.Errorf("%d calls and an answer after %v, want 1 and %v", got, last, s.delay)
			case p.name == sdk && got != crowd:
				t.Errorf("the SDK made %d calls, it is known for %d", got, crowd)
			}
		})
	})
}

// callers lets all call at once and returns how long the last one took.
func callers(t *testing.T, g get, want error) time.Duration {
	t.Helper()
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range crowd {
		wg.Go(func() {
			<-begin
			if _, err := g(t.Context()); !errors.Is(err, want) {
				t.Errorf("got the error %v, want %v", err, want)
			}
		})
	}
	time.Sleep(5 * time.Millisecond) // until all of them wait
	start := time.Now()
	close(begin)
	wg.Wait()
	return time.Since(start)
}

// TestWaiter: a caller with little time joins one that waits for a slow call.
func TestWaiter(t *testing.T) {
	together(t, func(t *testing.T, p peer) {
		s := &service{ttl: time.Hour, delay: 600 * time.Millisecond}
		g := p.wrap(s.token, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := g(t.Context()); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(20 * time.Millisecond)

		const deadline = 30 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		start := time.Now()
		_, err := g(ctx)
		waited := time.Since(start)
		wg.Wait()
		waiterReturn.recordTime(t, p.name, waited)
		switch {
		case p.name == brickfed && (waited != deadline || !errors.Is(err, context.DeadlineExceeded)):
			t.Errorf("returned %v after %v, want %v after %v", err, waited, context.DeadlineExceeded, deadline)
		case p.name == sdk && (waited < 10*deadline || err != nil):
			t.Errorf("the SDK returned %v after %v, it is known for ignoring the deadline", err, waited)
		}
	})
}

// TestLeaver: the caller that started a call leaves, while another one waits.
func TestLeaver(t *testing.T) {
	together(t, func(t *testing.T, p peer) {
		s := &service{ttl: time.Hour, delay: 200 * time.Millisecond}
		g := p.wrap(s.token, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = g(ctx) })
		time.Sleep(20 * time.Millisecond)
		if _, err := g(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		leaverCalls.record(t, p.name, float64(s.count()))
		if got := s.count(); p.name == brickfed && got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	})
}
