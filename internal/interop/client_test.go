package interop_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/oidc"
)

func secret(value string) *oidc.Secret {
	return oidc.SecretFunc(func(context.Context) (string, error) { return value, nil })
}

// forms runs a test against both forms of the provider.
func forms(t *testing.T, s setup, test func(*testing.T, *provider)) {
	for _, classic := range []bool{true, false} {
		name := "server"
		if classic {
			name = "classic"
		}
		t.Run(name, func(t *testing.T) {
			s := s
			s.classic = classic
			test(t, start(t, s))
		})
	}
}

func TestClientCredentials_claims(t *testing.T) {
	forms(t, setup{}, func(t *testing.T, p *provider) {
		source := p.credentials()
		got := token(t, source)
		c := got.UnverifiedClaims()
		if c.Issuer() != p.issuer || c.Subject() != clientID {
			t.Errorf("got issuer %q and subject %q, want %q and %q", c.Issuer(), c.Subject(), p.issuer, clientID)
		}
		aud, _, err := c.Strings("aud")
		if want := []string{clientID, audience}; err != nil || !slices.Equal(aud, want) {
			t.Errorf("aud: got %q and error %v, want %q", aud, err, want)
		}
		if got.Algorithm() != "RS256" || got.KeyID() != p.keys[0].id {
			t.Errorf("got alg %q and kid %q, want RS256 and the provider's key", got.Algorithm(), got.KeyID())
		}
		if second := token(t, source); second.Fingerprint() == got.Fingerprint() {
			t.Error("a second call brought the same token")
		}
		if got := p.count(discoveryPath); got != 1 {
			t.Errorf("got %d discovery requests for two tokens, want 1", got)
		}
	})
}

func TestClientCredentials_auth(t *testing.T) {
	auths := []oidc.ClientAuth{
		oidc.SecretBasic{ClientID: clientID, Secret: secret(clientSecret)},
		oidc.SecretPost{ClientID: clientID, Secret: secret(clientSecret)},
	}
	forms(t, setup{}, func(t *testing.T, p *provider) {
		for _, auth := range auths {
			source := p.credentials()
			source.Auth = auth
			if _, err := source.Token(t.Context(), ""); err != nil {
				t.Errorf("%T: %v", auth, err)
			}
		}
	})
}

func TestClientCredentials_rotatedSecret(t *testing.T) {
	forms(t, setup{}, func(t *testing.T, p *provider) {
		values := []string{"the old one", clientSecret} // whoever rotates it is late by one read
		source := p.credentials()
		source.Auth = oidc.SecretBasic{ClientID: clientID, Secret: oidc.SecretFunc(func(context.Context) (string, error) {
			value := values[0]
			values = values[min(1, len(values)-1):]
			return value, nil
		})}
		token(t, source)
		if got := p.count(tokenPath); got != 2 {
			t.Errorf("got %d token requests, want 2", got)
		}
	})
}

func TestClientCredentials_refused(t *testing.T) {
	const wrong = "100%-wrong:secret"
	tests := []struct {
		name   string
		change func(*oidc.ClientCredentials)
		code   string
		hint   string // part of it
	}{
		{
			"wrong secret, basic",
			func(c *oidc.ClientCredentials) { c.Auth = oidc.SecretBasic{ClientID: clientID, Secret: secret(wrong)} },
			"invalid_client", "check the client ID, the secret",
		},
		{
			"wrong secret, post",
			func(c *oidc.ClientCredentials) { c.Auth = oidc.SecretPost{ClientID: clientID, Secret: secret(wrong)} },
			"invalid_client", "check the client ID, the secret",
		},
		{
			"unknown client",
			func(c *oidc.ClientCredentials) {
				c.Auth = oidc.SecretBasic{ClientID: "nobody", Secret: secret(clientSecret)}
			},
			"invalid_client", "check the client ID, the secret",
		},
		{
			"unknown scope",
			func(c *oidc.ClientCredentials) { c.Scopes = []string{"all-apis"} },
			"invalid_scope", "ask for scopes that the client was granted",
		},
		{
			"no ID token",
			func(c *oidc.ClientCredentials) { c.IDToken = true },
			"", `add the scope "openid"`,
		},
	}
	forms(t, setup{}, func(t *testing.T, p *provider) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				source := p.credentials()
				tt.change(source)
				_, err := source.Token(t.Context(), "")
				var e *oidc.Error
				if !errors.As(err, &e) {
					t.Fatalf("got error %v, want an *oidc.Error", err)
				}
				if e.Code != tt.code || !strings.Contains(e.Hint, tt.hint) || e.Temporary() {
					t.Errorf("got code %q, hint %q, temporary %v; want code %q and a hint with %q", e.Code, e.Hint, e.Temporary(), tt.code, tt.hint)
				}
				if text := fmt.Sprintf("%v %+v", err, e); strings.Contains(text, wrong) || strings.Contains(text, clientSecret) {
					t.Errorf("the secret is in the error: %s", text)
				}
			})
		}
	})
}

// Only zitadel's newer form can be taught to issue ID tokens for client
// credentials.
func TestClientCredentials_idToken(t *testing.T) {
	p := start(t, setup{issuesID: true})
	source := p.credentials()
	source.Scopes = append(source.Scopes, "openid")
	source.IDToken = true
	got := token(t, source)
	if _, there, err := got.UnverifiedClaims().Strings("at_hash"); !there || err != nil {
		t.Error("the token has no at_hash, so it is not the ID token")
	}
	verifier := &oidc.Verifier{Issuer: p.issuer, Audiences: []string{audience}, HTTPClient: p.client}
	if _, err := verifier.Verify(t.Context(), got); err != nil {
		t.Error(err)
	}
	source.IDToken = false
	access := token(t, source)
	if _, there, err := access.UnverifiedClaims().Strings("at_hash"); there || err != nil {
		t.Error("the access token has an at_hash, so it is an ID token")
	}
}
