package exchange_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

// served returns a client for the workspace through a cache, and the cache.
func (w *world) served() (*http.Client, *cache.Cache) {
	tokens := cache.New(w.exchanger(), cache.Options{})
	return &http.Client{Transport: &exchange.Transport{
		Host: w.dbx.URL(), Tokens: tokens, Base: w.dbx.Client().Transport,
	}}, tokens
}

func (w *world) get(client *http.Client, path string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.dbx.URL()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

const mePath = "/api/2.0/preview/scim/v2/Me"

// Every shape in which Databricks refuses a token leads to one new exchange and
// one more request; a missing permission leads to neither.
func TestTransport_refusedToken(t *testing.T) {
	tests := []struct {
		answer string
		retry  bool
	}{
		{"api invalid access token", true},
		{"api jwt expired", true},
		{"api invalid token", true},
		{"api invalid access token page", true},
		{"api expiring", true},
		{"api expired exception", true},
		{"api permission denied", false},
	}
	for _, tt := range tests {
		t.Run(tt.answer, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				client, _ := w.served()
				resp := w.get(client, mePath)
				_ = resp.Body.Close()
				answer := exchangetest.Recorded()[tt.answer]
				w.dbx.Fail(exchangetest.API, answer)
				resp = w.get(client, mePath)
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				exchanges, calls := w.dbx.Count(exchangetest.Token), w.dbx.Count(exchangetest.API)
				if tt.retry && (resp.StatusCode != http.StatusOK || exchanges != 2 || calls != 3) {
					t.Errorf("status %d, %d exchanges, %d calls; want 200, 2, 3", resp.StatusCode, exchanges, calls)
				}
				if !tt.retry && (resp.StatusCode != answer.Status || string(body) != answer.Body || exchanges != 1 || calls != 2) {
					t.Errorf("status %d, %d exchanges, %d calls, body %q; want the answer untouched", resp.StatusCode, exchanges, calls, body)
				}
			})
		})
	}
}

// A server that refuses every token gets two requests, not an endless row.
func TestTransport_refusesForEver(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		client, _ := w.served()
		answer := exchangetest.Recorded()["api invalid access token"]
		answer.Times = -1
		w.dbx.Fail(exchangetest.API, answer)
		resp := w.get(client, mePath)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != answer.Status || string(body) != answer.Body {
			t.Errorf("status %d, body %q, %v; want the server's answer", resp.StatusCode, body, err)
		}
		if n := w.dbx.Count(exchangetest.API); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
	})
}

// Forty requests refused with the same token are one exchange.
func TestTransport_manyRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		client, _ := w.served()
		resp := w.get(client, mePath)
		_ = resp.Body.Close()
		time.Sleep(time.Minute)
		w.dbx.RevokeAll()
		var failed atomic.Int32
		for range 40 {
			go func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.dbx.URL()+mePath, nil)
				if err != nil {
					failed.Add(1)
					return
				}
				resp, err := client.Do(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				if err == nil {
					_ = resp.Body.Close()
				}
			}()
		}
		synctest.Wait()
		time.Sleep(10 * time.Second)
		if failed.Load() != 0 || w.dbx.Count(exchangetest.Token) != 2 {
			t.Errorf("%d of 40 failed, %d exchanges in all; want 0 and 2", failed.Load(), w.dbx.Count(exchangetest.Token))
		}
	})
}

func TestTransport_body(t *testing.T) {
	const sql = `{"statement":"select 1"}`
	tests := []struct {
		name string
		body func() io.Reader
		want int
	}{
		{"can be sent again", func() io.Reader { return strings.NewReader(sql) }, http.StatusOK},
		{"is gone", func() io.Reader { return io.MultiReader(strings.NewReader(sql)) }, http.StatusForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				client, tokens := w.served()
				before, err := tokens.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.dbx.Fail(exchangetest.API, exchangetest.Recorded()["api jwt expired"])
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.dbx.URL()+"/api/2.0/sql/statements", tt.body())
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != tt.want {
					t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
				}
				time.Sleep(6 * time.Second)
				after, err := tokens.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if after.AccessToken == before.AccessToken {
					t.Error("the refused token is still handed out")
				}
			})
		})
	}
}

func TestTransport_pinned(t *testing.T) {
	tokens := tokenFunc(func(context.Context) (*oauth2.Token, error) {
		t.Error("the token was asked for")
		return &oauth2.Token{AccessToken: "secret"}, nil
	})
	base := roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("the request was sent")
		return nil, errors.New("no")
	})
	tests := []struct{ name, host, url string }{
		{"another host", "https://h.databricks.com", "https://evil.example/"},
		{"a subdomain", "https://h.databricks.com", "https://x.h.databricks.com/"},
		{"http", "https://h.databricks.com", "http://h.databricks.com/"},
		{"another port", "https://h.databricks.com", "https://h.databricks.com:8443/"},
		{"no host", "", "https://h.databricks.com/"},
		{"http host", "http://h.databricks.com", "http://h.databricks.com/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := &closeRecorder{Reader: strings.NewReader("x")}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.url, body)
			if err != nil {
				t.Fatal(err)
			}
			transport := &exchange.Transport{Host: tt.host, Tokens: tokens, Base: base}
			resp, err := transport.RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
				t.Error("no error")
			}
			if !body.closed {
				t.Error("the body was not closed")
			}
			if err := transport.Authenticate(req); err == nil || req.Header.Get("Authorization") != "" {
				t.Errorf("Authenticate = %v, header %q", err, req.Header.Get("Authorization"))
			}
		})
	}
}

// The original request stays as it was, and the body is closed once.
func TestTransport_leavesTheRequestAlone(t *testing.T) {
	var sent http.Header
	transport := &exchange.Transport{
		Host:   "h.databricks.com",
		Tokens: tokenFunc(func(context.Context) (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "tok"}, nil }),
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r.Header
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
		}),
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://h.databricks.com:443/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer somebody-else")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := sent.Get("Authorization"); got != "Bearer tok" {
		t.Errorf("sent %q", got)
	}
	if got := req.Header.Get("Authorization"); got != "Bearer somebody-else" {
		t.Errorf("the caller's request was changed: %q", got)
	}
	if err := transport.Authenticate(req); err != nil || req.Header.Get("Authorization") != "Bearer tok" {
		t.Errorf("Authenticate = %v, header %q", err, req.Header.Get("Authorization"))
	}
}

func TestTransport_sourceFails(t *testing.T) {
	want := errors.New("no token today")
	for name, transport := range map[string]*exchange.Transport{
		"error":     {Tokens: tokenFunc(func(context.Context) (*oauth2.Token, error) { return nil, want })},
		"nil":       {Tokens: tokenFunc(func(context.Context) (*oauth2.Token, error) { return nil, nil })},
		"empty":     {Tokens: tokenFunc(func(context.Context) (*oauth2.Token, error) { return &oauth2.Token{}, nil })},
		"no source": {},
	} {
		transport.Host = "h.databricks.com"
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://h.databricks.com/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: no error", name)
		}
		if name == "error" && !errors.Is(err, want) {
			t.Errorf("%v does not wrap the source's error", err)
		}
	}
}

func TestDirect(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		direct := exchange.Direct{Subject: w.source(nil), Audience: "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"}
		token, err := direct.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(token.Expiry); left < 59*time.Minute || left > time.Hour {
			t.Errorf("the token has %v left", left)
		}
		if grant, ok := exchange.GrantOf(token); !ok || grant.Subject != subject {
			t.Errorf("GrantOf = %+v, %t", grant, ok)
		}
		if w.dbx.Count(exchangetest.Token) != 0 {
			t.Error("something was exchanged")
		}

		_, err = exchange.Direct{}.Token(t.Context())
		wantKind(t, err, exchange.KindConfig)
		_, err = exchange.Direct{Subject: w.source(map[string]any{"exp": time.Now().Add(-time.Second).Unix()})}.Token(t.Context())
		wantKind(t, err, exchange.KindSubjectExpired)
		_, err = exchange.Direct{Subject: oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) { return nil, nil })}.Token(t.Context())
		wantKind(t, err, exchange.KindSource)
		token, err = exchange.Direct{Subject: w.source(map[string]any{"exp": nil})}.Token(t.Context())
		if err != nil || time.Until(token.Expiry) > 5*time.Minute {
			t.Errorf("a token without exp: %v, %v", token.Expiry, err)
		}
	})
}

type tokenFunc func(context.Context) (*oauth2.Token, error)

func (f tokenFunc) Token(ctx context.Context) (*oauth2.Token, error) { return f(ctx) }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error { c.closed = true; return nil }
