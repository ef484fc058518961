package sdkauth

import (
	"context"
	"fmt"

	"github.com/brickfed/brickfed/oidc"
)

// wishing asks its source for the audience that the host prefers, as the SDK has
// learned it. Nothing insists on it: whoever wrote the federation policy may have
// chosen another.
type wishing struct {
	source   oidc.Source
	audience string
}

var (
	_ oidc.Minter      = wishing{}
	_ oidc.Invalidator = wishing{}
)

func (w wishing) Token(ctx context.Context, _ string) (*oidc.Token, error) {
	return w.source.Token(ctx, w.audience)
}

// Mints says of the source what it says, or else is assumed of it.
func (w wishing) Mints() bool {
	m, ok := w.source.(oidc.Minter)
	return !ok || m.Mints()
}

// Invalidate tells the source of a refused token, if it wants to know.
func (w wishing) Invalidate(refused *oidc.Token) {
	if keeper, ok := w.source.(oidc.Invalidator); ok {
		keeper.Invalidate(refused)
	}
}

// String names the source.
func (w wishing) String() string { return sourceName(w.source) }

func sourceName(s oidc.Source) string {
	if named, ok := s.(fmt.Stringer); ok {
		return named.String()
	}
	return fmt.Sprintf("a source of type %T", s)
}
