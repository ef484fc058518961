package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// newIDP starts a provider that ends with the test.
func newIDP(t testing.TB, cfg oidctest.Config) *oidctest.Server {
	t.Helper()
	idp, err := oidctest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	return idp
}

func secret(value string) *oidc.Secret {
	return oidc.SecretFunc(func(context.Context) (string, error) { return value, nil })
}

func basic() oidc.ClientAuth {
	return oidc.SecretBasic{ClientID: oidctest.ClientID, Secret: secret(oidctest.ClientSecret)}
}

// asError returns the *oidc.Error in err.
func asError(t *testing.T, err error) *oidc.Error {
	t.Helper()
	var e *oidc.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T) is no *oidc.Error", err, err)
	}
	return e
}

func TestClientCredentials_discoveryIsShared(t *testing.T) {
	for _, cfg := range []oidctest.Config{{}, {Path: "/realms/acme"}, {Path: "/tenant/"}, {Algorithm: oidctest.ES256}} {
		idp := newIDP(t, cfg)
		src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client()}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				token, err := src.Token(t.Context(), "")
				if err != nil {
					t.Error(err)
					return
				}
				if got := token.UnverifiedClaims().Issuer(); got != idp.Issuer() {
					t.Errorf("iss is %q, want %q", got, idp.Issuer())
				}
			})
		}
		wg.Wait()
		if d, n := idp.Count(oidctest.Discovery), idp.Count(oidctest.Token); d != 1 || n != 20 {
			t.Errorf("%q: %d discovery and %d token requests, want 1 and 20", cfg.Path, d, n)
		}
	}
}

func TestClientCredentials_providers(t *testing.T) {
	for _, tt := range []struct {
		name string
		src  *oidc.ClientCredentials
		wish string
		form url.Values
		aud  string
	}{
		{
			name: "nothing asked",
			form: url.Values{},
			aud:  "[oidctest-audience]",
		},
		{
			name: "a wish is ignored by default",
			wish: "https://ws.example/oidc/v1/token",
			form: url.Values{},
			aud:  "[oidctest-audience]",
		},
		{
			name: "Okta: scopes of a custom authorization server",
			src:  &oidc.ClientCredentials{Scopes: []string{"databricks", "jobs.read"}},
			form: url.Values{"scope": {"databricks jobs.read"}},
			aud:  "[oidctest-audience]",
		},
		{
			name: "Entra ID: the default scope of an application",
			src:  &oidc.ClientCredentials{Scopes: []string{"api://databricks/.default"}},
			form: url.Values{"scope": {"api://databricks/.default"}},
			aud:  "[api://databricks]",
		},
		{
			name: "Entra ID: the wish as a scope",
			src:  &oidc.ClientCredentials{AudienceParam: "scope"},
			wish: "api://databricks",
			form: url.Values{"scope": {"api://databricks/.default"}},
			aud:  "[api://databricks]",
		},
		{
			name: "Auth0: audience",
			src:  &oidc.ClientCredentials{Audience: "https://api.example"},
			wish: "ignored",
			form: url.Values{"audience": {"https://api.example"}},
			aud:  "[https://api.example]",
		},
		{
			name: "Auth0: the wish as audience",
			src:  &oidc.ClientCredentials{AudienceParam: "audience"},
			wish: "https://api.example",
			form: url.Values{"audience": {"https://api.example"}},
			aud:  "[https://api.example]",
		},
		{
			name: "RFC 8707: resources",
			src:  &oidc.ClientCredentials{Resource: []string{"https://a.example", "https://b.example"}},
			form: url.Values{"resource": {"https://a.example", "https://b.example"}},
			aud:  "[https://a.example https://b.example]",
		},
		{
			name: "RFC 8707: the wish as resource",
			src:  &oidc.ClientCredentials{AudienceParam: "resource"},
			wish: "https://a.example",
			form: url.Values{"resource": {"https://a.example"}},
			aud:  "[https://a.example]",
		},
		{
			name: "no wish, nothing to send",
			src:  &oidc.ClientCredentials{AudienceParam: "audience"},
			form: url.Values{},
			aud:  "[oidctest-audience]",
		},
		{
			name: "Keycloak: an optional scope and a parameter of its own",
			src:  &oidc.ClientCredentials{Scopes: []string{"databricks"}, Params: url.Values{"organization": {"acme"}}},
			form: url.Values{"scope": {"databricks"}, "organization": {"acme"}},
			aud:  "[oidctest-audience]",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			idp := newIDP(t, oidctest.Config{})
			src := tt.src
			if src == nil {
				src = &oidc.ClientCredentials{}
			}
			src.Issuer, src.Auth, src.HTTPClient = idp.Issuer(), basic(), idp.Client()
			for range 2 { // the second request is like the first one
				token, err := src.Token(t.Context(), tt.wish)
				if err != nil {
					t.Fatal(err)
				}
				requests := idp.Requests()
				form := requests[len(requests)-1].Form
				if form.Get("grant_type") != "client_credentials" {
					t.Errorf("grant_type is %q", form.Get("grant_type"))
				}
				form.Del("grant_type")
				if form.Encode() != tt.form.Encode() {
					t.Errorf("the request says %q, want %q", form.Encode(), tt.form.Encode())
				}
				aud, _, err := token.UnverifiedClaims().Strings("aud")
				if err != nil || fmt.Sprint(aud) != tt.aud {
					t.Errorf("aud is %v (%v), want %v", aud, err, tt.aud)
				}
			}
		})
	}
}

func TestClientCredentials_validate(t *testing.T) {
	src := &oidc.ClientCredentials{
		TokenEndpoint: "http://idp.example/token",
		Audience:      "a",
		AudienceParam: "audience",
		Params:        url.Values{"client_secret": {"a-secret-in-the-wrong-place"}, "scope": {"x"}},
	}
	_, err := src.Token(t.Context(), "")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"use https", "Auth is required", "exclude each other", `"client_secret"`, `"scope"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it too", err, want)
		}
	}
	if strings.Contains(err.Error(), "wrong-place") {
		t.Errorf("%q shows the secret", err)
	}
	for want, src := range map[string]*oidc.ClientCredentials{
		"Issuer or TokenEndpoint is required": {Auth: basic()},
		`use "audience"`:                      {Issuer: "https://idp.example", Auth: basic(), AudienceParam: "aud"},
		"exclude each other":                  {Issuer: "https://idp.example", Auth: basic(), AudienceParam: "resource", Resource: []string{"a"}},
		"use https":                           {Issuer: "http://idp.example", Auth: basic()},
		"with a query":                        {Issuer: "https://idp.example?tenant=a", Auth: basic()},
		"user information":                    {Issuer: "https://a:b@idp.example", Auth: basic()},
	} {
		if _, err := src.Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestClientCredentials_choosesTheToken(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	access := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client(), Scopes: []string{"openid"}}
	id := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client(), Scopes: []string{"openid"}, IDToken: true}
	for src, want := range map[*oidc.ClientCredentials]string{access: oidctest.DefaultAudience, id: oidctest.ClientID} {
		token, err := src.Token(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if aud, _, _ := token.UnverifiedClaims().Strings("aud"); len(aud) != 1 || aud[0] != want {
			t.Errorf("aud is %q, want %q", aud, want)
		}
	}
	id.Scopes = nil
	_, err := id.Token(t.Context(), "")
	if e := asError(t, err); !strings.Contains(e.Error(), "no ID token") || !strings.Contains(e.Hint, "openid") {
		t.Errorf("got %v", err)
	}
	opaque := newIDP(t, oidctest.Config{Opaque: true})
	_, err = (&oidc.ClientCredentials{Issuer: opaque.Issuer(), Auth: basic(), HTTPClient: opaque.Client()}).Token(t.Context(), "")
	if e := asError(t, err); !errors.Is(err, oidc.ErrMalformed) || !strings.Contains(e.Hint, "Auth0") || strings.Contains(err.Error(), "opaque-") {
		t.Errorf("got %v", err)
	}
}

func TestClientCredentials_discovery(t *testing.T) {
	metadata := func(w http.ResponseWriter, issuer, endpoint string) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":%q,"ISSUER":"https://evil.example"}`, issuer, endpoint)
	}
	for _, tt := range []struct {
		name  string
		path  string // of the issuer
		serve func(w http.ResponseWriter, r *http.Request, issuer string)
		want  string // part of the error; empty for success
		paths string // asked for
	}{
		{
			name: "RFC 8414 with a path", path: "/tenant",
			serve: func(w http.ResponseWriter, r *http.Request, issuer string) {
				if r.URL.Path != "/.well-known/oauth-authorization-server/tenant" {
					http.NotFound(w, r)
					return
				}
				metadata(w, issuer, issuer+"/token")
			},
			paths: "/tenant/.well-known/openid-configuration /.well-known/oauth-authorization-server/tenant",
		},
		{
			name: "web pages everywhere", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, _ string) { _, _ = w.Write([]byte("<html>")) },
			want:  "not a JSON object",
			paths: "/.well-known/openid-configuration /.well-known/oauth-authorization-server",
		},
		{
			name: "nothing anywhere", path: "/x",
			serve: func(w http.ResponseWriter, r *http.Request, _ string) { http.NotFound(w, r) },
			want:  "status 404 (check the issuer)",
			paths: "/x/.well-known/openid-configuration /.well-known/oauth-authorization-server/x",
		},
		{
			name: "an outage is no reason to look elsewhere", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(503) },
			want:  "status 503",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "another issuer", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, _ string) {
				metadata(w, "https://evil.example", "https://evil.example/token")
			},
			want:  "to the letter",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "another issuer by a slash", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, issuer string) { metadata(w, issuer+"/", issuer+"/token") },
			want:  "to the letter",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "no issuer", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, _ string) {
				_, _ = w.Write([]byte(`{"token_endpoint":"x"}`))
			},
			want:  "names no issuer",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "no token endpoint", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, issuer string) {
				_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":null}`, issuer)
			},
			want:  "names no token endpoint",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "plain http token endpoint", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, issuer string) {
				metadata(w, issuer, "http://idp.example/token")
			},
			want:  "use https",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "token endpoint is a number", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, issuer string) {
				_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":7}`, issuer)
			},
			want:  "token_endpoint is not a string",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "redirect", path: "",
			serve: func(w http.ResponseWriter, r *http.Request, _ string) {
				http.Redirect(w, r, "https://evil.example/", http.StatusFound)
			},
			want:  "redirects are not followed",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "too large", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, _ string) {
				_, _ = w.Write([]byte(strings.Repeat(" ", 256<<10+1)))
			},
			want:  "larger than 262144 bytes",
			paths: "/.well-known/openid-configuration",
		},
		{
			name: "behind authentication", path: "",
			serve: func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(401) },
			want:  "wants authentication",
			paths: "/.well-known/openid-configuration /.well-known/oauth-authorization-server",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var paths []string
			issuer := ""
			mux := http.NewServeMux()
			mux.HandleFunc("/{rest...}", func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/token") {
					_, _ = fmt.Fprintf(w, `{"access_token":%q}`, compact(someHeader, somePayload, "s"))
					return
				}
				paths = append(paths, r.URL.Path)
				tt.serve(w, r, issuer)
			})
			server := httptest.NewServer(mux)
			defer server.Close()
			issuer = server.URL + tt.path
			_, err := (&oidc.ClientCredentials{Issuer: issuer, Auth: basic()}).Token(t.Context(), "")
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if got := strings.Join(paths, " "); got != tt.paths {
				t.Errorf("asked for %s, want %s", got, tt.paths)
			}
		})
	}
}

func TestClientCredentials_metadataAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp := newIDP(t, oidctest.Config{Pipe: true})
		src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client()}
		check := func(when string, discoveries int, ok bool) {
			t.Helper()
			if _, err := src.Token(t.Context(), ""); (err == nil) != ok {
				t.Errorf("%s: %v", when, err)
			}
			synctest.Wait() // for a request in the background
			if got := idp.Count(oidctest.Discovery); got != discoveries {
				t.Errorf("%s: %d discovery requests, want %d", when, got, discoveries)
			}
		}
		check("at first", 1, true)
		time.Sleep(time.Hour - time.Second)
		check("within the hour", 1, true)
		time.Sleep(2 * time.Second)
		check("after an hour", 2, true)
		idp.Fail(oidctest.Discovery, oidctest.Fault{Times: -1, Hang: true})
		time.Sleep(time.Hour + time.Second)
		start := time.Now()
		check("in an outage", 3, true)
		check("again", 3, true)
		time.Sleep(31 * time.Second)
		check("half a minute later", 4, true)
		if got := time.Since(start); got != 31*time.Second {
			t.Errorf("callers waited for %v", got-31*time.Second)
		}
		idp.Heal()
		idp.Fail(oidctest.Discovery, oidctest.Fault{Times: -1, Status: 503})
		time.Sleep(23 * time.Hour)
		check("a day later", 5, false)
		check("and again", 6, false)
		idp.Heal()
		check("healed", 7, true)
	})
}

func TestClientCredentials_hurriedCallersDoNotSpoilDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp := newIDP(t, oidctest.Config{Pipe: true})
		idp.Fail(oidctest.Discovery, oidctest.Fault{Delay: 5 * time.Second})
		src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client()}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := src.Token(ctx, ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := src.Token(t.Context(), ""); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if got := idp.Count(oidctest.Discovery); got != 1 {
			t.Errorf("%d discovery requests, want 1", got)
		}
	})
}

func TestClientCredentials_tokenEndpointIsUsedAsGiven(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	src := &oidc.ClientCredentials{
		Issuer: "https://idp.example", TokenEndpoint: idp.URL(oidctest.Token) + "?tenant=1", Auth: basic(), HTTPClient: idp.Client(),
	}
	if _, err := src.Token(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got := len(idp.Requests()); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}
