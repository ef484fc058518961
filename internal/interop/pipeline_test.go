package interop_test

import (
	"errors"
	"testing"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/sdkclient"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
)

// trainer is the service principal that the provider's client becomes.
const trainer = "5b2f9c1e-7d34-4a86-9e0b-3c8d1f6a7b42"

// newDatabricks starts a Databricks that trusts the provider's client.
func newDatabricks(t *testing.T, p *provider, pipe bool) *exchangetest.Server {
	t.Helper()
	dbx, err := exchangetest.New(exchangetest.Config{
		Pipe: pipe,
		IdP:  p.client,
		Principals: []exchangetest.Principal{{
			ApplicationID: trainer,
			Policies:      []trust.Policy{{Issuer: p.issuer, Audiences: []string{audience}, Subject: clientID}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dbx.Close() })
	return dbx
}

// newWorkspace makes an SDK client that becomes trainer by way of source.
func newWorkspace(t *testing.T, dbx *exchangetest.Server, source oidc.Source) *databricks.WorkspaceClient {
	t.Helper()
	cfg := &databricks.Config{Host: dbx.URL(), HTTPTransport: dbx.Client().Transport}
	w, err := sdkclient.Workspace(cfg, sdkauth.Strategy{Subject: source, ClientID: trainer})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// newExchanger makes an exchanger for the same, without a cache.
func newExchanger(t *testing.T, dbx *exchangetest.Server, source oidc.Source) *exchange.Exchanger {
	t.Helper()
	x, err := exchange.New(exchange.Config{
		Host:       dbx.URL(),
		ClientID:   trainer,
		Audience:   audience,
		Subject:    source,
		HTTPClient: dbx.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// me asks Databricks who it is talking to, and ends the test if it is not trainer.
func me(t *testing.T, w *databricks.WorkspaceClient) {
	t.Helper()
	user, err := w.CurrentUser.Me(t.Context(), iam.MeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if user.UserName != trainer {
		t.Fatalf("Me: got %q, want %q", user.UserName, trainer)
	}
}

func TestPipeline(t *testing.T) {
	forms(t, setup{}, func(t *testing.T, p *provider) {
		dbx := newDatabricks(t, p, false)
		w := newWorkspace(t, dbx, p.credentials())
		for range 3 {
			me(t, w)
		}
		if minted, exchanged := p.count(tokenPath), dbx.Count(exchangetest.Token); minted != 1 || exchanged != 1 {
			t.Errorf("three calls: got %d tokens and %d exchanges, want 1 and 1", minted, exchanged)
		}

		// The provider goes away. A token in the cache does not care.
		p.down.Store(true)
		me(t, w)
		_, err := newExchanger(t, dbx, p.credentials()).TokenOnce(t.Context())
		var e *exchange.Error
		if !errors.As(err, &e) || e.Kind != exchange.KindSource || !e.Temporary() {
			t.Errorf("outage: got %v, want a temporary error of kind source", err)
		}
		p.down.Store(false)

		// Databricks refuses the token: another one is had without the caller's help.
		dbx.RevokeAll()
		me(t, w)
		if minted, exchanged := p.count(tokenPath), dbx.Count(exchangetest.Token); minted != 2 || exchanged != 2 {
			t.Errorf("after a refused token: got %d tokens and %d exchanges, want 2 and 2", minted, exchanged)
		}
	})
}

// A new key, also one of another algorithm, is noticed at once, and a withdrawn
// one is gone with it.
func TestPipeline_rotation(t *testing.T) {
	forms(t, setup{}, func(t *testing.T, p *provider) {
		dbx := newDatabricks(t, p, false)
		source := p.credentials()
		x := newExchanger(t, dbx, source)
		old := token(t, source)
		if _, err := x.Exchange(t.Context(), old, claims.Target{}); err != nil {
			t.Fatal(err)
		}
		for _, alg := range []string{"ES256", "RS256"} {
			if err := p.rotate(jose.SignatureAlgorithm(alg)); err != nil {
				t.Fatal(err)
			}
			fresh := token(t, source)
			if fresh.Algorithm() != alg {
				t.Fatalf("got a token by %s, want %s", fresh.Algorithm(), alg)
			}
			if _, err := x.Exchange(t.Context(), fresh, claims.Target{}); err != nil {
				t.Errorf("a token by the new %s key: %v", alg, err)
			}
			_, err := x.Exchange(t.Context(), old, claims.Target{})
			var e *exchange.Error
			if !errors.As(err, &e) || e.Kind != exchange.KindNoPolicy || e.Temporary() {
				t.Errorf("a token by a withdrawn key: got %v, want a lasting error of kind no_policy", err)
			}
			old = fresh
		}
	})
}

// An ID token is exchanged as well, and the audience is checked before the
// network.
func TestPipeline_idToken(t *testing.T) {
	p := start(t, setup{issuesID: true})
	dbx := newDatabricks(t, p, false)
	source := p.credentials()
	source.IDToken = true
	source.Scopes = append(source.Scopes, "openid")
	if _, err := newExchanger(t, dbx, source).Token(t.Context()); err != nil {
		t.Error(err)
	}
	source = p.credentials()
	source.Scopes = []string{audienceScope("somebody-else")}
	before := dbx.Count(exchangetest.Token)
	_, err := newExchanger(t, dbx, source).Token(t.Context())
	var e *exchange.Error
	if !errors.As(err, &e) || e.Kind != exchange.KindAudience {
		t.Errorf("another audience: got %v, want an error of kind audience", err)
	}
	if got := dbx.Count(exchangetest.Token) - before; got != 0 {
		t.Errorf("another audience: got %d exchanges, want none", got)
	}
}
