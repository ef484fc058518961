package bench_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

const issuerURL = "https://idp.example"

var requireIssuer = text{`iss == "` + issuerURL + `"`, `iss == "` + issuerURL + `"`}

// mappings are the cases that are mapped, the same as in the benchmarks of
// package claims.
func mappings(t testing.TB) []mapping {
	t.Helper()
	return []mapping{prefixed(t), github(t), thousand(t)}
}

// prefixed maps 40 groups by one rule, which renames 10 of them.
func prefixed(t testing.TB) mapping {
	var want []string
	for i := 0; i < 40; i += 4 {
		want = append(want, fmt.Sprintf("team-team%d", i))
	}
	slices.Sort(want)
	return mapping{
		probe: mapGroups, payload: groupsPayload(t, 40), want: outcome{groups: want},
		policy: policyFile(t, claims.Rule{
			Name:   "teams",
			When:   map[string]claims.Matcher{"groups": {Glob: []string{"dbx-*"}}},
			Groups: []string{"team-${1}"},
		}),
		peers: peerPolicy{requireIssuer, []peerRule{{groups: text{
			`groups.filter(g, g.startsWith("dbx-")).map(g, "team-" + g.substring(4))`,
			`map(filter(groups, # startsWith "dbx-"), "team-" + #[4:])`,
		}}}},
		hand: func(payload map[string]any) (outcome, error) {
			return renameByHand(payload, affixes{"dbx-", "", "team-"})
		},
	}
}

// thousand maps 1,000 groups by four rules, each of which renames 50.
func thousand(t testing.TB) mapping {
	m := mapping{probe: mapThousand, payload: groupsPayload(t, 1000), peers: peerPolicy{require: requireIssuer}}
	var rules []claims.Rule
	var affix []affixes
	for i := range 4 {
		rules = append(rules, claims.Rule{
			Name:   fmt.Sprintf("r%d", i),
			When:   map[string]claims.Matcher{"groups": {Glob: []string{fmt.Sprintf("dbx-*%d", i*2)}}},
			Groups: []string{fmt.Sprintf("t%d-${1}", i)},
		})
		affix = append(affix, affixes{"dbx-", fmt.Sprint(i * 2), fmt.Sprintf("t%d-", i)})
		m.peers.rules = append(m.peers.rules, peerRule{groups: text{
			fmt.Sprintf(`groups.filter(g, g.startsWith("dbx-") && g.endsWith("%d")).map(g, "t%d-" + g.substring(4, size(g) - 1))`, i*2, i),
			fmt.Sprintf(`map(filter(groups, # startsWith "dbx-" && # endsWith "%d"), "t%d-" + #[4:-1])`, i*2, i),
		}})
	}
	for i := 0; i < 1000; i += 4 {
		if digit := i % 10; digit < 8 {
			name := fmt.Sprint("team", i)
			m.want.groups = append(m.want.groups, fmt.Sprintf("t%d-%s", digit/2, name[:len(name)-1]))
		}
	}
	slices.Sort(m.want.groups)
	m.policy = policyFile(t, rules...)
	m.hand = func(payload map[string]any) (outcome, error) { return renameByHand(payload, affix...) }
	return m
}

// github maps a GitHub token by two rules, the first of which matches, and so
// does the second.
func github(t testing.TB) mapping {
	prod := claims.Target{ClientID: "3f0c2a1e-1111-4000-8000-000000000001", AssumeGroup: "884100000000017", Scopes: []string{"all-apis"}}
	ci := claims.Target{ClientID: "3f0c2a1e-1111-4000-8000-000000000002", Scopes: []string{"sql"}}
	exact := func(s string) claims.Matcher { return claims.Matcher{Any: []any{s}} }
	require := `iss == "https://token.actions.githubusercontent.com" && aud == "https://github.com/acme" && repository_owner_id == "1234567"`
	first := `repository_id == "765432109" && environment == "prod" && ref == "refs/heads/main" && job_workflow_ref`
	return mapping{
		probe: mapGitHub, payload: fixture(t, "github-actions.json"), want: outcome{target: prod},
		policy: encode(t, claims.Config{Version: 1, Issuers: []claims.Issuer{{
			Issuer:  "https://token.actions.githubusercontent.com",
			Require: map[string]claims.Matcher{"aud": exact("https://github.com/acme"), "repository_owner_id": exact("1234567")},
			Rules: []claims.Rule{{Name: "deploy-prod", When: map[string]claims.Matcher{
				"repository_id": exact("765432109"), "environment": exact("prod"), "ref": exact("refs/heads/main"),
				"job_workflow_ref": {Glob: []string{githubWorkflow + "*"}},
			}, Target: &prod}, {Name: "ci", When: map[string]claims.Matcher{
				"repository_id": exact("765432109"), "ref": {Glob: []string{"refs/heads/**"}},
			}, Target: &ci}},
		}}}),
		peers: peerPolicy{text{require, require}, []peerRule{
			{target: prod, when: text{first + `.startsWith("` + githubWorkflow + `")`, first + ` startsWith "` + githubWorkflow + `"`}},
			{target: ci, when: text{
				`repository_id == "765432109" && ref.startsWith("refs/heads/")`,
				`repository_id == "765432109" && ref startsWith "refs/heads/"`,
			}},
		}},
		hand: func(payload map[string]any) (outcome, error) { return githubByHand(payload, prod, ci) },
	}
}

const githubWorkflow = "acme/workflows/.github/workflows/dbx.yml@refs/tags/v"

// manyRules has 500 rules, whose loading is measured. A third has a glob with one
// wildcard, a third one with several, and a third two values. There is nothing to
// load for what is written by hand.
func manyRules(t testing.TB) mapping {
	m := mapping{
		probe: policyLoad, peers: peerPolicy{require: requireIssuer},
		payload: encode(t, map[string]any{"iss": issuerURL, "sub": "s", "groups": []string{"dbx-0-a", "dbx-1-b/c/d/e", "dbx-2-too", "others"}}),
		want:    outcome{groups: []string{"g0", "g1", "g2"}, target: claims.Target{AssumeGroup: "1000"}},
	}
	var rules []claims.Rule
	for i := range 500 {
		matcher := claims.Matcher{Glob: []string{fmt.Sprintf("dbx-%d-*", i)}}
		test := fmt.Sprintf(`startsWith("dbx-%d-")`, i)
		switch i % 3 {
		case 1:
			matcher = claims.Matcher{Glob: []string{fmt.Sprintf("dbx-%d-*/*/**", i)}}
			test = fmt.Sprintf(`matches("^dbx-%d-[^/:@]+/[^/:@]+/.+$")`, i)
		case 2:
			matcher = claims.Matcher{Any: []any{fmt.Sprintf("dbx-%d", i), fmt.Sprintf("dbx-%d-too", i)}}
			test = fmt.Sprintf(`in(["dbx-%d", "dbx-%[1]d-too"])`, i)
		}
		target := claims.Target{AssumeGroup: fmt.Sprint(1000 + i)}
		name := fmt.Sprintf("g%d", i)
		rules = append(rules, claims.Rule{
			Name: fmt.Sprintf("r%d", i), When: map[string]claims.Matcher{"groups": matcher}, Groups: []string{name}, Target: &target,
		})
		m.peers.rules = append(m.peers.rules, peerRule{when: anyGroup(test), name: name, target: target})
	}
	m.policy = policyFile(t, rules...)
	return m
}

// anyGroup tells whether a test, written as a method, holds for one of the groups.
func anyGroup(test string) text {
	word, argument, _ := strings.Cut(strings.TrimSuffix(test, ")"), "(")
	method := "." + test
	if word == "in" {
		method = " in " + argument
	}
	return text{"groups.exists(g, g" + method + ")", "any(groups, # " + word + " " + argument + ")"}
}

func policyFile(t testing.TB, rules ...claims.Rule) []byte {
	t.Helper()
	return encode(t, claims.Config{Version: 1, Issuers: []claims.Issuer{{Issuer: issuerURL, Rules: rules}}})
}

// groupsPayload has n groups, every fourth of which begins with dbx-.
func groupsPayload(t testing.TB, n int) []byte {
	t.Helper()
	groups := make([]string, n)
	for i := range groups {
		groups[i] = fmt.Sprintf("vpn-users-%d", i)
		if i%4 == 0 {
			groups[i] = fmt.Sprintf("dbx-team%d", i)
		}
	}
	return encode(t, map[string]any{"iss": issuerURL, "sub": "s", "groups": groups})
}
