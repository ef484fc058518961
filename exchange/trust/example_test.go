package trust_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/trust"
)

// The body for databricks account service-principal-federation-policy create.
func ExamplePolicy() {
	p := trust.Policy{
		AccountID:          "7a99b43c-b46c-432b-b0a7-814217701909",
		ServicePrincipalID: "3711048827441",
		Issuer:             "https://token.actions.githubusercontent.com",
		Audiences:          []string{"https://github.com/acme"},
		Subject:            "repo:acme/lakehouse:environment:prod",
	}
	if err := p.Validate(); err != nil {
		log.Fatal(err)
	}
	body, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(body))
	// Output:
	// {
	//   "oidc_policy": {
	//     "issuer": "https://token.actions.githubusercontent.com",
	//     "audiences": [
	//       "https://github.com/acme"
	//     ],
	//     "subject": "repo:acme/lakehouse:environment:prod"
	//   }
	// }
}

func ExamplePolicy_Validate() {
	p := trust.Policy{
		ServicePrincipalID: "3f0c2a1e-1111-4000-8000-000000000003",
		Issuer:             "http://sso.acme.example/realms/data",
		Subject:            "repo:acme/*",
	}
	fmt.Println(p.Validate())
	// Output:
	// trust: validate policy: service_principal_id "3f0c2a1e-1111-4000-8000-000000000003": that is an application ID, which is the client_id of the exchange; use the numeric ID of the service principal
	// issuer "http://sso.acme.example/realms/data": use https, in lower case
	// subject "repo:acme/*": there are no wildcards: * would be compared to the letter
}

func ExampleValidateSet() {
	p := trust.Policy{ID: "okta", Issuer: "https://acme.okta.com/oauth2/default"}
	fmt.Println(trust.ValidateSet([]trust.Policy{p, p}))
	// Output:
	// trust: validate policies: policies[1] "okta": use another policy_id: policies[0] has it
	// policies[1] "okta": remove it: policies[0] says the same
}

// Databricks answers TOKEN_INVALID here, and no more.
func ExampleMatch() {
	p := trust.Policy{
		ServicePrincipalID: "3711048827441",
		Issuer:             "https://acme.eu.auth0.com",
		Audiences:          []string{"https://databricks.acme.example"},
		Subject:            "k3VbN8yQx1LmRt5WcZpHsJ7dGf2TaUe9@clients",
	}
	c, err := claims.Parse([]byte(`{
		"iss": "https://acme.eu.auth0.com/",
		"aud": "https://databricks.acme.example",
		"sub": "k3VbN8yQx1LmRt5WcZpHsJ7dGf2TaUe9@clients"
	}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(trust.Match(p, c))
	// Output:
	// trust: match token: the policy wants issuer "https://acme.eu.auth0.com", the token has "https://acme.eu.auth0.com/": they differ in the slash at the end: set issuer to "https://acme.eu.auth0.com/"
}

func ExampleFind() {
	policies := []trust.Policy{
		{ServicePrincipalID: "7", ID: "gitlab", Issuer: "https://gitlab.com", Audiences: []string{"databricks"}, Subject: "project_path:acme/lakehouse:ref_type:branch:ref:main"},
		{ServicePrincipalID: "7", ID: "github", Issuer: "https://token.actions.githubusercontent.com", Audiences: []string{"databricks"}, Subject: "repo:acme/lakehouse:environment:prod"},
	}
	c, err := claims.Parse([]byte(`{
		"iss": "https://token.actions.githubusercontent.com",
		"aud": "databricks",
		"sub": "repo:acme/lakehouse:pull_request"
	}`))
	if err != nil {
		log.Fatal(err)
	}
	closest, err := trust.Find(policies, c)
	var m *trust.Mismatch
	if errors.As(err, &m) {
		fmt.Println("closest:", closest.ID)
		fmt.Println("differs:", m.Field)
		fmt.Println("hint:", m.Hint)
	}
	// Output:
	// closest: github
	// differs: subject
	// hint: it is the right repository, but the job ran for another environment, branch or event
}
