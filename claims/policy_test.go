package claims_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// keycloakPolicy is for people: nested roles, groups as paths, a deny rule.
const keycloakPolicy = `{"version": 1, "issuers": [{
	"issuer": "https://sso.acme.example/realms/data",
	"require": {"aud": "databricks", "azp": "dbx-cli"},
	"allow": ["data-engineers", "sql-users", "team-*"],
	"rules": [
		{"name": "contractors", "when": {"groups": {"glob": "/contractors/**"}}, "deny": "use the partner account"},
		{"name": "engineers", "when": {"groups": "/data/engineering"}, "groups": ["data-engineers"], "target": {"assume_group": "884100000000042"}},
		{"name": "teams", "when": {"groups": {"glob": "/data/engineering/*"}}, "groups": ["team-${1}"]},
		{"name": "sql", "when": {"/resource_access/databricks/roles": ["sql-analyst", "sql-admin"]}, "groups": ["sql-users"]}
	]}],
	"tests": [
		{"name": "person", "claims": {"file": "keycloak.json"}, "want": {"groups": ["data-engineers", "sql-users", "team-risk"], "target": "engineers"}},
		{"name": "no groups claim", "claims": {"file": "keycloak.json", "set": {"groups": null}}, "want": {"error": "denied"}},
		{"name": "contractor", "claims": {"file": "keycloak.json", "set": {"groups": ["/contractors/x"]}}, "want": {"error": "denied"}}
	]}`

const entraPolicy = `{"version": 1, "issuers": [{
	"issuer": "https://login.microsoftonline.com/3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607/v2.0",
	"require": {"aud": "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", "tid": "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607"},
	"rules": [
		{"name": "people", "lookup": {"claim": "groups", "table": {
			"0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071": ["data-engineers"],
			"5e2f9c83-1a7b-4d6e-b0c9-3f4a5b6c7d82": ["risk-analysts", "sql-users"]}}},
		{"name": "job-runner", "when": {"idtyp": "app", "roles": "Databricks.Job.Run"},
			"target": {"client_id": "3f0c2a1e-1111-4000-8000-000000000003", "assume_group": "884100000000099", "scopes": ["jobs"]}}
	]}],
	"tests": [
		{"name": "person", "claims": {"file": "entra-v2.json"}, "want": {"groups": ["data-engineers", "risk-analysts", "sql-users"]}},
		{"name": "201 groups", "claims": {"file": "entra-overage.json"}, "want": {"error": "incomplete"}},
		{"name": "implicit flow", "claims": {"file": "entra-hasgroups.json"}, "want": {"error": "incomplete"}},
		{"name": "app", "claims": {"file": "entra-app.json"}, "want": {"target": "job-runner"}}
	]}`

func load(t testing.TB, policy string, opts ...claims.Option) *claims.Policy {
	t.Helper()
	p, err := claims.Load([]byte(policy), append([]claims.Option{claims.WithTestFiles(os.DirFS("testdata/idp"))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoad_runsTheTests(t *testing.T) {
	for _, policy := range []string{keycloakPolicy, entraPolicy, githubPolicy} {
		load(t, policy)
	}
	broken := strings.Replace(keycloakPolicy, `"groups": ["/contractors/x"]`, `"groups": ["/visitors/x"]`, 1)
	_, err := claims.Load([]byte(broken), claims.WithTestFiles(os.DirFS("testdata/idp")))
	if !errors.Is(err, claims.ErrPolicy) || !strings.Contains(err.Error(), `tests[2]: "contractor": got a grant, want the error "denied"`) {
		t.Errorf("a policy whose test fails loads: %v", err)
	}
	if _, err := claims.Load([]byte(keycloakPolicy)); err == nil || !strings.Contains(err.Error(), "WithTestFiles") {
		t.Errorf("without test files: %v", err)
	}
}

func TestLoad_everythingAtOnce(t *testing.T) {
	const policy = `{"version": 1, "issuers": [
		{"issuer": "https://a.example", "rules": [
			{"name": "ok", "when": {"x": "y"}, "target": {"assume_group": "1"}}]},
		{"issuer": "https://a.example", "requires": {}, "require": {}, "allow": ["*"], "rules": [
			{"name": "r", "when": {"ref": {"glob": "**"}}, "groups": ["g"]},
			{"name": "r", "when": {"ref": {"regex": "a)(b"}}, "groups": ["${1}"]},
			{"when": {}, "groups": ["admins"], "target": {"client_id": "7"}},
			{"name": "e", "when": {"email": "a@b.example", "ref": {"globs": "x"}}, "groups": ["g"]},
			{"name": "t", "when": {"a": null, "b": {}, "c": [], "d": {"predicate": "p"}}, "groups": ["x-${1}"], "target": {"assume_group": "x", "scopes": ["a b"]}},
			{"name": "z", "when": {"x": "y"}, "deny": "no", "groups": ["g"]},
			{"name": "u", "when": {"x": "y"}}
		], "split": {"nobody": " "}, "complete": {"ref": 0}}],
		"tests": [{"name": "x", "claims": {}, "want": {}}, {"name": "x", "claims": {"set": {"/a~": 1}}, "want": {"error": "oops", "groups": ["a"]}}]}`
	_, err := claims.Load([]byte(policy))
	var failure *claims.Error
	if !errors.As(err, &failure) || !errors.Is(err, claims.ErrPolicy) {
		t.Fatalf("got %v", err)
	}
	want := []string{
		"issuers[1].requires", "issuers[1].issuer", "issuers[1].require", "issuers[1].allow[0]",
		"issuers[1].rules[0].when.ref.glob", "issuers[1].rules[1].name", "issuers[1].rules[1].when.ref.regex", "issuers[1].rules[1].groups[0]",
		"issuers[1].rules[2].name", "issuers[1].rules[2].when", "issuers[1].rules[2].groups[0]", "issuers[1].rules[2].target.client_id",
		"issuers[1].rules[3].when.email", "issuers[1].rules[3].when.ref.globs", "issuers[1].rules[4].when.a", "issuers[1].rules[4].when.b",
		"issuers[1].rules[4].when.c", "issuers[1].rules[4].when.d.predicate", "issuers[1].rules[4].groups", "issuers[1].rules[4].target.assume_group",
		"issuers[1].rules[4].target.scopes[0]", "issuers[1].rules[5].groups", "issuers[1].rules[6]", "issuers[1].complete.ref",
		"tests[0].claims", "tests[0].want", "tests[1].name", "tests[1].claims.set./a~", "tests[1].want.error", "tests[1].want",
	}
	var got []string
	for _, p := range failure.Problems {
		got = append(got, p.Path)
	}
	for _, path := range want {
		if !slices.Contains(got, path) {
			t.Errorf("nothing is said about %s", path)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestLoad_unreachable(t *testing.T) {
	tests := []struct{ name, first, second, want string }{
		{"equal", `"when": {"a": "x"}, "target": {"assume_group": "1"}`, `"when": {"a": "x", "b": "y"}, "target": {"assume_group": "2"}`, "unreachable"},
		{"value in a glob", `"when": {"a": {"glob": "x*"}}, "target": {"assume_group": "1"}`, `"when": {"a": "xy"}, "target": {"assume_group": "2"}`, "unreachable"},
		{"fewer values", `"when": {"a": ["x", "y"]}, "target": {"assume_group": "1"}`, `"when": {"a": "y"}, "target": {"assume_group": "2"}`, "unreachable"},
		{"present", `"when": {"a": {"present": true}}, "target": {"assume_group": "1"}`, `"when": {"a": {"glob": "y*"}}, "target": {"assume_group": "2"}`, "unreachable"},
		{"denied", `"when": {"a": "x"}, "deny": "no"`, `"when": {"a": "x"}, "groups": ["g"]`, "never matches"},
		{"more values", `"when": {"a": "y"}, "target": {"assume_group": "1"}`, `"when": {"a": ["x", "y"]}, "target": {"assume_group": "2"}`, ""},
		{"other claim", `"when": {"a": "x"}, "target": {"assume_group": "1"}`, `"when": {"b": "x"}, "target": {"assume_group": "2"}`, ""},
		{"no target before", `"when": {"a": "x"}, "groups": ["g"]`, `"when": {"a": "x"}, "target": {"assume_group": "2"}`, ""},
		{"none", `"when": {"a": {"none": ["x"]}}, "target": {"assume_group": "1"}`, `"when": {"a": "y"}, "target": {"assume_group": "2"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := claims.Load([]byte(`{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"one",` + tt.first + `},{"name":"two",` + tt.second + `}]}]}`))
			checkError(t, err, tt.want)
		})
	}
}

func TestMap_errors(t *testing.T) {
	p := load(t, keycloakPolicy)
	tests := []struct {
		name, payload string
		kind          error
	}{
		{"no issuer", `{}`, claims.ErrDenied},
		{"lookalike issuer", `{"iss":"https://sso.acme.example/realms/data/"}`, claims.ErrDenied},
		{"aud absent", `{"iss":"https://sso.acme.example/realms/data","azp":"dbx-cli"}`, claims.ErrDenied},
		{"aud object", `{"iss":"https://sso.acme.example/realms/data","aud":{"databricks":true},"azp":"dbx-cli"}`, claims.ErrMalformed},
		{"groups object", `{"iss":"https://sso.acme.example/realms/data","aud":"databricks","azp":"dbx-cli","groups":{}}`, claims.ErrDenied},
		{"no match", `{"iss":"https://sso.acme.example/realms/data","aud":"databricks","azp":"dbx-cli","groups":[]}`, claims.ErrNoMatch},
		{"way blocked", `{"iss":"https://sso.acme.example/realms/data","aud":"databricks","azp":"dbx-cli","groups":[],"resource_access":[]}`, claims.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, []byte(tt.payload))
			grant, err := p.Map(t.Context(), c)
			if !errors.Is(err, tt.kind) {
				t.Errorf("got %+v, %v; want %v", grant, err, tt.kind)
			}
			if trace := p.Explain(t.Context(), c); trace.Err == nil || trace.Err.Error() != err.Error() {
				t.Errorf("Explain says %v, Map %v", trace.Err, err)
			}
		})
	}
	var zero claims.Policy
	if _, err := zero.Map(t.Context(), parse(t, []byte(`{"iss":"i"}`))); !errors.Is(err, claims.ErrDenied) {
		t.Errorf("the zero Policy: %v", err)
	}
}

func TestNew_isLoadOfItsJSON(t *testing.T) {
	yes := true
	cfg := claims.Config{Version: 1, Issuers: []claims.Issuer{{
		Issuer:  "i",
		Require: map[string]claims.Matcher{"n": {Any: []any{7}}, "email_verified": {Any: []any{true}}},
		Rules: []claims.Rule{
			{Name: "a", When: map[string]claims.Matcher{"p": {Present: &yes}, "e": {Any: []any{"X", "Y"}, Fold: true}}, Groups: []string{"g"}},
			{Name: "b", When: map[string]claims.Matcher{"p": {None: []any{"q"}}, "r": {Regex: []string{"a+"}}}, Target: &claims.Target{AssumeGroup: "1"}},
		},
		Default: &claims.Default{Groups: []string{"all"}},
	}}}
	p, err := claims.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again := load(t, string(data)); again.ID() != p.ID() {
		t.Error("the same policy has two IDs")
	}
	cfg.Issuers[0].Rules[0].Groups[0] = "h"
	if other, err := claims.New(cfg); err != nil || other.ID() == p.ID() {
		t.Errorf("two policies have one ID, %v", err)
	}
	grant, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i","sub":"s","n":7,"email_verified":true,"p":"z","e":["y"],"r":"aaa"}`)))
	if err != nil || !slices.Equal(grant.Rules, []string{"a", "b"}) || grant.Target.Rule != "b" || grant.Policy != p.ID() {
		t.Errorf("got %+v, %v", grant, err)
	}
	grant, err = p.Map(t.Context(), parse(t, []byte(`{"iss":"i","n":7,"email_verified":true,"p":"q","r":"b","e":"n"}`)))
	if err != nil || !slices.Equal(grant.Groups, []string{"all"}) || !slices.Equal(grant.Rules, []string{"default"}) {
		t.Errorf("default: got %+v, %v", grant, err)
	}
}

type resolverFunc func(string) ([]string, error)

func (f resolverFunc) Resolve(_ context.Context, _ *claims.Claims, claim string) ([]string, error) {
	return f(claim)
}

func TestResolver(t *testing.T) {
	overage := parse(t, read(t, "testdata/idp/entra-overage.json"))
	calls := 0
	policy := entraPolicy // its tests run without the resolver
	p := load(t, policy, claims.WithResolver(resolverFunc(func(claim string) ([]string, error) {
		calls++
		return []string{"0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071"}, nil
	})))
	calls = 0
	grant, err := p.Map(t.Context(), overage)
	if err != nil || !slices.Equal(grant.Groups, []string{"data-engineers"}) || calls != 1 {
		t.Errorf("got %+v, %v after %d calls", grant, err, calls)
	}
	calls = 0
	if _, err = p.Map(t.Context(), parse(t, read(t, "testdata/idp/entra-app.json"))); err != nil || calls != 0 {
		t.Errorf("a complete token: %v after %d calls", err, calls)
	}
	down := errors.New("down")
	p, err = claims.Load([]byte(policy[:strings.Index(policy, `"tests"`)-3]+"}"), claims.WithResolver(resolverFunc(func(string) ([]string, error) { return nil, down })))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = p.Map(t.Context(), overage); !errors.Is(err, down) || !errors.Is(err, claims.ErrIncomplete) {
		t.Errorf("got %v", err)
	}
}
