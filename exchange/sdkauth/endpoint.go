package sdkauth

import (
	"net/url"
	"strings"

	"github.com/databricks/databricks-sdk-go/config"

	"github.com/brickfed/brickfed/internal/httpx"
)

// metadataPath ends the URL of OAuth metadata. See RFC 8414, section 3.
const metadataPath = "/.well-known/oauth-authorization-server"

// tokenEndpoint returns where the config's host exchanges tokens, from what the
// SDK has learned of the host, so that nobody has to ask it twice. Where the SDK
// learned nothing, and the name says what kind of host it is, the endpoint
// follows from the name. An empty result means that the exchanger asks the host.
func tokenEndpoint(cfg *config.Config) string {
	host, err := httpx.ParseURL(cfg.Host)
	if err != nil {
		return "" // exchange.New says so
	}
	if cfg.DiscoveryURL != "" {
		return learned(cfg, host)
	}
	switch origin := httpx.Origin(host); {
	case isAccountName(host) && cfg.AccountID != "":
		return origin + "/oidc/accounts/" + url.PathEscape(cfg.AccountID) + "/v1/token"
	case isWorkspaceName(host):
		return origin + "/oidc/v1/token"
	}
	return ""
}

// learned returns the token endpoint beside the OAuth metadata that the SDK has
// been pointed to, if it is one for this host: at its own origin and, for a
// workspace, not the account's, whose tokens are for the account.
func learned(cfg *config.Config, host *url.URL) string {
	root, found := strings.CutSuffix(cfg.DiscoveryURL, metadataPath)
	u, err := httpx.ParseURL(root)
	if !found || err != nil || httpx.Origin(u) != httpx.Origin(host) || u.RawQuery != "" {
		return ""
	}
	ofAccount := strings.HasPrefix(u.Path, "/oidc/accounts/")
	switch cfg.ConfigType() {
	case config.WorkspaceConfig:
		if ofAccount {
			return ""
		}
	case config.AccountConfig:
		if !ofAccount {
			return ""
		}
	}
	u.Scheme, u.Host = host.Scheme, host.Host // the same, as the config spells it
	return u.JoinPath("v1/token").String()
}

// workspaceSuffixes are the domains in which every name is a workspace, except
// those of account consoles. Unified hosts are elsewhere, at databricks.com.
var workspaceSuffixes = [...]string{
	".cloud.databricks.com",
	".cloud.databricks.us",
	".gcp.databricks.com",
	".azuredatabricks.net",
	".databricks.azure.us",
	".databricks.azure.cn",
}

func isWorkspaceName(host *url.URL) bool {
	if isAccountName(host) {
		return false
	}
	for _, suffix := range workspaceSuffixes {
		if strings.HasSuffix(hostname(host), suffix) {
			return true
		}
	}
	return false
}

func isAccountName(host *url.URL) bool {
	return strings.HasPrefix(hostname(host), "accounts.") || strings.HasPrefix(hostname(host), "accounts-dod.")
}

func hostname(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

// originOf returns the origin of a host as the SDK takes it, with or without a
// scheme, or the empty string if it has none.
func originOf(host string) string {
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := httpx.ParseURL(host)
	if err != nil {
		return ""
	}
	return httpx.Origin(u)
}
