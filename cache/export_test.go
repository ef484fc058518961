package cache

import "time"

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
	ErrGoexit    = errGoexit
	ErrDemanded  = errDemanded
	ErrTimeLimit = errTimeLimit
	Plan         = plan
)

// SetWall replaces the wall clock of c, which must not be in use yet.
func (c *Cache) SetWall(wall func() time.Time) { c.slot.env.wall = wall }
