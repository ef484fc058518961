// Command quickstart shows the main job from end to end: a token of an identity
// provider becomes a Databricks token, the real Databricks SDK calls with it,
// and a long job outlives its tokens.
//
// Without any set-up it brings its own identity provider and a Databricks
// stand-in on loopback, lets tokens live for five seconds, and takes the provider
// and the token endpoint down on the way. It runs for about 16 seconds.
//
// With DATABRICKS_HOST set it asks that workspace who it is instead. It takes the
// identity provider's token from the file named by DATABRICKS_OIDC_TOKEN_FILEPATH
// or from the variable that DATABRICKS_OIDC_TOKEN_ENV names, by default
// DATABRICKS_OIDC_TOKEN, and the service principal from
// DATABRICKS_CLIENT_ID; without that, account-wide federation applies.
//
// Progress goes to standard error, the result to standard output. The exit status
// is 0 if every call succeeded.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, result, progress io.Writer) error {
	if host := os.Getenv("DATABRICKS_HOST"); host != "" {
		return askDatabricks(ctx, host, result, progress)
	}
	return train(ctx, result, progress)
}
