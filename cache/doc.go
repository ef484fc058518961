// Package cache keeps a short-lived token fresh for many callers.
//
// A [Cache] asks its [Source] for a token when it has none, hands the same
// token to everybody, and replaces it in the background long before it ends:
//
//	tokens := cache.New(exchanger, cache.Options{})
//
//	tok, err := tokens.Token(ctx) // a few tens of nanoseconds, no lock, no allocation
//	if err != nil {
//		return err // a *cache.Error: why, and when the next attempt will be made
//	}
//	tok.SetAuthHeader(req)
//
// A [Keyed] cache does the same for many identities at once, for example for
// each user of a service. For one request at a time in a short command, an
// ordinary [golang.org/x/oauth2.ReuseTokenSource] does as well; this package is
// for programs that must not fail because an identity provider does.
//
// # The life of a token
//
// All points are measured from the moment the token was asked for, not from the
// moment it came. With a lifetime of ttl, counted as 24 hours if it is longer:
//
//   - From the soft point on, a caller starts a refresh in the background and
//     still gets the old token at once. It lies min(35 % of ttl, 20 min) before
//     the expiry, times a factor between 1 and 1.5 drawn once per token, so that
//     replicas started together do not refresh together.
//   - From the hard point on, min(20 % of ttl, 40 s) before the expiry, a caller
//     waits for the refresh: servers may refuse a token that is about to end.
//     [Options] can move this point forward.
//   - Down to its last two seconds the token is still handed out if refreshes
//     fail or take longer than the caller has. After that nobody gets it.
//
// A token without expiry is not taken to last for ever, but for five minutes.
//
// # Flights
//
// One call of the source at a time, a flight, serves all callers of a Cache, or
// of one key of a Keyed. It runs in a goroutine of its own with a time limit of
// 30 seconds and a context of its own, which carries nobody's values and which
// nobody's cancellation reaches. A caller that waits for it leaves when its own
// context ends; the flight goes on for the others. What the flight brings, token
// or failure, goes to all of them.
//
// A failure is remembered. The next flight starts after a delay that doubles
// from 1 s with each failure, up to 60 s while there is a usable token and up to
// 10 s while there is none, times a random factor between 0.5 (at the limit 0.75)
// and 1. Until then callers without a token get the remembered failure as an
// [*Error], at once.
//
// # Contexts
//
// A context bounds waiting, nothing else. A caller that need not wait gets its
// token even if its context has ended; a caller that would have to wait, and
// whose context has ended, starts nothing.
//
// # Clocks
//
// A token's age is the time that has passed on the monotonic or on the wall
// clock, whichever has moved further. So a machine that slept does not take
// yesterday's token for fresh, and a wall clock that was set back does not
// lengthen a life. The wall clock is read once a second while tokens are asked
// for: after a suspended machine wakes up, an old token is handed out for one
// second of running time at most.
//
// A token's expiry is read on the local wall clock, at which the source has
// computed it. If the source copies an absolute time from a server whose clock
// differs, the source has to correct it.
//
// # Cost
//
// Nothing runs while nobody asks: no goroutine, no timer. [Cache.KeepWarm] is
// the one exception, on request. A token that is in steady use takes less than
// two exchanges per lifetime.
//
// # Secrets
//
// No error, [Event] or [Status] made by this package contains a token. Errors of
// the source are passed on as they are.
package cache
