package oidc_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func TestSecret_readPerUse(t *testing.T) {
	const name = "BRICKFED_TEST_SECRET"
	path := filepath.Join(t.TempDir(), "secret")
	now := ""
	fetch := func(context.Context) (string, error) { return now, nil }
	for kind, s := range map[string]*oidc.Secret{
		"file": oidc.SecretFile(path), "env": oidc.SecretEnv(name), "func": oidc.SecretFunc(fetch),
	} {
		for _, value := range []string{"first", "second\n", "\t third \r\n"} {
			write(t, path, value)
			t.Setenv(name, value)
			now = value
			form, h := url.Values{}, http.Header{}
			if err := (oidc.SecretPost{ClientID: "id", Secret: s}).Apply(t.Context(), "", form, h); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if got, want := form.Get("client_secret"), strings.TrimSpace(value); got != want {
				t.Errorf("%s: got %q, want %q", kind, got, want)
			}
		}
	}
}

func TestSecret_unusable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	t.Setenv("BRICKFED_TEST_BLANK", " ")
	write(t, path, "the-first-secret\nthe-second-secret")
	cause := errors.New("the store is sealed")
	for _, tt := range []struct {
		name   string
		secret *oidc.Secret
		want   string
	}{
		{"none", nil, "use SecretFile"},
		{"zero", &oidc.Secret{}, "use SecretFile"},
		{"no function", oidc.SecretFunc(nil), "use SecretFile"},
		{"two lines", oidc.SecretFile(path), "more than one line"},
		{"directory", oidc.SecretFile(dir), "directory"},
		{"unset", oidc.SecretEnv("BRICKFED_TEST_UNSET"), "it is not set"},
		{"blank", oidc.SecretEnv("BRICKFED_TEST_BLANK"), "it is empty"},
		{"too long", secret(strings.Repeat("x", oidc.MaxToken+1)), "more than 65536 bytes"},
		{"error", oidc.SecretFunc(func(context.Context) (string, error) { return "", cause }), "sealed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, auth := range []oidc.ClientAuth{
				oidc.SecretBasic{ClientID: "id", Secret: tt.secret}, oidc.SecretPost{ClientID: "id", Secret: tt.secret},
			} {
				err := auth.Apply(t.Context(), "", url.Values{}, http.Header{})
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "the-first-secret") {
					t.Errorf("%T: got %v, want %q", auth, err, tt.want)
				}
			}
			src := &oidc.ClientCredentials{TokenEndpoint: "https://idp.example/token", Auth: oidc.SecretPost{ClientID: "id", Secret: tt.secret}}
			if _, err := src.Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ClientCredentials: got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSecret_neverPrintsItself(t *testing.T) {
	const value = "a-secret-that-nobody-may-see"
	s := secret(value)
	if err := (oidc.SecretPost{ClientID: "id", Secret: s}).Apply(t.Context(), "", url.Values{}, http.Header{}); err != nil {
		t.Fatal(err)
	}
	src := &oidc.ClientCredentials{TokenEndpoint: "https://idp.example/token", Auth: oidc.SecretBasic{ClientID: "id", Secret: s}}
	idp := newIDP(t, oidctest.Config{Clients: []oidctest.Client{{ID: "id", Secrets: []string{value}}}})
	src.TokenEndpoint, src.HTTPClient = idp.URL(oidctest.Token), idp.Client()
	if _, err := src.Token(t.Context(), ""); err != nil { // so that the secret is remembered
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "auth", src.Auth, "src", src)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "auth", src.Auth)
	outputs := []string{log.String()}
	for _, v := range []any{s, src.Auth} {
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, string(encoded))
	}
	type holder struct { // of fields that fmt prints without asking them
		s    *oidc.Secret
		auth oidc.ClientAuth
		src  *oidc.ClientCredentials
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, holder{s, src.Auth, src}), fmt.Sprintf(verb, &holder{s, src.Auth, src}), fmt.Sprintf(verb, []*holder{{s, src.Auth, src}}))
		outputs = append(outputs, fmt.Sprintf(verb, s), fmt.Sprintf(verb, src.Auth), fmt.Sprintf(verb, &src.Auth), fmt.Sprintf(verb, src))
	}
	for _, output := range outputs {
		if run := commonRun(output, value); run != "" {
			t.Errorf("%q shows %q", output, run)
		}
	}
	for want, s := range map[string]*oidc.Secret{
		"oidc.Secret(none)":                     nil,
		"oidc.Secret(function)":                 s,
		`oidc.Secret(file "/run/secret")`:       oidc.SecretFile("/run/secret"),
		`oidc.Secret(environment variable "S")`: oidc.SecretEnv("S"),
	} {
		if got := fmt.Sprintf("%#v", s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestClientAuth_apply(t *testing.T) {
	const odd = "pä ss:w+rd/=&%"
	encoded := url.QueryEscape("client:1") + ":" + url.QueryEscape(odd)
	for _, tt := range []struct {
		name   string
		auth   oidc.ClientAuth
		form   string
		header string
	}{
		{"basic", oidc.SecretBasic{ClientID: "client:1", Secret: secret(odd)}, "", "Basic " + base64.StdEncoding.EncodeToString([]byte(encoded))},
		{"post", oidc.SecretPost{ClientID: "client:1", Secret: secret(odd)}, url.Values{"client_id": {"client:1"}, "client_secret": {odd}}.Encode(), ""},
		{"public", oidc.PublicClient{ClientID: "client:1"}, "client_id=client%3A1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			form, h := url.Values{}, http.Header{}
			if err := tt.auth.Apply(t.Context(), "https://idp.example/token", form, h); err != nil {
				t.Fatal(err)
			}
			if form.Encode() != tt.form || h.Get("Authorization") != tt.header {
				t.Errorf("got %q and %q, want %q and %q", form.Encode(), h.Get("Authorization"), tt.form, tt.header)
			}
			clients := []oidctest.Client{{ID: "client:1", Secrets: []string{odd}}}
			if tt.name == "public" {
				clients[0].Secrets = nil
			}
			idp := newIDP(t, oidctest.Config{Clients: clients})
			src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: tt.auth, HTTPClient: idp.Client()}
			if _, err := src.Token(t.Context(), ""); err != nil {
				t.Errorf("the provider refused it: %v", err)
			}
		})
	}
	for _, auth := range []oidc.ClientAuth{oidc.SecretBasic{Secret: secret("x")}, oidc.SecretPost{Secret: secret("x")}, oidc.PublicClient{}} {
		if err := auth.Apply(t.Context(), "", url.Values{}, http.Header{}); err == nil || !strings.Contains(err.Error(), "ClientID is required") {
			t.Errorf("%T without ClientID: %v", auth, err)
		}
	}
}

// rotating is a secret store whose value a test changes. next, if it is set, is
// what it holds from the second read on.
type rotating struct {
	value, next string
	reads       int
}

func (r *rotating) read(context.Context) (string, error) {
	r.reads++
	if r.reads > 1 && r.next != "" {
		r.value = r.next
	}
	return r.value, nil
}

func TestSecret_rotation(t *testing.T) {
	for _, tt := range []struct {
		name     string
		accepted []string // by the provider, after the first token
		value    string   // in the store, then
		next     string   // in the store, when it is read the second time
		posts    int
		ok       bool
	}{
		{"nothing changed", []string{"old-secret"}, "old-secret", "", 1, true},
		{"both changed", []string{"new-secret"}, "new-secret", "", 1, true},
		{"overlap at the provider, store is old", []string{"old-secret", "new-secret"}, "old-secret", "", 1, true},
		{"overlap at the provider, store is new", []string{"old-secret", "new-secret"}, "new-secret", "", 1, true},
		{"the store is written between two reads", []string{"new-secret"}, "old-secret", "new-secret", 2, true},
		{"the store is ahead of the provider", []string{"old-secret"}, "new-secret", "", 2, true},
		{"the store is half written, then ahead", []string{"old-secret"}, "new-", "new-secret", 3, true},
		{"the store is behind the provider", []string{"new-secret"}, "old-secret", "", 1, false},
		{"all wrong", []string{"another-secret"}, "new-secret", "", 2, false},
	} {
		for _, method := range []string{"basic", "post"} {
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				idp := newIDP(t, oidctest.Config{Clients: []oidctest.Client{{ID: "id", Secrets: []string{"old-secret"}}}})
				store := &rotating{value: "old-secret"}
				var auth oidc.ClientAuth = oidc.SecretBasic{ClientID: "id", Secret: oidc.SecretFunc(store.read)}
				if method == "post" {
					auth = oidc.SecretPost{ClientID: "id", Secret: oidc.SecretFunc(store.read)}
				}
				src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: auth, HTTPClient: idp.Client()}
				if _, err := src.Token(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				idp.SetSecrets("id", tt.accepted...)
				*store = rotating{value: tt.value, next: tt.next}
				before := idp.Count(oidctest.Token)
				_, err := src.Token(t.Context(), "")
				if (err == nil) != tt.ok {
					t.Errorf("got %v, want success: %v", err, tt.ok)
				}
				var e *oidc.Error
				if err != nil && (!errors.As(err, &e) || e.Code != "invalid_client") {
					t.Errorf("got %v, want invalid_client", err)
				}
				if got := idp.Count(oidctest.Token) - before; got != tt.posts {
					t.Errorf("%d requests, want %d", got, tt.posts)
				}
			})
		}
	}
}

func TestSecret_otherErrorsAreNotRepeated(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	src := &oidc.ClientCredentials{TokenEndpoint: idp.URL(oidctest.Token), Auth: basic(), HTTPClient: idp.Client()}
	if _, err := src.Token(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	idp.Fail(
		oidctest.Token,
		oidctest.Fault{Status: 400, Body: `{"error":"invalid_scope"}`},
		oidctest.Fault{Status: 503},
		oidctest.Fault{Drop: true},
	)
	for range 3 {
		before := idp.Count(oidctest.Token)
		if _, err := src.Token(t.Context(), ""); err == nil {
			t.Error("no error")
		}
		if got := idp.Count(oidctest.Token) - before; got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	}
}
