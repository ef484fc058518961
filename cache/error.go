package cache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Error says why there is no token, and when the source will be asked again.
// All callers that waited for the same call of the source, and all that come
// before the next one, get the same cause.
type Error struct {
	// Err is the source's error, or says what was wrong with its answer.
	Err error
	// NextAttempt is the earliest time at which a call of Token will ask the
	// source again. Earlier calls return this error without asking.
	NextAttempt time.Time
}

// Error describes the cause and gives the time of the next attempt.
func (e *Error) Error() string {
	return fmt.Sprintf("cache: get a token: %v (next attempt at %s)",
		e.Err, e.NextAttempt.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// ErrRevoked is returned by [Keyed.Token] to callers that were waiting for a
// token when [Keyed.Revoke] was called for its key. Decide again whether they
// may have one before calling again.
var ErrRevoked = errors.New("cache: wait for a token: its key was revoked meanwhile")

var (
	// errEvicted tells Keyed that a slot has left the cache; nobody else sees it.
	errEvicted = errors.New("cache: the key was evicted")

	errNoToken   = errors.New("the source returned neither a token nor an error")
	errNoAccess  = errors.New("the source returned a token without an access token")
	errRefused   = errors.New("the source returned a token that a server has refused before")
	errGoexit    = errors.New("the source ended its goroutine instead of returning")
	errDemanded  = errors.New("a server has refused the token, and the last refresh demanded in this way was less than 5s ago")
	errTimeLimit = fmt.Errorf("the source gave no answer within %v: %w", flightTimeout, context.DeadlineExceeded)
)

// waitError describes why a caller stopped waiting. It matches the context's
// error as well as its cause, where these differ.
func waitError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("cache: wait for a token: %w", cause)
	}
	return fmt.Errorf("cache: wait for a token: %w: %w", err, cause)
}
