package trust_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/trust"
)

// parse decodes a payload.
func parse(t testing.TB, payload string) *claims.Claims {
	t.Helper()
	c, err := claims.Parse([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fixture returns the payload of a real provider's token, with some claims set
// or, by nil, removed.
func fixture(t testing.TB, name string, changes map[string]any) *claims.Claims {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "claims", "testdata", "idp", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) == 0 {
		return parse(t, string(data))
	}
	var payload map[string]any
	if err := json.Unmarshal(data, &payload); err != nil {
		t.Fatal(err)
	}
	for name, value := range changes {
		if payload[name] = value; value == nil {
			delete(payload, name)
		}
	}
	changed, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(changed))
}

func mismatch(t *testing.T, err error) *trust.Mismatch {
	t.Helper()
	var m *trust.Mismatch
	if !errors.As(err, &m) {
		t.Fatalf("error %v is no *trust.Mismatch", err)
	}
	return m
}

func TestMatch_firstDifference(t *testing.T) {
	policy := trust.Policy{ServicePrincipalID: principal, Issuer: "https://i", Audiences: []string{"a", "b"}, Subject: "s"}
	tests := []struct {
		name    string
		payload string
		want    trust.Mismatch // Field, Want, Got and Only; the zero Mismatch means a match
	}{
		{"match", `{"iss":"https://i","aud":"b","sub":"s"}`, trust.Mismatch{}},
		{"audience in a list", `{"iss":"https://i","aud":["x","a"],"sub":"s"}`, trust.Mismatch{}},
		{"issuer alone", `{"iss":"https://j","aud":"a","sub":"s"}`, trust.Mismatch{Field: "issuer", Want: []string{"https://i"}, Got: []string{"https://j"}, Only: true}},
		{"issuer before the rest", `{"iss":"https://j","aud":"x","sub":"y"}`, trust.Mismatch{Field: "issuer", Want: []string{"https://i"}, Got: []string{"https://j"}}},
		{"audience alone", `{"iss":"https://i","aud":["x","y"],"sub":"s"}`, trust.Mismatch{Field: "audience", Want: []string{"a", "b"}, Got: []string{"x", "y"}, Only: true}},
		{"audience before subject", `{"iss":"https://i","aud":"x","sub":"y"}`, trust.Mismatch{Field: "audience", Want: []string{"a", "b"}, Got: []string{"x"}}},
		{"subject", `{"iss":"https://i","aud":"a","sub":"y"}`, trust.Mismatch{Field: "subject", Want: []string{"s"}, Got: []string{"y"}, Only: true}},
		{"no issuer", `{"aud":"a","sub":"s"}`, trust.Mismatch{Field: "issuer", Want: []string{"https://i"}, Only: true}},
		{"issuer no string", `{"iss":["https://i"],"aud":"a","sub":"s"}`, trust.Mismatch{Field: "issuer", Want: []string{"https://i"}, Only: true}},
		{"no audience", `{"iss":"https://i","sub":"s"}`, trust.Mismatch{Field: "audience", Want: []string{"a", "b"}, Only: true}},
		{"empty audiences", `{"iss":"https://i","aud":[],"sub":"s"}`, trust.Mismatch{Field: "audience", Want: []string{"a", "b"}, Got: []string{}, Only: true}},
		{"audience no string", `{"iss":"https://i","aud":1,"sub":"s"}`, trust.Mismatch{Field: "audience", Want: []string{"a", "b"}, Only: true}},
		{"no subject", `{"iss":"https://i","aud":"a"}`, trust.Mismatch{Field: "subject", Want: []string{"s"}, Only: true}},
		{"subject null", `{"iss":"https://i","aud":"a","sub":null}`, trust.Mismatch{Field: "subject", Want: []string{"s"}, Only: true}},
		{"subject in a list", `{"iss":"https://i","aud":"a","sub":["s"]}`, trust.Mismatch{Field: "subject", Want: []string{"s"}, Only: true}},
		{"subject empty", `{"iss":"https://i","aud":"a","sub":""}`, trust.Mismatch{Field: "subject", Want: []string{"s"}, Only: true}},
		{"nothing at all", `{}`, trust.Mismatch{Field: "issuer", Want: []string{"https://i"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := trust.Match(policy, parse(t, tt.payload))
			if tt.want.Field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			got := *mismatch(t, err)
			got.Hint = ""
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
			if !strings.HasPrefix(err.Error(), "trust: match token: the policy wants "+tt.want.Field) {
				t.Errorf("error %q does not start with the field", err)
			}
		})
	}
}

// TestMatch_nothing holds that what is missing on both sides never matches.
func TestMatch_nothing(t *testing.T) {
	const token = `{"iss":"https://i","aud":"` + account + `","sub":"s"}`
	whole := trust.Policy{AccountID: account, Issuer: "https://i"}
	if err := trust.Match(whole, parse(t, token)); err != nil {
		t.Fatalf("the account policy itself: %v", err)
	}
	tests := []struct {
		name    string
		policy  trust.Policy
		payload string
		field   string
	}{
		{"zero policy, no claims", trust.Policy{}, `{}`, "issuer"},
		{"zero policy, empty claims", trust.Policy{}, `{"iss":"","aud":"","sub":""}`, "issuer"},
		{"no account, no audience", trust.Policy{Issuer: "https://i"}, `{"iss":"https://i","aud":"","sub":"s"}`, "audience"},
		{"empty audience", trust.Policy{Issuer: "https://i", Audiences: []string{""}}, `{"iss":"https://i","aud":"","sub":"s"}`, "audience"},
		{"audience of another account", whole, strings.Replace(token, account, application, 1), "audience"},
		{"service principal's policy without subject", trust.Policy{AccountID: account, Issuer: "https://i", ServicePrincipalID: "1"}, token, "subject"},
		{"account policy, empty subject", whole, strings.Replace(token, `"s"`, `""`, 1), "subject"},
		{"account policy, no such claim", trust.Policy{AccountID: account, Issuer: "https://i", SubjectClaim: "email"}, token, "subject"},
		{"account policy, list of subjects", trust.Policy{AccountID: account, Issuer: "https://i", SubjectClaim: "groups"}, strings.Replace(token, `{`, `{"groups":["a","b"],`, 1), "subject"},
		{"account policy, number", trust.Policy{AccountID: account, Issuer: "https://i", SubjectClaim: "uid"}, strings.Replace(token, `{`, `{"uid":7,`, 1), "subject"},
		{"account policy, nested claim", trust.Policy{AccountID: account, Issuer: "https://i", SubjectClaim: "/a/b"}, strings.Replace(token, `{`, `{"a":{"b":"x"},`, 1), "subject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mismatch(t, trust.Match(tt.policy, parse(t, tt.payload)))
			if m.Field != tt.field {
				t.Errorf("field %q differs, want %q: %v", m.Field, tt.field, m)
			}
			if m.Hint == "" {
				t.Errorf("no hint: %v", m)
			}
		})
	}
	if m := mismatch(t, trust.Match(whole, nil)); m.Field != "issuer" {
		t.Errorf("no claims at all: %v", m)
	}
}

// TestMatch_literalClaim holds that subject_claim is a name and never a path.
func TestMatch_literalClaim(t *testing.T) {
	for _, name := range []string{"kubernetes.io", "https://acme.example/uid", "/a/b", "/", "~", "~1", "a/b~0", ""} {
		payload, err := json.Marshal(map[string]any{
			"iss": "https://i", "aud": "a", "sub": "x", "a": map[string]any{"b": "nested"}, name: "s",
		})
		if err != nil {
			t.Fatal(err)
		}
		p := trust.Policy{ServicePrincipalID: "1", Issuer: "https://i", Audiences: []string{"a"}, Subject: "s", SubjectClaim: name}
		err = trust.Match(p, parse(t, string(payload)))
		if name == "" { // the default, sub
			if err == nil {
				t.Error("an empty subject_claim names the empty claim")
			}
		} else if err != nil {
			t.Errorf("subject_claim %q: %v", name, err)
		}
	}
}

func TestMatch_hints(t *testing.T) {
	const tenant = "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607"
	type set = map[string]any
	policy := func(issuer, audience, subject string) trust.Policy {
		p := trust.Policy{ServicePrincipalID: principal, Issuer: issuer, Audiences: []string{audience}, Subject: subject}
		if audience == "" {
			p.Audiences, p.AccountID = nil, account
		}
		return p
	}
	const github, acme = "https://token.actions.githubusercontent.com", "https://github.com/acme"
	tests := []struct {
		name   string
		policy trust.Policy
		claims *claims.Claims
		field  string
		want   string
	}{
		{
			"Auth0 without its slash", policy("https://acme.eu.auth0.example", "https://databricks.acme.example", "auth0|6632c1f0a9b8e7d6c5b4a392"),
			fixture(t, "auth0", nil), "issuer", `they differ in the slash at the end: set issuer to "https://acme.eu.auth0.example/"`,
		},
		{
			"a slash too many", policy(github+"/", acme, "repo:acme/lakehouse:environment:prod"),
			fixture(t, "github-actions", nil), "issuer", `they differ in the slash at the end: set issuer to "` + github + `"`,
		},
		{
			"issuer in another case", policy("https://SSO.acme.example/realms/data", "databricks", "s"),
			fixture(t, "keycloak", nil), "issuer", "they differ in upper and lower case",
		},
		{
			"issuer with white space", policy("https://sso.acme.example/realms/data\n", "databricks", "s"),
			fixture(t, "keycloak", nil), "issuer", "they differ in white space",
		},
		{
			"Entra version 1 for 2", policy("https://login.microsoftonline.com/"+tenant+"/v2.0", "x", "s"),
			fixture(t, "entra-v1", nil), "issuer", `two versions: set the issuer to "https://sts.windows.net/` + tenant + `/"`,
		},
		{
			"Entra version 2 for 1", policy("https://sts.windows.net/"+tenant+"/", "x", "s"),
			fixture(t, "entra-v2", nil), "issuer", "requestedAccessTokenVersion",
		},
		{
			"another Entra tenant", policy("https://sts.windows.net/"+application+"/", "x", "s"),
			fixture(t, "entra-v2", nil), "issuer", "another Entra tenant",
		},
		{
			"Azure DevOps has moved", policy("https://vstoken.dev.azure.com/0ca3ddd9", "api://AzureADTokenExchange", "sc://acme/lakehouse/dbx-prod"),
			fixture(t, "entra-app", nil), "issuer", "new service connections of Azure DevOps",
		},
		{
			"GitHub enterprise", policy(github, acme, "s"),
			fixture(t, "github-actions", set{"iss": github + "/acme-corp"}), "issuer", `set the issuer to "` + github + `/acme-corp"`,
		},
		{
			"Google's bare issuer", policy("https://accounts.google.com", "databricks", "s"),
			fixture(t, "google", set{"iss": "accounts.google.com"}), "issuer", "the token's issuer is no URL",
		},
		{"no issuer", policy(github, acme, "s"), fixture(t, "github-actions", set{"iss": nil}), "issuer", "the token has no iss"},
		{"policy without issuer", policy("", acme, "s"), fixture(t, "github-actions", nil), "issuer", "set the policy's issuer"},

		{
			"audience with a slash", policy(github, acme+"/", "repo:acme/lakehouse:environment:prod"),
			fixture(t, "github-actions", nil), "audience", `they differ in the slash at the end: set audiences to "` + acme + `"`,
		},
		{
			"Entra's application URI", policy("https://sts.windows.net/"+tenant+"/", "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", "s"),
			fixture(t, "entra-v1", nil), "audience", `add "api://7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f" to the audiences`,
		},
		{
			"Entra's application ID", policy("https://login.microsoftonline.com/"+tenant+"/v2.0", "api://7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", "s"),
			fixture(t, "entra-v2", nil), "audience", `add "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f" to the audiences`,
		},
		{
			"the SDK's default audience", policy("https://oidc.eks.eu-west-1.amazonaws.com/id/5E5D7BAA84911ACC36EE4D978F209DD7", "databricks", "system:serviceaccount:data:etl"),
			fixture(t, "kubernetes-sa", nil), "audience", "the workspace's token endpoint as audience",
		},
		{
			"the default audience of Kubernetes", policy("https://oidc.eks.eu-west-1.amazonaws.com/id/5E5D7BAA84911ACC36EE4D978F209DD7", "databricks", "system:serviceaccount:data:etl"),
			fixture(t, "kubernetes-sa", set{"aud": []string{"https://kubernetes.default.svc.cluster.local"}}), "audience", `ask for "databricks" in the projected volume`,
		},
		{
			"the account ID by default", policy(github, "", "repo:acme/lakehouse:environment:prod"),
			fixture(t, "github-actions", nil), "audience", `it takes the account ID only: add "` + acme + `" to them`,
		},
		{
			"no audience", policy("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab3dEfGh1", "5k2q8v1m7c3n9x4z6b0d1f2g3h", "s"),
			fixture(t, "cognito-access", nil), "audience", "the token has no aud",
		},

		{
			"GitHub's immutable subject", policy(github, acme, "repo:acme/lakehouse-next:ref:refs/heads/main"),
			fixture(t, "github-actions-immutable", nil), "subject", `immutable IDs of owner and repository: set subject to "repo:acme@1234567/lakehouse-next@912345678:ref:refs/heads/main"`,
		},
		{
			"no immutable subject", policy(github, acme, "repo:acme@1234567/lakehouse@765432109:environment:prod"),
			fixture(t, "github-actions", nil), "subject", "carry no immutable IDs",
		},
		{
			"a repository made anew", policy(github, acme, "repo:acme@1234567/lakehouse-next@912345677:ref:refs/heads/main"),
			fixture(t, "github-actions-immutable", nil), "subject", "another repository, or another owner",
		},
		{
			"a pull request", policy(github, acme, "repo:acme/lakehouse:environment:prod"),
			fixture(t, "github-actions-pull-request", nil), "subject", "another environment, branch or event",
		},
		{
			"a wildcard", policy(github, acme, "repo:acme/*"),
			fixture(t, "github-actions", nil), "subject", "there are no wildcards",
		},
		{
			"subject in another case", policy(github, acme, "repo:Acme/Lakehouse:environment:prod"),
			fixture(t, "github-actions", nil), "subject", "upper and lower case",
		},
		{
			"Entra's application for its object", policy("https://login.microsoftonline.com/"+tenant+"/v2.0", "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", "e1a7c3d9-4b2f-4861-9c0d-7f8e9a0b1c2d"),
			fixture(t, "entra-app", nil), "subject", `in its claim "azp": set subject_claim to it, or the subject to "f2b8d4e0-5c3a-4972-ad1e-8a9fb0c1d2e3"`,
		},
		{
			"an e-mail address", policy("https://sso.acme.example/realms/data", "databricks", "test.user@acme.example"),
			fixture(t, "keycloak", nil), "subject", `in its claim "email"`,
		},
		{
			"Auth0's client", policy("https://acme.eu.auth0.example/", "https://databricks.acme.example", "k3VbN8yQx1LmRt5WcZpHsJ7dGf2TaUe9"),
			fixture(t, "auth0", set{"sub": "k3VbN8yQx1LmRt5WcZpHsJ7dGf2TaUe9@clients"}), "subject", "Auth0 adds @clients",
		},
		{
			"no subject claim",
			trust.Policy{ServicePrincipalID: "1", Issuer: github, Audiences: []string{acme}, Subject: "x", SubjectClaim: "oid"},
			fixture(t, "github-actions", nil), "subject", `the token has no claim "oid"`,
		},
		{
			"a list",
			trust.Policy{ServicePrincipalID: "1", Issuer: "https://sso.acme.example/realms/data", Audiences: []string{"databricks"}, Subject: "/data/engineering", SubjectClaim: "groups"},
			fixture(t, "keycloak", nil), "subject", `the token's claim "groups" is not one string`,
		},
		{
			"an object",
			trust.Policy{ServicePrincipalID: "1", Issuer: "https://sso.acme.example/realms/data", Audiences: []string{"databricks"}, Subject: "x", SubjectClaim: "realm_access"},
			fixture(t, "keycloak", nil), "subject", "is not one string",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mismatch(t, trust.Match(tt.policy, tt.claims))
			if m.Field != tt.field || !strings.Contains(m.Hint, tt.want) {
				t.Errorf("field %s, hint %q\nwant %s, %q", m.Field, m.Hint, tt.field, tt.want)
			}
			if !strings.HasSuffix(m.Error(), ": "+m.Hint) {
				t.Errorf("error %q does not end with the hint", m)
			}
		})
	}
}

// TestMatch_noHint keeps the hints honest: two values that have nothing to do
// with each other get none.
func TestMatch_noHint(t *testing.T) {
	p := trust.Policy{ServicePrincipalID: "1", Issuer: "https://i", Audiences: []string{"a"}, Subject: "s"}
	for _, payload := range []string{
		`{"iss":"https://j","aud":"a","sub":"s"}`, `{"iss":"https://i","aud":"b","sub":"s"}`, `{"iss":"https://i","aud":"a","sub":"t"}`,
	} {
		if m := mismatch(t, trust.Match(p, parse(t, payload))); m.Hint != "" {
			t.Errorf("hint %q", m.Hint)
		}
	}
}

func TestMismatch_Error_bounded(t *testing.T) {
	many := strings.Repeat(`"`+strings.Repeat("x", 300)+`",`, 100) + `"y"`
	p := trust.Policy{ServicePrincipalID: "1", Issuer: "https://i", Audiences: strings.Split(strings.Repeat(strings.Repeat("a", 300)+",", 100), ","), Subject: "s"}
	err := trust.Match(p, parse(t, `{"iss":"https://i","aud":[`+many+`],"sub":"s"}`))
	if m := mismatch(t, err); len(m.Got) != 101 || len(m.Want) != 101 {
		t.Errorf("the fields hold %d and %d values, want all 101", len(m.Want), len(m.Got))
	}
	if len(err.Error()) > 5000 || !strings.Contains(err.Error(), "93 more") || !strings.Contains(err.Error(), "(300 bytes)") {
		t.Errorf("error of %d bytes: %v", len(err.Error()), err)
	}
}

func TestFind(t *testing.T) {
	named := func(id, issuer, audience, subject string) trust.Policy {
		return trust.Policy{ServicePrincipalID: principal, ID: id, Issuer: issuer, Audiences: []string{audience}, Subject: subject}
	}
	const payload = `{"iss":"https://i","aud":"a","sub":"s"}`
	tests := []struct {
		name     string
		policies []trust.Policy
		id       string // of the policy found, or the closest
		field    string // of the mismatch; empty for none
		only     bool
	}{
		{"none", nil, "", "policy", false},
		{"the second", []trust.Policy{named("p1", "https://j", "a", "s"), named("p2", "https://i", "a", "s")}, "p2", "", false},
		{"the first of two", []trust.Policy{named("p1", "https://i", "a", "s"), named("p2", "https://i", "a", "s")}, "p1", "", false},
		{"subject is closer than nothing", []trust.Policy{named("p1", "https://j", "b", "t"), named("p2", "https://i", "a", "t")}, "p2", "subject", true},
		{"two fields beat one", []trust.Policy{named("p1", "https://i", "b", "t"), named("p2", "https://j", "a", "s")}, "p2", "issuer", true},
		{"issuer and subject beat issuer and audience", []trust.Policy{named("p1", "https://i", "a", "t"), named("p2", "https://i", "b", "s")}, "p2", "audience", true},
		{"issuer and audience beat audience and subject", []trust.Policy{named("p1", "https://j", "a", "s"), named("p2", "https://i", "a", "t")}, "p2", "subject", true},
		{"a near miss among equals", []trust.Policy{named("p1", "https://i", "a", "t"), named("p2", "https://i", "a", "S")}, "p2", "subject", true},
		{"the first among equals", []trust.Policy{named("p1", "https://i", "a", "t"), named("p2", "https://i", "a", "u")}, "p1", "subject", true},
		{"audience and subject differ", []trust.Policy{named("p1", "https://i", "b", "t")}, "p1", "audience", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := trust.Find(tt.policies, parse(t, payload))
			if (p != nil) != (tt.id != "") || p != nil && p.ID != tt.id {
				t.Errorf("found %+v, want %q", p, tt.id)
			}
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if m := mismatch(t, err); m.Field != tt.field || m.Only != tt.only || m.Error() == "" {
				t.Errorf("field %q, only %v; want %q, %v", m.Field, m.Only, tt.field, tt.only)
			}
		})
	}
}
