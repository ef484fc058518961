package claims_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

func TestLint(t *testing.T) {
	const target = `"target":{"client_id":"3f0c2a1e-1111-4000-8000-000000000001"}`
	tests := []struct {
		name, issuer, rest string
		want               string // part of a finding, empty for none but the untested rule
		broker             bool   // an error with Broker
	}{
		{"fine", "https://idp.example", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"sub":"s"},` + target + `}]`, "", false},
		{"no aud", "https://idp.example", `"rules":[{"name":"r","when":{"sub":"s"},` + target + `}]`, "require: it does not ask for an aud", true},
		{"aud present only", "https://idp.example", `"require":{"aud":{"present":true}},"rules":[{"name":"r","when":{"sub":"s"},` + target + `}]`, "does not ask for an aud", true},
		{"mutable GitHub", "https://token.actions.githubusercontent.com", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"repository":"acme/x"},` + target + `}]`, "repository can pass to somebody else", true},
		{"pinned GitHub", "https://token.actions.githubusercontent.com", `"require":{"aud":"a","repository_owner_id":"1"},"rules":[{"name":"r","when":{"repository":"acme/x"},` + target + `}]`, "", false},
		{"pinned by a glob", "https://token.actions.githubusercontent.com", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"repository":"acme/x","repository_id":{"glob":"1*"}},` + target + `}]`, "repository can pass", true},
		{"not GitHub", "https://token.actions.githubusercontent.com.evil.example", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"repository":"acme/x"},` + target + `}]`, "", false},
		{"old subject", "https://token.actions.githubusercontent.com", `"require":{"aud":"a","repository_id":"1"},"rules":[{"name":"r","when":{"sub":"repo:acme/x:ref:refs/heads/main"},` + target + `}]`, "does not match repo:OWNER@ID/REPO@ID", false},
		{"new subject", "https://token.actions.githubusercontent.com", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"sub":"repo:acme@1/x@2:ref:refs/heads/main"},` + target + `}]`, "does not match repo:OWNER/REPO", false},
		{"both subjects", "https://token.actions.githubusercontent.com", `"require":{"aud":"a","repository_id":"1"},"rules":[{"name":"r","when":{"sub":["repo:acme/x:ref:refs/heads/main","repo:acme@1/x@2:ref:refs/heads/main"]},` + target + `}]`, "", false},
		{"wildcard owner", "https://token.actions.githubusercontent.com", `"require":{"aud":"a","repository_id":"1"},"rules":[{"name":"r","when":{"sub":{"glob":"repo:acme*/x:**"}},` + target + `}]`, "wildcard stands before the first separator of sub", false},
		{"wildcard first", "https://idp.example", `"require":{"aud":"a","tenant":"t"},"rules":[{"name":"r","when":{"sub":{"glob":"*:x"}},` + target + `}]`, "wildcard stands before the first separator of sub", false},
		{"Entra common", "https://login.microsoftonline.com/common/v2.0", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"oid":"s"},` + target + `}]`, "no token has this iss", false},
		{"Entra name", "https://login.microsoftonline.com/x/v2.0", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"upn":"s"},` + target + `}]`, "upn can pass", true},
		{"bare Keycloak group", "https://sso.example/realms/x", `"require":{"aud":"a","azp":"c"},"rules":[{"name":"r","when":{"groups":"eng"},` + target + `}]`, "Keycloak sends groups as paths", false},
		{"nothing to trust", "https://idp.example", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"groups":["a","b"]},` + target + `}]`, "no federation policy of the service principal", false},
		{"split of nothing", "https://idp.example", `"require":{"aud":"a"},"split":{"scp":" "},"rules":[{"name":"r","when":{"sub":"s"},` + target + `}]`, "split.scp: no rule reads this claim", false},
		{"denial of what is below", "https://idp.example", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"groups":{"glob":"/x/**"}},"deny":"no"}]`, `"/x/**" does not match "/x" itself`, false},
		{"denial of both", "https://idp.example", `"require":{"aud":"a"},"rules":[{"name":"r","when":{"groups":{"glob":["/x","/x/**"]}},"deny":"no"}]`, "", false},
		{"table of names", "https://accounts.google.com", `"require":{"aud":"a","email_verified":true},"rules":[{"name":"r","lookup":{"claim":"email","table":{"a@b.example":["g"]}}}]`, "email can pass", true},
		{"table of subjects", "https://accounts.google.com", `"require":{"aud":"a"},"rules":[{"name":"r","lookup":{"claim":"sub","table":{"1":["g"]}}}]`, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			policy := `{"version":1,"issuers":[{"issuer":"` + tt.issuer + `",` + tt.rest + `}]}`
			var found []string
			for _, f := range load(t, policy).Lint() {
				if f.Text != `no test makes rule "r" fire` {
					found = append(found, f.String())
				}
			}
			all := strings.Join(found, "\n")
			if tt.want == "" && all != "" || !strings.Contains(all, tt.want) {
				t.Errorf("got %s, want %q", all, tt.want)
			}
			_, err := claims.Load([]byte(policy), claims.Broker())
			if (err != nil) != tt.broker {
				t.Errorf("as a broker: %v", err)
			}
			if tt.broker {
				checkError(t, err, tt.want)
			}
		})
	}
}

// A rule that no test exercises is a finding: nobody has shown what it does.
func ExamplePolicy_Lint() {
	policy, err := claims.Load([]byte(`{"version": 1, "issuers": [{
		"issuer": "https://idp.example",
		"require": {"aud": "databricks"},
		"rules": [
			{"name": "job", "when": {"sub": "job-7"}, "target": {"client_id": "3f0c2a1e-1111-4000-8000-000000000001"}},
			{"name": "ops", "when": {"groups": {"glob": "ops-*"}}, "groups": ["operators"]}
		]}],
		"tests": [{"name": "job",
			"claims": {"set": {"iss": "https://idp.example", "aud": "databricks", "sub": "job-7"}},
			"want": {"target": "job"}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, finding := range policy.Lint() {
		fmt.Println(finding)
	}
	// Output: issuers[0].rules[1]: no test makes rule "ops" fire
}
