package exchange_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
)

func mapTo(target claims.Target) mapperFunc {
	return func(_ context.Context, c *claims.Claims) (claims.Grant, error) {
		return claims.Grant{
			Policy: "p1", Issuer: c.Issuer(), Subject: c.Subject(),
			Rules: []string{"prod"}, Groups: []string{"engineers"}, Target: target,
		}, nil
	}
}

func (w *world) deciding(m exchange.Mapper) *exchange.Exchanger {
	return w.exchanger(func(c *exchange.Config) { c.ClientID, c.Policy = "", m })
}

func TestPolicy_choosesTheTarget(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		target := claims.Target{Rule: "prod", ClientID: appID, AssumeGroup: groupID, Scopes: []string{"sql", "jobs"}}
		token, err := w.deciding(mapTo(target)).Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		form := w.dbx.Requests(exchangetest.Token)[0].Form
		if form.Get("client_id") != appID || form.Get("assume_group") != groupID || form.Get("scope") != "jobs sql" {
			t.Errorf("form %v", form)
		}
		grant, ok := exchange.GrantOf(token)
		if !ok || grant.Policy != "p1" || grant.Target.Rule != "prod" || !slices.Equal(grant.Groups, []string{"engineers"}) {
			t.Errorf("GrantOf = %+v, %t", grant, ok)
		}
	})
}

func TestPolicy_refuses(t *testing.T) {
	denied := errors.New("contractors use the partner account")
	tests := []struct {
		name   string
		mapper mapperFunc
		want   exchange.Kind
	}{
		{"denied", func(context.Context, *claims.Claims) (claims.Grant, error) { return claims.Grant{}, denied }, exchange.KindDenied},
		{"no target", mapTo(claims.Target{}), exchange.KindDenied},
		{"scopes only", mapTo(claims.Target{Scopes: []string{"sql"}}), exchange.KindDenied},
		{"odd client ID", mapTo(claims.Target{ClientID: "7001"}), exchange.KindConfig},
		{"odd group", mapTo(claims.Target{AssumeGroup: "engineers"}), exchange.KindConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, err := w.deciding(tt.mapper).Token(t.Context())
				failure := failureOf(t, err, tt.want)
				if failure.Temporary() {
					t.Error("a decision is not temporary")
				}
				if tt.name == "denied" && !errors.Is(err, denied) {
					t.Errorf("%v does not wrap the policy's reason", err)
				}
				if n := w.dbx.Count(exchangetest.Token); n != 0 {
					t.Errorf("%d exchanges, want none", n)
				}
			})
		})
	}
}

// A person's claims decide, the service's own token is exchanged: a service
// principal's federation policy trusts the service, not each person.
func TestExchange_onBehalf(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.deciding(mapTo(claims.Target{ClientID: appID, AssumeGroup: groupID}))
		person, err := w.token(map[string]any{"sub": "ada", "email": user}, "the-app")
		if err != nil {
			t.Fatal(err)
		}
		grant, err := mapTo(claims.Target{ClientID: appID, AssumeGroup: groupID}).Map(t.Context(), person.UnverifiedClaims())
		if err != nil {
			t.Fatal(err)
		}
		service, err := w.token(nil, w.dbx.AccountID())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = x.Exchange(t.Context(), service, grant.Target); err != nil {
			t.Fatal(err)
		}
		_, err = x.Exchange(t.Context(), service, claims.Target{})
		wantKind(t, err, exchange.KindDenied)
		_, err = x.Exchange(t.Context(), nil, grant.Target)
		wantKind(t, err, exchange.KindSource)
	})
}

// Without a policy the configuration is the grant.
func TestExchange_beyondTheConfiguration(t *testing.T) {
	tests := []struct {
		name string
		as   claims.Target
		want exchange.Kind // empty: allowed
	}{
		{"as configured", claims.Target{}, ""},
		{"the same, said", claims.Target{ClientID: strings.ToUpper(appID), AssumeGroup: groupID, Scopes: []string{"sql"}}, ""},
		{"another service principal", claims.Target{ClientID: "3f0c2a1e-2222-4000-8000-000000000002"}, exchange.KindDenied},
		{"another group", claims.Target{AssumeGroup: "18"}, exchange.KindDenied},
		{"another scope", claims.Target{Scopes: []string{"sql", "all-apis"}}, exchange.KindDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				x := w.exchanger(func(c *exchange.Config) { c.AssumeGroup, c.Scopes = groupID, []string{"sql", "jobs"} })
				subject, err := w.token(nil, w.dbx.AccountID())
				if err != nil {
					t.Fatal(err)
				}
				_, err = x.Exchange(t.Context(), subject, tt.as)
				if tt.want == "" && err != nil {
					t.Fatal(err)
				}
				if tt.want != "" {
					wantKind(t, err, tt.want)
				}
				if got := w.dbx.Count(exchangetest.Token) > 0; got != (tt.want == "") {
					t.Errorf("a request was sent: %t", got)
				}
			})
		})
	}
}

func TestKey_tellsIdentitiesApart(t *testing.T) {
	policy := mapTo(claims.Target{})
	key := func(cfg exchange.Config, as claims.Target, issuer, subject string) string {
		t.Helper()
		x, err := exchange.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return x.Key(as, issuer, subject)
	}
	base := exchange.Config{Host: "https://h.databricks.com", Policy: policy}
	as := claims.Target{ClientID: appID, AssumeGroup: "1", Scopes: []string{"jobs", "sql"}}
	same := key(base, as, "https://idp.example", "ada")
	equal := map[string]string{
		"scopes in another order": key(base, claims.Target{ClientID: appID, AssumeGroup: "1", Scopes: []string{"sql", "jobs", "sql"}}, "https://idp.example", "ada"),
		"rule":                    key(base, claims.Target{Rule: "r", ClientID: appID, AssumeGroup: "1", Scopes: []string{"jobs", "sql"}}, "https://idp.example", "ada"),
		"host spelled otherwise":  key(exchange.Config{Host: "H.databricks.com:443/", Policy: policy}, as, "https://idp.example", "ada"),
	}
	for name, k := range equal {
		if k != same {
			t.Errorf("%s: another key for the same token", name)
		}
	}
	different := map[string]string{
		"host":     key(exchange.Config{Host: "https://other.databricks.com", Policy: policy}, as, "https://idp.example", "ada"),
		"account":  key(exchange.Config{Host: "https://h.databricks.com", AccountID: accountID, Policy: policy}, as, "https://idp.example", "ada"),
		"audience": key(exchange.Config{Host: "https://h.databricks.com", Audience: "a", Policy: policy}, as, "https://idp.example", "ada"),
		"client":   key(base, claims.Target{AssumeGroup: "1", Scopes: as.Scopes}, "https://idp.example", "ada"),
		"group":    key(base, claims.Target{ClientID: appID, Scopes: as.Scopes}, "https://idp.example", "ada"),
		"scopes":   key(base, claims.Target{ClientID: appID, AssumeGroup: "1"}, "https://idp.example", "ada"),
		"issuer":   key(base, as, "https://other.example", "ada"),
		"subject":  key(base, as, "https://idp.example", "eve"),
		"shifted":  key(base, as, "https://idp.exampleada", ""),
	}
	seen := map[string]string{same: "base"}
	for name, k := range different {
		if other, twice := seen[k]; twice {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[k] = name
	}
}

func TestSubjectKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger()
		got, err := x.SubjectKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := x.Key(claims.Target{ClientID: appID}, w.idp.Issuer(), subject); got != want {
			t.Errorf("SubjectKey = %s, want the Key of what would be exchanged, %s", got, want)
		}
		if n := w.dbx.Count(exchangetest.Token); n != 0 {
			t.Errorf("%d exchanges, want none", n)
		}
		x = w.deciding(mapTo(claims.Target{ClientID: appID, AssumeGroup: groupID}))
		if got, err = x.SubjectKey(t.Context()); err != nil || got != x.Key(claims.Target{ClientID: appID, AssumeGroup: groupID}, w.idp.Issuer(), subject) {
			t.Errorf("SubjectKey with a policy = %s, %v", got, err)
		}
	})
}

func TestGrantOf_elsewhere(t *testing.T) {
	for name, token := range map[string]*oauth2.Token{
		"nil":         nil,
		"no extra":    {AccessToken: "x"},
		"not a grant": (&oauth2.Token{}).WithExtra(map[string]any{"brickfed": "{"}),
		"no string":   (&oauth2.Token{}).WithExtra(map[string]any{"brickfed": 7}),
	} {
		if _, ok := exchange.GrantOf(token); ok {
			t.Errorf("%s: a grant where there is none", name)
		}
	}
}
