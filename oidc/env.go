package oidc

import (
	"context"
	"fmt"
	"os"
)

// Env is a [Source] that reads a token from the environment variable with that
// name, at each call. Space around the token is trimmed. A variable that is not
// set, or is empty, is [ErrUnavailable].
//
// An environment variable is a copy of one moment and cannot rotate: once its
// token has expired nothing but a restart helps. Prefer [File] or a source that
// mints.
type Env string

var (
	_ Source = Env("")
	_ Minter = Env("")
)

// Token reads the variable.
func (e Env) Token(_ context.Context, _ string) (*Token, error) {
	value := os.Getenv(string(e))
	if e == "" || value == "" {
		return nil, fmt.Errorf("oidc: environment variable %q: %w: it is not set", string(e), ErrUnavailable)
	}
	text, err := oneLine(value)
	if err != nil {
		return nil, fmt.Errorf("oidc: environment variable %q: %w", string(e), err)
	}
	t, err := ParseToken(text)
	if err != nil {
		return nil, fmt.Errorf("oidc: environment variable %q: %w", string(e), err)
	}
	return t, nil
}

// Mints implements [Minter]: another look brings the same token.
func (e Env) Mints() bool { return false }

// String names the variable and says what it cannot do, because errors name a
// source mostly when its token has expired.
func (e Env) String() string {
	return fmt.Sprintf("environment variable %q, which cannot rotate", string(e))
}
