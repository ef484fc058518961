package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/graph"
	"github.com/brickfed/brickfed/internal/pipenet"
)

const (
	tenant = "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607"
	person = "c9a4e7b2-8d15-4f36-a0b7-61c2d3e4f590" // in entra-overage.json
	issuer = "https://login.microsoftonline.com/" + tenant + "/v2.0"

	engineers = "0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071"
	analysts  = "5e2f9c83-1a7b-4d6e-b0c9-3f4a5b6c7d82"

	accessToken = "q7Zp-4fVt_N2xLk8.Rj5sWb0YcHd3mGa9eUo1TiQ.Kx2v-PdLr8BnS5"
)

// request is what Graph saw.
type request struct {
	Method, URL, Token, Type, Accept, Agent, Cookie, Body string
}

// world is a resolver and the Graph it asks, in one process.
type world struct {
	mu       sync.Mutex
	requests []request
	serve    http.HandlerFunc // answers; nil: two groups
	client   *http.Client
	resolver *graph.Resolver
}

// bubble runs f on a fake clock.
func bubble(t *testing.T, f func(t *testing.T, w *world), changes ...func(*graph.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		w := &world{}
		server := &http.Server{Handler: w}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		w.client = &http.Client{Transport: l.Transport()}
		defer w.client.CloseIdleConnections()
		w.resolver = w.newResolver(t, changes...)
		f(t, w)
	})
}

func (w *world) newResolver(t *testing.T, changes ...func(*graph.Config)) *graph.Resolver {
	t.Helper()
	cfg := graph.Config{
		Tenant:     tenant,
		Token:      func(context.Context) (string, error) { return accessToken, nil },
		HTTPClient: w.client,
	}
	for _, change := range changes {
		change(&cfg)
	}
	r, err := graph.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	w.requests = append(w.requests, request{
		Method: r.Method, URL: "https://" + r.Host + r.URL.String(), Token: r.Header.Get("Authorization"),
		Type: r.Header.Get("Content-Type"), Accept: r.Header.Get("Accept"), Agent: r.Header.Get("User-Agent"),
		Cookie: r.Header.Get("Cookie"), Body: string(body),
	})
	serve := w.serve
	w.mu.Unlock()
	if serve == nil {
		serve = reply(200, list(analysts, engineers))
	}
	serve(rw, r)
}

func (w *world) answer(serve http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serve = serve
}

func (w *world) seen() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]request(nil), w.requests...)
}

func (w *world) wantRequests(t *testing.T, n int) {
	t.Helper()
	if got := len(w.seen()); got != n {
		t.Errorf("Graph saw %d requests, want %d", got, n)
	}
}

// groupsOf looks the groups of a token up.
func (w *world) groupsOf(t *testing.T, c *claims.Claims) ([]string, error) {
	t.Helper()
	return w.resolver.Resolve(t.Context(), c, "groups")
}

// reply answers with a status, a body and headers in pairs.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// response is an answer without a server.
func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// list is Graph's answer.
func list(ids ...string) string {
	value, _ := json.Marshal(append([]string{}, ids...)) // strings always marshal
	return `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)","value":` + string(value) + `}`
}

// graphError is Graph's error body; the message names a person.
func graphError(code string) string {
	return `{"error":{"code":"` + code + `","message":"Resource '` + person + `' is wrong","innerError":{"date":"2026-01-02T03:04:05","request-id":"11111111-2222-4333-8444-555555555555"}}}`
}

// member returns the claims of a person whose groups are left out.
func member(t *testing.T, id string) *claims.Claims {
	t.Helper()
	return with(t, "oid", id)
}

// with returns the claims of entra-overage.json with some set; nil removes.
func with(t *testing.T, pairs ...any) *claims.Claims {
	t.Helper()
	return change(t, "entra-overage.json", pairs...)
}

func change(t testing.TB, file string, pairs ...any) *claims.Claims {
	t.Helper()
	data, err := os.ReadFile("../testdata/idp/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var payload map[string]any
	if err := json.Unmarshal(data, &payload); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		payload[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(payload, pairs[i].(string))
		}
	}
	if data, err = json.Marshal(payload); err != nil {
		t.Fatal(err)
	}
	c, err := claims.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// failureOf returns an error as the package's own.
func failureOf(t *testing.T, err error) *graph.Error {
	t.Helper()
	var failure *graph.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v (%T), want a *graph.Error", err, err)
	}
	return failure
}

// ids returns n different UUIDs.
func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
	}
	return list
}

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}
