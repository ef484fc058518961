package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/brickfed/brickfed/internal/httpx"
)

// tokenPath is where a workspace exchanges tokens.
const tokenPath = "/oidc/v1/token"

// trustedSuffixes are the domains in which Databricks serves its hosts. Only a
// unified host may send us from one of them to another. See the Databricks SQL
// driver for Go, which trusts the same ones.
var trustedSuffixes = [...]string{
	"databricks.com",
	"cloud.databricks.us",
	"azuredatabricks.net",
	"databricks.azure.us",
	"databricks.azure.cn",
}

// parseHost reads Config.Host: a bare name or a URL of nothing but scheme, host
// and port.
func parseHost(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("it is required: the workspace or account URL, such as https://dbc-a1b2c3d4-e5f6.cloud.databricks.com")
	}
	if len(raw) > 512 {
		return nil, errors.New("it has more than 512 bytes")
	}
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := httpx.ParseURL(raw)
	if err != nil {
		return nil, err
	}
	if !isHostname(u.Hostname()) {
		return nil, fmt.Errorf("%.64q is not a host name", u.Hostname())
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery {
		return nil, fmt.Errorf("use %s, without a path or query", httpx.Origin(u))
	}
	return url.Parse(httpx.Origin(u))
}

// isHostname takes DNS names and IP addresses in ASCII. A name in another
// script may look like a Databricks host without being one.
func isHostname(host string) bool {
	for _, c := range []byte(host) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-' || c == '.' || c == ':' || c == '_':
		default:
			return false
		}
	}
	return true
}

// isAccountHost tells an account console by its name: accounts.… or, for
// GovCloud, accounts-dod.… .
func isAccountHost(u *url.URL) bool {
	name := strings.ToLower(u.Hostname())
	return strings.HasPrefix(name, "accounts.") || strings.HasPrefix(name, "accounts-dod.")
}

// deriveEndpoint returns the endpoint that a host of that kind has by
// convention.
func deriveEndpoint(origin *url.URL, kind hostKind, account string) string {
	if kind == workspaceHost {
		return origin.String() + tokenPath
	}
	return origin.String() + "/oidc/accounts/" + url.PathEscape(account) + "/v1/token"
}

// checkEndpoint holds the rule for an endpoint that the user set: the host's own
// origin, and a path of a token endpoint.
func checkEndpoint(origin *url.URL, endpoint, account string) error {
	u, err := httpx.ParseURL(endpoint)
	if err != nil {
		return err
	}
	if httpx.Origin(u) != origin.String() {
		return fmt.Errorf("it is at %s, but Host is %s; a token goes to its own host only", httpx.Origin(u), origin)
	}
	if isAccountHost(origin) && account != "" && u.Path == tokenPath {
		return fmt.Errorf("an account host exchanges at %s", deriveEndpoint(origin, accountHost, account))
	}
	return nil
}

// endpointKind tells from an endpoint what its host serves.
func endpointKind(origin *url.URL, endpoint string) hostKind {
	u, err := url.Parse(endpoint)
	switch {
	case isAccountHost(origin):
		return accountHost
	case err == nil && strings.HasPrefix(u.Path, "/oidc/accounts/"):
		return unifiedHost
	}
	return workspaceHost
}

// acceptable reports whether metadata of a host of that kind may send a token to
// the endpoint. Workspaces and accounts exchange at their own origin; a
// workspace never exchanges at its account's endpoint, because the token would
// be for the account. Unified hosts may use another Databricks host.
func acceptable(origin, endpoint *url.URL, kind hostKind) bool {
	accountPath := strings.HasPrefix(endpoint.Path, "/oidc/accounts/")
	own := httpx.Origin(endpoint) == origin.String()
	switch kind {
	case workspaceHost:
		return own && !accountPath
	case accountHost:
		return own && accountPath
	}
	return own || endpoint.Scheme == "https" && endpoint.Port() == "" && isTrusted(origin) && isTrusted(endpoint)
}

func isTrusted(u *url.URL) bool {
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	for _, suffix := range trustedSuffixes {
		if strings.HasSuffix(name, "."+suffix) {
			return true
		}
	}
	return false
}
