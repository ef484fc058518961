package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/internal/httpx"
)

// TokenSource supplies Databricks tokens. [*Exchanger], a cache around it and
// [Direct] are such sources. Token is safe for concurrent use and its result is
// shared: never modify it.
//
// A source may also have a method Invalidate(*oauth2.Token), which a cache has:
// [Transport] tells it of a token that an API refused.
type TokenSource interface {
	Token(ctx context.Context) (*oauth2.Token, error)
}

// Transport is an http.RoundTripper that puts a token on requests to one host,
// and only to it. When the host refuses the token itself (see [Refusal]), it
// invalidates the token, gets another one and sends the request once more, if
// its body can be sent again.
//
// A request to any other origin is an error, also after a redirect: neither the
// token nor an unauthenticated request leaves by accident. A Transport is safe
// for concurrent use; do not change its fields after the first request.
type Transport struct {
	// Host is the URL of the host that gets the token, https or on loopback.
	// Required.
	Host string
	// Tokens supplies the token for each request, under the request's context.
	// Required. Give it a cache: a transport keeps nothing.
	Tokens TokenSource
	// Base sends the requests. The default is http.DefaultTransport.
	Base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.token(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.base().RoundTrip(bearing(req, token))
	if err != nil {
		return nil, err
	}
	if _, refused := Refusal(resp); !refused {
		return resp, nil
	}
	if again := t.again(req, token); again != nil {
		discard(resp)
		return t.base().RoundTrip(again)
	}
	return resp, nil
}

// Authenticate puts the token on a request without sending it. It makes a
// Transport an authenticator of the Databricks SQL driver for Go. It changes the
// request's header and knows nothing of refusals.
func (t *Transport) Authenticate(req *http.Request) error {
	token, err := t.token(req)
	if err != nil {
		return err
	}
	token.SetAuthHeader(req)
	return nil
}

// token checks where the request goes before it asks for the token.
func (t *Transport) token(req *http.Request) (*oauth2.Token, error) {
	host, err := t.check()
	if err != nil {
		return nil, &Error{Op: opUse, Kind: KindConfig, Err: err}
	}
	if origin := httpx.Origin(req.URL); origin != host.String() {
		return nil, fmt.Errorf("exchange: transport: the request goes to %.256q, but the token is for %s only; use another client for other hosts", origin, host)
	}
	token, err := t.Tokens.Token(req.Context())
	if err != nil {
		return nil, err
	}
	if token == nil || token.AccessToken == "" {
		return nil, errors.New("exchange: transport: the token source returned no token")
	}
	return token, nil
}

// check returns everything that is wrong with the fields.
func (t *Transport) check() (*url.URL, error) {
	host, err := parseHost(t.Host)
	if err != nil {
		err = field("Transport.Host", "%w", err)
	}
	if t.Tokens == nil {
		err = errors.Join(err, field("Transport.Tokens", "it is required"))
	}
	return host, err
}

// again returns the request to send after a refusal, or nil if there is no
// other token or the body is gone.
func (t *Transport) again(req *http.Request, refused *oauth2.Token) *http.Request {
	invalidator, ok := t.Tokens.(interface{ Invalidate(*oauth2.Token) })
	if !ok {
		return nil
	}
	invalidator.Invalidate(refused)
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return nil
	}
	token, err := t.token(req)
	if err != nil || token.AccessToken == refused.AccessToken {
		return nil // the refusal says more than this error would
	}
	again := bearing(req, token)
	if req.Body != nil && req.Body != http.NoBody {
		if again.Body, err = req.GetBody(); err != nil {
			return nil
		}
	}
	return again
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

// bearing returns a copy with the token: a RoundTripper must not modify what it
// was given.
func bearing(req *http.Request, token *oauth2.Token) *http.Request {
	clone := req.Clone(req.Context())
	token.SetAuthHeader(clone)
	return clone
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// discard lets the connection be used again. Refusal has read the body, all of
// it that is bounded.
func discard(resp *http.Response) { _ = resp.Body.Close() }
