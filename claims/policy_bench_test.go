package claims_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// benchPolicy maps the cases whose speed is promised.
func mapping(b *testing.B, cfg claims.Config, payload string, groups int) {
	b.Helper()
	p, err := claims.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	c := parse(b, []byte(payload))
	b.ReportAllocs()
	for b.Loop() {
		g, err := p.Map(b.Context(), c)
		if err != nil || len(g.Groups) != groups {
			b.Fatal(g, err)
		}
	}
}

func groupsPayload(n int) string {
	groups := make([]string, n)
	for i := range groups {
		groups[i] = fmt.Sprintf("vpn-users-%d", i)
		if i%4 == 0 {
			groups[i] = fmt.Sprintf("dbx-team%d", i)
		}
	}
	data, _ := json.Marshal(map[string]any{"iss": "https://idp.example", "sub": "s", "groups": groups})
	return string(data)
}

// BenchmarkMap_groups maps 40 groups by one glob rule that strips a prefix. It
// should stay under 1.5 µs and 6 allocations.
func BenchmarkMap_groups(b *testing.B) {
	mapping(b, claims.Config{Version: 1, Issuers: []claims.Issuer{{
		Issuer: "https://idp.example",
		Rules: []claims.Rule{{
			Name:   "teams",
			When:   map[string]claims.Matcher{"groups": {Glob: []string{"dbx-*"}}},
			Groups: []string{"team-${1}"},
		}},
	}}}, groupsPayload(40), 10)
}

// BenchmarkMap_github maps a GitHub token by two rules. It should stay under
// 1 µs.
func BenchmarkMap_github(b *testing.B) {
	p, err := claims.Load([]byte(githubPolicy))
	if err != nil {
		b.Fatal(err)
	}
	c := parse(b, read(b, "testdata/idp/github-actions.json"))
	b.ReportAllocs()
	for b.Loop() {
		if g, err := p.Map(b.Context(), c); err != nil || g.Target.Rule != "deploy-prod" {
			b.Fatal(g, err)
		}
	}
}

// BenchmarkMap_thousand maps 1,000 groups by four rules. It should stay under
// 100 µs.
func BenchmarkMap_thousand(b *testing.B) {
	rules := make([]claims.Rule, 4)
	for i := range rules {
		rules[i] = claims.Rule{
			Name:   fmt.Sprintf("r%d", i),
			When:   map[string]claims.Matcher{"groups": {Glob: []string{fmt.Sprintf("dbx-*%d", i*2)}}},
			Groups: []string{fmt.Sprintf("t%d-${1}", i)},
		}
	}
	mapping(b, claims.Config{Version: 1, Issuers: []claims.Issuer{{Issuer: "https://idp.example", Rules: rules}}}, groupsPayload(1000), 200)
}

// BenchmarkLoad loads 500 rules, a third of them with a regex and a third with
// several wildcards. It should stay under 5 ms.
func BenchmarkLoad(b *testing.B) {
	rules := make([]claims.Rule, 500)
	for i := range rules {
		m := claims.Matcher{Glob: []string{fmt.Sprintf("dbx-%d-*", i)}}
		switch i % 3 {
		case 1:
			m = claims.Matcher{Glob: []string{fmt.Sprintf("dbx-%d-*/*/**", i)}}
		case 2:
			m = claims.Matcher{Any: []any{fmt.Sprintf("dbx-%d", i), fmt.Sprintf("dbx-%d-too", i)}}
		}
		rules[i] = claims.Rule{
			Name:   fmt.Sprintf("r%d", i),
			When:   map[string]claims.Matcher{"groups": m},
			Groups: []string{fmt.Sprintf("g%d", i)},
			Target: &claims.Target{AssumeGroup: fmt.Sprint(1000 + i)},
		}
	}
	data, err := json.Marshal(claims.Config{Version: 1, Issuers: []claims.Issuer{{Issuer: "https://idp.example", Rules: rules}}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := claims.Load(data); err != nil {
			b.Fatal(err)
		}
	}
}

const githubPolicy = `{"version": 1, "issuers": [{
	"issuer": "https://token.actions.githubusercontent.com",
	"require": {"aud": "https://github.com/acme", "repository_owner_id": "1234567"},
	"rules": [
		{"name": "deploy-prod", "when": {
			"repository_id": "765432109", "environment": "prod", "ref": "refs/heads/main",
			"job_workflow_ref": {"glob": "acme/workflows/.github/workflows/dbx.yml@refs/tags/v*"}
		}, "target": {"client_id": "3f0c2a1e-1111-4000-8000-000000000001", "assume_group": "884100000000017", "scopes": ["all-apis"]}},
		{"name": "ci", "when": {"repository_id": "765432109", "ref": {"glob": "refs/heads/**"}},
			"target": {"client_id": "3f0c2a1e-1111-4000-8000-000000000002", "scopes": ["sql"]}}
	]}]}`
