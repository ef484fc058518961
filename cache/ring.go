package cache

import (
	"sync"
	"sync/atomic"
)

// sweep is the number of entries that are checked for being of no more use when one
// is added. With more than one, a ring that grew in a rush shrinks again.
const sweep = 8

// maxBusy bounds how many entries that cannot be evicted one addition looks at.
const maxBusy = 64

// A ring holds the slots of a Keyed, bounded by the CLOCK algorithm. That
// approximates the order of last use; unlike an exact order, it is not written to
// on each hit. The zero value is empty.
type ring struct {
	entries sync.Map // of key to *entry; read without mu

	mu    sync.Mutex // guards what follows; taken before the mu of a slot
	all   []*entry
	hand  int // index of the entry to be looked at next when the ring is full
	broom int // index of the entry to be looked at next in any case
}

type entry struct {
	slot slot
	at   int         // index in all; guarded by the ring's mu
	used atomic.Bool // since the hand was here
}

// get returns the entry of the key and marks it as used, or nil.
func (r *ring) get(key any) *entry {
	v, ok := r.entries.Load(key)
	if !ok {
		return nil
	}
	e := v.(*entry)
	if !e.used.Load() { // writing each time would take the cache line from others
		e.used.Store(true)
	}
	return e
}

// add returns the entry of the key, which it makes if there is none.
func (r *ring) add(key any, env *env) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.get(key); e != nil {
		return e
	}
	r.makeRoom(env.MaxKeys)
	e := &entry{at: len(r.all)}
	e.used.Store(true)
	e.slot.init(env, key)
	r.all = append(r.all, e)
	r.entries.Store(key, e)
	return e
}

// remove takes the entry of the key out and returns it, or nil.
func (r *ring) remove(key any) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.get(key)
	if e != nil {
		r.drop(e)
	}
	return e
}

func (r *ring) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// makeRoom removes what is of no more use, a few entries at a time. Then, while the
// ring is full, it evicts entries that were not used since the hand was here last.
// The hand goes twice around at most: after once, all marks are gone. And it gives
// up for now when it has met maxBusy entries whose token is just being fetched: the
// bound may be exceeded by those, and in an outage they are many.
func (r *ring) makeRoom(limit int) {
	for range min(sweep, len(r.all)) {
		r.broom %= len(r.all)
		if e := r.all[r.broom]; e.slot.spent() && e.slot.evict() {
			r.drop(e) // and look at the one that is here now
			continue
		}
		r.broom++
	}
	busy := 0
	for tries := 2 * len(r.all); len(r.all) >= limit && tries > 0 && busy < maxBusy; tries-- {
		r.hand %= len(r.all)
		e := r.all[r.hand]
		switch {
		case e.used.Swap(false):
		case e.slot.evict():
			r.drop(e) // and look at the one that is here now
			continue
		default:
			busy++
		}
		r.hand++
	}
}

// drop takes the entry out. The last one gets its place.
func (r *ring) drop(e *entry) {
	r.entries.Delete(e.slot.key)
	last := len(r.all) - 1
	moved := r.all[last]
	r.all[e.at], moved.at = moved, e.at
	r.all[last] = nil
	r.all = r.all[:last]
}
