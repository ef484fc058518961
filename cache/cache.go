package cache

import (
	"context"
	"time"

	"golang.org/x/oauth2"
)

// Source supplies tokens, a new one on each call.
//
// Token is called by one goroutine at a time and must end when ctx ends, which
// it does after 30 seconds. A call that does not is left behind: its callers get
// an error, and what it returns in the end is used only if nothing better has
// come since. The token must not be changed after it was returned; its Expiry is
// a time on the local wall clock. An error ends the attempt; a nil token, a token
// without AccessToken, one that has expired, and a panic count as errors.
//
// A source that tries several times before it gives up should also have a method
//
//	TokenOnce(ctx context.Context) (*oauth2.Token, error)
//
// which makes one attempt only. The cache calls it instead of Token as long as
// it still has a token to hand out: nobody is waiting then, and the next attempt
// comes soon enough.
//
// Two methods on an error, found by [errors.As], tell the cache how to go on:
//
//   - Temporary() bool: false means that trying again soon is of no use, as after
//     a refused client or an unknown scope. Delays then start at 30 s with a
//     usable token and at 5 s without, and end at 5 min and 60 s. An error without
//     the method is temporary. The Temporary of a [net.Error] is ignored: it is
//     deprecated, and calls a refused connection permanent.
//   - RetryAfter() time.Duration: the next flight starts no sooner, and up to a
//     tenth later. At most 10 minutes are believed.
type Source interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// SourceFunc is a function that is a [Source].
type SourceFunc func(ctx context.Context) (*oauth2.Token, error)

// Token calls f.
func (f SourceFunc) Token(ctx context.Context) (*oauth2.Token, error) { return f(ctx) }

// Options configures a [Cache] or a [Keyed]. The zero value is right for a
// service.
type Options struct {
	// MinRemaining is the life that a token should have left when it is handed
	// out. Optional. The default, which it can only raise, is a fifth of the
	// token's lifetime and at most 40 s. Raising it moves the early refresh as if
	// tokens ended so much earlier. Half of a token's lifetime is the most that is
	// honoured: a demand that no token can meet would turn every call into an
	// exchange. Tokens with less left are still handed out while refreshes fail.
	MinRemaining time.Duration

	// DisableAsync makes the one caller that finds the token due for its early
	// refresh wait for it. All others keep getting the old token. For short
	// commands, which would exit before a background refresh has ended. Optional.
	DisableAsync bool

	// MaxKeys bounds the number of keys that a Keyed holds. Optional; the default
	// is 100,000. See [Keyed] for what happens at the bound. A Cache ignores it.
	MaxKeys int

	// OnEvent is told what happens. Optional. It is called from the goroutine in
	// which it happened, so by several at the same time, and callers wait for it:
	// it has to be quick, and must not call Token, which may wait for it.
	OnEvent func(Event)

	// Rand supplies the random numbers of all delays, in [0, 1). Optional; the
	// default is [math/rand/v2.Float64]. It has to be safe for concurrent use.
	Rand func() float64
}

// Cache keeps one token fresh. Make it with [New]. Its methods may be called by
// any number of goroutines.
type Cache struct {
	slot   slot
	source Source
}

// New returns a Cache for the tokens of src, which is required; New panics
// without one. It does not call src. If src is a *Cache already, New returns it
// and ignores opts: of two caches in a row, the outer one would be given old
// tokens, and could not have them invalidated.
func New(src Source, opts Options) *Cache {
	if src == nil {
		panic("cache: New: the source is nil")
	}
	if c, ok := src.(*Cache); ok {
		return c
	}
	c := &Cache{source: src}
	c.slot.init(newEnv(opts), nil)
	return c
}

// Token returns a usable token. It returns at once while it holds one, even if
// ctx has ended; else it waits for the source, at most until ctx ends and for
// 30 seconds in all.
//
// The token is shared by all callers and must not be modified; see
// [Cache.TokenSource] for copies. Its Expiry is the time after which the cache
// will not hand it out any more, also where the source left it empty.
//
// If the source fails, the error is an [*Error]. If ctx ends first, the error
// wraps its error and its cause.
func (c *Cache) Token(ctx context.Context) (*oauth2.Token, error) {
	if tok := c.slot.hit(); tok != nil {
		return tok, nil
	}
	return c.slot.token(ctx, c.source)
}

// TokenSource returns the cache as an [oauth2.TokenSource], for code that takes
// no context. Each call returns a copy of the token, as such code may modify it,
// and waits for 30 seconds at most.
func (c *Cache) TokenSource() oauth2.TokenSource { return copies{c} }

type copies struct{ cache *Cache }

func (s copies) Token() (*oauth2.Token, error) {
	tok, err := s.cache.Token(context.Background())
	if err != nil {
		return nil, err
	}
	cp := *tok
	return &cp, nil
}

// Invalidate says that a server has refused the token, as with status 401. If
// the cache holds that very access token, it does not hand it out again, and the
// next call of Token waits for another one. If it holds a newer one already,
// nothing happens, so that many requests refused with the same token lead to one
// exchange. Nil is ignored.
//
// The last eight refused tokens are remembered. A source that returns one of them
// again, even from a call begun before, has failed.
//
// Two refreshes demanded in this way start at least 5 seconds apart. A call of
// Token in between fails with an [*Error] if there is no other token.
//
// Do not call it when a request was refused for want of permission: a new token
// will have no more of it.
func (c *Cache) Invalidate(refused *oauth2.Token) { c.slot.invalidate(refused) }
