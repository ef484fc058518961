// Program config gets a token by the Databricks SDK's own strategies.
package main

import (
	"context"
	"log"
	"os"

	"github.com/databricks/databricks-sdk-go/config"
)

func main() {
	cfg := &config.Config{Host: os.Getenv("DATABRICKS_HOST")}
	token, err := cfg.GetTokenSource().Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	log.Print(token.Expiry)
}
