package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

const (
	maxLead  = 20 * time.Minute // longest distance of the soft point from the expiry, before jitter
	maxFloor = 40 * time.Second // longest default distance of the hard point from the expiry
	lastGasp = 2 * time.Second  // a token this near its expiry is of no use to anybody
	maxTTL   = 24 * time.Hour   // no token is kept for longer
	// unknownTTL is the life of a token that comes without expiry.
	unknownTTL = 5 * time.Minute
)

// A lease is a token and the points at which its treatment changes, on the scale
// of the clock of its slot. Only stale, until and void change.
type lease struct {
	tok     *oauth2.Token // our own copy
	sent    time.Duration // when it was asked for
	soft    time.Duration // refresh in the background
	hard    time.Duration // refresh before handing it out
	expiry  time.Duration
	guessed bool // the expiry is ours: the token came without one
	stale   bool // handed out past hard before; guarded by the slot's mu

	until atomic.Int64 // monotonic time up to which the token may be handed out unseen
	void  atomic.Bool  // refused or revoked: never handed out again
}

// plan says at what age a token is to be refreshed in the background, and at
// what age it is not handed out any more without need. jitter is in [0, 1].
func plan(ttl, minRemaining time.Duration, jitter float64) (soft, hard time.Duration) {
	floor := min(ttl/5, maxFloor)
	if raise := min(minRemaining, ttl/2) - floor; raise > 0 {
		// As if the token ended so much earlier: there is still time to try in the
		// background, and both points keep their order.
		ttl -= raise
	}
	lead := float64(min(ttl*35/100, maxLead))
	return ttl - time.Duration(lead*(1+jitter/2)), ttl - floor
}

// fresh reports whether the token may be handed out without further ado.
func (l *lease) fresh(now time.Duration) bool {
	return l != nil && !l.void.Load() && now < l.hard
}

// usable reports whether the token may be handed out at all, if need be.
func (l *lease) usable(now time.Duration) bool {
	return l != nil && !l.void.Load() && (now < l.hard || now < l.expiry-lastGasp)
}

// is reports whether the lease is of the given token, going by its bytes:
// callers have copies.
func (l *lease) is(tok *oauth2.Token) bool {
	return l != nil && l.tok.AccessToken == tok.AccessToken
}

// revoke makes sure that the token is not handed out again.
func (l *lease) revoke() {
	l.void.Store(true)
	l.until.Store(0)
}

// fingerprint names a token without giving it away: the first 16 hexadecimal
// digits of the SHA-256 of its access token.
func (l *lease) fingerprint() string {
	sum := sha256.Sum256([]byte(l.tok.AccessToken))
	return hex.EncodeToString(sum[:8])
}
