package graph_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/graph"
)

func TestResolve(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.answer(reply(200, list(strings.ToUpper(analysts), engineers, analysts)))
		got, err := w.groupsOf(t, with(t))
		if err != nil || !slices.Equal(got, []string{engineers, analysts}) {
			t.Fatalf("got %q, %v", got, err)
		}
		want := request{
			Method: "POST", URL: "https://graph.microsoft.com/v1.0/users/" + person + "/getMemberGroups",
			Token: "Bearer " + accessToken, Type: "application/json", Accept: "application/json", Agent: "brickfed",
			Body: `{"securityEnabledOnly":false}`,
		}
		if seen := w.seen(); len(seen) != 1 || seen[0] != want {
			t.Errorf("Graph saw %+v, want %+v", seen, want)
		}
		got[0] = "changed"
		if again, err := w.resolver.Resolve(t.Context(), with(t), "/groups"); err != nil || again[0] != engineers {
			t.Errorf("the second time, by pointer: %q, %v", again, err)
		}
		w.wantRequests(t, 1)
	})
}

func TestResolve_whom(t *testing.T) {
	tests := []struct {
		name string
		c    func(t *testing.T) *claims.Claims
		path string
	}{
		{"implicit flow", func(t *testing.T) *claims.Claims { return change(t, "entra-hasgroups.json") }, "/v1.0/users/" + person},
		{"v1.0 issuer", func(t *testing.T) *claims.Claims { return with(t, "iss", "https://sts.windows.net/"+tenant+"/") }, "/v1.0/users/" + person},
		{"US Government issuer", func(t *testing.T) *claims.Claims {
			return with(t, "iss", "https://login.microsoftonline.us/"+tenant+"/v2.0")
		}, "/v1.0/users/" + person},
		{"China issuer", func(t *testing.T) *claims.Claims {
			return with(t, "iss", "https://login.partner.microsoftonline.cn/"+tenant+"/v2.0")
		}, "/v1.0/users/" + person},
		{"China v1.0 issuer", func(t *testing.T) *claims.Claims { return with(t, "iss", "https://sts.chinacloudapi.cn/"+tenant+"/") }, "/v1.0/users/" + person},
		{"user by idtyp", func(t *testing.T) *claims.Claims { return with(t, "idtyp", "user") }, "/v1.0/users/" + person},
		{"upper case", func(t *testing.T) *claims.Claims {
			return with(t, "oid", strings.ToUpper(person), "tid", strings.ToUpper(tenant))
		}, "/v1.0/users/" + person},
		{"application", func(t *testing.T) *claims.Claims { return change(t, "entra-app.json") }, "/v1.0/servicePrincipals/f2b8d4e0-5c3a-4972-ad1e-8a9fb0c1d2e3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				if _, err := w.groupsOf(t, tt.c(t)); err != nil {
					t.Fatal(err)
				}
				if seen := w.seen(); len(seen) != 1 || seen[0].URL != "https://graph.microsoft.com"+tt.path+"/getMemberGroups" {
					t.Errorf("Graph saw %+v, want the path %s", seen, tt.path)
				}
			})
		})
	}
}

// A person and an application of one ID are not mixed up in memory.
func TestResolve_kinds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, c := range []*claims.Claims{with(t), with(t, "idtyp", "app"), with(t), with(t, "idtyp", "app")} {
			if _, err := w.groupsOf(t, c); err != nil {
				t.Fatal(err)
			}
		}
		w.wantRequests(t, 2)
	})
}

// Whoever must not be looked up by our credentials causes no request.
func TestResolve_refusesBeforeTheNetwork(t *testing.T) {
	const other = "9188040d-6c67-4c5b-b112-36a304b66dad"
	tests := []struct {
		name  string
		claim string
		pairs []any
		want  string
	}{
		{"another claim", "roles", nil, "only the claim groups"},
		{"a longer pointer", "/groups/0", nil, "only the claim groups"},
		{"another issuer", "groups", []any{"iss", "https://login.microsoftonline.com/" + other + "/v2.0"}, "iss is not an issuer of Config.Tenant"},
		{"another provider with the same claims", "groups", []any{"iss", "https://sso.acme.example/realms/data"}, "iss is not an issuer of Config.Tenant"},
		{"a look-alike issuer", "groups", []any{"iss", "https://login.microsoftonline.com.evil.example/" + tenant + "/v2.0"}, "iss is not"},
		{"no issuer", "groups", []any{"iss", nil}, "iss is not"},
		{"another tenant", "groups", []any{"tid", other}, "tid is not Config.Tenant"},
		{"no tid", "groups", []any{"tid", nil}, "tid is absent; let clients of Entra ID ask for the scope profile"},
		{"tid no UUID", "groups", []any{"tid", "acme.onmicrosoft.com"}, "tid is not a UUID"},
		{"tid a number", "groups", []any{"tid", 7}, "tid is not a string"},
		{"no oid", "groups", []any{"oid", nil}, "oid is absent; let clients of Entra ID ask for the scope profile"},
		{"oid an empty list", "groups", []any{"oid", []string{}}, "oid is absent"},
		{"two oids", "groups", []any{"oid", []string{person, tenant}}, "oid is not a string"},
		{"oid an object", "groups", []any{"oid", map[string]any{}}, "oid is not a string"},
		{"oid a path", "groups", []any{"oid", "../groups/" + engineers[:26]}, "oid is not a UUID"},
		{"oid with a query", "groups", []any{"oid", person[:35] + "?"}, "oid is not a UUID"},
		{"oid with a slash", "groups", []any{"oid", person[:8] + "/" + person[9:]}, "oid is not a UUID"},
		{"oid percent-encoded", "groups", []any{"oid", "%2e%2e%2f" + person[:27]}, "oid is not a UUID"},
		{"oid in braces", "groups", []any{"oid", "{" + person + "}"}, "oid is not a UUID"},
		{"oid a user name", "groups", []any{"oid", "test.user@acme.example"}, "oid is not a UUID"},
		{"oid without hyphens", "groups", []any{"oid", strings.ReplaceAll(person, "-", "") + "0000"}, "oid is not a UUID"},
		{"oid with a full-width digit", "groups", []any{"oid", "c9a4e7b2-8d15-4f36-a0b7-61c2d3e4f\uff15"}, "oid is not a UUID"},
		{"idtyp device", "groups", []any{"idtyp", "device"}, "idtyp is neither user nor app"},
		{"idtyp a boolean", "groups", []any{"idtyp", true}, "idtyp is neither user nor app"},
		{"idtyp both", "groups", []any{"idtyp", []string{"user", "app"}}, "idtyp is neither user nor app"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				groups, err := w.resolver.Resolve(t.Context(), with(t, tt.pairs...), tt.claim)
				failure := failureOf(t, err)
				wantText(t, failure.Error(), "graph: look up groups: ", tt.want)
				if groups != nil || failure.Temporary() || failure.RetryAfter() != 0 {
					t.Errorf("got %q, temporary %t", groups, failure.Temporary())
				}
				for _, value := range []string{person, tenant, other, "evil", "acme", "device"} {
					if strings.Contains(err.Error(), value) {
						t.Errorf("%q shows a claim's value", err)
					}
				}
				w.wantRequests(t, 0)
			})
		})
	}
}

// The endpoint in the token is the attacker's choice. Every request that the
// client makes, to whatever host, arrives at this Graph: there must be one, and it
// must be ours.
func TestResolve_evilEndpoint(t *testing.T) {
	endpoints := []any{
		"https://169.254.169.254/latest/meta-data", "https://graph.microsoft.com.evil.example/v1.0/users/" + person,
		"https://graph.microsoft.com/v1.0/users/" + tenant + "/getMemberObjects", "http://localhost/", "//evil.example", "", 7, nil,
		[]string{"https://evil.example"},
	}
	check := func(t *testing.T, c *claims.Claims) {
		bubble(t, func(t *testing.T, w *world) {
			if _, err := w.groupsOf(t, c); err != nil {
				t.Fatal(err)
			}
			seen := w.seen()
			if len(seen) != 1 || seen[0].URL != "https://graph.microsoft.com/v1.0/users/"+person+"/getMemberGroups" {
				t.Errorf("the client asked %+v", seen)
			}
		})
	}
	check(t, change(t, "hostile/overage-evil-endpoint.json"))
	for _, endpoint := range endpoints {
		check(t, with(t, "_claim_sources", map[string]any{"src1": map[string]any{"endpoint": endpoint, "access_token": "x"}}))
	}
}

func TestConfig(t *testing.T) {
	source := func(context.Context) (string, error) { return accessToken, nil }
	t.Run("requests", func(t *testing.T) {
		tests := []struct {
			name   string
			change func(*graph.Config)
			iss    string
			want   request
		}{
			{
				"national cloud", func(c *graph.Config) { c.Endpoint = "https://graph.microsoft.us/" }, issuer,
				request{URL: "https://graph.microsoft.us/v1.0/users/" + person + "/getMemberGroups", Body: `{"securityEnabledOnly":false}`},
			},
			{
				"security groups", func(c *graph.Config) { c.SecurityGroupsOnly = true }, issuer,
				request{URL: "https://graph.microsoft.com/v1.0/users/" + person + "/getMemberGroups", Body: `{"securityEnabledOnly":true}`},
			},
			{
				"own issuer", func(c *graph.Config) { c.Issuer = "https://login.acme.example/v2.0" }, "https://login.acme.example/v2.0",
				request{URL: "https://graph.microsoft.com/v1.0/users/" + person + "/getMemberGroups", Body: `{"securityEnabledOnly":false}`},
			},
			{
				"tenant in upper case", func(c *graph.Config) { c.Tenant = strings.ToUpper(tenant) }, issuer,
				request{URL: "https://graph.microsoft.com/v1.0/users/" + person + "/getMemberGroups", Body: `{"securityEnabledOnly":false}`},
			},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					if _, err := w.groupsOf(t, with(t, "iss", tt.iss)); err != nil {
						t.Fatal(err)
					}
					if seen := w.seen(); len(seen) != 1 || seen[0].URL != tt.want.URL || seen[0].Body != tt.want.Body {
						t.Errorf("Graph saw %+v, want %+v", seen, tt.want)
					}
				}, tt.change)
			})
		}
	})
	t.Run("own issuer replaces the default", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			_, err := w.groupsOf(t, with(t))
			wantText(t, failureOf(t, err).Error(), "iss is not an issuer")
		}, func(c *graph.Config) { c.Issuer = "https://login.acme.example/v2.0" })
	})
	t.Run("problems", func(t *testing.T) {
		tests := []struct {
			name string
			cfg  graph.Config
			want []string // all of them; none: fine
		}{
			{"nothing", graph.Config{}, []string{"graph: configuration: ", "Tenant: ", "Token: "}},
			{"all at once", graph.Config{Tenant: "acme.onmicrosoft.com", Endpoint: "http://graph.example", MaxAge: 2 * time.Hour}, []string{"Tenant: ", "Token: ", "Endpoint: it is a URL with http; use https", "MaxAge: 2h0m0s is too long"}},
			{"a path", graph.Config{Tenant: tenant, Token: source, Endpoint: "https://graph.microsoft.com/v1.0"}, []string{"Endpoint: ", "without a path"}},
			{"a query", graph.Config{Tenant: tenant, Token: source, Endpoint: "https://graph.microsoft.com?x"}, []string{"Endpoint: "}},
			{"an empty query", graph.Config{Tenant: tenant, Token: source, Endpoint: "https://graph.microsoft.com?"}, []string{"Endpoint: "}},
			{"user information", graph.Config{Tenant: tenant, Token: source, Endpoint: "https://user@graph.microsoft.com"}, []string{"Endpoint: ", "user information"}},
			{"no scheme", graph.Config{Tenant: tenant, Token: source, Endpoint: "graph.microsoft.com"}, []string{"Endpoint: "}},
			{"loopback", graph.Config{Tenant: tenant, Token: source, Endpoint: "http://127.0.0.1:8080"}, nil},
			{"longest age", graph.Config{Tenant: tenant, Token: source, MaxAge: time.Hour}, nil},
			{"no cache", graph.Config{Tenant: tenant, Token: source, MaxAge: -1}, nil},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r, err := graph.New(tt.cfg)
				if (err == nil) != (tt.want == nil) || (r == nil) != (err != nil) {
					t.Fatalf("got %v, %v", r, err)
				}
				if err != nil {
					wantText(t, err.Error(), tt.want...)
				}
			})
		}
	})
	t.Run("zero Resolver", func(t *testing.T) {
		var none *graph.Resolver
		for _, r := range []*graph.Resolver{none, {}} {
			_, err := r.Resolve(t.Context(), with(t), "groups")
			wantText(t, failureOf(t, err).Error(), "make it with graph.New")
		}
	})
	t.Run("nil claims", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			_, err := w.groupsOf(t, nil)
			wantText(t, failureOf(t, err).Error(), "iss is not")
		})
	})
}

// The client is copied: its cookies and redirects are not used, and it is not
// changed.
func TestConfig_httpClient(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse("https://graph.microsoft.com/")
	jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "1"}})
	bubble(t, func(t *testing.T, w *world) {
		followed := errors.New("followed")
		w.client.Jar = jar
		w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return followed }
		r := w.newResolver(t)
		if _, err := r.Resolve(t.Context(), with(t), "groups"); err != nil {
			t.Fatal(err)
		}
		if seen := w.seen(); seen[0].Cookie != "" {
			t.Errorf("Graph saw the cookie %q", seen[0].Cookie)
		}
		if w.client.Jar != jar || w.client.CheckRedirect == nil {
			t.Error("the client was changed")
		}
	})
}
