package flight_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/internal/flight"
)

func TestDo_sharesOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[int]
		var calls atomic.Int32
		var done atomic.Int32
		for range 50 {
			go func() {
				got, err := f.Do(t.Context(), time.Minute, func(context.Context) (int, error) {
					time.Sleep(time.Second)
					return int(calls.Add(1)), nil
				})
				if got != 1 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
				done.Add(1)
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if calls.Load() != 1 || done.Load() != 50 {
			t.Errorf("%d calls for %d callers", calls.Load(), done.Load())
		}
		// Nothing is kept: the next caller starts the next call.
		if got, err := f.Do(t.Context(), time.Minute, func(context.Context) (int, error) { return 7, nil }); got != 7 || err != nil {
			t.Errorf("next call: %d, %v", got, err)
		}
	})
}

func TestDo_sharesTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[int]
		cause := errors.New("no")
		var calls, failed atomic.Int32
		for range 50 {
			go func() {
				_, err := f.Do(t.Context(), time.Minute, func(context.Context) (int, error) {
					calls.Add(1)
					time.Sleep(time.Second)
					return 0, cause
				})
				if errors.Is(err, cause) {
					failed.Add(1)
				}
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if calls.Load() != 1 || failed.Load() != 50 {
			t.Errorf("%d calls, %d errors", calls.Load(), failed.Load())
		}
	})
}

func TestDo_eachCallerHasItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[int]
		type key struct{}
		leaving := errors.New("leaving")
		first, leave := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		call := func(ctx context.Context) (int, error) {
			if ctx.Value(key{}) != nil {
				t.Error("the call sees a caller's context value")
			}
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != time.Minute {
				t.Error("the call has not its own deadline")
			}
			time.Sleep(10 * time.Second)
			return 1, ctx.Err()
		}
		start := time.Now()
		go func() {
			if _, err := f.Do(first, time.Minute, call); !errors.Is(err, leaving) {
				t.Errorf("the first caller got %v", err)
			}
			if got := time.Since(start); got != 2*time.Second {
				t.Errorf("the first caller left after %v", got)
			}
		}()
		synctest.Wait()
		go func() {
			short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			if _, err := f.Do(short, time.Minute, call); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the hurried caller got %v", err)
			}
			if got := time.Since(start); got != 30*time.Millisecond {
				t.Errorf("the hurried caller left after %v", got)
			}
		}()
		go func() {
			time.Sleep(2 * time.Second)
			leave(leaving)
		}()
		if got, err := f.Do(t.Context(), time.Minute, call); got != 1 || err != nil {
			t.Errorf("the patient caller got %d, %v", got, err)
		}
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("the patient caller waited %v", got)
		}
	})
}

func TestDo_timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flight.Flight[int]
		start := time.Now()
		_, err := f.Do(t.Context(), 30*time.Second, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestDo_survivesWhatACallDoes(t *testing.T) {
	for name, call := range map[string]func(context.Context) (int, error){
		"panic with a text":   func(context.Context) (int, error) { panic("a secret text") },
		"panic with an error": func(context.Context) (int, error) { panic(errors.New("a secret text")) },
		"runtime.Goexit":      func(context.Context) (int, error) { runtime.Goexit(); return 1, nil },
	} {
		t.Run(name, func(t *testing.T) {
			var f flight.Flight[int]
			_, err := f.Do(t.Context(), time.Minute, call)
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
			if got, err := f.Do(t.Context(), time.Minute, func(context.Context) (int, error) { return 1, nil }); got != 1 || err != nil {
				t.Errorf("the next call got %d, %v", got, err)
			}
		})
	}
}
