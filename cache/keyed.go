package cache

import (
	"context"

	"golang.org/x/oauth2"
)

// Keyed keeps a token fresh for each of many keys, for example one per user. Each
// key has its own flight, delays and refusals, as if it had a [Cache] of its own.
// Make it with [NewKeyed]. Its methods may be called by any number of goroutines;
// a hit takes no lock and allocates nothing.
//
// A key should stand for all that decides about the token: who, at which host,
// with which rights. Whether a caller may have the token has to be decided before
// each call.
//
// The number of keys is bounded by Options.MaxKeys. At the bound, a new key takes
// the place of one whose token has expired, or else of one that has not been used
// for long, in CLOCK order. Keys whose token is just being fetched stay, so the
// bound can be exceeded by as many. Keys that are of no more use are also removed,
// bit by bit, whenever new ones come.
type Keyed[K comparable] struct {
	env  *env
	keys ring
}

// NewKeyed returns an empty Keyed.
func NewKeyed[K comparable](opts Options) *Keyed[K] {
	return &Keyed[K]{env: newEnv(opts)}
}

// Token returns a usable token for the key, as [Cache.Token] does. If there is
// none, or it is due for its refresh, fetch is called as the Token method of a
// [Source] would be. When several callers of one key come together, the fetch of
// one of them serves all, so it must not depend on the caller in anything that is
// not in the key. It may be called in the background, after this call of Token has
// returned.
//
// If the key is revoked while the caller waits, the error is [ErrRevoked].
func (k *Keyed[K]) Token(ctx context.Context, key K, fetch func(context.Context) (*oauth2.Token, error)) (*oauth2.Token, error) {
	for {
		e := k.keys.get(key)
		if e == nil {
			if ctx.Err() != nil { // it starts nothing, so it takes nobody's place
				return nil, waitError(ctx)
			}
			e = k.keys.add(key, k.env)
		}
		if tok := e.slot.hit(); tok != nil {
			return tok, nil
		}
		tok, err := e.slot.token(ctx, SourceFunc(fetch))
		if err != errEvicted { //nolint:errorlint // never wrapped
			return tok, err
		}
	}
}

// Invalidate says that a server has refused the token that was handed out for the
// key, as [Cache.Invalidate] does.
func (k *Keyed[K]) Invalidate(key K, refused *oauth2.Token) {
	if e := k.keys.get(key); e != nil {
		e.slot.invalidate(refused)
	}
}

// Revoke drops the key with its token, its failures, and the call of fetch under
// way: the context of that ends, and those who wait for it get [ErrRevoked]. Once
// Revoke has returned, no token that was fetched or being fetched before is handed
// out. Revoke ends the token's use here, not its validity, and it bars nobody from
// coming back: whoever calls Token decides about that.
func (k *Keyed[K]) Revoke(key K) {
	if e := k.keys.remove(key); e != nil {
		e.slot.revoke()
	}
}

// Len returns the number of keys held, with or without a usable token.
func (k *Keyed[K]) Len() int { return k.keys.len() }
