package graph_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims/graph"
)

// No error, resolver or configuration shows a token, a claim's value or a group,
// in whatever way it is printed, and also when Graph, the transport or the source
// of tokens sends them back.
func TestSecrecy(t *testing.T) {
	secrets := []string{accessToken, person, engineers}
	bubble(t, func(t *testing.T, w *world) {
		var outputs []any
		for _, secret := range []string{accessToken, person, engineers, accessToken + person} {
			id := secret
			if id == engineers {
				id = "" // an ID like any other: the server may choose it
			}
			for _, body := range echoes(secret) {
				for _, status := range []int{200, 202, 302, 400, 401, 403, 404, 429, 500, 503} {
					w.answer(reply(status, body, "request-id", id, "Location", "https://evil.example/?"+url.QueryEscape(secret), "Retry-After", secret))
					time.Sleep(10 * time.Minute) // past all that is remembered
					_, err := w.groupsOf(t, with(t))
					outputs = append(outputs, parts(t, err)...)
				}
			}
		}
		for _, pairs := range [][]any{{"iss", person}, {"tid", engineers}, {"oid", person + "x"}, {"idtyp", person}} {
			_, err := w.groupsOf(t, with(t, pairs...))
			outputs = append(outputs, parts(t, err)...)
		}
		for _, r := range []*graph.Resolver{w.newResolver(t, leaky), w.newResolver(t, leakySource)} {
			_, err := r.Resolve(t.Context(), with(t), "groups")
			outputs = append(outputs, parts(t, err)...)
		}
		if len(outputs) < 500 {
			t.Fatalf("only %d outputs to look at", len(outputs))
		}
		wantNone(t, outputs, append(secrets, tenant))
	})
}

// A resolver remembers people and their groups, and shows neither.
func TestSecrecy_resolver(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		if _, err := w.groupsOf(t, with(t)); err != nil {
			t.Fatal(err)
		}
		holder := struct {
			Pointer *graph.Resolver
			Copy    graph.Resolver
			hidden  *graph.Resolver
		}{w.resolver, *w.resolver, w.resolver}
		_, err := graph.New(graph.Config{Tenant: accessToken, Endpoint: "https://" + accessToken + ":" + accessToken + "@h/", Issuer: accessToken})
		wantNone(t, []any{
			w.resolver, *w.resolver, holder, &holder,
			[]*graph.Resolver{w.resolver},
			map[string]any{"r": w.resolver},
			err,
			graph.Config{Tenant: tenant, Token: func(context.Context) (string, error) { return accessToken, nil }, HTTPClient: w.client},
		}, []string{accessToken, person, engineers})
	})
}

// leaky gives a transport whose errors tell all that it knows.
func leaky(c *graph.Config) {
	c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("proxy: %s %s %v: %w", r.Method, r.URL, r.Header, errors.New(r.Header.Get("Authorization")))
	})}
}

// leakySource gives a source whose error holds a token that is recognised by its
// shape.
func leakySource(c *graph.Config) {
	c.Token = func(context.Context) (string, error) {
		return "", fmt.Errorf(`the answer was {"access_token":"%s"}`, accessToken)
	}
}

// echoes are bodies in which a server sends a text back.
func echoes(secret string) []string {
	quoted, _ := json.Marshal(secret) // a string always marshals
	q := string(quoted)
	bodies := []string{
		secret, `{"error":{"code":` + q + `,"message":` + q + `}}`, `{"error":` + q + `}`, `{"error":{"code":"x","innerError":{"request-id":` + q + `}}}`,
		`{"value":` + q + `}`, `{"value":[` + q + `,"x"]}`, `{` + q + `:1,` + q + `:2}`, `{"value":[],"@odata.nextLink":` + q + `}`, `{"value":[]}` + secret,
		"<html><title>" + secret + "</title></html>",
	}
	for _, form := range []string{secret[:40%len(secret)], strings.ToUpper(secret), url.QueryEscape(secret), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
		bodies = append(bodies, `{"error":{"code":"`+form[:min(len(form), 64)]+`"}}`)
	}
	return bodies
}

// parts returns an error, a copy of it and everything that it wraps, as far as
// this package made it.
func parts(t *testing.T, err error) []any {
	t.Helper()
	if err == nil {
		return nil // an answer that parses
	}
	failure := failureOf(t, err)
	return []any{err, *failure, failure.Error(), struct{ E any }{failure}, []error{err}, failure.Hint, failure.Code, failure.RequestID, failure.Reason}
}

// run is how many bytes of a secret in a row are a leak.
const run = 12

func wantNone(t *testing.T, outputs []any, secrets []string) {
	t.Helper()
	for _, out := range outputs {
		text := strings.ToLower(printed(out))
		for _, secret := range secrets {
			secret = strings.ToLower(secret)
			for i := 0; i+run <= len(secret); i++ {
				if strings.Contains(text, secret[i:i+run]) {
					t.Fatalf("%T shows %q:\n%s", out, secret[i:i+run], text)
				}
			}
		}
	}
}

// printed is everything that a program may do to show a value.
func printed(v any) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n%+v\n%#v\n%s\n%q\n%x\n%d\n%t\n", v, v, v, v, v, v, v, v)
	if data, err := json.Marshal(v); err == nil {
		b.Write(data)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	return b.String()
}
