package main

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	dbsql "github.com/databricks/databricks-sql-go"
	"github.com/databricks/databricks-sql-go/logger"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/examples/internal/standin"
	"github.com/brickfed/brickfed/examples/sqldriver/warehouse"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
)

func TestMain(m *testing.M) {
	// The driver reports every failed query on standard error too.
	if err := logger.SetLogLevel("disabled"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestDemonstrate(t *testing.T) {
	var out strings.Builder
	if err := demonstrate(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := `at first: the SQL session is 3f0c2a1e-1111-4000-8000-000000000001, 1 exchange(s) so far
after a revocation: the SQL session is 3f0c2a1e-1111-4000-8000-000000000001, 2 exchange(s) so far
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestRun_noPath(t *testing.T) {
	t.Setenv("DATABRICKS_HOST", "https://dbc-test.cloud.databricks.com")
	t.Setenv("DATABRICKS_HTTP_PATH", "")
	if err := run(t.Context(), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "DATABRICKS_HTTP_PATH") {
		t.Errorf("got %v", err)
	}
}

// TestAskDatabricks goes the way of a real warehouse, with a token from a file.
func TestAskDatabricks(t *testing.T) {
	world, url := start(t)
	token, err := world.Source().Token(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/token"
	if err := os.WriteFile(file, []byte(token.Raw()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABRICKS_HOST", url)
	t.Setenv("DATABRICKS_HTTP_PATH", "sql/1.0/warehouses/1") // the driver adds the slash
	t.Setenv("DATABRICKS_CLIENT_ID", standin.ClientID)
	t.Setenv("DATABRICKS_OIDC_TOKEN_FILEPATH", file)
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if want := "the SQL session is " + standin.ClientID + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// TestAuthenticator shows what the comment in open says of authenticators.
func TestAuthenticator(t *testing.T) {
	world, url := start(t)
	x, err := exchange.New(exchange.Config{Host: url, Subject: world.Source(), ClientID: standin.ClientID})
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := address(url)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := dbsql.NewConnector(
		dbsql.WithServerHostname(host.Scheme+"://"+host.Hostname()),
		dbsql.WithPort(port),
		dbsql.WithHTTPPath("/sql/1.0/warehouses/1"),
		dbsql.WithAuthenticator(&exchange.Transport{Host: url, Tokens: cache.New(x, cache.Options{})}),
	)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if name, err := currentUser(t.Context(), db); err != nil || name != standin.ClientID {
		t.Fatalf("got %q, %v", name, err)
	}
	world.Databricks.RevokeAll()
	for range 2 {
		if name, err := currentUser(t.Context(), db); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("after a revocation: got %q, %v", name, err)
		}
	}
	if got := world.Databricks.Count(exchangetest.Token); got != 1 {
		t.Errorf("got %d exchanges", got)
	}
}

func TestTransport(t *testing.T) {
	echo := roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
	})
	sender := &transport{
		workspace: &exchange.Transport{Host: "https://dbc-test.cloud.databricks.com", Tokens: fixed("secret"), Base: echo},
		downloads: echo,
		name:      "dbc-test.cloud.databricks.com",
	}
	tests := []struct {
		name, method, url string
		token             bool
		err               bool
	}{
		{"a call", http.MethodPost, "https://dbc-test.cloud.databricks.com:443/sql/1.0/warehouses/1", true, false},
		{"a workspace API", http.MethodGet, "https://dbc-test.cloud.databricks.com/api/2.0/connector-service/feature-flags", true, false},
		{"a download", http.MethodGet, "https://bucket.s3.amazonaws.com/result?X-Amz-Signature=1", false, false},
		{"a call that was led away", http.MethodPost, "https://elsewhere.example/sql/1.0/warehouses/1", false, true},
		{"without TLS", http.MethodGet, "http://dbc-test.cloud.databricks.com/", false, true},
		{"another port", http.MethodGet, "https://dbc-test.cloud.databricks.com:8443/", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := sender.RoundTrip(req)
			if (err != nil) != tt.err {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				return
			}
			defer resp.Body.Close()
			if got := resp.Request.Header.Get("Authorization") == "Bearer secret"; got != tt.token {
				t.Errorf("token sent: got %v, want %v", got, tt.token)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	tests := []struct {
		host, base string
		port       int
	}{
		{"https://dbc-test.cloud.databricks.com", "https://dbc-test.cloud.databricks.com", 443},
		{"https://dbc-test.cloud.databricks.com/", "https://dbc-test.cloud.databricks.com", 443},
		{"dbc-test.cloud.databricks.com", "https://dbc-test.cloud.databricks.com", 443},
		{"http://127.0.0.1:8080", "http://127.0.0.1", 8080},
		{"https://dbc-test.cloud.databricks.com:x", "", 0},
	}
	for _, tt := range tests {
		u, port, err := address(tt.host)
		if tt.base == "" {
			if err == nil {
				t.Errorf("%s: got %v", tt.host, u)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: got %v", tt.host, err)
			continue
		}
		if base := u.Scheme + "://" + u.Hostname(); base != tt.base || port != tt.port {
			t.Errorf("%s: got %s and %d, want %s and %d", tt.host, base, port, tt.base, tt.port)
		}
	}
}

// start starts a workspace with a warehouse.
func start(t *testing.T) (*standin.Standin, string) {
	t.Helper()
	world, err := standin.Start(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(warehouse.New(world.Databricks))
	t.Cleanup(func() {
		server.Close()
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	return world, server.URL
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// fixed is a token that stays.
type fixed string

func (f fixed) Token(context.Context) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: string(f)}, nil
}
