// Command sqldriver queries a Databricks SQL warehouse through database/sql and
// the Databricks SQL driver for Go, with tokens from brickfed.
//
// Without any set-up it brings its own identity provider, Databricks stand-in
// and SQL warehouse on loopback. It asks the warehouse who the session belongs
// to, lets Databricks revoke every token, and asks again: the second query gets
// a new token on its way and does not fail.
//
// With DATABRICKS_HOST and DATABRICKS_HTTP_PATH set (the latter is under
// "Connection details" of the warehouse) it asks that warehouse instead. It takes
// the identity provider's token from the file named by
// DATABRICKS_OIDC_TOKEN_FILEPATH or from the variable DATABRICKS_OIDC_TOKEN, and
// the service principal from DATABRICKS_CLIENT_ID; without that, account-wide
// federation applies.
//
// It is a module of its own, because the driver brings Apache Arrow and Thrift.
// The part to copy is database.go. The exit status is 0 if every query succeeded.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/signal"
	"time"

	"github.com/databricks/databricks-sql-go/logger"

	"github.com/brickfed/brickfed/examples/internal/standin"
	"github.com/brickfed/brickfed/examples/sqldriver/warehouse"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sqldriver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	if host := os.Getenv("DATABRICKS_HOST"); host != "" {
		return askDatabricks(ctx, host, out)
	}
	return demonstrate(ctx, out)
}

// askDatabricks asks a real warehouse.
func askDatabricks(ctx context.Context, host string, out io.Writer) error {
	path := os.Getenv("DATABRICKS_HTTP_PATH")
	if path == "" {
		return errors.New("set DATABRICKS_HTTP_PATH too, for example to /sql/1.0/warehouses/1a2b3c4d5e6f7890")
	}
	clientID := os.Getenv("DATABRICKS_CLIENT_ID")
	db, err := open(path, exchange.Config{
		Host:        host,
		Subject:     environmentSource(),
		ClientID:    clientID,
		AccountWide: clientID == "",
	})
	if err != nil {
		return err
	}
	defer db.Close()
	name, err := currentUser(ctx, db)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the SQL session is %s\n", name)
	return nil
}

// demonstrate asks a warehouse of its own, before and after a revocation.
func demonstrate(ctx context.Context, out io.Writer) error {
	world, err := standin.Start(time.Hour)
	if err != nil {
		return err
	}
	defer func() { _ = world.Close() }()
	server := httptest.NewServer(warehouse.New(world.Databricks))
	defer server.Close()
	// The driver asks https://127.0.0.1 whether it should send telemetry, and would
	// log that the transport lets nothing go there: it is not the warehouse's origin.
	if err := logger.SetLogLevel("disabled"); err != nil {
		return err
	}

	db, err := open("/sql/1.0/warehouses/1a2b3c4d5e6f7890", exchange.Config{
		Host:     server.URL,
		Subject:  world.Source(),
		ClientID: standin.ClientID,
	})
	if err != nil {
		return err
	}
	defer db.Close()

	report := func(moment string) error {
		name, err := currentUser(ctx, db)
		if err != nil {
			return fmt.Errorf("%s: %w", moment, err)
		}
		exchanges := world.Databricks.Count(exchangetest.Token)
		fmt.Fprintf(out, "%s: the SQL session is %s, %d exchange(s) so far\n", moment, name, exchanges)
		return nil
	}
	if err := report("at first"); err != nil {
		return err
	}
	world.Databricks.RevokeAll()
	return report("after a revocation")
}

func currentUser(ctx context.Context, db *sql.DB) (string, error) {
	var name string
	if err := db.QueryRowContext(ctx, "SELECT current_user()").Scan(&name); err != nil {
		return "", fmt.Errorf("ask who the session is: %w", err)
	}
	return name, nil
}

// environmentSource finds the identity provider's token where the Databricks SDK
// would look for it.
func environmentSource() oidc.Source {
	if path := os.Getenv("DATABRICKS_OIDC_TOKEN_FILEPATH"); path != "" {
		return oidc.File(path)
	}
	return oidc.Env("DATABRICKS_OIDC_TOKEN")
}
