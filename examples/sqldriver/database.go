package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	dbsql "github.com/databricks/databricks-sql-go"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
)

// open opens the warehouse at the HTTP path of cfg.Host. Nothing is sent before
// the first query. The *sql.DB keeps its sessions from one token to the next.
func open(path string, cfg exchange.Config) (*sql.DB, error) {
	x, err := exchange.New(cfg)
	if err != nil {
		return nil, err
	}
	host, port, err := address(cfg.Host)
	if err != nil {
		return nil, err
	}
	// The token goes in below the driver's own retries, in the transport that it
	// sends with: a refused token then costs one more request, not the query. An
	// exchange.Transport is also what dbsql.WithAuthenticator takes. But an
	// authenticator sees no answers, so that a revoked token would fail every query
	// until the cache refreshes it. One of the two is enough.
	connector, err := dbsql.NewConnector(
		dbsql.WithServerHostname(host.Scheme+"://"+host.Hostname()),
		dbsql.WithPort(port),
		dbsql.WithHTTPPath(path),
		dbsql.WithTransport(&transport{
			workspace: &exchange.Transport{Host: cfg.Host, Tokens: cache.New(x, cache.Options{})},
			downloads: http.DefaultTransport,
			name:      host.Hostname(),
		}),
	)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// address parses a host. The driver wants its port apart.
func address(host string) (*url.URL, int, error) {
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	if err != nil {
		return nil, 0, fmt.Errorf("read the host: %w", err)
	}
	if u.Port() == "" {
		return u, 443, nil
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return nil, 0, fmt.Errorf("read the host's port: %w", err)
	}
	return u, port, nil
}

// transport sends with the token what goes to the workspace, and downloads from
// elsewhere without it. The driver needs both of the one transport that it takes:
// with CloudFetch, large results come from presigned links to the cloud's storage.
type transport struct {
	workspace http.RoundTripper
	downloads http.RoundTripper
	name      string // of the workspace's host
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet && req.URL.Hostname() != t.name {
		return t.downloads.RoundTrip(req)
	}
	return t.workspace.RoundTrip(req) // which refuses any other origin
}
