package cache

import (
	"context"
	"time"
)

// Constants and functions that tests check directly.
const (
	FlightTimeout = flightTimeout
	MaxNap        = maxNap
	MaxRefusals   = maxRefusals
)

var (
	ErrNoToken   = errNoToken
	ErrNoAccess  = errNoAccess
	ErrRefused   = errRefused
	ErrEvicted   = errEvicted
	ErrGoexit    = errGoexit
	ErrDemanded  = errDemanded
	ErrTimeLimit = errTimeLimit
	Plan         = plan
)

// TokenAfterEviction evicts the key and then does what a caller does that has found
// its entry just before. It returns the errors of both attempts to get a token.
func (k *Keyed[K]) TokenAfterEviction(ctx context.Context, key K, src Source) (orphan, again error) {
	e := k.keys.get(key)
	if e.slot.evict() {
		k.keys.remove(key)
	}
	if tok := e.slot.hit(); tok != nil {
		return nil, nil
	}
	_, orphan = e.slot.token(ctx, src)
	_, again = k.Token(ctx, key, src.Token)
	return orphan, again
}

// SetWall replaces the wall clock of c, which must not be in use yet.
func (c *Cache) SetWall(wall func() time.Time) { c.slot.env.wall = wall }

// WithLock runs f while the lock of the slow path is held.
func (c *Cache) WithLock(f func()) {
	c.slot.mu.Lock()
	defer c.slot.mu.Unlock()
	f()
}
