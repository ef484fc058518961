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

// open opens the warehouse at the HTTP path of the host in cfg. Nothing is sent
// before the first query.
func open(path string, cfg exchange.Config) (*sql.DB, error) {
	host, port, err := address(cfg.Host)
	if err != nil {
		return nil, err
	}
	x, err := exchange.New(cfg)
	if err != nil {
		return nil, err
	}
	// The token goes in below the driver's own retries, as the transport that it
	// sends with. Then a refused token costs one more request, not the query. An
	// exchange.Transport is also an authenticator of the driver, for
	// dbsql.WithAuthenticator; but an authenticator never sees an answer, so a
	// revoked token would fail every query until it is refreshed. One of the two
	// is enough.
	connector, err := dbsql.NewConnector(
		dbsql.WithServerHostname(host),
		dbsql.WithPort(port),
		dbsql.WithHTTPPath(path),
		dbsql.WithTransport(&downloads{
			workspace: &exchange.Transport{Host: cfg.Host, Tokens: cache.New(x, cache.Options{})},
			name:      strings.TrimPrefix(strings.TrimPrefix(host, "https://"), "http://"),
		}),
	)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// address takes a host apart as the driver wants it: the port for itself, and
// the scheme with the name.
func address(host string) (string, int, error) {
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	if err != nil {
		return "", 0, fmt.Errorf("host: %w", err)
	}
	port := 443
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return "", 0, fmt.Errorf("host: port: %w", err)
		}
	}
	return u.Scheme + "://" + u.Hostname(), port, nil
}

// downloads sends what is for the workspace with a token, and downloads from
// elsewhere without: the driver uses its transport for CloudFetch too, which gets
// large results from presigned links to the cloud's storage.
type downloads struct {
	workspace http.RoundTripper
	name      string // of the workspace's host
}

func (d *downloads) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet && req.URL.Hostname() != d.name {
		return http.DefaultTransport.RoundTrip(req)
	}
	return d.workspace.RoundTrip(req)
}
