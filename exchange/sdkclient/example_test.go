package sdkclient_test

import (
	"context"
	"fmt"
	"log"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/oauth2"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/sdkclient"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// auth identifies a program to its identity provider. The secret would be an
// oidc.SecretFile or oidc.SecretEnv.
var auth = oidc.SecretBasic{
	ClientID: oidctest.ClientID,
	Secret:   oidc.SecretFunc(func(context.Context) (string, error) { return oidctest.ClientSecret, nil }),
}

// startKits starts an identity provider with a client, and a Databricks account
// with a service principal that trusts it.
func startKits() (idp *oidctest.Server, dbx *exchangetest.Server, stop func()) {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	dbx, err = exchangetest.New(exchangetest.Config{
		IdP: idp.Client(),
		Principals: []exchangetest.Principal{{
			ApplicationID: "3f0c2a1e-1111-4000-8000-000000000001",
			Admin:         true, // may read federation policies
			Policies:      []trust.Policy{{Issuer: idp.Issuer(), Subject: oidctest.ClientID, Audiences: []string{oidctest.DefaultAudience}}},
		}},
		Policies: []trust.Policy{{Issuer: idp.Issuer(), Description: "people", SubjectClaim: "email"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	return idp, dbx, func() {
		_ = dbx.Close()
		_ = idp.Close()
	}
}

func ExampleWorkspace() {
	idp, dbx, stop := startKits() // a company's own take their place
	defer stop()

	w, err := sdkclient.Workspace(&databricks.Config{Host: dbx.URL()}, sdkauth.Strategy{
		ClientID: "3f0c2a1e-1111-4000-8000-000000000001",
		Subject:  &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: auth},
	})
	if err != nil {
		log.Fatal(err)
	}
	me, err := w.CurrentUser.Me(context.Background(), iam.MeRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("I am", me.UserName)
	// Output: I am 3f0c2a1e-1111-4000-8000-000000000001
}

func ExampleAccount() {
	idp, dbx, stop := startKits()
	defer stop()

	a, err := sdkclient.Account(&databricks.Config{Host: dbx.AccountURL(), AccountID: dbx.AccountID()}, sdkauth.Strategy{
		ClientID: "3f0c2a1e-1111-4000-8000-000000000001",
		Subject:  &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: auth},
	})
	if err != nil {
		log.Fatal(err)
	}
	policies, err := a.FederationPolicy.ListAll(context.Background(), oauth2.ListAccountFederationPoliciesRequest{})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range policies {
		fmt.Println(p.Description)
	}
	// Output: people
}
