package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// The workload as the provider knows it, and the service principals of its
// project. The one for experiments does not trust it: a policy that chose that
// one would get nowhere.
const (
	workload    = "train-forecast"
	production  = "3f0c2a1e-1111-4000-8000-000000000001"
	experiments = "3f0c2a1e-1111-4000-8000-000000000002"
)

// world is what the job needs around it when there is nothing real.
type world struct {
	idp       *oidctest.Server
	account   *exchangetest.Server
	workspace *workspace

	url       string
	transport http.RoundTripper // nil for the network
	server    *httptest.Server
}

// newWorld starts the provider and the account: on loopback, or inside the
// process if pipe is set. Databricks tokens live for the given time, of at most
// two hours.
func newWorld(lifetime time.Duration, pipe bool) (*world, error) {
	idp, err := oidctest.New(oidctest.Config{
		Pipe:          pipe,
		TokenLifetime: 2 * time.Hour,
		Clients: []oidctest.Client{{
			ID: workload, Secrets: []string{oidctest.ClientSecret},
			Claims: map[string]any{"project": "forecast", "environment": "production"},
		}},
	})
	if err != nil {
		return nil, err
	}
	account, err := exchangetest.New(exchangetest.Config{
		Pipe: pipe, IdP: idp.Client(), MaxLifetime: lifetime,
		Principals: []exchangetest.Principal{
			{ApplicationID: production, DisplayName: "forecast training", Policies: []trust.Policy{{
				Issuer: idp.Issuer(), Subject: workload, Audiences: []string{oidctest.DefaultAudience},
			}}},
			{ApplicationID: experiments, DisplayName: "forecast experiments"},
		},
	})
	if err != nil {
		return nil, errors.Join(err, idp.Close())
	}
	return &world{idp: idp, account: account, workspace: &workspace{account: account}, url: account.URL()}, nil
}

// listen puts the workspace's other APIs on a loopback address of their own, in
// front of the account.
func (w *world) listen() {
	w.server = httptest.NewServer(w.workspace)
	w.url = w.server.URL
}

func (w *world) close() {
	if w.server != nil {
		w.server.Close()
	}
	_ = w.account.Close()
	_ = w.idp.Close()
}

// source mints the workload's tokens by client credentials.
func (w *world) source() oidc.Source {
	return &oidc.ClientCredentials{
		Issuer: w.idp.Issuer(),
		Auth: oidc.SecretBasic{
			ClientID: workload,
			Secret:   oidc.SecretFunc(func(context.Context) (string, error) { return oidctest.ClientSecret, nil }),
		},
		HTTPClient: w.idp.Client(),
	}
}

// policy is the one of the project. It is made in Go because the provider's
// address differs each time; with a real one it is a file.
func (w *world) policy() (*claims.Policy, error) {
	is := func(value string) claims.Matcher { return claims.Matcher{Any: []any{value}} }
	payload := func(environment string) claims.TestClaims {
		return claims.TestClaims{Set: map[string]any{
			"iss": w.idp.Issuer(), "aud": oidctest.DefaultAudience, "sub": workload,
			"project": "forecast", "environment": environment,
		}}
	}
	return claims.New(claims.Config{
		Version: 1,
		Issuers: []claims.Issuer{{
			Issuer:  w.idp.Issuer(),
			Require: map[string]claims.Matcher{"aud": is(oidctest.DefaultAudience), "project": is("forecast")},
			Rules: []claims.Rule{
				{Name: "experiments", When: map[string]claims.Matcher{"environment": is("development")}, Target: &claims.Target{ClientID: experiments}},
				{Name: "training", When: map[string]claims.Matcher{"environment": is("production")}, Target: &claims.Target{ClientID: production}},
			},
		}},
		Tests: []claims.Test{
			{Name: "production", Claims: payload("production"), Want: claims.Want{Target: "training"}},
			{Name: "development", Claims: payload("development"), Want: claims.Want{Target: "experiments"}},
			{Name: "elsewhere", Claims: payload("staging"), Want: claims.Want{Error: "no match"}},
		},
	})
}
