package claims

import (
	"context"
	"sync/atomic"
)

// Live is a [Policy] that can be replaced while it is in use. The zero Live
// denies everybody. It is safe for concurrent use and must not be copied.
type Live struct {
	policy atomic.Pointer[Policy]
}

// Replace loads a policy and puts it in place: a Map that begins after Replace
// has returned is by the new one. On an error the old policy stays.
func (l *Live) Replace(data []byte, opts ...Option) error {
	p, err := Load(data, opts...)
	if err != nil {
		return err
	}
	l.policy.Store(p)
	return nil
}

// Policy returns the policy in place, or nil, which denies everybody.
func (l *Live) Policy() *Policy { return l.policy.Load() }

// Map is [Policy.Map] of the policy in place.
func (l *Live) Map(ctx context.Context, c *Claims) (Grant, error) { return l.Policy().Map(ctx, c) }

// Explain is [Policy.Explain] of the policy in place.
func (l *Live) Explain(ctx context.Context, c *Claims, opts ...TraceOption) Trace {
	return l.Policy().Explain(ctx, c, opts...)
}
