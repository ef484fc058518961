package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/internal/httpx"
)

// ClientCredentials is a [Source] that mints a token for a client with the
// client credentials grant (RFC 6749, section 4.4) at any issuer. Use it by
// pointer; it is safe for concurrent use, and its fields must not change after
// the first use.
//
// What the token is for is said to each provider in another way:
//
//	Okta      Scopes of a custom authorization server, which fixes the audience
//	Entra ID  Scopes: "<application ID URI>/.default"
//	Auth0     Audience: "<API identifier>"
//	Keycloak  Scopes, if the audience mapper sits in an optional client scope
//	RFC 8707  Resource: "<resource URI>"
//
// The issuer's metadata is kept for an hour, and up to a day while it cannot be
// fetched again. Each call sends one token request (another only while the
// client's secret rotates), follows no redirects, and gives each request 10
// seconds. A failure is an [*Error] if the provider, or the way to it, is its
// cause.
type ClientCredentials struct {
	// Issuer is the provider's issuer URL, to the letter. The token endpoint is
	// found by OpenID Connect Discovery 1.0, or else RFC 8414. Required unless
	// TokenEndpoint is set.
	Issuer string

	// TokenEndpoint is the URL of the token endpoint. Optional: the default is
	// what Issuer's metadata says.
	TokenEndpoint string

	// Auth authenticates the client. Required.
	Auth ClientAuth

	// Scopes are asked for, in this order. Optional.
	Scopes []string

	// Resource are the resources that the token is for (RFC 8707). Optional.
	Resource []string

	// Audience is sent as the parameter audience, which Auth0 requires. Optional.
	Audience string

	// AudienceParam says where the audience that a caller of Token wishes for
	// goes: into the parameter "audience" or "resource", or, for "scope", into
	// the scope "<audience>/.default" in the manner of Entra ID. Optional; by
	// default the wish is ignored, because most providers fix the audience in
	// their own configuration. "audience" excludes Audience and "resource"
	// excludes Resource; the scope of "scope" is added to Scopes.
	AudienceParam string

	// Params are further parameters of the request. Optional. They must not hold
	// secrets, nor anything that another field says.
	Params url.Values

	// IDToken hands out the provider's ID token instead of the access token. Few
	// providers issue one for client credentials; those that do want the scope
	// openid. Optional.
	IDToken bool

	// HTTPClient sends the requests. Its redirect policy and cookies are not
	// used. Optional; the default uses http.DefaultTransport.
	HTTPClient *http.Client

	provider provider
}

var (
	_ Source = (*ClientCredentials)(nil)
	_ Minter = (*ClientCredentials)(nil)
)

// Token asks the provider for a token.
func (c *ClientCredentials) Token(ctx context.Context, audience string) (*Token, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	endpoint, err := c.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	request := &tokenRequest{client: c.HTTPClient, endpoint: endpoint, auth: c.Auth, form: c.form(audience)}
	answer, err := request.do(ctx)
	if err != nil {
		return nil, err
	}
	return c.pick(answer, endpoint)
}

// Mints implements [Minter].
func (c *ClientCredentials) Mints() bool { return true }

// String names the provider.
func (c *ClientCredentials) String() string {
	where := c.Issuer
	if where == "" {
		where, _, _ = strings.Cut(c.TokenEndpoint, "?")
	}
	return "client credentials at " + where
}

// validate reports everything that is wrong at once.
func (c *ClientCredentials) validate() error {
	var problems []error
	complain := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("oidc: ClientCredentials: "+format, args...))
	}
	if c.Issuer == "" && c.TokenEndpoint == "" {
		complain("Issuer or TokenEndpoint is required")
	}
	if c.TokenEndpoint != "" {
		if _, err := httpx.ParseURL(c.TokenEndpoint); err != nil {
			complain("TokenEndpoint is %w", err)
		}
	}
	if c.Auth == nil {
		complain("Auth is required; use SecretBasic or SecretPost")
	}
	switch c.AudienceParam {
	case "", "scope":
	case "audience":
		if c.Audience != "" {
			complain("AudienceParam %q and Audience exclude each other", c.AudienceParam)
		}
	case "resource":
		if len(c.Resource) > 0 {
			complain("AudienceParam %q and Resource exclude each other", c.AudienceParam)
		}
	default:
		complain(`AudienceParam is %q; use "audience", "resource", "scope" or nothing`, c.AudienceParam)
	}
	for _, name := range reservedParams {
		if c.Params.Has(name) {
			complain("Params holds %q; use the field for it", name)
		}
	}
	return errors.Join(problems...)
}

// reservedParams are the parameters that fields and the client authentication
// write.
var reservedParams = []string{
	"grant_type", "scope", "resource", "audience",
	"client_id", "client_secret", "client_assertion", "client_assertion_type",
}

func (c *ClientCredentials) endpoint(ctx context.Context) (string, error) {
	if c.TokenEndpoint != "" {
		return c.TokenEndpoint, nil
	}
	m, err := c.provider.get(ctx, c.HTTPClient, c.Issuer, 0)
	if err != nil {
		return "", err
	}
	if m.TokenEndpoint == "" {
		return "", fmt.Errorf("oidc: discovery: the metadata of %s names no token endpoint", c.Issuer)
	}
	if _, err := httpx.ParseURL(m.TokenEndpoint); err != nil {
		return "", fmt.Errorf("oidc: discovery: the token endpoint in the metadata of %s is %w", c.Issuer, err)
	}
	return m.TokenEndpoint, nil
}

func (c *ClientCredentials) form(audience string) url.Values {
	form := url.Values{}
	for name, values := range c.Params {
		form[name] = slices.Clone(values)
	}
	form.Set("grant_type", "client_credentials")
	scopes := slices.Clone(c.Scopes)
	if c.Audience != "" {
		form.Set("audience", c.Audience)
	}
	for _, resource := range c.Resource {
		form.Add("resource", resource)
	}
	if audience != "" {
		switch c.AudienceParam {
		case "audience", "resource":
			form.Set(c.AudienceParam, audience)
		case "scope":
			scopes = append(scopes, audience+"/.default")
		}
	}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	return form
}

// pick returns the token that was chosen, and explains its absence.
func (c *ClientCredentials) pick(answer *tokenAnswer, endpoint string) (*Token, error) {
	raw, name := answer.AccessToken, "access token"
	if c.IDToken {
		raw, name = answer.IDToken, "ID token"
	}
	where, _, _ := strings.Cut(endpoint, "?")
	e := &Error{Op: opToken, URL: where, Status: http.StatusOK}
	if raw == "" {
		e.Err = fmt.Errorf("the answer has no %s", name)
		if c.IDToken {
			e.Hint = `add the scope "openid", or leave IDToken off: most providers issue no ID token for client credentials`
		}
		return nil, e
	}
	t, err := ParseToken(raw)
	if err != nil {
		e.Err = fmt.Errorf("the %s is not a JWT that can be exchanged: %w", name, err)
		if !c.IDToken && !strings.Contains(raw, ".") {
			e.Hint = "it is opaque: Auth0 issues a JWT once Audience is set, Okta once a custom authorization server issues it, others once Resource or a scope of an API is asked for"
		}
		return nil, e
	}
	return t, nil
}
