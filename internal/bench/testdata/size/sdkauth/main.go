// Program sdkauth gets a token by the plug for the Databricks SDK.
package main

import (
	"context"
	"log"
	"os"

	"github.com/databricks/databricks-sdk-go/config"

	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/oidc"
)

func main() {
	cfg := &config.Config{Host: os.Getenv("DATABRICKS_HOST")}
	if err := sdkauth.Apply(cfg, sdkauth.Strategy{Subject: oidc.File("/var/run/token")}); err != nil {
		log.Fatal(err)
	}
	token, err := cfg.GetTokenSource().Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	log.Print(token.Expiry)
}
