package sdkauth_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/httpclient"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/oidc"
)

// accountConfig is one of an account client.
func (w *world) accountConfig() *config.Config {
	return &config.Config{Host: w.dbx.AccountURL(), AccountID: w.dbx.AccountID(), HTTPTransport: w.wire}
}

// asAdmin may read the account's federation policies.
func (w *world) asAdmin() sdkauth.Strategy {
	subject := w.source()
	subject.claims["sub"] = "the-admin"
	return sdkauth.Strategy{Subject: subject, ClientID: admin}
}

func (w *world) listPolicies(client *httpclient.ApiClient) error {
	return client.Do(w.t.Context(), http.MethodGet, "/api/2.0/accounts/"+w.dbx.AccountID()+"/federationPolicies")
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	client := w.client(w.accountConfig(), w.asAdmin())
	if err := w.listPolicies(client); err != nil {
		t.Fatal(err)
	}
	r := w.tokenRequests()[0]
	if want := "/oidc/accounts/" + w.dbx.AccountID() + "/v1/token"; r.Path != want {
		t.Errorf("exchange at %s, want %s", r.Path, want)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Metadata: 1, exchangetest.Discovery: 0, exchangetest.Token: 1})
}

// A config that NewWithWorkspaceHost makes of an account's carries the account's
// DiscoveryURL and TokenAudience along.
func TestAccountTurnedIntoWorkspace(t *testing.T) {
	w := newWorld(t)
	account := w.accountConfig()
	strategy := w.asAdmin()
	subject := strategy.Subject.(*source)
	accountClient := w.client(account, strategy)
	if account.DiscoveryURL == "" || account.TokenAudience != w.dbx.AccountID() {
		t.Fatalf("the SDK learned %q and %q: this test proves nothing", account.DiscoveryURL, account.TokenAudience)
	}
	if err := w.listPolicies(accountClient); err != nil {
		t.Fatal(err)
	}

	hosts := []string{"dbc-one.cloud.databricks.com", "dbc-two.cloud.databricks.com", "dbc-three.cloud.databricks.com"}
	var workers sync.WaitGroup
	for _, host := range hosts {
		workers.Go(func() {
			cfg, err := account.NewWithWorkspaceHost("https://" + host)
			if err != nil {
				t.Error(err)
				return
			}
			client, err := newClient(cfg)
			if err != nil {
				t.Error(err)
				return
			}
			for range 2 {
				if name, err := me(t.Context(), client); name != admin || err != nil {
					t.Errorf("%s: %q, %v", host, name, err)
				}
			}
			if want := "https://" + host + "/oidc/v1/token"; cfg.TokenAudience != want {
				t.Errorf("%s: the SDK learned the audience %q, want %q", host, cfg.TokenAudience, want)
			}
		})
	}
	workers.Wait()

	exchanges := map[string]string{}
	for _, r := range w.tokenRequests() {
		if exchanges[r.Host] != "" {
			t.Errorf("%s: a second exchange", r.Host)
		}
		exchanges[r.Host] = r.Path
	}
	for _, host := range hosts {
		if exchanges[host] != "/oidc/v1/token" {
			t.Errorf("%s: exchange at %q", host, exchanges[host])
		}
		if want := "https://" + host + "/oidc/v1/token"; !slices.Contains(subject.asked(), want) {
			t.Errorf("the source was never asked for %q, but for %q", want, subject.asked())
		}
	}
	if err := w.listPolicies(accountClient); err != nil { // the account's is untouched
		t.Error(err)
	}
	for _, r := range w.dbx.Requests(exchangetest.API) {
		if r.Status != http.StatusOK {
			t.Errorf("%s %s: status %d: %s", r.Host, r.Path, r.Status, r.Reason)
		}
	}
}

// Configs that are derived from one another may send their first requests at the
// same time. The race detector is what fails here.
func TestDerivedConfig_atTheSameTime(t *testing.T) {
	w := newWorld(t)
	derive := func(from *config.Config) *config.Config {
		cfg, err := from.NewWithWorkspaceHost(w.dbx.URL())
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	for range 10 {
		account := w.accountConfig()
		if err := sdkauth.Apply(account, w.asAdmin()); err != nil {
			t.Fatal(err)
		}
		child := derive(account)
		var callers sync.WaitGroup
		for _, cfg := range []*config.Config{account, derive(account), child, derive(child)} {
			callers.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, cfg.Host+meAPI, nil)
				if err == nil {
					err = cfg.Authenticate(req)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
	}
}

// What the user said about the audience goes along with NewWithWorkspaceHost.
func TestDerivedConfigKeepsExplicitAudience(t *testing.T) {
	w := newWorld(t)
	account := w.accountConfig()
	account.TokenAudience = "databricks"
	strategy := w.asAdmin()
	w.client(account, strategy)
	cfg, err := account.NewWithWorkspaceHost(w.dbx.URL())
	if err != nil {
		t.Fatal(err)
	}
	w.mustBe(w.resolve(cfg), admin)
	if got := strategy.Subject.(*source).asked(); !slices.Equal(got, []string{"databricks"}) {
		t.Errorf("the source was asked for %q", got)
	}
}

// A token refused at a derived config's host is replaced there, and nothing of
// the account's is touched, though both share a transport.
func TestDerivedConfigRecovers(t *testing.T) {
	w := newWorld(t)
	account := w.accountConfig()
	accountClient := w.client(account, w.asAdmin())
	if err := w.listPolicies(accountClient); err != nil {
		t.Fatal(err)
	}
	cfg, err := account.NewWithWorkspaceHost(w.dbx.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := w.resolve(cfg)
	w.mustBe(client, admin)
	w.dbx.Revoke(mustToken(t, cfg).AccessToken)
	w.mustBe(client, admin)
	if err := w.listPolicies(accountClient); err != nil {
		t.Error(err)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 3})
}

// A derived config may be given other credentials.
func TestDerivedConfigWithOtherCredentials(t *testing.T) {
	w := newWorld(t)
	account := w.accountConfig()
	w.client(account, w.asAdmin())
	cfg, err := account.NewWithWorkspaceHost(w.dbx.URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Credentials, cfg.Token = config.PatCredentials{}, "dapi-of-the-user"
	_, _ = me(t.Context(), w.resolve(cfg))
	if got := w.wire.auths[len(w.wire.auths)-1].Get("Authorization"); got != "Bearer dapi-of-the-user" {
		t.Errorf("Authorization %q", got)
	}
}

// One strategy for an account and several workspaces.
func TestOneStrategyForManyConfigs(t *testing.T) {
	w := newWorld(t)
	s := w.asAdmin()
	if err := w.listPolicies(w.client(w.accountConfig(), s)); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{w.dbx.URL(), "https://dbc-two.cloud.databricks.com"} {
		cfg := w.config()
		cfg.Host = host
		w.mustBe(w.client(cfg, s), admin)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 3})
}

// The endpoint that exchanges, and how many requests that takes.
func TestTokenEndpoint(t *testing.T) {
	const workspacePath = "/oidc/v1/token"
	metadata := func(change func(map[string]any)) func(*exchangetest.Config) {
		return func(c *exchangetest.Config) {
			c.Metadata = func(_ string, document map[string]any) bool {
				if change == nil {
					return false
				}
				change(document)
				return true
			}
		}
	}
	set := func(name, value string) func(*exchangetest.Config) {
		return metadata(func(document map[string]any) { document[name] = value })
	}
	for _, test := range []struct {
		name     string
		host     func(*world) string // default the workspace
		option   func(*exchangetest.Config)
		path     string // "{account}" stands for the account ID
		metadata int    // requests for it
	}{
		{name: "workspace", path: workspacePath, metadata: 1},
		{name: "account", host: func(w *world) string { return w.dbx.AccountURL() }, path: "/oidc/accounts/{account}/v1/token", metadata: 1},
		{name: "unified", host: func(w *world) string { return w.dbx.UnifiedURL() }, path: "/oidc/accounts/{account}/v1/token", metadata: 1},
		{name: "workspace without metadata", option: metadata(nil), path: workspacePath, metadata: 1},
		{name: "account without metadata", option: metadata(nil), host: func(w *world) string { return w.dbx.AccountURL() }, path: "/oidc/accounts/{account}/v1/token", metadata: 1},
		{name: "name without a kind, no metadata", option: metadata(nil), host: func(*world) string { return "https://databricks.acme.example" }, path: workspacePath, metadata: 2},
		{name: "endpoint elsewhere", option: set("oidc_endpoint", "https://evil.example/oidc"), path: workspacePath, metadata: 2},
		{name: "endpoint of the account", option: set("oidc_endpoint", "https://dbc-test.cloud.databricks.com/oidc/accounts/{account_id}"), path: workspacePath, metadata: 2},
		{name: "no endpoint", option: metadata(func(d map[string]any) { delete(d, "oidc_endpoint") }), path: workspacePath, metadata: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.option != nil {
				w = newWorld(t, test.option)
			}
			cfg := w.config()
			cfg.AccountID = w.dbx.AccountID()
			if test.host != nil {
				cfg.Host = test.host(w)
			}
			w.client(cfg, w.strategy())
			if _, err := cfg.GetTokenSource().Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(test.path, "{account}", w.dbx.AccountID())
			if r := w.tokenRequests(); len(r) != 1 || r[0].Path != want || "https://"+r[0].Host != cfg.Host {
				t.Errorf("exchanges %+v, want one at %s%s", r, cfg.Host, want)
			}
			w.counts(map[exchangetest.Endpoint]int{exchangetest.Metadata: test.metadata, exchangetest.Discovery: 0})
		})
	}
}

// A URL as people copy it from the browser.
func TestHostWithQuery(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.Host = w.dbx.UnifiedURL() + "/?o=42"
	w.mustBe(w.client(cfg, w.strategy()), job)
	if cfg.Host != w.dbx.UnifiedURL() || cfg.WorkspaceID != "42" {
		t.Errorf("host %q, workspace %q", cfg.Host, cfg.WorkspaceID)
	}
}

func TestDiscoveryURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://dbc-test.cloud.databricks.com/oidc/.well-known/oauth-authorization-server":                     true,
		"https://accounts.cloud.databricks.com/oidc/accounts/x/.well-known/oauth-authorization-server":          false,
		"https://dbc-test.cloud.databricks.com/oidc/accounts/x/.well-known/oauth-authorization-server":          false,
		"https://dbc-test.cloud.databricks.com/oidc":                                                            false,
		"http://dbc-test.cloud.databricks.com/oidc/.well-known/oauth-authorization-server":                      false,
		"https://dbc-test.cloud.databricks.com.evil.example/oidc/.well-known/oauth-authorization-server":        false,
		"https://dbc-test.cloud.databricks.com@evil.example/oidc/.well-known/oauth-authorization-server":        false,
		"https://dbc-test.cloud.databricks.com/oidc?x=/.well-known/oauth-authorization-server":                  false,
		"https://dbc-test.cloud.databricks.com:443/oidc/.well-known/oauth-authorization-server":                 true,
		"https://dbc-test.cloud.databricks.com:8443/oidc/.well-known/oauth-authorization-server":                false,
		"https://DBC-TEST.cloud.databricks.com./oidc/.well-known/oauth-authorization-server":                    true,
		"https://xn--dbc-test-cloud-databricks-com.evil.example/oidc/.well-known/oauth-authorization-server":    false,
		"https://dbc-test.cloud.databricks.com/../evil/oidc/.well-known/oauth-authorization-server?redirect=no": false,
	} {
		w := newWorld(t)
		cfg := w.config()
		cfg.DiscoveryURL = url
		_, err := me(t.Context(), w.client(cfg, w.strategy()))
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
		if !ok {
			if err == nil || !strings.Contains(err.Error(), "DiscoveryURL") {
				t.Errorf("%s: the error does not name the field: %v", url, err)
			}
			w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 0})
		}
	}
}

// The token caches of clients with different groups are apart, and every
// exchange asks for the group.
func TestGroups(t *testing.T) {
	w := newWorld(t)
	s := w.strategy()
	tokens := map[string]bool{}
	for _, group := range []string{"", analysts, auditors} {
		cfg := w.config()
		cfg.GroupID = group
		w.client(cfg, s)
		for range 2 {
			tokens[mustToken(t, cfg).AccessToken] = true
		}
	}
	if len(tokens) != 3 {
		t.Errorf("%d different tokens for 3 clients", len(tokens))
	}
	var asked []string
	for _, r := range w.tokenRequests() {
		asked = append(asked, r.Form.Get("assume_group"))
	}
	if want := []string{"", analysts, auditors}; !slices.Equal(asked, want) {
		t.Errorf("assume_group %q, want %q", asked, want)
	}
}

func TestGroups_refused(t *testing.T) {
	w := newWorld(t)
	t.Run("account host", func(t *testing.T) {
		cfg := w.accountConfig()
		cfg.GroupID = analysts
		if err := sdkauth.Apply(cfg, w.asAdmin()); err != nil {
			t.Fatal(err)
		}
		if _, err := newClient(cfg); err == nil || !strings.Contains(err.Error(), "group") {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("unified host", func(t *testing.T) {
		cfg := w.config()
		cfg.Host, cfg.GroupID = w.dbx.UnifiedURL(), analysts
		if _, err := me(t.Context(), w.client(cfg, w.strategy())); err == nil || !strings.Contains(err.Error(), "AssumeGroup") {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("other tokens", func(t *testing.T) {
		cfg := w.config()
		cfg.GroupID = analysts
		tokens := cache.New(exchange.Direct{Subject: w.source()}, cache.Options{})
		if err := sdkauth.Apply(cfg, sdkauth.Strategy{Tokens: tokens}); err != nil {
			t.Fatal(err)
		}
		if _, err := newClient(cfg); err == nil || !strings.Contains(err.Error(), "GroupID") {
			t.Errorf("got error %v", err)
		}
	})
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 0})
}

func TestScopes(t *testing.T) {
	for _, test := range []struct {
		scopes []string
		want   string
	}{
		{nil, "all-apis"},
		{[]string{}, "all-apis"},
		{[]string{"clusters"}, "clusters"},
		{[]string{"jobs", "clusters", "files:read", "jobs"}, "clusters files:read jobs"},
	} {
		w := newWorld(t)
		cfg := w.config()
		cfg.Scopes = test.scopes
		w.client(cfg, w.strategy())
		mustToken(t, cfg)
		if got := w.tokenRequests()[0].Form.Get("scope"); got != test.want {
			t.Errorf("scope %q for %q, want %q", got, test.scopes, test.want)
		}
	}
}

func TestAudience(t *testing.T) {
	const own = "https://dbc-test.cloud.databricks.com/oidc/v1/token"
	for name, test := range map[string]struct {
		field, variable, metadata string
		asked                     string
		refused                   bool // the token is for "databricks"
	}{
		"nobody said":      {asked: own},
		"metadata":         {metadata: "elsewhere", asked: "elsewhere"},
		"field, metadata":  {field: "databricks", metadata: "elsewhere", asked: "databricks"},
		"field":            {field: "databricks", asked: "databricks"},
		"variable":         {variable: "databricks", asked: "databricks"},
		"another field":    {field: "elsewhere", asked: "elsewhere", refused: true},
		"another variable": {variable: "elsewhere", asked: "elsewhere", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *exchangetest.Config) {
				c.Metadata = func(_ string, document map[string]any) bool {
					if test.metadata != "" {
						document["token_federation_default_oidc_audiences"] = []string{test.metadata}
					}
					return true
				}
			})
			t.Setenv("DATABRICKS_TOKEN_AUDIENCE", test.variable)
			cfg := w.config()
			cfg.TokenAudience = test.field
			s := w.strategy()
			_, err := me(t.Context(), w.client(cfg, s))
			if (err != nil) != test.refused {
				t.Errorf("got error %v", err)
			}
			if got := s.Subject.(*source).asked(); len(got) == 0 || got[0] != test.asked {
				t.Errorf("the source was asked for %q, want %q", got, test.asked)
			}
			want := 1
			if test.refused {
				want = 0
			}
			w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: want})
		})
	}
}

func TestAccountWide(t *testing.T) {
	w := newWorld(t)
	t.Setenv("DATABRICKS_CLIENT_ID", admin) // not whose token this is
	subject := w.source()
	subject.claims["email"] = ada
	w.mustBe(w.client(w.config(), sdkauth.Strategy{Subject: subject, AccountWide: true}), ada)
	if form := w.tokenRequests()[0].Form; form.Has("client_id") {
		t.Errorf("client_id %q", form.Get("client_id"))
	}
}

// A source that keeps its tokens learns that one was refused, though it is wrapped
// for the audience that the SDK learned.
func TestSourceKeepsTokens(t *testing.T) {
	w := newWorld(t)
	client := w.client(w.config(), sdkauth.Strategy{Subject: oidc.Reuse(w.source(), time.Minute), ClientID: job})
	w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["no policy"])
	if _, err := me(t.Context(), client); err != nil {
		t.Errorf("a new token was not tried: %v", err)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 2})
}

func TestSourceSpeaksForItself(t *testing.T) {
	w := newWorld(t)
	raw, err := w.idp.Sign(map[string]any{"sub": "nobody", "aud": "databricks"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUBJECT_TOKEN", raw)
	s := sdkauth.Strategy{Subject: oidc.Env("SUBJECT_TOKEN"), ClientID: job}
	cfg := w.config() // the SDK learns an audience, so that the source is wrapped
	_, err = me(t.Context(), w.client(cfg, s))
	if err == nil {
		t.Fatal("no error")
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1})
	if !strings.Contains(s.String(), "SUBJECT_TOKEN") {
		t.Errorf("the strategy does not name its source: %s", s)
	}
}
