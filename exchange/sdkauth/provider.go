package sdkauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"
	"github.com/databricks/databricks-sdk-go/useragent"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/internal/httpx"
)

// defaultTimeout is the SDK's own default for HTTPTimeoutSeconds.
const defaultTimeout = 60 * time.Second

// provider holds the tokens of one config.
type provider struct {
	host   string // origin that gets them
	tokens exchange.TokenSource
	tags   *tagger // nil if there are none
}

var _ credentials.OAuthCredentialsProvider = (*provider)(nil)

// newProvider makes the provider of a resolved config.
func newProvider(s Strategy, cfg *config.Config, said explicit) (*provider, error) {
	tokens := s.Tokens
	if tokens != nil {
		if err := s.checkTokens(cfg, said); err != nil {
			return nil, err
		}
	} else {
		c := s.exchangeConfig(cfg, said)
		if said.discovery != "" && c.TokenEndpoint == "" {
			return nil, fmt.Errorf("%.256q in Config.DiscoveryURL is not the OAuth metadata of %s; leave it empty", said.discovery, cfg.Host)
		}
		x, err := exchange.New(c)
		if err != nil {
			return nil, err
		}
		tokens = x
	}
	if _, isCache := tokens.(interface{ Invalidate(*oauth2.Token) }); !isCache {
		opts := s.Cache
		opts.DisableAsync = opts.DisableAsync || cfg.DisableAsyncTokenRefresh
		tokens = cache.New(tokens, opts)
	}
	p := &provider{host: originOf(cfg.Host), tokens: tokens}
	if s.tagged() {
		p.tags = &tagger{options: s.Tags}
	}
	return p, nil
}

// SetHeaders puts the token on a request, under the request's context, which
// also takes along what the transport needs to know if the host refuses the
// token. The SDK calls it before it fills in the host of the URL; a URL of
// another host is refused.
func (p *provider) SetHeaders(r *http.Request) error {
	if r.URL != nil && r.URL.Host != "" && httpx.Origin(r.URL) != p.host {
		return fmt.Errorf("sdkauth: the request goes to %.256q, but the token is for %s only; for another host, take the token from Config.GetTokenSource", httpx.Origin(r.URL), p.host)
	}
	token, err := p.token(r.Context())
	if err != nil {
		return err
	}
	token.SetAuthHeader(r)
	ctx := useragent.InContext(r.Context(), "brickfed", version())
	ctx = context.WithValue(ctx, signedKey{}, &signed{by: p, header: r.Header.Get("Authorization")})
	*r = *r.WithContext(ctx) // as the SDK's own visitors do
	return nil
}

// Token returns a copy of the token, for Config.GetTokenSource.
func (p *provider) Token(ctx context.Context) (*oauth2.Token, error) {
	token, err := p.token(ctx)
	if err != nil {
		return nil, err
	}
	own := *token
	return &own, nil
}

// token does not trust a source of the user's to keep the contract.
func (p *provider) token(ctx context.Context) (*oauth2.Token, error) {
	token, err := p.tokens.Token(ctx)
	if err == nil && (token == nil || token.AccessToken == "") {
		err = errors.New("sdkauth: the token source returned neither a token nor an error")
	}
	return token, err
}

// exchangeConfig translates the config.
func (s Strategy) exchangeConfig(cfg *config.Config, said explicit) exchange.Config {
	c := exchange.Config{
		Host:          cfg.Host,
		AccountID:     cfg.AccountID,
		ClientID:      s.clientID(cfg),
		AccountWide:   s.AccountWide,
		AssumeGroup:   cfg.GroupID,
		Scopes:        cfg.Scopes,
		Audience:      said.audience,
		TokenEndpoint: tokenEndpoint(cfg),
		Subject:       s.Subject,
		Policy:        s.Policy,
		HTTPClient:    exchangeClient(cfg),
		OnExchange:    s.OnExchange,
	}
	if said.audience == "" && cfg.TokenAudience != "" {
		c.Subject = wishing{source: s.Subject, audience: cfg.TokenAudience}
	}
	return c
}

// checkTokens holds the rules for tokens that are not ours.
func (s Strategy) checkTokens(cfg *config.Config, said explicit) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if _, err := httpx.ParseURL(cfg.Host); err != nil {
		problem("Config.Host: %w", err)
	}
	if host := originOf(cfg.Host); said.derived && host != said.home {
		problem("Strategy.Tokens: they are for %q, the host of the config that this one was made from, and this one is for %s; apply a strategy of its own to a config for that host", said.home, host)
	}
	if cfg.GroupID != "" || len(cfg.Scopes) > 0 {
		problem("Config.GroupID and Config.Scopes: Strategy.Tokens decides them; leave them empty")
	}
	return errors.Join(problems...)
}

// exchangeClient returns the client of every exchange, the first and the
// hundredth alike, over the same transport as the config's other requests. It is
// not the SDK's own refresh client, which keeps status and headers of an error to
// itself and follows redirects.
func exchangeClient(cfg *config.Config) *http.Client {
	timeout := time.Duration(cfg.HTTPTimeoutSeconds) * time.Second
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return &http.Client{Transport: baseTransport(cfg), Timeout: timeout}
}

// version returns the version of this module, as far as the program knows it.
var version = sync.OnceValue(func() string {
	const module = "github.com/brickfed/brickfed"
	found := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module {
				found = m.Version
			}
		}
	}
	if found == "" || found == "(devel)" {
		return "devel"
	}
	return useragent.Sanitize(strings.TrimPrefix(found, "v"))
})
