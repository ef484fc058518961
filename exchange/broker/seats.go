package broker

import (
	"sync"
	"time"

	"github.com/brickfed/brickfed/claims"
)

const (
	// defaultMax is the default of cache.Options.MaxKeys.
	defaultMax = 100_000
	// sweep is the number of seats that are checked for being of no more use when
	// one is added. With more than one, what grew in a rush shrinks again.
	sweep = 8
	// maxBusy bounds how many seats that cannot be removed one addition looks at.
	maxBusy = 64
)

// seats holds the seats by key, bounded by the CLOCK algorithm, as the cache
// bounds its keys. A seat is there for as long as the cache may hold a token for
// its key, so that Revoke finds them all: whoever removes a seat also revokes its
// key.
type seats struct {
	max   int
	byKey sync.Map // of key to *seat; read without mu

	mu    sync.Mutex // guards what follows
	all   []*seat
	hand  int // index of the seat to be looked at next when the bound is reached
	broom int // index of the seat to be looked at next in any case
}

// newSeats makes an empty one. The default bound is used if limit is not positive.
func newSeats(limit int) *seats {
	if limit <= 0 {
		limit = defaultMax
	}
	return &seats{max: limit}
}

// take returns the seat of a key and its holder, which it makes if there is none.
// The caller leaves the seat when it is done: until then only Revoke removes it,
// except in the moment before busy is counted. Whoever finds it gone takes
// another. revoke is called for the keys of seats that had to make room.
func (m *seats) take(key string, grant claims.Grant, revoke func(key string)) *seat {
	if v, ok := m.byKey.Load(key); ok {
		s := v.(*seat)
		s.busy.Add(1)
		s.use()
		return s
	}
	s, removed := m.add(key, grant)
	for _, key := range removed {
		revoke(key)
	}
	return s
}

// add is take for a key that has no seat, as far as is known.
func (m *seats) add(key string, grant claims.Grant) (s *seat, removed []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.byKey.Load(key); ok {
		s = v.(*seat)
	} else {
		removed = m.makeRoom(time.Now().Unix())
		s = &seat{key: key, issuer: grant.Issuer, subject: grant.Subject, at: len(m.all)}
		m.all = append(m.all, s)
		m.byKey.Store(key, s)
	}
	s.busy.Add(1) // and not used yet: who comes once goes before those who come again
	return s, removed
}

// remove takes out every seat of a holder and returns the keys.
func (m *seats) remove(issuer, subject string) (keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.all) - 1; i >= 0; i-- { // the last one gets the place of one that is dropped
		if s := m.all[i]; s.issuer == issuer && s.subject == subject {
			s.gone.Store(true)
			keys = append(keys, m.drop(s))
		}
	}
	return keys
}

// forget makes sure that a refused token does not come back from its seat.
func (m *seats) forget(key, accessToken string) {
	v, ok := m.byKey.Load(key)
	if !ok {
		return
	}
	s := v.(*seat)
	if last := s.last.Load(); last != nil && last.AccessToken == accessToken {
		s.last.CompareAndSwap(last, nil)
	}
}

// makeRoom removes seats that are of no more use, a few at a time. Then, while the
// bound is reached, it removes those that were not used since the hand was here
// last. The hand goes twice around at most: after once, all marks are gone. And it
// gives up for now when it has met maxBusy seats where a call is under way: the
// bound may be exceeded by those.
func (m *seats) makeRoom(now int64) (removed []string) {
	for range min(sweep, len(m.all)) {
		m.broom %= len(m.all)
		if s := m.all[m.broom]; s.until.Load() < now && s.retire() {
			removed = append(removed, m.drop(s))
			continue // to the one that is here now
		}
		m.broom++
	}
	busy := 0
	for tries := 2 * len(m.all); len(m.all) >= m.max && tries > 0 && busy < maxBusy; tries-- {
		m.hand %= len(m.all)
		s := m.all[m.hand]
		switch {
		case s.used.Swap(false):
		case s.retire():
			removed = append(removed, m.drop(s))
			continue
		default:
			busy++
		}
		m.hand++
	}
	return removed
}

// drop takes the seat out and returns its key. The last one gets its place.
func (m *seats) drop(s *seat) (key string) {
	m.byKey.Delete(s.key)
	last := len(m.all) - 1
	moved := m.all[last]
	m.all[s.at], moved.at = moved, s.at
	m.all[last] = nil
	m.all = m.all[:last]
	return s.key
}
