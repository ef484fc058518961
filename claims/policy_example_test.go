package claims_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/brickfed/brickfed/claims"
)

func ExampleLoad() {
	policy, err := claims.Load([]byte(keycloakPolicy), claims.WithTestFiles(os.DirFS("testdata/idp")))
	if err != nil {
		fmt.Println(err)
		return
	}
	payload, err := os.ReadFile("testdata/idp/keycloak.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := claims.Parse(payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	grant, err := policy.Map(context.Background(), c)
	fmt.Println(grant.Rules, grant.Groups, grant.Target.AssumeGroup, err)
	// Output: [engineers teams sql] [data-engineers sql-users team-risk] 884100000000042 <nil>
}

func ExampleNew() {
	policy, err := claims.New(claims.Config{Version: 1, Issuers: []claims.Issuer{{
		Issuer:  "https://token.actions.githubusercontent.com",
		Require: map[string]claims.Matcher{"aud": {Any: []any{"https://github.com/acme"}}},
		Rules: []claims.Rule{{
			Name: "release",
			When: map[string]claims.Matcher{
				"repository_id": {Any: []any{"765432109"}},
				"ref":           {Glob: []string{"refs/tags/v*"}},
				"office hours":  {Predicate: "office hours"},
			},
			Target: &claims.Target{ClientID: "3f0c2a1e-1111-4000-8000-000000000001"},
		}},
	}}}, claims.WithPredicate("office hours", func(c *claims.Claims) (bool, error) {
		issued, ok, err := c.Time("iat")
		return ok && issued.Weekday() != time.Sunday, err
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, _ := claims.Parse([]byte(`{"iss": "https://token.actions.githubusercontent.com", "aud": "https://github.com/acme",
		"repository_id": "765432109", "ref": "refs/tags/v1.2", "iat": 1767225600}`))
	grant, err := policy.Map(context.Background(), c)
	fmt.Println(grant.Target.Rule, err)
	// Output: release <nil>
}

// Everything that is wrong with a policy is said at once, with its place.
func ExampleLoad_problems() {
	_, err := claims.Load([]byte(`{"version": 1, "issuers": [{"issuer": "https://idp.example", "rules": [
		{"name": "ops", "when": {"groups": {"regex": "a)(b"}}, "groups": ["admins"]},
		{"name": "all", "when": {}, "target": {"client_id": "7001"}}]}]}`))
	fmt.Println(err)
	// Output:
	// claims: policy: 4 problems
	// 	issuers[0].rules[0].when.groups.regex: regex "a)(b": error parsing regexp: unexpected ): `a)(b`
	// 	issuers[0].rules[0].groups[0]: "admins": it is a system group of Databricks
	// 	issuers[0].rules[1].when: it is empty, which would match every token; leave it out
	// 	issuers[0].rules[1].target.client_id: it must be the service principal's application ID, a UUID
}

// A service follows its policy file. Whoever a new policy no longer names is
// refused from the moment it is in place.
func ExampleLive_Follow() {
	var live claims.Live
	ctx, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	err := live.Follow(ctx, claims.File{
		Path:    "testdata/policies/okta.json",
		Options: []claims.Option{claims.WithTestFiles(os.DirFS("testdata/idp"))},
		OnReload: func(r claims.Reload) {
			fmt.Println("reloaded:", r.Err)
		},
	})
	fmt.Println(errors.Is(err, context.DeadlineExceeded), len(live.Policy().ID()))
	// Output:
	// reloaded: <nil>
	// true 64
}

// Broker refuses a policy that would take tokens meant for other services.
func ExampleBroker() {
	_, err := claims.Load([]byte(`{"version": 1, "issuers": [{"issuer": "https://idp.example", "rules": [
		{"name": "ops", "when": {"sub": "ops"}, "target": {"assume_group": "884100000000017"}}]}]}`), claims.Broker())
	fmt.Println(err)
	// Output:
	// claims: policy: 1 problem
	// 	issuers[0].require: it does not ask for an aud: a token that was issued for another service is taken too
}

func ExampleDiff() {
	granted := []string{"data-engineers", "risk-analysts"} // by a Grant
	listed := []string{"data-engineers", "users"}          // by GET /api/2.0/preview/scim/v2/Me
	fmt.Println(claims.Diff(granted, listed))
	// Output: the policy grants "risk-analysts", but Databricks does not list the identity as a member: have your identity provider provision the membership (SCIM or automatic identity management), or add it to the group in the account console
}
