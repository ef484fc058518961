package cache

import "time"

const (
	// maxBlind is how long the fast path may go on without a look at the wall
	// clock.
	maxBlind = time.Second
	// clockStep is the difference between the two clocks that is worth an event.
	clockStep = 5 * time.Second
	// maxAdvance bounds what one look adds to the elapsed time, which must not
	// overflow when a wall clock jumps from 1970 to today. No token lives as long.
	maxAdvance = 1000 * time.Hour
)

// A clock counts the time that has certainly passed, suspended or not, whatever
// was done to the wall clock: at each look it advances by what the monotonic or
// the wall clock has advanced since the look before, whichever is more. The
// monotonic clock stands still while the machine is suspended, the wall clock
// does not; the wall clock can be set back, the monotonic clock cannot.
//
// Points in time are durations on this scale.
type clock struct {
	mono    time.Duration // the monotonic clock at the last look
	wall    time.Time     // the wall clock at the last look
	elapsed time.Duration // the present: time passed up to the last look
}

func newClock(e *env) clock {
	return clock{mono: e.mono(), wall: e.wall().Round(0)}
}

// look reads both clocks and returns by how much the wall clock has moved
// against the monotonic clock.
func (c *clock) look(e *env) (step time.Duration) {
	mono, wall := e.mono(), e.wall().Round(0)
	byMono, byWall := mono-c.mono, wall.Sub(c.wall)
	c.mono, c.wall = mono, wall
	c.elapsed += min(max(byMono, byWall), maxAdvance)
	return byWall - byMono
}

// date returns the present wall time of a point.
func (c *clock) date(point time.Duration) time.Time {
	return c.wall.Add(point - c.elapsed)
}
