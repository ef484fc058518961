// Program core gets a token as a service does that uses no Databricks SDK.
package main

import (
	"context"
	"log"
	"os"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/oidc"
)

func main() {
	x, err := exchange.New(exchange.Config{
		Host:     os.Getenv("DATABRICKS_HOST"),
		ClientID: os.Getenv("DATABRICKS_CLIENT_ID"),
		Subject:  oidc.First(oidc.File("/var/run/token"), oidc.Env("ID_TOKEN")),
	})
	if err != nil {
		log.Fatal(err)
	}
	token, err := cache.New(x, cache.Options{}).Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	log.Print(token.Expiry)
}
