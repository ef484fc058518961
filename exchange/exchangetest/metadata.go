package exchangetest

import "net/http"

// serveMetadata publishes what a host says about itself: on a workspace its
// own token endpoint, on the account host, which serves every account, a
// placeholder for the account.
func (s *Server) serveMetadata(c *call) {
	account := s.cfg.AccountID
	document := map[string]any{
		"host_type":     string(c.kind),
		"cloud":         "AWS",
		"oidc_endpoint": s.issuer(c),
		"token_federation_default_oidc_audiences": []string{account},
	}
	switch c.kind {
	case workspaceHost:
		document["account_id"] = account
		document["workspace_id"] = workspaceID(c.Host)
		document["token_federation_default_oidc_audiences"] = []string{s.issuer(c) + "/v1/token"}
	case accountHost:
		document["oidc_endpoint"] = c.origin + "/oidc/accounts/{account_id}"
	case unifiedHost:
		document["account_id"] = account
	}
	if s.cfg.Metadata != nil && !s.cfg.Metadata(c.Host, document) {
		recorded["not found"].send(c.w)
		return
	}
	c.json(http.StatusOK, document)
}

// serveDiscovery publishes the OAuth metadata (RFC 8414) that Databricks was
// recorded to publish. It never lists token exchange among the grants.
func (s *Server) serveDiscovery(c *call) {
	issuer := s.issuer(c)
	if c.origin+c.URL.Path != issuer+"/.well-known/oauth-authorization-server" {
		recorded["not found"].send(c.w)
		return
	}
	c.json(http.StatusOK, map[string]any{
		"authorization_endpoint":                issuer + "/v1/authorize",
		"token_endpoint":                        issuer + "/v1/token",
		"issuer":                                issuer,
		"jwks_uri":                              c.origin + "/oidc/jwks.json",
		"scopes_supported":                      []string{"all-apis", "email", "offline_access", "openid", "profile", "sql"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"grant_types_supported":                 []string{"client_credentials", "authorization_code", "refresh_token"},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"claims_supported":                      []string{"iss", "sub", "aud", "iat", "exp", "jti", "name", "family_name", "given_name", "preferred_username"},
		"request_uri_parameter_supported":       false,
	})
}
