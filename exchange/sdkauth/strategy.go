package sdkauth

import (
	"context"
	"errors"
	"os"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/oidc"
)

// name is the auth type in the SDK's config, its errors and its User-Agent,
// whose alphabet the SDK enforces with a panic.
const name = "brickfed-oidc"

// Strategy says how a Databricks SDK config authenticates. Give it to [Apply].
// What it leaves out comes from the config: Host, AccountID, ClientID, GroupID
// (the group to assume), Scopes, TokenAudience, HTTPTransport and the timeouts.
//
// A Strategy holds no state and no secret. One value may serve any number of
// configs, of an account and of its workspaces; each config has a token cache of
// its own. It is safe for concurrent use if its fields are.
//
// A Strategy is a config.CredentialsStrategy itself and may be put into
// config.Config.Credentials by hand. Apply does more, and is what most programs
// want. By hand:
//
//   - AuthType must be set to [Strategy.Name], or credentials of somebody else in
//     the environment make the SDK refuse the config;
//   - DATABRICKS_DEBUG_HEADERS in the environment makes the SDK log the token;
//   - a token that an API refuses is not replaced until it ends;
//   - Tags are an error, because there is no transport that would put them on;
//   - TokenAudience is a wish, since nobody knows whether it was set or learned
//     from the host, and the subject token's aud is not checked before the
//     exchange;
//   - a config made by config.Config.NewWithWorkspaceHost still carries what the
//     SDK had learned of the other host, which costs one more request and may ask
//     the source for the other host's audience; with Tokens, the same tokens go
//     to both hosts.
type Strategy struct {
	// Subject supplies the identity provider's tokens. Required, unless Tokens is
	// set.
	Subject oidc.Source

	// Policy chooses ClientID, the group to assume and the scopes from the
	// subject token's claims. Optional. GroupID and Scopes of the config must be
	// empty then, and its ClientID is ignored.
	Policy exchange.Mapper

	// ClientID is the application ID (a UUID) of the service principal whose
	// federation policy trusts the subject. Optional; the default is the config's
	// ClientID, unless Policy or AccountWide is set.
	ClientID string

	// AccountWide exchanges under the account's federation policies. Optional.
	// The config's ClientID is ignored then.
	AccountWide bool

	// Cache configures the token cache of each config. Optional. The config's
	// DisableAsyncTokenRefresh has the effect of Cache.DisableAsync.
	Cache cache.Options

	// Tags puts the identity context of each token's grant, as a pseudonym unless
	// Readable, into the User-Agent of the calls that are made with the token: see
	// [claims.Grant.Tags] and the package documentation. Optional; the zero value
	// adds nothing. Key is required if any of its fields is set. There is room for
	// 9 Extra tags if Readable, else for 11. Do not change Extra afterwards.
	Tags claims.TagOptions

	// OnExchange is told of each exchange and its outcome, in the goroutine that
	// made it. Optional. It must be safe for concurrent use and return soon.
	OnExchange func(context.Context, exchange.Event)

	// Tokens replaces the exchange and all fields above but Cache and Tags: for
	// example an [exchange.Direct], or a cache that other parts of the program use
	// too. A source without a method Invalidate gets a cache in front. Optional. The
	// tokens go to the host of each config that the strategy is applied to, and
	// a config derived from it for another host is refused. GroupID and Scopes of
	// the config must be empty.
	Tokens exchange.TokenSource
}

var _ config.CredentialsStrategy = Strategy{}

// Name returns "brickfed-oidc". The SDK puts it in errors and, as
// auth/brickfed-oidc, in the User-Agent.
func (s Strategy) Name() string { return name }

// Configure implements config.CredentialsStrategy; the SDK calls it. It touches
// neither the network nor the subject source, so that an outage at that moment
// does no harm. The result implements credentials.OAuthCredentialsProvider. Its
// errors say everything at once that is wrong with the strategy and the config.
func (s Strategy) Configure(_ context.Context, cfg *config.Config) (credentials.CredentialsProvider, error) {
	problems := s.problems(cfg)
	if s.tagged() {
		problems = append(problems, errors.New("Strategy.Tags: a strategy that is put into Config.Credentials by hand cannot put them on requests; use Apply, or leave them out"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, wrap("configure", err)
	}
	p, err := newProvider(s, cfg, explicit{})
	if err != nil {
		return nil, wrap("configure", err)
	}
	return p, nil
}

// problems returns what is wrong with the strategy before the config is resolved.
func (s Strategy) problems(cfg *config.Config) (problems []error) {
	problem := func(text string) { problems = append(problems, errors.New(text)) }
	if err := s.tagProblem(); err != nil {
		problems = append(problems, err)
	}
	if s.Tokens != nil {
		if s.Subject != nil || s.Policy != nil || s.ClientID != "" || s.AccountWide || s.OnExchange != nil {
			problem("Strategy.Tokens: it replaces the exchange; leave Subject, Policy, ClientID, AccountWide and OnExchange empty")
		}
		return problems
	}
	if s.Subject == nil {
		problem("Strategy.Subject: it is required: the source of the identity provider's tokens, such as oidc.File")
		// With a Subject, the environment or a profile may still tell, and the
		// exchanger checks it. Without, nobody gets that far.
		if !s.AccountWide && s.Policy == nil && s.clientID(cfg) == "" && os.Getenv("DATABRICKS_CLIENT_ID") == "" {
			problem("Strategy.ClientID or Strategy.AccountWide: neither the strategy, the config nor DATABRICKS_CLIENT_ID says for whom the token is; set ClientID to the service principal's application ID, or AccountWide to exchange as the identity itself")
		}
	}
	switch {
	case s.Policy != nil && (s.ClientID != "" || s.AccountWide):
		problem("Strategy.Policy: it decides ClientID and AccountWide; leave them empty")
	case s.ClientID != "" && s.AccountWide:
		problem("Strategy.ClientID and Strategy.AccountWide: set one of them; a service principal's federation policy needs ClientID, an account federation policy AccountWide")
	}
	return problems
}

// clientID returns the service principal that the exchange asks for. The
// config's may come from the environment, so it counts only where the strategy
// leaves the question open.
func (s Strategy) clientID(cfg *config.Config) string {
	if s.ClientID != "" || s.AccountWide || s.Policy != nil {
		return s.ClientID
	}
	return cfg.ClientID
}
