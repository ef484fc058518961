package sdkauth_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/httpclient"
	sdklog "github.com/databricks/databricks-sdk-go/logger"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

const (
	job      = "3f0c2a1e-1111-4000-8000-000000000001" // a service principal
	admin    = "3f0c2a1e-1111-4000-8000-0000000000ad"
	ada      = "ada@acme.example"
	analysts = "884100000000017"
	auditors = "884100000000018"
	meAPI    = "/api/2.0/preview/scim/v2/Me"
)

// TestMain empties the environment: the SDK reads a good part of it, and a
// developer's own must not reach a test.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{"DATABRICKS_", "ARM_", "GOOGLE_", "AZURE_", "ACTIONS_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			if strings.HasPrefix(name, prefix) {
				_ = os.Unsetenv(name)
			}
		}
	}
	home, err := os.MkdirTemp("", "sdkauth")
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

// world is an identity provider and a Databricks account that trusts it. Both
// listen inside the process.
type world struct {
	t    testing.TB
	idp  *oidctest.Server
	dbx  *exchangetest.Server
	wire *wire
}

// newWorld starts a world. The options change the account's configuration.
func newWorld(t testing.TB, options ...func(*exchangetest.Config)) *world {
	t.Helper()
	idp, err := oidctest.New(oidctest.Config{Pipe: true, TokenLifetime: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	cfg := exchangetest.Config{
		Pipe:   true,
		IdP:    idp.Client(),
		Groups: []exchangetest.Group{{ID: analysts}, {ID: auditors}},
		Principals: []exchangetest.Principal{
			{
				ApplicationID: job, Groups: []string{analysts}, Assumes: []string{auditors},
				Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: "the-job", Audiences: []string{"databricks"}}},
			},
			{ApplicationID: admin, Admin: true, Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: "the-admin", Audiences: []string{"databricks"}}}},
			{UserName: ada},
		},
		Policies: []trust.Policy{{Issuer: idp.Issuer(), Audiences: []string{"databricks"}, SubjectClaim: "email"}},
	}
	for _, option := range options {
		option(&cfg)
	}
	dbx, err := exchangetest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, idp: idp, dbx: dbx, wire: &wire{base: dbx.Client().Transport}}
	t.Cleanup(w.close)
	return w
}

// close ends the world; a bubble has to do it before it ends.
func (w *world) close() {
	_ = w.dbx.Close()
	_ = w.idp.Close()
}

// source mints a token of the-job on each call.
func (w *world) source() *source {
	return &source{idp: w.idp, claims: map[string]any{"sub": "the-job", "aud": "databricks"}}
}

// strategy exchanges as the service principal job.
func (w *world) strategy() sdkauth.Strategy {
	return sdkauth.Strategy{Subject: w.source(), ClientID: job}
}

// config is one of a workspace client.
func (w *world) config() *config.Config {
	return &config.Config{Host: w.dbx.URL(), HTTPTransport: w.wire}
}

// client applies the strategy and does what the SDK's client constructors do.
func (w *world) client(cfg *config.Config, s sdkauth.Strategy) *httpclient.ApiClient {
	w.t.Helper()
	if err := sdkauth.Apply(cfg, s); err != nil {
		w.t.Fatal(err)
	}
	return w.resolve(cfg)
}

func (w *world) resolve(cfg *config.Config) *httpclient.ApiClient {
	w.t.Helper()
	client, err := newClient(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func newClient(cfg *config.Config) (*httpclient.ApiClient, error) {
	if err := cfg.EnsureResolved(); err != nil {
		return nil, err
	}
	c, err := config.HTTPClientConfigFromConfig(cfg)
	if err != nil {
		return nil, err
	}
	// NewWorkspaceClient asks for a token source in its constructor, for the
	// data plane of model serving, and lives with what it gets.
	_ = cfg.GetTokenSource()
	return httpclient.NewApiClient(c), nil
}

// me asks a workspace who the caller is.
func me(ctx context.Context, client *httpclient.ApiClient) (string, error) {
	var answer struct {
		UserName string `json:"userName"`
	}
	err := client.Do(ctx, http.MethodGet, meAPI, httpclient.WithResponseUnmarshal(&answer))
	return answer.UserName, err
}

// mustBe fails the test unless the workspace takes the caller for name.
func (w *world) mustBe(client *httpclient.ApiClient, name string) {
	w.t.Helper()
	got, err := me(w.t.Context(), client)
	if err != nil {
		w.t.Fatal(err)
	}
	if got != name {
		w.t.Fatalf("the workspace says %q, want %q", got, name)
	}
}

// counts fails the test unless so many requests have come in.
func (w *world) counts(want map[exchangetest.Endpoint]int) {
	w.t.Helper()
	for _, e := range []exchangetest.Endpoint{exchangetest.Metadata, exchangetest.Discovery, exchangetest.Token, exchangetest.API} {
		if n, ok := want[e]; ok && w.dbx.Count(e) != n {
			w.t.Errorf("%d requests to %s, want %d", w.dbx.Count(e), e, n)
		}
	}
}

// tokenRequests returns the token requests that came in.
func (w *world) tokenRequests() []exchangetest.Request { return w.dbx.Requests(exchangetest.Token) }

// source is an oidc.Source that mints, and remembers what it was asked.
type source struct {
	idp    *oidctest.Server
	claims map[string]any

	mu        sync.Mutex
	audiences []string
	err       error
}

func (s *source) Token(_ context.Context, audience string) (*oidc.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audiences = append(s.audiences, audience)
	if s.err != nil {
		return nil, s.err
	}
	raw, err := s.idp.Sign(s.claims)
	if err != nil {
		return nil, err
	}
	return oidc.ParseToken(raw)
}

func (s *source) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.audiences)
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// wire is a transport that the user brings along.
type wire struct {
	base http.RoundTripper

	mu    sync.Mutex
	sent  []string      // "POST /oidc/v1/token" and so on
	auths []http.Header // of every request
	hosts []string
	edit  func(*http.Request) (*http.Response, error) // may answer instead
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.sent = append(w.sent, req.Method+" "+req.URL.Path)
	w.auths = append(w.auths, req.Header.Clone())
	w.hosts = append(w.hosts, req.URL.Host)
	edit := w.edit
	w.mu.Unlock()
	if edit != nil {
		if resp, err := edit(req); resp != nil || err != nil {
			return resp, err
		}
	}
	return w.base.RoundTrip(req)
}

func (w *wire) count(what string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s == what {
			n++
		}
	}
	return n
}

// answer makes a response without a server.
func answer(req *http.Request, status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}
