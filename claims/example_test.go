package claims_test

import (
	"fmt"

	"github.com/brickfed/brickfed/claims"
)

// The payload of a token that somebody verified before.
const payload = `{
	"iss": "https://sso.acme.example/realms/data",
	"sub": "8e1f2a3b-4c5d-4e6f-9071-82a3b4c5d6e7",
	"exp": 1767225900,
	"groups": ["/data/engineering"],
	"realm_access": {"roles": ["dbx-user"]}
}`

func Example() {
	c, err := claims.Parse([]byte(payload))
	if err != nil {
		fmt.Println(err)
		return
	}
	groups, _, _ := c.Strings("groups")
	roles, _, _ := c.Strings("/realm_access/roles")
	expiry, _, _ := c.Time("exp")
	fmt.Println(c.Issuer(), groups, roles, expiry)
	fmt.Println(c) // personal data stays out of logs
	// Output:
	// https://sso.acme.example/realms/data [/data/engineering] [dbx-user] 2026-01-01 00:05:00 +0000 UTC
	// claims(5 members)
}

// Two members of one name are refused, because other programs keep the last,
// or the first.
func ExampleParse_repeatedMember() {
	_, err := claims.Parse([]byte(`{"sub":"alice","sub":"mallory"}`))
	fmt.Println(err)
	// Output: claims: malformed claim "sub": the member stands twice
}

// A claim of an unexpected type is an error, not "no groups".
func ExampleClaims_Strings_unexpectedType() {
	c, _ := claims.Parse([]byte(`{"groups":{"admins":true}}`))
	_, _, err := c.Strings("groups")
	fmt.Println(err)
	// Output: claims: malformed claim "groups": it is an object, not a string or a list of strings
}
