package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// First returns a source that asks the given sources in order and stays with the
// first one that supplied a token: from then on it asks no other, so that an
// outage never switches identity. It goes on to the next one only on
// [ErrUnavailable]; any other error is the result. If no source is here, the
// error is ErrUnavailable and says why of each. The result implements [Minter],
// [Invalidator] and fmt.Stringer for the source it stays with.
func First(sources ...Source) Source { return &first{sources: sources} }

type first struct {
	sources []Source
	chosen  atomic.Pointer[Source]
}

// Token implements Source.
func (f *first) Token(ctx context.Context, audience string) (*Token, error) {
	if s := f.chosen.Load(); s != nil {
		return ask(ctx, *s, audience)
	}
	missing := &unavailableError{}
	for i, s := range f.sources {
		if s == nil {
			return nil, fmt.Errorf("oidc: First: source %d is nil", i)
		}
		t, err := ask(ctx, s, audience)
		switch {
		case err == nil:
			return f.settle(ctx, audience, s, t)
		case !errors.Is(err, ErrUnavailable):
			return nil, err
		}
		missing.reasons = append(missing.reasons, err)
	}
	return nil, missing
}

// settle keeps the source that worked. A concurrent caller may have settled on
// another meanwhile: its choice is everybody's.
func (f *first) settle(ctx context.Context, audience string, s Source, t *Token) (*Token, error) {
	if f.chosen.CompareAndSwap(nil, &s) {
		return t, nil
	}
	return ask(ctx, *f.chosen.Load(), audience)
}

// Mints implements Minter.
func (f *first) Mints() bool {
	s := f.chosen.Load()
	return s == nil || mints(*s)
}

// Invalidate implements Invalidator.
func (f *first) Invalidate(refused *Token) {
	if s := f.chosen.Load(); s != nil {
		invalidate(*s, refused)
	}
}

// String names the source it stays with, or all of them.
func (f *first) String() string {
	if s := f.chosen.Load(); s != nil {
		return describe(*s)
	}
	names := make([]string, len(f.sources))
	for i, s := range f.sources {
		names[i] = describe(s)
	}
	return "the first of " + strings.Join(names, ", ")
}

// ask holds a source to its contract.
func ask(ctx context.Context, s Source, audience string) (*Token, error) {
	t, err := s.Token(ctx, audience)
	if err == nil && t == nil {
		return nil, fmt.Errorf("oidc: %s returned neither a token nor an error", describe(s))
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// unavailableError keeps the reasons of all sources.
type unavailableError struct{ reasons []error }

func (e *unavailableError) Error() string {
	if len(e.reasons) == 0 {
		return "oidc: First: no source was given"
	}
	texts := make([]string, len(e.reasons))
	for i, reason := range e.reasons {
		texts[i] = strings.TrimPrefix(reason.Error(), "oidc: ")
	}
	return "oidc: no token source is available: " + strings.Join(texts, "; ")
}

func (e *unavailableError) Unwrap() []error {
	return append([]error{ErrUnavailable}, e.reasons...)
}
