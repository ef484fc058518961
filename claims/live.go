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

// Map is [Policy.Map] of the policy in place. A decision that was being taken
// while the policy was replaced, because a resolver is slow, is taken again.
func (l *Live) Map(ctx context.Context, c *Claims) (Grant, error) {
	for range maxReplaced {
		p := l.Policy()
		grant, err := p.Map(ctx, c)
		if l.Policy() == p {
			return grant, err
		}
	}
	return Grant{}, &Error{Kind: ErrIncomplete, Reason: "the policy was replaced again and again while it was asked"}
}

// maxReplaced bounds how often one Map begins anew.
const maxReplaced = 10

// Explain is [Policy.Explain] of the policy in place.
func (l *Live) Explain(ctx context.Context, c *Claims, opts ...TraceOption) Trace {
	return l.Policy().Explain(ctx, c, opts...)
}
