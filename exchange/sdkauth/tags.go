package sdkauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
)

// tagger knows what the User-Agent says of the grant that a token was exchanged
// under.
type tagger struct {
	options claims.TagOptions
	last    atomic.Pointer[seen] // sources return the same token for an hour
}

type seen struct {
	token *oauth2.Token // told by its address: others may have its AccessToken and another grant
	parts string
}

// parts returns nothing for a token without a grant.
func (t *tagger) parts(token *oauth2.Token) (string, error) {
	if last := t.last.Load(); last != nil && last.token == token {
		return last.parts, nil
	}
	grant, ok := exchange.GrantOf(token)
	if !ok {
		return "", nil
	}
	parts, err := userAgent(grant, t.options)
	if err != nil {
		return "", fmt.Errorf("sdkauth: tag the request: %w", err)
	}
	t.last.Store(&seen{token: token, parts: parts})
	return parts, nil
}

func userAgent(g claims.Grant, options claims.TagOptions) (string, error) {
	tags, err := g.Tags(options)
	if err != nil {
		return "", err
	}
	return tags.UserAgent()
}

// tagging sends one request, and puts the tags of the very token on it that it
// carries: after a refusal that is another one, perhaps under another grant. It
// stands on both sides of an exchange.Transport.
//
// The SDK's own way of adding to the header, useragent.InContext, will not do for
// identities: requests made at the same time with one context may overwrite each
// other's parts, and a redirect takes them to another host.
type tagging struct {
	by    *provider
	base  http.RoundTripper
	token *oauth2.Token // got last, thus the one on the request
}

func (t *tagging) Token(ctx context.Context) (token *oauth2.Token, err error) {
	t.token, err = t.by.tokens.Token(ctx)
	return t.token, err
}

func (t *tagging) Invalidate(refused *oauth2.Token) {
	if keeper, ok := t.by.tokens.(interface{ Invalidate(*oauth2.Token) }); ok {
		keeper.Invalidate(refused)
	}
}

func (t *tagging) RoundTrip(req *http.Request) (*http.Response, error) {
	parts, err := t.by.tags.parts(t.token)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	if parts != "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", strings.TrimSpace(req.Header.Get("User-Agent")+" "+parts))
	}
	return t.base.RoundTrip(req)
}

// tagged reports whether there is anything to put on requests.
func (s Strategy) tagged() bool {
	return s.Tags.Key != nil || s.Tags.Readable || len(s.Tags.Extra) > 0
}

// tagProblem tries the tags on a grant that has everything: then they fit others
// too.
func (s Strategy) tagProblem() error {
	if !s.tagged() {
		return nil
	}
	everything := claims.Grant{
		Policy: "policy", Issuer: "issuer", Subject: "subject",
		Target: claims.Target{Rule: "rule", ClientID: "client", AssumeGroup: "1"},
	}
	if _, err := userAgent(everything, s.Tags); err != nil {
		return fmt.Errorf("Strategy.Tags: %w", err)
	}
	return nil
}
