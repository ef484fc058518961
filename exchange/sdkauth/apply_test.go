package sdkauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/oidc"
)

func TestApply_refuses(t *testing.T) {
	w := newWorld(t)
	good := w.strategy()
	tokens := exchange.Direct{Subject: w.source()}
	policy := mapper(func(*claims.Claims) (claims.Grant, error) { return claims.Grant{}, nil })
	for name, test := range map[string]struct {
		strategy sdkauth.Strategy
		cfg      *config.Config
		want     []string // all in one error
	}{
		"no config":     {good, nil, []string{"nil"}},
		"zero strategy": {sdkauth.Strategy{}, &config.Config{}, []string{"Strategy.Subject", "Strategy.ClientID or Strategy.AccountWide"}},
		"both identities": {
			sdkauth.Strategy{ClientID: job, AccountWide: true},
			&config.Config{},
			[]string{"Strategy.Subject", "Strategy.ClientID and Strategy.AccountWide"},
		},
		"policy and identity": {sdkauth.Strategy{Subject: w.source(), Policy: policy, ClientID: job}, &config.Config{}, []string{"Strategy.Policy"}},
		"tokens and subject":  {sdkauth.Strategy{Tokens: tokens, Subject: w.source()}, &config.Config{}, []string{"Strategy.Tokens"}},
		"another auth type":   {good, &config.Config{AuthType: "pat"}, []string{`"pat"`}},
		"other credentials":   {good, &config.Config{Credentials: config.PatCredentials{}}, []string{"Credentials"}},
		"credentials in fields": {
			good, &config.Config{Token: "dapi-x", ClientSecret: "s", AzureClientSecret: "s", Password: "p", GoogleCredentials: "g", OIDCTokenFilepath: "f"},
			[]string{"token", "client_secret", "azure_client_secret", "password", "google_credentials", "databricks_id_token_filepath"},
		},
		"another client":        {good, &config.Config{ClientID: admin}, []string{"Config.ClientID"}},
		"client, account-wide":  {sdkauth.Strategy{Subject: w.source(), AccountWide: true}, &config.Config{ClientID: job}, []string{"Config.ClientID"}},
		"everything at once":    {sdkauth.Strategy{}, &config.Config{Token: "dapi-x", AuthType: "pat"}, []string{"Strategy.Subject", "token", "AuthType"}},
		"the same client twice": {good, &config.Config{ClientID: job}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var before string
			if test.cfg != nil {
				before = fmt.Sprint(test.cfg.AuthType, test.cfg.Credentials, len(test.cfg.Loaders), test.cfg.HTTPTransport)
			}
			err := sdkauth.Apply(test.cfg, test.strategy)
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "sdkauth: apply: ") {
				t.Fatalf("got error %v", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not speak of %s: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "dapi-x") {
				t.Errorf("the error holds a token: %v", err)
			}
			if test.cfg != nil {
				if after := fmt.Sprint(test.cfg.AuthType, test.cfg.Credentials, len(test.cfg.Loaders), test.cfg.HTTPTransport); after != before {
					t.Errorf("the config was changed: %s, was %s", after, before)
				}
			}
		})
	}
}

// Whom the token is for is missing only if nobody says it.
func TestApply_whom(t *testing.T) {
	policy := mapper(func(*claims.Claims) (claims.Grant, error) { return claims.Grant{}, nil })
	for name, test := range map[string]struct {
		strategy sdkauth.Strategy
		clientID string // the config's
		variable string // DATABRICKS_CLIENT_ID
	}{
		"strategy":     {strategy: sdkauth.Strategy{ClientID: job}},
		"account-wide": {strategy: sdkauth.Strategy{AccountWide: true}},
		"policy":       {strategy: sdkauth.Strategy{Policy: policy}},
		"config":       {clientID: job},
		"environment":  {variable: job},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DATABRICKS_CLIENT_ID", test.variable)
			err := sdkauth.Apply(&config.Config{ClientID: test.clientID}, test.strategy)
			if err == nil || strings.Contains(err.Error(), "AccountWide") {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestApply_once(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	client := w.client(cfg, w.strategy())
	if err := sdkauth.Apply(cfg, w.asAdmin()); err == nil || !strings.Contains(err.Error(), "before") {
		t.Errorf("got error %v", err)
	}
	w.mustBe(client, job)
}

func TestApply_tooLate(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	if err := cfg.EnsureResolved(); err != nil {
		t.Fatal(err)
	}
	if err := sdkauth.Apply(cfg, w.strategy()); err == nil || !strings.Contains(err.Error(), "resolved") {
		t.Errorf("got error %v", err)
	}
}

func TestApply_loadersReplaced(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	if err := sdkauth.Apply(cfg, w.strategy()); err != nil {
		t.Fatal(err)
	}
	cfg.Loaders = []config.Loader{setHost(w.dbx.URL())}
	if _, err := me(t.Context(), w.resolve(cfg)); err == nil || !strings.Contains(err.Error(), "Loaders") {
		t.Errorf("got error %v", err)
	}
}

// Mistakes that need no network are told by the constructor, all at once.
func TestConstructorChecks(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.GroupID, cfg.AccountID = "analysts", "acme"
	s := w.strategy()
	s.ClientID = "123456"
	if err := sdkauth.Apply(cfg, s); err != nil {
		t.Fatal(err)
	}
	err := cfg.EnsureResolved()
	var e *exchange.Error
	if !errors.As(err, &e) || e.Kind != exchange.KindConfig {
		t.Fatalf("got error %v", err)
	}
	for _, part := range []string{"ClientID", "AssumeGroup", "AccountID"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not speak of %s: %v", part, err)
		}
	}
}

// A host that becomes known after the client was made, as in Terraform.
func TestHostKnownLater(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.Host = ""
	client := w.client(cfg, w.strategy())
	if _, err := me(t.Context(), client); err == nil {
		t.Fatal("no error without a host")
	}
	cfg.Host = w.dbx.URL()
	w.mustBe(client, job)
}

func TestHTTPIsRefused(t *testing.T) {
	for name, s := range map[string]sdkauth.Strategy{
		"exchange": newWorld(t).strategy(),
		"tokens":   {Tokens: exchange.Direct{Subject: newWorld(t).source()}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &config.Config{Host: "http://dbc-test.cloud.databricks.com"}
			if err := sdkauth.Apply(cfg, s); err != nil {
				t.Fatal(err)
			}
			if err := cfg.EnsureResolved(); err == nil || !strings.Contains(err.Error(), "https") {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// mapper is a policy.
type mapper func(*claims.Claims) (claims.Grant, error)

func (m mapper) Map(_ context.Context, c *claims.Claims) (claims.Grant, error) { return m(c) }

func TestPolicy(t *testing.T) {
	w := newWorld(t)
	t.Setenv("DATABRICKS_CLIENT_ID", admin) // the policy decides
	policy := mapper(func(c *claims.Claims) (claims.Grant, error) {
		return claims.Grant{Issuer: c.Issuer(), Subject: c.Subject(), Target: claims.Target{ClientID: job, AssumeGroup: analysts, Scopes: []string{"sql"}}}, nil
	})
	var events atomic.Int32
	cfg := w.config()
	w.client(cfg, sdkauth.Strategy{Subject: w.source(), Policy: policy, OnExchange: func(_ context.Context, e exchange.Event) {
		if e.Err == nil && e.Grant.Target.ClientID == job {
			events.Add(1)
		}
	}})
	mustToken(t, cfg)
	form := w.tokenRequests()[0].Form
	if form.Get("client_id") != job || form.Get("assume_group") != analysts || form.Get("scope") != "sql" {
		t.Errorf("form %v", form)
	}
	if events.Load() != 1 {
		t.Errorf("%d events", events.Load())
	}

	t.Setenv("DATABRICKS_GROUP_ID", auditors) // a restriction that nobody would notice to be ignored
	cfg = w.config()
	if err := sdkauth.Apply(cfg, sdkauth.Strategy{Subject: w.source(), Policy: policy}); err != nil {
		t.Fatal(err)
	}
	if err := cfg.EnsureResolved(); err == nil || !strings.Contains(err.Error(), "AssumeGroup") {
		t.Errorf("got error %v", err)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	x, err := exchange.New(exchange.Config{Host: w.dbx.URL(), ClientID: job, Subject: w.source(), HTTPClient: w.dbx.Client()})
	if err != nil {
		t.Fatal(err)
	}
	shared := cache.New(x, cache.Options{})
	if _, err := shared.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 { // clients that share the program's cache
		w.mustBe(w.client(w.config(), sdkauth.Strategy{Tokens: shared}), job)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1})

	cfg := w.config() // recovery goes through it as well
	client := w.client(cfg, sdkauth.Strategy{Tokens: shared})
	w.dbx.RevokeAll()
	w.mustBe(client, job)
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 2})

	other, err := cfg.NewWithWorkspaceHost("https://dbc-two.cloud.databricks.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.EnsureResolved(); err == nil || !strings.Contains(err.Error(), "https://dbc-two.cloud.databricks.com") {
		t.Errorf("the tokens would go to another host: got error %v", err)
	}
	again, err := other.NewWithWorkspaceHost(w.dbx.URL())
	if err == nil {
		t.Errorf("derived from a config that was refused: %v", again.Host)
	}
	same, err := cfg.NewWithWorkspaceHost(w.dbx.URL())
	if err != nil {
		t.Fatal(err)
	}
	w.mustBe(w.resolve(same), job)
	third, err := same.NewWithWorkspaceHost("https://dbc-two.cloud.databricks.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := third.EnsureResolved(); err == nil {
		t.Error("the tokens would go to another host in two steps")
	}
}

// Tokens for a host that was not known when they were asked to be used are for
// none that a derived config names.
func TestTokens_hostKnownLater(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.Host = ""
	client := w.client(cfg, sdkauth.Strategy{Tokens: cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
		return &oauth2.Token{AccessToken: "x", Expiry: time.Now().Add(time.Hour)}, nil
	})})
	cfg.Host = w.dbx.URL()
	if _, err := me(t.Context(), client); err == nil || w.dbx.Count(exchangetest.API) == 0 {
		t.Fatalf("the config itself may use them: got error %v", err)
	}
	other, err := cfg.NewWithWorkspaceHost("https://dbc-two.cloud.databricks.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.EnsureResolved(); err == nil || !strings.Contains(err.Error(), "Strategy.Tokens") {
		t.Errorf("got error %v", err)
	}
}

func TestTokens_direct(t *testing.T) {
	w := newWorld(t)
	exchanged := w.config()
	w.client(exchanged, w.strategy())
	raw := mustToken(t, exchanged).AccessToken // a token that is Databricks' already
	var reads atomic.Int32
	subject := oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) {
		reads.Add(1)
		return oidc.ParseToken(raw)
	})
	client := w.client(w.config(), sdkauth.Strategy{Tokens: exchange.Direct{Subject: subject}})
	for range 5 {
		w.mustBe(client, job)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1})
	if reads.Load() != 1 {
		t.Errorf("the source was read %d times: there is no cache", reads.Load())
	}
}

// A strategy put into Credentials by hand works, with its limits.
func TestByHand(t *testing.T) {
	w := newWorld(t)
	t.Setenv("DATABRICKS_TOKEN", "dapi-of-somebody")
	t.Setenv("ARM_CLIENT_ID", "x")
	s := w.strategy()
	cfg := w.config()
	cfg.Credentials, cfg.AuthType = &s, s.Name()
	w.mustBe(w.resolve(cfg), job)
	w.neverSent("dapi-of-somebody")
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Metadata: 1, exchangetest.Token: 1})

	account := w.accountConfig()
	account.Credentials, account.AuthType = w.asAdmin(), s.Name()
	if err := w.listPolicies(w.resolve(account)); err != nil {
		t.Fatal(err)
	}
	workspace, err := account.NewWithWorkspaceHost(w.dbx.URL())
	if err != nil {
		t.Fatal(err)
	}
	w.mustBe(w.resolve(workspace), admin)
	if r := w.tokenRequests(); r[len(r)-1].Path != "/oidc/v1/token" {
		t.Errorf("exchange at %s", r[len(r)-1].Path)
	}

	empty := w.config()
	empty.Credentials, empty.AuthType = sdkauth.Strategy{}, s.Name()
	if _, err := me(t.Context(), w.resolve(empty)); err == nil || !strings.Contains(err.Error(), "Strategy.Subject") || !strings.Contains(err.Error(), "Strategy.AccountWide") {
		t.Errorf("got error %v", err)
	}
}

// The SDK's own Authenticate, for requests that the SDK does not make.
func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	w.client(cfg, w.strategy())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.dbx.URL()+meAPI, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Authenticate(req); err != nil {
		t.Fatal(err)
	}
	resp, err := w.dbx.Client().Do(req) // not the config's transport
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// secretive is a source whose fields are nobody's business.
type secretive struct{ Secret string }

func (secretive) Token(context.Context, string) (*oidc.Token, error) { return nil, errors.New("none") }

func TestStrategyDoesNotPrint(t *testing.T) {
	const secret = "a-client-secret"
	s := sdkauth.Strategy{Subject: &secretive{secret}, ClientID: job}
	cfg := &config.Config{Host: "https://dbc-test.cloud.databricks.com"}
	if err := sdkauth.Apply(cfg, s); err != nil {
		t.Fatal(err)
	}
	marshalled, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "strategy", s, "pointer", &s, "credentials", cfg.Credentials)
	outputs := []string{string(marshalled), logged.String()}
	for _, v := range []any{s, &s, []sdkauth.Strategy{s}, struct{ S sdkauth.Strategy }{s}, cfg.Credentials, cfg} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			outputs = append(outputs, fmt.Sprintf(verb, v))
		}
	}
	for _, text := range outputs {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("the secret is in %s", text)
		}
	}
	if !strings.Contains(s.String(), job) {
		t.Errorf("String is %s", s)
	}
}
