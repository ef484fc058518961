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
// A source may say more about itself by two optional interfaces: [Minter], and
// fmt.Stringer, whose text names it in errors ("token file /var/run/token") and
// holds no secret.
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
// next call brings a new token even if the last one is still good. An identity
// provider may let a token be used once only (RFC 7523, section 3, jti), so that
// whoever repeats a request asks a minting source again and sends the token of
// another source again only where that is safe. A source that is not a Minter
// counts as minting.
type Minter interface {
	Mints() bool
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
