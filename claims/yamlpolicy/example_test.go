package yamlpolicy_test

import (
	"context"
	"fmt"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/yamlpolicy"
)

const policy = `
version: 1
issuers:
- issuer: https://sso.acme.example/realms/data
  require: {aud: databricks, azp: dbx-cli}
  allow: [data-engineers, "team-*"]
  rules:
  - {name: contractors, when: {groups: {glob: ["/contractors", "/contractors/**"]}}, deny: use the partner account}
  - {name: engineers, when: {groups: /data/engineering}, groups: [data-engineers], target: {assume_group: "884100000000042"}}
  - {name: teams, when: {groups: {glob: "/data/engineering/*"}}, groups: ["team-${1}"]}

# These run whenever the policy is loaded.
tests:
- name: engineer of a team
  claims:
    set: {iss: https://sso.acme.example/realms/data, sub: a, aud: databricks, azp: dbx-cli, groups: [/data/engineering, /data/engineering/risk]}
  want: {groups: [data-engineers, team-risk], target: engineers}
- name: contractor
  claims:
    set: {iss: https://sso.acme.example/realms/data, sub: b, aud: databricks, azp: dbx-cli, groups: [/contractors/x, /data/engineering]}
  want: {error: denied}
- name: no groups claim
  claims:
    set: {iss: https://sso.acme.example/realms/data, sub: c, aud: databricks, azp: dbx-cli}
  want: {error: denied}
`

func ExampleLoad() {
	p, err := yamlpolicy.Load([]byte(policy))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := claims.Parse([]byte(`{
		"iss": "https://sso.acme.example/realms/data", "sub": "8e1f2a3b", "aud": "databricks", "azp": "dbx-cli",
		"groups": ["/data/engineering", "/data/engineering/fraud"]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	grant, err := p.Map(context.Background(), c)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(grant.Groups, grant.Target.AssumeGroup)
	// Output: [data-engineers team-fraud] 884100000000042
}

// What may be read in two ways is refused, all of it at once.
func ExampleLoad_refused() {
	_, err := yamlpolicy.Load([]byte(`
version: 1
issuers:
- issuer: &cluster https://kubernetes.default.svc
  rules:
  - name: on
    when: {sub: "system:serviceaccount:jobs:nightly"}
    target: {assume_group: 0884100000017}
`))
	fmt.Println(err)
	// Output:
	// claims: policy: 3 problems in its YAML
	// 	issuers[0].issuer: line 4, column 11: the anchor &cluster; leave it out, and write the value out where it is used
	// 	issuers[0].rules[0].name: line 6, column 11: "on" is a boolean to some YAML readers and a text is due; put it in quotes
	// 	issuers[0].rules[0].target.assume_group: line 8, column 28: "0884100000017" is a number to some YAML readers and a text is due; put it in quotes
}

func ExampleJSON() {
	converted, err := yamlpolicy.JSON([]byte("version: 1\nissuers:\n- issuer: https://a.example # and more\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", converted)
	// Output: {"version":1,"issuers":[{"issuer":"https://a.example"}]}
}
