package bench_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

const goOIDC = "go-oidc"

// A verify tells whether a token is accepted.
type verify func(ctx context.Context, raw string) error

// verifiers runs a test for both. Time is that of the bubble.
func verifiers(t *testing.T, test func(t *testing.T, name string, idp *oidctest.Server, v verify)) {
	open := map[string]func(*testing.T, *oidctest.Server) verify{goOIDC: openGoOIDC, brickfed: openOwn}
	for _, name := range []string{goOIDC, brickfed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				idp, err := oidctest.New(oidctest.Config{Pipe: true, TokenLifetime: 48 * time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = idp.Close() })
				v := open[name](t, idp)
				if err := v(t.Context(), sign(t, idp, nil)); err != nil {
					t.Fatal(err)
				}
				test(t, name, idp, v)
			})
		})
	}
}

func openGoOIDC(t *testing.T, idp *oidctest.Server) verify {
	// It takes its client from the context, and keeps that.
	ctx := goidc.ClientContext(context.Background(), idp.Client())
	provider, err := goidc.NewProvider(ctx, idp.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	v := provider.Verifier(&goidc.Config{ClientID: "us"})
	return func(ctx context.Context, raw string) error {
		_, err := v.Verify(ctx, raw)
		return err
	}
}

func openOwn(_ *testing.T, idp *oidctest.Server) verify {
	v := &oidc.Verifier{Issuer: idp.Issuer(), Audiences: []string{"us"}, HTTPClient: idp.Client()}
	return func(ctx context.Context, raw string) error {
		tok, err := oidc.ParseToken(raw)
		if err == nil {
			_, err = v.Verify(ctx, tok)
		}
		return err
	}
}

func sign(t *testing.T, idp *oidctest.Server, header map[string]any) string {
	t.Helper()
	raw, err := idp.SignWith(header, map[string]any{"sub": "somebody", "aud": "us"})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestUnknownKeys: somebody sends tokens that name keys which do not exist.
func TestUnknownKeys(t *testing.T) {
	verifiers(t, func(t *testing.T, name string, idp *oidctest.Server, v verify) {
		time.Sleep(time.Minute) // brickfed would not fetch at all so soon after the last time
		fetches := fetchesFor(t, idp, v, func(i int) string {
			return sign(t, idp, map[string]any{"kid": fmt.Sprint("unknown-", i)})
		})
		unknownKeys.record(t, name, float64(fetches))
		if name == brickfed && fetches != 1 {
			t.Errorf("%d fetches, want 1", fetches)
		}
	})
}

// TestBadSignatures: somebody sends tokens that name the right key.
func TestBadSignatures(t *testing.T) {
	verifiers(t, func(t *testing.T, name string, idp *oidctest.Server, v verify) {
		time.Sleep(time.Minute)
		good := sign(t, idp, nil)
		fetches := fetchesFor(t, idp, v, func(i int) string {
			at := len(good) - 2 - i // in the signature, which has 342 characters
			other := byte('A')
			if good[at] == other {
				other = 'B'
			}
			return good[:at] + string(other) + good[at+1:]
		})
		badSignatures.record(t, name, float64(fetches))
		if name == brickfed && fetches != 0 {
			t.Errorf("%d fetches, want none", fetches)
		}
	})
}

// fetchesFor verifies 100 tokens, none of which is good, and returns how often
// the key set was fetched for that.
func fetchesFor(t *testing.T, idp *oidctest.Server, v verify, token func(i int) string) int {
	t.Helper()
	before := idp.Count(oidctest.Keys)
	for i := range 100 {
		if v(t.Context(), token(i)) == nil {
			t.Error("a bad token was accepted")
		}
		synctest.Wait() // until go-oidc has put the fetch away
	}
	return idp.Count(oidctest.Keys) - before
}

// TestWithdrawn: a key was withdrawn a day ago, and all tokens since were signed
// with it, so that no new key had to be looked for.
func TestWithdrawn(t *testing.T) {
	verifiers(t, func(t *testing.T, name string, idp *oidctest.Server, v verify) {
		kid := idp.KeyID()
		stolen := sign(t, idp, nil)
		if _, err := idp.Rotate(); err != nil {
			t.Fatal(err)
		}
		idp.Withdraw(kid)
		time.Sleep(24 * time.Hour)
		accepted := v(t.Context(), stolen) == nil
		withdrawn.recordYes(t, name, accepted)
		if name == brickfed && accepted {
			t.Error("accepted")
		}
	})
}
