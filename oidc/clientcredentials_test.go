package oidc_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// newIDP starts a provider that ends with the test.
func newIDP(t *testing.T, cfg oidctest.Config) *oidctest.Server {
	t.Helper()
	idp, err := oidctest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	return idp
}

func secret(value string) *oidc.Secret {
	return oidc.SecretFunc(func(context.Context) (string, error) { return value, nil })
}

func basic() oidc.ClientAuth {
	return oidc.SecretBasic{ClientID: oidctest.ClientID, Secret: secret(oidctest.ClientSecret)}
}

func TestClientCredentials_token(t *testing.T) {
	idp := newIDP(t, oidctest.Config{Path: "/realms/acme"})
	src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client()}
	for range 3 {
		token, err := src.Token(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := token.UnverifiedClaims().Subject(); got != oidctest.ClientID {
			t.Errorf("sub is %q, want %q", got, oidctest.ClientID)
		}
	}
	if got := idp.Count(oidctest.Discovery); got != 1 {
		t.Errorf("%d discovery requests, want 1", got)
	}
	if got := idp.Count(oidctest.Tokens); got != 3 {
		t.Errorf("%d token requests, want 3", got)
	}
}

func TestClientCredentials_bubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp := newIDP(t, oidctest.Config{Pipe: true})
		src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client()}
		idp.Fail(oidctest.Tokens, oidctest.Fault{Hang: true})
		start := time.Now()
		_, err := src.Token(t.Context(), "")
		if err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := src.Token(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	})
}
