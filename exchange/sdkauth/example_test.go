package sdkauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/databricks/databricks-sdk-go/client"
	"github.com/databricks/databricks-sdk-go/config"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func ExampleApply() {
	// An identity provider, and a Databricks account that trusts its client.
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer idp.Close()
	dbx, err := exchangetest.New(exchangetest.Config{
		IdP: idp.Client(),
		Principals: []exchangetest.Principal{{
			ApplicationID: "3f0c2a1e-1111-4000-8000-000000000001",
			Policies:      []trust.Policy{{Issuer: idp.Issuer(), Subject: oidctest.ClientID, Audiences: []string{oidctest.DefaultAudience}}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dbx.Close()

	strategy := sdkauth.Strategy{
		ClientID: "3f0c2a1e-1111-4000-8000-000000000001",
		Subject: &oidc.ClientCredentials{
			Issuer: idp.Issuer(),
			Auth: oidc.SecretBasic{
				ClientID: oidctest.ClientID,
				Secret:   oidc.SecretFunc(func(context.Context) (string, error) { return oidctest.ClientSecret, nil }),
			},
		},
	}
	cfg := &config.Config{Host: dbx.URL()}
	if err := sdkauth.Apply(cfg, strategy); err != nil {
		log.Fatal(err)
	}
	c, err := client.New(cfg) // or databricks.NewWorkspaceClient
	if err != nil {
		log.Fatal(err)
	}
	var me struct{ UserName string }
	if err := c.Do(context.Background(), http.MethodGet, "/api/2.0/preview/scim/v2/Me", nil, nil, nil, &me); err != nil {
		log.Fatal(err)
	}
	fmt.Println("I am", me.UserName, "by", cfg.AuthType)
	// Output: I am 3f0c2a1e-1111-4000-8000-000000000001 by brickfed-oidc
}
