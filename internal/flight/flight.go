// Package flight runs one call for many callers.
package flight

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Flight runs one call at a time and gives its result to everybody who asked
// meanwhile. The zero Flight is ready.
type Flight[T any] struct {
	mu  sync.Mutex // guards now; never held across a call
	now *call[T]
}

type call[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// Do joins the call under way or starts fn. The call runs in a goroutine of its
// own under its own timeout: it outlives the caller who started it and carries
// none of that caller's values. Each caller waits no longer than its own ctx. A
// panic in fn becomes an error.
func (f *Flight[T]) Do(ctx context.Context, timeout time.Duration, fn func(context.Context) (T, error)) (T, error) {
	f.mu.Lock()
	c := f.now
	if c == nil {
		c = &call[T]{done: make(chan struct{}), err: errors.New("the call ended its goroutine")}
		f.now = c
		go f.run(c, timeout, fn)
	}
	f.mu.Unlock()
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

func (f *Flight[T]) run(c *call[T], timeout time.Duration, fn func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer func() {
		cancel()
		if r := recover(); r != nil {
			// A panic value may be anything, a secret among it: only its type is told.
			c.err = fmt.Errorf("panic with a value of type %T", r)
		}
		f.mu.Lock()
		f.now = nil
		f.mu.Unlock()
		close(c.done)
	}()
	c.value, c.err = fn(ctx)
}
