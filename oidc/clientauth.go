package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
)

// ClientAuth authenticates a client at a token endpoint (RFC 6749, section 2.3):
// Apply adds to the form or the header of one request whatever proves who asks.
// endpoint is the URL of the request, which an assertion may name as its
// audience. Apply is called anew for each request, also when one is repeated,
// and must not keep form or h. Its errors are shown, so they must not hold a
// secret. A ClientAuth is safe for concurrent use.
type ClientAuth interface {
	Apply(ctx context.Context, endpoint string, form url.Values, h http.Header) error
}

// secretAuth is a ClientAuth that proves knowledge of a secret, of which there
// may be two while it rotates.
type secretAuth interface {
	secret() *Secret
	apply(secret string, form url.Values, h http.Header) error
}

var (
	_ ClientAuth = SecretBasic{}
	_ ClientAuth = SecretPost{}
	_ ClientAuth = PublicClient{}
	_ secretAuth = SecretBasic{}
	_ secretAuth = SecretPost{}
)

// SecretBasic is the method client_secret_basic: HTTP Basic authentication with
// the client ID and secret, each form-encoded first as RFC 6749, section 2.3.1
// asks. It is the method that every provider must know; a few that skip the
// decoding refuse a secret with special characters and need [SecretPost].
type SecretBasic struct {
	ClientID string  // Required.
	Secret   *Secret // Required.
}

// Apply implements [ClientAuth].
func (a SecretBasic) Apply(ctx context.Context, _ string, form url.Values, h http.Header) error {
	return applySecret(ctx, a, form, h)
}

func (a SecretBasic) secret() *Secret { return a.Secret }

func (a SecretBasic) apply(secret string, _ url.Values, h http.Header) error {
	if a.ClientID == "" {
		return errNoClientID
	}
	pair := url.QueryEscape(a.ClientID) + ":" + url.QueryEscape(secret)
	h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	return nil
}

// SecretPost is the method client_secret_post: the client ID and secret as form
// parameters. See RFC 6749, section 2.3.1.
type SecretPost struct {
	ClientID string  // Required.
	Secret   *Secret // Required.
}

// Apply implements [ClientAuth].
func (a SecretPost) Apply(ctx context.Context, _ string, form url.Values, h http.Header) error {
	return applySecret(ctx, a, form, h)
}

func (a SecretPost) secret() *Secret { return a.Secret }

func (a SecretPost) apply(secret string, form url.Values, _ http.Header) error {
	if a.ClientID == "" {
		return errNoClientID
	}
	form.Set("client_id", a.ClientID)
	form.Set("client_secret", secret)
	return nil
}

// PublicClient is the method none: the client ID as a form parameter, and no
// secret. A provider gives tokens for client credentials to such a client only
// if something else proves who it is, such as the certificate of an HTTP client
// with mutual TLS (RFC 8705, section 2.1).
type PublicClient struct {
	ClientID string // Required.
}

// Apply implements [ClientAuth].
func (a PublicClient) Apply(_ context.Context, _ string, form url.Values, _ http.Header) error {
	if a.ClientID == "" {
		return errNoClientID
	}
	form.Set("client_id", a.ClientID)
	return nil
}

var errNoClientID = errors.New("oidc: client authentication: ClientID is required")

func applySecret(ctx context.Context, a secretAuth, form url.Values, h http.Header) error {
	value, err := a.secret().value(ctx)
	if err != nil {
		return err
	}
	return a.apply(value, form, h)
}
