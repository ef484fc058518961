package sdkclient_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go"
	sdklog "github.com/databricks/databricks-sdk-go/logger"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/oauth2"
	"github.com/databricks/databricks-sdk-go/service/provisioning"
	"github.com/databricks/databricks-sdk-go/service/sql"

	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/sdkclient"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

const admin = "3f0c2a1e-1111-4000-8000-0000000000ad" // a service principal

// TestMain empties the environment: the SDK reads a good part of it.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{"DATABRICKS_", "ARM_", "GOOGLE_", "ACTIONS_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			if strings.HasPrefix(name, prefix) {
				_ = os.Unsetenv(name)
			}
		}
	}
	home, err := os.MkdirTemp("", "sdkclient")
	if err != nil {
		log.Fatal(err)
	}
	_ = os.Setenv("HOME", home)
	_ = os.Setenv("USERPROFILE", home)
	sdklog.DefaultLogger = &sdklog.SimpleLogger{Level: sdklog.LevelError}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// world is an identity provider and a Databricks account that trusts it.
type world struct {
	idp *oidctest.Server
	dbx *exchangetest.Server
}

func newWorld(t testing.TB, pipe bool) *world {
	t.Helper()
	idp, err := oidctest.New(oidctest.Config{Pipe: pipe, TokenLifetime: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	dbx, err := exchangetest.New(exchangetest.Config{
		Pipe: pipe,
		IdP:  idp.Client(),
		Principals: []exchangetest.Principal{{
			ApplicationID: admin, ID: "7001", DisplayName: "the admin", Admin: true,
			Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: "the-admin", Audiences: []string{"databricks"}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{idp: idp, dbx: dbx}
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	_ = w.dbx.Close()
	_ = w.idp.Close()
}

func (w *world) strategy() sdkauth.Strategy {
	return sdkauth.Strategy{
		ClientID: admin,
		Subject: oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) {
			raw, err := w.idp.Sign(map[string]any{"sub": "the-admin", "aud": "databricks"})
			if err != nil {
				return nil, err
			}
			return oidc.ParseToken(raw)
		}),
	}
}

func (w *world) config(host string) *databricks.Config {
	return &databricks.Config{Host: host, HTTPTransport: w.dbx.Client().Transport}
}

// The real clients, on loopback and inside the process.
func TestClients(t *testing.T) {
	for name, pipe := range map[string]bool{"loopback": false, "pipe": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pipe)
			workspace, err := sdkclient.Workspace(w.config(w.dbx.URL()), w.strategy())
			if err != nil {
				t.Fatal(err)
			}
			me, err := workspace.CurrentUser.Me(t.Context(), iam.MeRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if me.UserName != admin || me.DisplayName != "the admin" {
				t.Errorf("I am %+v", me)
			}
			answer, err := workspace.StatementExecution.ExecuteStatement(t.Context(), sql.ExecuteStatementRequest{Statement: "SELECT current_user()", WarehouseId: "w1"})
			if err != nil {
				t.Fatal(err)
			}
			if got := answer.Result.DataArray; len(got) != 1 || got[0][0] != admin {
				t.Errorf("current_user() is %q", got)
			}
			if got := w.dbx.Count(exchangetest.Token) + w.dbx.Count(exchangetest.Metadata) + w.dbx.Count(exchangetest.Discovery); got != 2 {
				t.Errorf("%d requests for a token, want 2", got)
			}

			for _, host := range []string{w.dbx.AccountURL(), w.dbx.UnifiedURL()} {
				cfg := w.config(host)
				cfg.AccountID = w.dbx.AccountID()
				account, err := sdkclient.Account(cfg, w.strategy())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := account.FederationPolicy.ListAll(t.Context(), oauth2.ListAccountFederationPoliciesRequest{}); err != nil {
					t.Errorf("%s: %v", host, err)
				}
			}
		})
	}
}

// The SDK takes every host for a workspace whose metadata it cannot get, so an
// outage at that moment must not be taken for a workspace.
func TestAccount_withoutMetadata(t *testing.T) {
	unified := func(w *world) string { return w.dbx.UnifiedURL() }
	for name, test := range map[string]struct {
		pipe bool
		host func(*world) string
	}{
		"account":             {pipe: true, host: func(w *world) string { return w.dbx.AccountURL() }},
		"account on loopback": {host: func(w *world) string { return w.dbx.AccountURL() }},
		"unified":             {pipe: true, host: unified},
		"unified on loopback": {host: unified},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.pipe)
			w.dbx.Fail(exchangetest.Metadata, exchangetest.Fault{Status: http.StatusNotFound}) // once; one that the SDK does not retry
			cfg := w.config(test.host(w))
			cfg.AccountID = w.dbx.AccountID()
			account, err := sdkclient.Account(cfg, w.strategy())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := account.FederationPolicy.ListAll(t.Context(), oauth2.ListAccountFederationPoliciesRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// GetWorkspaceClient makes a workspace client of an account client.
func TestGetWorkspaceClient(t *testing.T) {
	w := newWorld(t, true)
	cfg := w.config(w.dbx.AccountURL())
	cfg.AccountID = w.dbx.AccountID()
	account, err := sdkclient.Account(cfg, w.strategy())
	if err != nil {
		t.Fatal(err)
	}
	workspace, err := account.GetWorkspaceClient(provisioning.Workspace{DeploymentName: "dbc-two", WorkspaceId: 42}) //nolint:staticcheck // deprecated, but in use
	if err != nil {
		t.Fatal(err)
	}
	me, err := workspace.CurrentUser.Me(t.Context(), iam.MeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if me.UserName != admin {
		t.Errorf("I am %q", me.UserName)
	}
	if r := w.dbx.Requests(exchangetest.Token); len(r) != 1 || r[0].Host != "dbc-two.cloud.databricks.com" || r[0].Path != "/oidc/v1/token" {
		t.Errorf("exchanges %+v", r)
	}
}

// A job that outlives its tokens, an outage and a revocation.
func TestLongJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		defer w.close()
		client, err := sdkclient.Workspace(w.config(w.dbx.URL()), w.strategy())
		if err != nil {
			t.Fatal(err)
		}
		for minute := range 5 * 60 {
			switch minute {
			case 100:
				w.dbx.SetOutage(true)
			case 110:
				w.dbx.SetOutage(false)
			case 200:
				w.dbx.RevokeAll()
			}
			if _, err := client.CurrentUser.Me(t.Context(), iam.MeRequest{}); err != nil {
				t.Fatalf("minute %d: %v", minute, err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestErrors(t *testing.T) {
	w := newWorld(t, true)
	for name, test := range map[string]struct {
		make func(t *testing.T) error
		want string
	}{
		"workspace: zero strategy": {func(*testing.T) error {
			_, err := sdkclient.Workspace(nil, sdkauth.Strategy{})
			return err
		}, "sdkclient: make workspace client: sdkauth: apply: Strategy.Subject"},
		"account: zero strategy": {func(*testing.T) error {
			_, err := sdkclient.Account(nil, sdkauth.Strategy{})
			return err
		}, "sdkclient: make account client: sdkauth: apply: Strategy.Subject"},
		"workspace: account host": {func(*testing.T) error {
			cfg := w.config(w.dbx.AccountURL())
			cfg.AccountID = w.dbx.AccountID()
			_, err := sdkclient.Workspace(cfg, w.strategy())
			return err
		}, "use Account"},
		"account: account host without ID": {func(*testing.T) error {
			_, err := sdkclient.Account(w.config(w.dbx.AccountURL()), w.strategy())
			return err
		}, "AccountID"},
		"workspace: no host": {func(*testing.T) error {
			_, err := sdkclient.Workspace(nil, w.strategy())
			return err
		}, "sdkclient: make workspace client: no host; set Host or DATABRICKS_HOST"},
		"account: nothing": {func(*testing.T) error {
			_, err := sdkclient.Account(nil, w.strategy())
			return err
		}, "sdkclient: make account client: no host; set Host or DATABRICKS_HOST to the account console's URL, such as https://accounts.cloud.databricks.com\nAccountID is empty"},
		"account: workspace host": {func(*testing.T) error {
			cfg := w.config(w.dbx.URL())
			cfg.AccountID = w.dbx.AccountID()
			_, err := sdkclient.Account(cfg, w.strategy())
			return err
		}, "sdkclient: make account client: https://dbc-test.cloud.databricks.com serves a workspace"},
		"account: host that names no account": {func(*testing.T) error {
			anonymous, err := exchangetest.New(exchangetest.Config{Pipe: true, Metadata: func(string, map[string]any) bool { return false }})
			if err != nil {
				return err
			}
			defer anonymous.Close()
			_, err = sdkclient.Account(&databricks.Config{Host: anonymous.UnifiedURL(), HTTPTransport: anonymous.Client().Transport}, w.strategy())
			return err
		}, "AccountID is empty"},
		"workspace: bad client ID": {func(*testing.T) error {
			s := w.strategy()
			s.ClientID = "7001"
			_, err := sdkclient.Workspace(w.config(w.dbx.URL()), s)
			return err
		}, "application ID"},
		"workspace: config used before": {func(t *testing.T) error {
			cfg := w.config(w.dbx.URL())
			if _, err := sdkclient.Workspace(cfg, w.strategy()); err != nil {
				t.Fatal(err)
			}
			_, err := sdkclient.Workspace(cfg, w.strategy())
			return err
		}, "new config"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.make(t)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

// Everything from the environment.
func TestNilConfig(t *testing.T) {
	w := newWorld(t, false)
	t.Setenv("DATABRICKS_HOST", w.dbx.URL())
	client, err := sdkclient.Workspace(nil, w.strategy())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CurrentUser.Me(t.Context(), iam.MeRequest{}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABRICKS_HOST", w.dbx.AccountURL())
	t.Setenv("DATABRICKS_ACCOUNT_ID", w.dbx.AccountID())
	account, err := sdkclient.Account(nil, w.strategy())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := account.FederationPolicy.ListAll(t.Context(), oauth2.ListAccountFederationPoliciesRequest{}); err != nil {
		t.Fatal(err)
	}
}

// A failed exchange is found in the error of a service's method.
func TestTypedError(t *testing.T) {
	w := newWorld(t, true)
	w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["audience"])
	client, err := sdkclient.Workspace(w.config(w.dbx.URL()), w.strategy())
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CurrentUser.Me(t.Context(), iam.MeRequest{})
	var e *exchange.Error
	if !errors.As(err, &e) || e.Kind != exchange.KindAudience || e.Status != http.StatusBadRequest {
		t.Fatalf("got error %v", err)
	}
}
