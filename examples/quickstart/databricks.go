package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/sdkclient"
	"github.com/brickfed/brickfed/oidc"
)

// askDatabricks asks a real workspace who it is.
func askDatabricks(ctx context.Context, host string, result, progress io.Writer) error {
	clientID := os.Getenv("DATABRICKS_CLIENT_ID")
	client, err := sdkclient.Workspace(&databricks.Config{Host: host}, sdkauth.Strategy{
		Subject:     environmentSource(),
		ClientID:    clientID,
		AccountWide: clientID == "",
		OnExchange: func(_ context.Context, e exchange.Event) {
			if e.Err == nil {
				fmt.Fprintf(progress, "exchanged at %s, good until %s\n", e.Endpoint, e.Expiry.Format(time.TimeOnly))
			}
		},
	})
	if err != nil {
		return err
	}
	me, err := client.CurrentUser.Me(ctx, iam.MeRequest{})
	if err != nil {
		return err
	}
	fmt.Fprintf(result, "I am %s (%s)\n", me.DisplayName, me.UserName)
	return nil
}

// environmentSource finds the identity provider's token where the Databricks SDK
// would look for it.
func environmentSource() oidc.Source {
	variable := os.Getenv("DATABRICKS_OIDC_TOKEN_ENV")
	if variable == "" {
		variable = "DATABRICKS_OIDC_TOKEN"
	}
	if path := os.Getenv("DATABRICKS_OIDC_TOKEN_FILEPATH"); path != "" {
		return oidc.File(path)
	}
	return oidc.Env(variable)
}
