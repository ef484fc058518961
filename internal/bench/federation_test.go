package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	dbauth "github.com/databricks/databricks-sdk-go/config/experimental/auth"
	"github.com/databricks/databricks-sdk-go/httpclient"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// The tests of this file let the Databricks SDK's client work with the SDK's own
// strategy file-oidc, and then with sdkauth, against the same workspace.

const (
	job      = "3f0c2a1e-1111-4000-8000-000000000001" // a service principal
	lifetime = time.Hour                              // of its access tokens
)

// A world is an identity provider, a Databricks workspace that trusts it, and a
// client of that workspace.
type world struct {
	*exchangetest.Server
	client *httpclient.ApiClient
	wire   *wire // the transport of the configuration
	stray  *wire // http.DefaultTransport
}

// worlds runs a test for both strategies. Time is that of the bubble.
func worlds(t *testing.T, test func(t *testing.T, name string, w *world)) {
	for _, name := range []string{sdk, brickfed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, name, newWorld(t, name)) })
		})
	}
}

// authenticate chooses the strategy, for a subject token in a file.
func authenticate(cfg *config.Config, name, file string) error {
	if name == brickfed {
		return sdkauth.Apply(cfg, sdkauth.Strategy{Subject: oidc.File(file)})
	}
	cfg.AuthType, cfg.OIDCTokenFilepath, cfg.TokenAudience = "file-oidc", file, "databricks"
	return nil
}

func newWorld(t *testing.T, name string) *world {
	t.Helper()
	idp, err := oidctest.New(oidctest.Config{Pipe: true, TokenLifetime: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	dbx, err := exchangetest.New(exchangetest.Config{
		Pipe:         true,
		IdP:          idp.Client(),
		MaxLifetime:  lifetime,
		MinRemaining: 30 * time.Second, // as Azure Databricks wants it
		Principals: []exchangetest.Principal{{
			ApplicationID: job,
			Policies:      []trust.Policy{{Issuer: idp.Issuer(), Subject: "the-job", Audiences: []string{"databricks"}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dbx.Close() })

	raw, err := idp.Sign(map[string]any{"sub": "the-job", "aud": "databricks"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{
		Server: dbx,
		wire:   &wire{base: dbx.Client().Transport},
		stray:  &wire{base: dbx.Client().Transport},
	}
	usual := http.DefaultTransport
	http.DefaultTransport = w.stray
	t.Cleanup(func() { http.DefaultTransport = usual })

	cfg := &config.Config{Host: dbx.URL(), ClientID: job, HTTPTransport: w.wire, Loaders: []config.Loader{nothing{}}}
	if err := authenticate(cfg, name, file); err != nil {
		t.Fatal(err)
	}
	if err := cfg.EnsureResolved(); err != nil {
		t.Fatal(err)
	}
	c, err := config.HTTPClientConfigFromConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.client = httpclient.NewApiClient(c)
	return w
}

// nothing keeps the environment of the machine out of a configuration.
type nothing struct{}

func (nothing) Name() string                   { return "nothing" }
func (nothing) Configure(*config.Config) error { return nil }

// me asks the workspace who the caller is.
func (w *world) me(ctx context.Context) error {
	var answer struct {
		UserName string `json:"userName"`
	}
	err := w.client.Do(ctx, http.MethodGet, "/api/2.0/preview/scim/v2/Me", httpclient.WithResponseUnmarshal(&answer))
	if err == nil && answer.UserName != job {
		err = errors.New("the workspace takes us for " + answer.UserName)
	}
	return err
}

// mustMe is a call that succeeds whatever the strategy.
func (w *world) mustMe(t *testing.T) {
	t.Helper()
	if err := w.me(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// overhead is how many requests so far were no API calls.
func (w *world) overhead() int { return len(w.Requests()) - w.Count(exchangetest.API) }

// A wire counts the token requests that it sends.
type wire struct {
	base      http.RoundTripper
	exchanges atomic.Int64
	edit      func(answer map[string]any) // of the token endpoint; optional
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPost || req.URL.Path != "/oidc/v1/token" {
		return w.base.RoundTrip(req)
	}
	w.exchanges.Add(1)
	resp, err := w.base.RoundTrip(req)
	if err != nil || w.edit == nil {
		return resp, err
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	w.edit(answer)
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// TestRequests counts what a client costs the Databricks host, and by which way
// its exchanges go.
func TestRequests(t *testing.T) {
	worlds(t, func(t *testing.T, name string, w *world) {
		w.mustMe(t)
		cold := w.overhead()
		time.Sleep(lifetime + time.Second)
		w.mustMe(t)
		refresh, own := w.overhead()-cold, int(w.wire.exchanges.Load())
		coldStart.record(t, name, float64(cold))
		steady.record(t, name, float64(refresh))
		ownTransport.record(t, name, float64(own))
		if total := own + int(w.stray.exchanges.Load()); total != 2 {
			t.Errorf("%d exchanges, want 2", total)
		}
		switch {
		case name == brickfed && (cold > 2 || refresh != 1 || own != 2):
			t.Errorf("%d requests at first and %d for a refresh, %d exchanges by the configured transport, want 2, 1 and 2", cold, refresh, own)
		case name == sdk && (cold != 3 || refresh != 2 || own != 1):
			t.Errorf("%d requests at first and %d for a refresh, %d exchanges by the configured transport; the SDK is known for 3, 2 and 1", cold, refresh, own)
		}
	})
}

// TestFirstFailure: the token endpoint is unavailable once, as in
// databricks-sdk-go#1072.
func TestFirstFailure(t *testing.T) {
	worlds(t, func(t *testing.T, name string, w *world) {
		w.Fail(exchangetest.Token, exchangetest.Recorded()["unavailable"])
		err := w.me(t.Context())
		firstFailure.record(t, name, float64(w.Count(exchangetest.Token)))
		firstWorks.recordYes(t, name, err == nil)
		if works := err == nil; works != (name == brickfed) {
			t.Errorf("%s: error %v", name, err)
		}
	})
}

// TestTypedError: what a program can learn of a refused first exchange.
func TestTypedError(t *testing.T) {
	worlds(t, func(t *testing.T, name string, w *world) {
		w.Fail(exchangetest.Token, exchangetest.Recorded()["invalid client"])
		err := w.me(t.Context())
		if err == nil {
			t.Fatal("no error")
		}
		var (
			own       *exchange.Error
			retrieve  *oauth2.RetrieveError
			sdkStatus *httpclient.HttpError
		)
		typed := errors.As(err, &own) && own.Status == http.StatusUnauthorized && own.Code == "invalid_client" ||
			errors.As(err, &retrieve) || errors.As(err, &sdkStatus)
		typedError.recordYes(t, name, typed)
		if typed != (name == brickfed) {
			t.Errorf("%s: error %v", name, err)
		}
	})
}

// TestRevoked: the workspace refuses a token before its time.
func TestRevoked(t *testing.T) {
	worlds(t, func(t *testing.T, name string, w *world) {
		w.mustMe(t)
		w.RevokeAll()
		ok := 0
		for range 5 {
			if w.me(t.Context()) == nil {
				ok++
			}
			time.Sleep(time.Minute)
		}
		revoked.record(t, name, float64(ok))
		if want := map[string]int{sdk: 0, brickfed: 5}[name]; ok != want {
			t.Errorf("%s: %d calls succeeded, want %d", name, ok, want)
		}
	})
}

// TestNoExpiresIn: the token endpoint does not say how long a token lives, which
// RFC 6749, section 5.1, allows.
func TestNoExpiresIn(t *testing.T) {
	worlds(t, func(t *testing.T, name string, w *world) {
		w.wire.edit = func(answer map[string]any) { delete(answer, "expires_in") }
		w.mustMe(t)
		time.Sleep(2 * lifetime)
		err := w.me(t.Context())
		noExpiresIn.recordYes(t, name, err == nil)
		if works := err == nil; works != (name == brickfed) {
			t.Errorf("%s: error %v", name, err)
		}
	})
}

// TestIdleEnd: a client that has paused comes back 15 s before its token ends, and
// the workspace refuses tokens with less than 30 s left, as Azure Databricks does.
func TestIdleEnd(t *testing.T) {
	worlds(t, func(t *testing.T, name string, w *world) {
		w.mustMe(t)
		time.Sleep(lifetime - 15*time.Second)
		err := w.me(t.Context())
		idleEnd.recordYes(t, name, err == nil)
		if works := err == nil; works != (name == brickfed) {
			t.Errorf("%s: error %v", name, err)
		}
	})
}

// TestNilToken: a source returns neither a token nor an error.
func TestNilToken(t *testing.T) {
	none := func(context.Context) (*oauth2.Token, error) { return nil, nil }
	sources := map[string]exchange.TokenSource{
		sdk:      dbauth.NewCachedTokenSource(dbauth.TokenSourceFn(none)),
		brickfed: cache.New(cache.SourceFunc(none), cache.Options{}),
	}
	for _, name := range []string{sdk, brickfed} {
		_, err := sources[name].Token(t.Context())
		nilToken.recordYes(t, name, err != nil)
		if told := err != nil; told != (name == brickfed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
