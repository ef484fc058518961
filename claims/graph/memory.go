package graph

import (
	"sync"
	"time"

	"github.com/brickfed/brickfed/internal/flight"
)

// Bounds of what is remembered. An ID takes about 52 bytes, so that the IDs take
// about 100 MB at the very most; 10,000 people with 200 groups each fit.
const (
	maxEntries  = 10_000
	maxIDs      = 2_000_000
	failureTime = 5 * time.Second // at least
	longestWait = 5 * time.Minute // at most
)

// memory keeps answers in two generations: what is asked for moves to the young
// one, and when that is full or stale, the old one is dropped as a whole. So it
// is bounded without a list to keep in order, and whoever is not asked for any
// more is forgotten.
type memory struct {
	maxAge time.Duration

	mu     sync.Mutex // guards what follows and the answers; never held across a call
	young  map[holder]*entry
	old    map[holder]*entry
	ids    int // of the young generation, or more
	turned time.Time

	pause      *Error // Graph asked everybody to wait …
	pauseUntil time.Time
}

// entry is one holder's place.
type entry struct {
	flight flight.Flight[answer]
	answer answer
	until  time.Time // the answer is good so long
}

// entry returns the holder's place, which may be new.
func (m *memory) entry(who holder) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.young[who]
	if e != nil {
		return e
	}
	if e = m.old[who]; e == nil {
		e = new(entry)
	}
	ids := len(e.answer.groups)
	if m.young == nil || len(m.young) >= maxEntries/2 || m.ids+ids > maxIDs/2 || time.Since(m.turned) > max(m.maxAge, longestWait) {
		m.turn()
	}
	m.young[who] = e
	m.ids += ids
	return e
}

func (m *memory) turn() {
	m.old, m.young, m.ids, m.turned = m.young, make(map[holder]*entry), 0, time.Now()
}

// recall returns an answer that is still good.
func (m *memory) recall(e *entry) (answer, bool) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case before(now, e.until):
		a := e.answer
		a.failure = a.failure.from(now, e.until)
		return a, true
	case before(now, m.pauseUntil):
		return answer{failure: m.pause.from(now, m.pauseUntil)}, true
	}
	return answer{}, false
}

// keep remembers an answer to a request of the time asked, and returns it.
func (m *memory) keep(e *entry, asked time.Time, a answer) answer {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.failure == nil {
		e.answer, e.until = answer{}, asked.Add(m.maxAge)
		if before(now, e.until) {
			e.answer = a
			m.ids += len(a.groups)
		}
		return a
	}
	e.answer, e.until = a, now.Add(max(a.failure.asked, failureTime))
	if a.failure.throttles() && e.until.After(m.pauseUntil) {
		m.pause, m.pauseUntil = a.failure, e.until
	}
	a.failure = a.failure.from(now, e.until)
	return a
}

// before compares by both clocks: the monotonic one stands still while a machine
// sleeps, and the other one may be set back.
func before(t, u time.Time) bool { return t.Before(u) && t.Round(0).Before(u.Round(0)) }
