package sdkauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/httpclient"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/oidc"
)

// A cold start takes two requests to the Databricks host, the SDK's own look at
// the metadata among them, besides the call itself; each refresh takes one.
func TestRequestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		if n := w.wire.count(tokenCall); n != 0 {
			t.Fatalf("the constructor made %d exchanges", n)
		}
		w.mustBe(client, job)
		if got := len(w.dbx.Requests()) - w.dbx.Count(exchangetest.API); got != 2 {
			t.Errorf("cold start: %d requests, want 2", got)
		}
		for refresh := 1; refresh <= 5; refresh++ {
			time.Sleep(45 * time.Minute) // early refresh is due, the token is good
			w.mustBe(client, job)
			synctest.Wait()
			if got, want := len(w.dbx.Requests())-w.dbx.Count(exchangetest.API), 2+refresh; got != want {
				t.Fatalf("refresh %d: %d requests so far, want %d", refresh, got, want)
			}
		}
		w.counts(map[exchangetest.Endpoint]int{exchangetest.Metadata: 1, exchangetest.Token: 6, exchangetest.API: 6})
	})
}

// Whatever is down while the client is made and makes its first call, the client
// works when it is up again: metadata and token endpoint, or the provider.
func TestOutageAtStart(t *testing.T) {
	down := errors.New("the identity provider is down")
	for name, test := range map[string]struct{ fail, heal func(*world, *source) }{
		"Databricks": {
			func(w *world, _ *source) { w.dbx.SetOutage(true) },
			func(w *world, _ *source) { w.dbx.SetOutage(false) },
		},
		"identity provider": {
			func(_ *world, s *source) { s.fail(down) },
			func(_ *world, s *source) { s.fail(nil) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.close()
				s := w.strategy()
				test.fail(w, s.Subject.(*source))
				cfg := w.config()
				client := w.client(cfg, s)
				dataPlane := cfg.GetTokenSource() // what the serving data plane keeps for life
				if _, err := me(t.Context(), client); err == nil {
					t.Fatal("no error during the outage")
				}
				time.Sleep(5 * time.Minute)
				test.heal(w, s.Subject.(*source))
				time.Sleep(10 * time.Second)
				w.mustBe(client, job)
				if _, err := dataPlane.Token(t.Context()); err != nil {
					t.Errorf("data plane: %v", err)
				}
			})
		})
	}
}

// An outage later on is not noticed as long as the token lives.
func TestOutageLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		w.mustBe(client, job)
		w.dbx.SetOutage(true)
		for range 59 {
			time.Sleep(time.Minute)
			w.mustBe(client, job)
		}
		w.dbx.SetOutage(false)
		time.Sleep(time.Minute)
		w.mustBe(client, job)
	})
}

// A missing permission is no reason for a new token.
func TestPermissionDenied(t *testing.T) {
	w := newWorld(t)
	client := w.client(w.config(), w.strategy())
	w.mustBe(client, job)
	w.dbx.Fail(exchangetest.API, exchangetest.Recorded()["api permission denied"])
	if _, err := me(t.Context(), client); !errors.Is(err, apierr.ErrPermissionDenied) {
		t.Fatalf("got error %v", err)
	}
	w.mustBe(client, job)
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1, exchangetest.API: 3})
}

// A host that refuses every token gets each request twice, not more, and no storm
// of exchanges.
func TestRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		refuse := exchangetest.Recorded()["api invalid token"]
		refuse.Times = -1
		w.dbx.Fail(exchangetest.API, refuse)
		const calls = 20
		for range calls {
			if _, err := me(t.Context(), client); err == nil {
				t.Fatal("no error")
			}
		}
		if n := w.dbx.Count(exchangetest.API); n > 2*calls {
			t.Errorf("%d requests for %d calls", n, calls)
		}
		if n := w.dbx.Count(exchangetest.Token); n > 4 {
			t.Errorf("%d exchanges within %v", n, 20*time.Second)
		}
	})
}

// A body is sent again from its start if it can be read again.
func TestRecoveryWithBody(t *testing.T) {
	const body = `{"statement":"SELECT current_user()"}`
	for name, test := range map[string]struct {
		body any
		want bool // recovers
	}{
		"bytes":   {[]byte(body), true},
		"string":  {body, true},
		"map":     {map[string]any{"statement": "SELECT current_user()"}, true},
		"a pipe":  {onlyReader{strings.NewReader(body)}, false},
		"no body": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cfg := w.config()
			client := w.client(cfg, w.strategy())
			w.dbx.Revoke(mustToken(t, cfg).AccessToken)
			call := func(data any) error {
				if data == nil {
					_, err := me(t.Context(), client)
					return err
				}
				var answer struct {
					Result struct {
						Data [][]string `json:"data_array"`
					} `json:"result"`
				}
				err := client.Do(t.Context(), http.MethodPost, "/api/2.0/sql/statements", httpclient.WithRequestData(data), httpclient.WithResponseUnmarshal(&answer))
				if err == nil && (len(answer.Result.Data) != 1 || answer.Result.Data[0][0] != job) {
					t.Errorf("answer %+v", answer)
				}
				return err
			}
			if err := call(test.body); (err == nil) != test.want {
				t.Errorf("got error %v", err)
			}
			if test.want {
				return
			}
			if err := call(body); err != nil { // the next call has the new token
				t.Error(err)
			}
		})
	}
}

// onlyReader can be read once.
type onlyReader struct{ io.Reader }

// A token stays at its host, whoever is asked to take it elsewhere.
func TestTokenStaysAtItsHost(t *testing.T) {
	const token = "Authorization"
	elsewhere := func(t *testing.T, w *world) {
		t.Helper()
		for i, host := range w.wire.hosts {
			if "https://"+host != w.dbx.URL() && w.wire.auths[i].Get(token) != "" {
				t.Errorf("%s got a token", host)
			}
		}
	}
	for _, location := range []string{
		"https://evil.example/x", "https://sub.dbc-test.cloud.databricks.com/x", "http://dbc-test.cloud.databricks.com/x",
		"https://dbc-test.cloud.databricks.com:8443/x",
	} {
		t.Run("redirect to "+location, func(t *testing.T) {
			w := newWorld(t)
			client := w.client(w.config(), w.strategy())
			w.mustBe(client, job)
			w.wire.edit = func(req *http.Request) (*http.Response, error) {
				if strings.HasPrefix(req.URL.Path, "/api/") {
					return answer(req, http.StatusTemporaryRedirect, http.Header{"Location": {location}}, ""), nil
				}
				return answer(req, http.StatusOK, nil, "{}"), nil
			}
			_, _ = me(t.Context(), client)
			elsewhere(t, w)
		})
	}
	t.Run("Authenticate", func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config()
		w.client(cfg, w.strategy())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://my-app.databricksapps.com/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.Authenticate(req); err == nil || !strings.Contains(err.Error(), "GetTokenSource") {
			t.Errorf("got error %v", err)
		}
		if req.Header.Get(token) != "" {
			t.Error("it got a token")
		}
	})
	t.Run("changed after signing", func(t *testing.T) {
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
		if req.URL, err = url.Parse("https://evil.example/x"); err != nil {
			t.Fatal(err)
		}
		resp, err := cfg.HTTPTransport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			t.Error("it was sent")
		}
		elsewhere(t, w)
	})
}

// Another Authorization header that a caller puts on is left alone.
func TestOtherAuthorization(t *testing.T) {
	w := newWorld(t)
	client := w.client(w.config(), w.strategy())
	err := client.Do(t.Context(), http.MethodGet, meAPI, httpclient.WithRequestHeader("Authorization", "Bearer of-the-caller"))
	if err == nil {
		t.Error("no error")
	}
	if got := w.wire.auths[len(w.wire.auths)-1].Get("Authorization"); got != "Bearer of-the-caller" {
		t.Errorf("Authorization %q", got)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.API: 1})
}

// Clients at rest have no goroutines, whatever they did before.
func TestIdleClientsHaveNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		goroutines := func() int {
			w.dbx.Client().CloseIdleConnections()
			w.idp.Client().CloseIdleConnections()
			synctest.Wait()
			stacks := make([]byte, 1<<20)
			return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("synctest bubble"))
		}
		before := goroutines()
		var clients []*httpclient.ApiClient
		for range 50 {
			client := w.client(w.config(), w.strategy())
			w.mustBe(client, job)
			clients = append(clients, client)
		}
		if after := goroutines(); before == 0 || after != before {
			t.Errorf("%d goroutines before, %d with %d clients at rest", before, after, len(clients))
		}
		runtime.KeepAlive(clients)
	})
}

// The transport of a config that brought none is shared, and honours what the
// config says about TLS.
func TestDefaultTransport(t *testing.T) {
	transport := func(change func(*config.Config)) http.RoundTripper {
		cfg := &config.Config{Host: "https://dbc-test.cloud.databricks.com", HostMetadataResolver: func(context.Context, string) (*config.HostMetadata, error) { return nil, nil }}
		change(cfg)
		if err := sdkauth.Apply(cfg, sdkauth.Strategy{Subject: oidc.Env("X"), ClientID: job}); err != nil {
			t.Fatal(err)
		}
		if err := cfg.EnsureResolved(); err != nil {
			t.Fatal(err)
		}
		return sdkauth.Base(cfg.HTTPTransport)
	}
	plain := transport(func(*config.Config) {}).(*http.Transport)
	again := transport(func(*config.Config) {}).(*http.Transport)
	unverified := transport(func(c *config.Config) { c.InsecureSkipVerify = true }).(*http.Transport)
	if plain != again {
		t.Error("two configs have two transports")
	}
	if plain.Proxy == nil || plain.TLSClientConfig != nil && plain.TLSClientConfig.InsecureSkipVerify {
		t.Error("the transport ignores the proxy variables or does not verify certificates")
	}
	if unverified.TLSClientConfig == nil || !unverified.TLSClientConfig.InsecureSkipVerify {
		t.Error("InsecureSkipVerify is not honoured")
	}
	file := writeConfigFile(t, "[DEFAULT]\nhost = https://dbc-test.cloud.databricks.com\nskip_verify = true\n")
	profile := transport(func(c *config.Config) { c.Profile, c.ConfigFile = "DEFAULT", file }).(*http.Transport)
	if profile != unverified {
		t.Error("skip_verify of a profile is not honoured")
	}
}

// Our own transport does not hold megabytes of headers in memory.
func TestDefaultTransport_headers(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		for range size >> 10 {
			w.Header().Add("X-Filler", strings.Repeat("x", 1000))
		}
	})
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			server := httptest.NewUnstartedServer(handler)
			server.EnableHTTP2 = protocol == "HTTP/2.0"
			server.StartTLS()
			defer server.Close()
			cfg := &config.Config{Host: server.URL, InsecureSkipVerify: true, HostMetadataResolver: func(context.Context, string) (*config.HostMetadata, error) { return nil, nil }}
			if err := sdkauth.Apply(cfg, sdkauth.Strategy{Subject: oidc.Env("X"), ClientID: job}); err != nil {
				t.Fatal(err)
			}
			if err := cfg.EnsureResolved(); err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: cfg.HTTPTransport}
			defer client.CloseIdleConnections()
			for size, ok := range map[int]bool{32 << 10: true, 128 << 10: false} {
				resp, err := client.Get(server.URL + "?size=" + strconv.Itoa(size))
				if (err == nil) != ok {
					t.Errorf("%d bytes: got error %v", size, err)
				}
				if err == nil {
					_ = resp.Body.Close()
					if resp.Proto != protocol {
						t.Errorf("protocol %s", resp.Proto)
					}
				}
			}
		})
	}
}

// The SDK replaces credentials if the transport is a test fixture, and asks it by
// a method; wrapped, the transport must still answer.
func TestFixture(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	fixture := &fixture{}
	cfg.HTTPTransport = fixture
	client := w.client(cfg, w.strategy())
	if _, err := me(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if fixture.authorized.Load() {
		t.Error("the fixture got a token")
	}
	if c, ok := cfg.HTTPTransport.(interface{ CloseIdleConnections() }); !ok {
		t.Error("no CloseIdleConnections")
	} else {
		c.CloseIdleConnections()
	}
	if !fixture.closed.Load() {
		t.Error("CloseIdleConnections is not passed on")
	}
}

type fixture struct{ authorized, closed atomic.Bool }

func (*fixture) SkipRetryOnIO() bool     { return true }
func (f *fixture) CloseIdleConnections() { f.closed.Store(true) }
func (f *fixture) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Authorization") != "" {
		f.authorized.Store(true)
	}
	return answer(req, http.StatusOK, nil, "{}"), nil
}

// The exchange is bounded by the config's own timeout too.
func TestHTTPTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		cfg := w.config()
		cfg.HTTPTimeoutSeconds = 2
		w.client(cfg, w.strategy())
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Hang: true})
		start := time.Now()
		if _, err := cfg.GetTokenSource().Token(t.Context()); err != nil { // the second attempt succeeds
			t.Fatal(err)
		}
		if took := time.Since(start); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// DisableAsyncTokenRefresh makes the caller wait for the early refresh.
func TestDisableAsync(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.close()
			cfg := w.config()
			cfg.DisableAsyncTokenRefresh = disabled
			w.client(cfg, w.strategy())
			first := mustToken(t, cfg)
			time.Sleep(45 * time.Minute)
			if fresh := mustToken(t, cfg).AccessToken != first.AccessToken; fresh != disabled {
				t.Errorf("disabled %v: fresh %v", disabled, fresh)
			}
			synctest.Wait()
		})
	}
}

// What GetTokenSource hands out belongs to the caller.
func TestGetTokenSource(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	client := w.client(cfg, w.strategy())
	token := mustToken(t, cfg)
	if left := time.Until(token.Expiry); left < 50*time.Minute || left > hour {
		t.Errorf("it lives %v", left)
	}
	token.AccessToken = "spoilt"
	w.mustBe(client, job)
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1, exchangetest.API: 1})
}
