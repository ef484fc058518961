package claims_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

var update = flag.Bool("update", false, "write the golden files")

// TestTrace_golden keeps what a person reads.
func TestTrace_golden(t *testing.T) {
	tests := []struct {
		name, policy, payload string
		opts                  []claims.TraceOption
	}{
		{"matched", keycloakPolicy, "keycloak.json", nil},
		{"matched-values", keycloakPolicy, "keycloak.json", []claims.TraceOption{claims.WithValues()}},
		{"nearly", githubPolicy, "hostile/github-branch-prefix.json", nil},
		{"no-match", githubPolicy, "github-actions-pull-request.json", nil},
		{"denied", keycloakPolicy, "hostile/groups-object.json", nil},
		{"unknown-issuer", keycloakPolicy, "hostile/issuer-lookalike.json", nil},
		{"incomplete", entraPolicy, "entra-overage.json", nil},
		{"lookup", entraPolicy, "entra-v2.json", nil},
		{"dropped", systemNamesPolicy, "hostile/groups-system-names.json", nil},
		{"dropped-values", systemNamesPolicy, "hostile/groups-system-names.json", []claims.TraceOption{claims.WithValues()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := load(t, tt.policy)
			c := parse(t, read(t, "testdata/idp/"+tt.payload))
			trace := p.Explain(t.Context(), c, tt.opts...)
			got := trace.String()
			file := filepath.Join("testdata/trace", tt.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(read(t, file)); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if len(tt.opts) == 0 {
				shows(t, c, got)
			}
			if trace.LogValue().String() != got || slog.AnyValue(trace).Resolve().String() != got {
				t.Error("the log value is another text")
			}
		})
	}
}

// shows fails for claim values in a text. Those that the policy names as well
// are no news.
func shows(t *testing.T, c *claims.Claims, text string) {
	t.Helper()
	for _, name := range []string{"sub", "email", "jti", "name", "preferred_username"} {
		values, _, _ := c.Strings(name)
		for _, v := range values {
			if v != "" && strings.Contains(text, v) {
				t.Errorf("the text shows the value of %s", name)
			}
		}
	}
}

const systemNamesPolicy = `{"version": 1, "issuers": [{
	"issuer": "https://sso.acme.example/realms/data",
	"rules": [{"name": "teams", "when": {"groups": {"glob": "dbx-team-**"}}, "groups": ["team-${1}"]},
		{"name": "strip", "when": {"groups": {"glob": "**ns"}}, "groups": ["ad${1}ns"]}]}]}`

func ExamplePolicy_Explain() {
	policy, err := claims.Load([]byte(`{"version": 1, "issuers": [{
		"issuer": "https://sso.acme.example/realms/data",
		"require": {"aud": "databricks"},
		"rules": [
			{"name": "prod", "when": {"groups": "/data/engineering", "acr": "2"}, "target": {"assume_group": "884100000000017"}},
			{"name": "sandbox", "when": {"groups": {"glob": "/data/**"}}, "target": {"assume_group": "884100000000018"}}
		]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := claims.Parse([]byte(`{"iss": "https://sso.acme.example/realms/data", "sub": "8e1f2a3b",
		"aud": "databricks", "acr": "1", "groups": ["/data/engineering", "/corp/all"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	trace := policy.Explain(context.Background(), c)
	for line := range strings.Lines(trace.String()) {
		if !strings.HasPrefix(line, "policy") { // its ID
			fmt.Print(line)
		}
	}
	// Output:
	// require
	//            matched  aud: "databricks"
	// nearly   prod: only acr kept it from matching
	//            no       acr: the value does not match "2"
	//            matched  groups: "/data/engineering"
	// matched  sandbox: gives a target
	//            matched  groups: glob "/data/**"
	// result   target of sandbox: assume_group 884100000000018
}
