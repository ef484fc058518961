// Command http calls Databricks with nothing but an http.Client: no SDK, two
// small modules. It brings its own identity provider and Databricks
// stand-in on loopback, and prints what the API answers before and after the
// host has revoked the token.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/examples/internal/standin"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	world, err := standin.Start(time.Hour)
	if err != nil {
		return err
	}
	defer func() { _ = world.Close() }()
	host := world.Databricks.URL()

	x, err := exchange.New(exchange.Config{
		Host:     host,
		ClientID: standin.ClientID,
		Subject:  world.Source(),
	})
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &exchange.Transport{
		Host:   host,
		Tokens: cache.New(x, cache.Options{}),
	}}

	for _, moment := range []string{"at first", "after a revocation"} {
		name, err := whoAmI(ctx, client, host)
		if err != nil {
			return err
		}
		exchanges := world.Databricks.Count(exchangetest.Token)
		fmt.Fprintf(out, "%s: I am %s, %d exchange(s) so far\n", moment, name, exchanges)
		world.Databricks.RevokeAll()
	}
	return nil
}

func whoAmI(ctx context.Context, client *http.Client, host string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+"/api/2.0/preview/scim/v2/Me", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask who I am: %s", resp.Status)
	}
	var me struct{ DisplayName string }
	if err := json.NewDecoder(resp.Body).Decode(&me); err != nil {
		return "", fmt.Errorf("ask who I am: %w", err)
	}
	return me.DisplayName, nil
}
