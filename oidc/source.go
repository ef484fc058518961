package oidc

import (
	"context"
	"fmt"
)

// Source supplies tokens that an identity provider issued.
//
// audience is a wish, the aud claim that the token should have: a source that
// cannot choose ignores it, and the empty string means no wish. Each call reads
// or mints afresh: a source keeps nothing, guesses no lifetime and never asks a
// person. It returns [ErrUnavailable], wrapped, if its environment is not here
// at all. A nil error comes with a non-nil token. A Source is safe for
// concurrent use.
//
// A source may say and do more by three optional interfaces: [Minter];
// [Invalidator]; and fmt.Stringer, whose text names it in errors ("token file
// /var/run/token") and holds no secret.
type Source interface {
	Token(ctx context.Context, audience string) (*Token, error)
}

// SourceFunc is a function that is a [Source].
type SourceFunc func(ctx context.Context, audience string) (*Token, error)

// Token calls f.
func (f SourceFunc) Token(ctx context.Context, audience string) (*Token, error) {
	return f(ctx, audience)
}

// Minter is implemented by a [Source] that knows whether it mints: whether the
// next call brings a new token even if the last one is still good. An
// authorization server may take a token once only (RFC 7523, section 3, jti), and
// an exchange asks its source again before each attempt: a repeated request
// carries a new token of a source that mints, and the same token again of one
// that does not. If the server refuses that one, the exchange tries again only
// when the source has another by then. A source that is not a Minter counts as
// minting.
type Minter interface {
	Mints() bool
}

// Invalidator is implemented by a [Source] that hands out a token more than once,
// as that of [Reuse] does. Invalidate says that a server has refused the token:
// the source drops it if it still holds it, whatever its exp, so that the next
// call asks for another. A token that the source does not hold, or nil, changes
// nothing, so that many callers may complain about one token. Invalidate does not
// block, and is safe for concurrent use.
type Invalidator interface {
	Invalidate(refused *Token)
}

func invalidate(s Source, refused *Token) {
	if i, ok := s.(Invalidator); ok {
		i.Invalidate(refused)
	}
}

func mints(s Source) bool {
	m, ok := s.(Minter)
	return !ok || m.Mints()
}

// describe names a source in an error.
func describe(s Source) string {
	if named, ok := s.(fmt.Stringer); ok {
		return named.String()
	}
	return fmt.Sprintf("a source of type %T", s)
}
