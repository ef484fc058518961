package sdkauth_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/databricks/databricks-sdk-go/config"
	sdklog "github.com/databricks/databricks-sdk-go/logger"

	"github.com/brickfed/brickfed/exchange/sdkauth"
)

// Credentials of somebody else in the environment or in a profile neither break
// the constructor nor are ever sent.
func TestForeignCredentials(t *testing.T) {
	const secret = "not-ours-at-all"
	environments := map[string]map[string]string{
		"personal access token": {"DATABRICKS_TOKEN": secret},
		"basic":                 {"DATABRICKS_USERNAME": "ada", "DATABRICKS_PASSWORD": secret},
		"client secret":         {"DATABRICKS_CLIENT_ID": "3f0c2a1e-1111-4000-8000-0000000000ff", "DATABRICKS_CLIENT_SECRET": secret},
		"Azure secret":          {"ARM_CLIENT_ID": "x", "ARM_TENANT_ID": "y", "ARM_CLIENT_SECRET": secret, "ARM_ENVIRONMENT": "PUBLIC"},
		"Azure identity":        {"ARM_USE_MSI": "true", "DATABRICKS_AZURE_RESOURCE_ID": "/subscriptions/x"},
		"broken Azure identity": {"ARM_USE_MSI": "perhaps"},
		"Google":                {"GOOGLE_CREDENTIALS": secret, "DATABRICKS_GOOGLE_SERVICE_ACCOUNT": "x@y.example"},
		"metadata service":      {"DATABRICKS_METADATA_SERVICE_URL": "http://127.0.0.1:1/" + secret},
		"stale token file":      {"DATABRICKS_OIDC_TOKEN_FILEPATH": "/nonexistent/token", "DATABRICKS_OIDC_TOKEN_ENV": "NO_SUCH", "DATABRICKS_OIDC_TOKEN": secret},
		"GitHub":                {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret},
		"auth type":             {"DATABRICKS_AUTH_TYPE": "pat", "DATABRICKS_TOKEN": secret},
		"unknown auth type":     {"DATABRICKS_AUTH_TYPE": "no-such-type"},
		"missing profile":       {"DATABRICKS_CONFIG_PROFILE": "no-such-profile"},
		"browser login":         {"DATABRICKS_OAUTH_CALLBACK_PORT": "any", "DATABRICKS_DISABLE_OAUTH_REFRESH_TOKEN": "perhaps"},
		"command line":          {"DATABRICKS_CLI_PATH": "/nonexistent/databricks"},
	}
	all := map[string]string{}
	for _, environment := range environments {
		maps.Copy(all, environment)
	}
	environments["all at once"] = all

	for name, environment := range environments {
		t.Run(name, func(t *testing.T) {
			for variable, value := range environment {
				t.Setenv(variable, value)
			}
			w := newWorld(t)
			cfg := w.config()
			w.mustBe(w.client(cfg, w.strategy()), job)
			account := w.accountConfig()
			if err := w.listPolicies(w.client(account, w.asAdmin())); err != nil {
				t.Error(err)
			}
			workspace, err := account.NewWithWorkspaceHost(w.dbx.URL())
			if err != nil {
				t.Fatal(err)
			}
			w.mustBe(w.resolve(workspace), admin)
			w.neverSent(secret)
			for _, c := range []*config.Config{cfg, account, workspace} {
				if strings.Contains(c.Token+c.ClientSecret+c.Password+c.AzureClientSecret+c.GoogleCredentials+c.ActionsIDTokenRequestToken, secret) {
					t.Error("the secret got into the config, where an error may print it")
				}
			}
		})
	}
}

// neverSent looks at everything that has left through the transport.
func (w *world) neverSent(secret string) {
	w.t.Helper()
	for i, header := range w.wire.auths {
		for name, values := range header {
			if strings.Contains(strings.Join(values, " "), secret) {
				w.t.Errorf("%s to %s%s has it", name, w.wire.hosts[i], w.wire.sent[i])
			}
		}
	}
}

// A default profile with a personal access token, as most people have one.
func TestForeignCredentials_defaultProfile(t *testing.T) {
	const secret = "dapi-of-the-default-profile"
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	text := "[DEFAULT]\nhost = https://dbc-test.cloud.databricks.com\ntoken = " + secret + "\nauth_type = pat\nclient_id = 3f0c2a1e-1111-4000-8000-0000000000ff\n"
	if err := os.WriteFile(filepath.Join(home, ".databrickscfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, host := range map[string]string{"host is set": "https://dbc-test.cloud.databricks.com", "host of the profile": ""} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config()
			cfg.Host = host
			w.mustBe(w.client(cfg, w.strategy()), job)
			w.neverSent(secret)
		})
	}
}

// A dead metadata service is not even called.
func TestForeignCredentials_nobodyIsCalled(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	t.Setenv("DATABRICKS_METADATA_SERVICE_URL", server.URL)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", server.URL)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x")
	w := newWorld(t)
	w.mustBe(w.client(w.config(), w.strategy()), job)
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestProfile(t *testing.T) {
	file := writeConfigFile(t, `
[DEFAULT]
host = https://dbc-default.cloud.databricks.com
account_id = 00000000-0000-4000-8000-00000000000d

[work]
host = dbc-test.cloud.databricks.com/
client_id = `+job+`
audience = databricks
warehouse_id = w1
scopes = sql, clusters
token = dapi-of-the-profile

[broken]
azure_use_msi = perhaps
`)
	for _, test := range []struct {
		name              string
		host, profile     string // fields
		variable          string // DATABRICKS_CONFIG_PROFILE
		variableHost      string // DATABRICKS_HOST
		wantHost, wantErr string
		merged            bool // warehouse_id and the like of [work]
	}{
		{name: "named in the field", profile: "work", wantHost: "https://dbc-test.cloud.databricks.com", merged: true},
		{name: "named in the field, with a host", profile: "work", host: "https://dbc-two.cloud.databricks.com", wantHost: "https://dbc-two.cloud.databricks.com", merged: true},
		{name: "named in the field, missing", profile: "none", wantErr: "none"},
		{name: "named in the field, missing, with a host", profile: "none", host: "https://dbc-test.cloud.databricks.com", wantErr: "none"},
		{name: "named in the field, broken", profile: "broken", host: "https://dbc-test.cloud.databricks.com", wantErr: "broken"},
		{name: "named in the environment", variable: "work", wantHost: "https://dbc-test.cloud.databricks.com", merged: true},
		{name: "named in the environment, same host", variable: "work", host: "https://DBC-test.cloud.databricks.com", wantHost: "https://DBC-test.cloud.databricks.com", merged: true},
		{name: "named in the environment, another host", variable: "work", host: "https://dbc-two.cloud.databricks.com", wantHost: "https://dbc-two.cloud.databricks.com"},
		{name: "named in the environment, another host there", variable: "work", variableHost: "https://dbc-two.cloud.databricks.com", wantHost: "https://dbc-two.cloud.databricks.com"},
		{name: "named in the environment, missing", variable: "none", wantErr: "DATABRICKS_CONFIG_PROFILE"},
		{name: "named in the environment, missing, with a host", variable: "none", host: "https://dbc-test.cloud.databricks.com", wantHost: "https://dbc-test.cloud.databricks.com"},
		{name: "named in the environment, broken, with a host", variable: "broken", host: "https://dbc-test.cloud.databricks.com", wantHost: "https://dbc-test.cloud.databricks.com"},
		{name: "default", wantHost: "https://dbc-default.cloud.databricks.com"},
		{name: "default, with a host", host: "https://dbc-test.cloud.databricks.com", wantHost: "https://dbc-test.cloud.databricks.com"},
		{name: "field before environment", profile: "work", variable: "none", wantHost: "https://dbc-test.cloud.databricks.com", merged: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("DATABRICKS_CONFIG_FILE", file)
			t.Setenv("DATABRICKS_CONFIG_PROFILE", test.variable)
			t.Setenv("DATABRICKS_HOST", test.variableHost)
			w := newWorld(t)
			cfg := w.config()
			cfg.Host, cfg.Profile = test.host, test.profile
			if err := sdkauth.Apply(cfg, sdkauth.Strategy{Subject: w.source(), AccountWide: true}); err != nil {
				t.Fatal(err)
			}
			_, err := newClient(cfg)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("got error %v, want one about %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Host != test.wantHost {
				t.Errorf("host %q, want %q", cfg.Host, test.wantHost)
			}
			merged := cfg.WarehouseID == "w1" && cfg.ClientID == job && cfg.TokenAudience == "databricks" && strings.Join(cfg.Scopes, " ") == "clusters sql" && cfg.Profile == "work"
			if merged != test.merged {
				t.Errorf("merged %v, want %v: %+v", merged, test.merged, cfg.ClientID)
			}
			if cfg.Token != "" {
				t.Error("the profile's token is in the config")
			}
		})
	}
	t.Run("no such file", func(t *testing.T) {
		cfg := &config.Config{Profile: "work", ConfigFile: filepath.Join(t.TempDir(), "none")}
		if err := sdkauth.Apply(cfg, newWorld(t).strategy()); err != nil {
			t.Fatal(err)
		}
		if err := cfg.EnsureResolved(); err == nil || !strings.Contains(err.Error(), "none does not exist") {
			t.Errorf("got error %v", err)
		}
	})
}

// Other variables are read as by the SDK, and all that cannot be read is told at
// once.
func TestVariables(t *testing.T) {
	w := newWorld(t)
	t.Setenv("DATABRICKS_HOST", w.dbx.URL())
	t.Setenv("DATABRICKS_CLIENT_ID", job)
	t.Setenv("DATABRICKS_WAREHOUSE_ID", "w1")
	t.Setenv("DATABRICKS_RATE_LIMIT", "99")
	t.Setenv("DATABRICKS_GROUP_ID", analysts)
	cfg := &config.Config{HTTPTransport: w.wire}
	w.mustBe(w.client(cfg, sdkauth.Strategy{Subject: w.source()}), job)
	if cfg.WarehouseID != "w1" || cfg.RateLimitPerSecond != 99 {
		t.Errorf("warehouse %q, rate limit %d", cfg.WarehouseID, cfg.RateLimitPerSecond)
	}
	if got := w.tokenRequests()[0].Form.Get("assume_group"); got != analysts {
		t.Errorf("assume_group %q", got)
	}

	t.Setenv("DATABRICKS_RATE_LIMIT", "many")
	t.Setenv("DATABRICKS_DEBUG_TRUNCATE_BYTES", "few")
	cfg = &config.Config{HTTPTransport: w.wire}
	if err := sdkauth.Apply(cfg, sdkauth.Strategy{Subject: w.source()}); err != nil {
		t.Fatal(err)
	}
	err := cfg.EnsureResolved()
	for _, variable := range []string{"DATABRICKS_RATE_LIMIT", "DATABRICKS_DEBUG_TRUNCATE_BYTES"} {
		if err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("the error does not name %s: %v", variable, err)
		}
	}
}

// Only the program can make the SDK log tokens.
func TestDebugHeaders(t *testing.T) {
	for _, test := range []struct {
		name, variable, profile string
		field, want             bool
	}{
		{name: "environment", variable: "true"},
		{name: "environment, unreadable", variable: "perhaps"},
		{name: "profile", profile: "debug"},
		{name: "field", field: true, want: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("DATABRICKS_DEBUG_HEADERS", test.variable)
			t.Setenv("DATABRICKS_DEBUG_TRUNCATE_BYTES", "100000")
			w := newWorld(t)
			cfg := w.config()
			cfg.ConfigFile = writeConfigFile(t, "[debug]\ndebug_headers = true\ncluster_id = c1\n")
			cfg.Profile, cfg.DebugHeaders = test.profile, test.field
			client := w.client(cfg, w.strategy())
			lines := &lines{}
			if _, err := me(sdklog.NewContext(t.Context(), lines), client); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(lines.text.String(), meAPI) {
				t.Fatalf("the request is not in the log, so this test proves nothing: %s", &lines.text)
			}
			if got := strings.Contains(lines.text.String(), mustToken(t, cfg).AccessToken); got != test.want {
				t.Errorf("the token is in the log: %v, want %v", got, test.want)
			}
		})
	}
}

// lines is a log of the SDK, at every level.
type lines struct{ text strings.Builder }

func (*lines) Enabled(context.Context, sdklog.Level) bool { return true }

func (l *lines) Tracef(_ context.Context, format string, v ...any) {
	_, _ = fmt.Fprintf(&l.text, format+"\n", v...)
}

func (l *lines) Debugf(ctx context.Context, format string, v ...any) { l.Tracef(ctx, format, v...) }
func (l *lines) Infof(ctx context.Context, format string, v ...any)  { l.Tracef(ctx, format, v...) }
func (l *lines) Warnf(ctx context.Context, format string, v ...any)  { l.Tracef(ctx, format, v...) }
func (l *lines) Errorf(ctx context.Context, format string, v ...any) { l.Tracef(ctx, format, v...) }

// A config with loaders of its own is filled by these alone.
func TestOwnLoaders(t *testing.T) {
	w := newWorld(t)
	t.Setenv("DATABRICKS_WAREHOUSE_ID", "w1")
	loaders := make([]config.Loader, 1, 4) // with room behind, which is not ours
	loaders[0] = setHost(w.dbx.URL())
	cfg := &config.Config{HTTPTransport: w.wire, Loaders: loaders}
	w.mustBe(w.client(cfg, w.strategy()), job)
	w.neverSent("dapi-of-a-loader")
	if cfg.WarehouseID != "" {
		t.Error("the environment was read")
	}
	if loaders[:2][1] != nil {
		t.Error("the caller's array was written to")
	}
}

type setHost string

func (setHost) Name() string { return "test" }

func (h setHost) Configure(cfg *config.Config) error {
	cfg.Host, cfg.Token, cfg.Username = string(h), "dapi-of-a-loader", "ada" // two methods at once
	return nil
}

func writeConfigFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "databrickscfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
