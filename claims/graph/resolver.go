package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/internal/httpx"
)

// Defaults and bounds of a Config.
const (
	defaultEndpoint = "https://graph.microsoft.com"
	defaultMaxAge   = time.Minute
	longestMaxAge   = time.Hour
)

// Config says whose groups are looked up, and where. It is copied by [New].
type Config struct {
	// Tenant is the tenant ID, a UUID. Tokens of other tenants are refused.
	// Required.
	Tenant string

	// Token returns an access token for Microsoft Graph, of Tenant, for each
	// request: put a cache around its source. An error with the methods Temporary
	// and RetryAfter says itself whether it passes; any other one counts as an
	// outage. It must be safe for concurrent use and honour ctx, which carries none
	// of a caller's values. Required.
	Token func(ctx context.Context) (string, error)

	// Endpoint is the root of Microsoft Graph. Optional; the default is
	// https://graph.microsoft.com. National clouds have their own, such as
	// https://graph.microsoft.us, https://dod-graph.microsoft.us and
	// https://microsoftgraph.chinacloudapi.cn (Microsoft's "National cloud
	// deployments"). http is for loopback only.
	Endpoint string

	// Issuer is the exact iss of the tokens. Optional; the default takes the
	// issuers that Entra ID uses for Tenant in its v1.0 and v2.0 tokens, in every
	// cloud. External tenants and custom domains need it.
	Issuer string

	// SecurityGroupsOnly leaves out groups that are not security-enabled, as an app
	// registration with groupMembershipClaims SecurityGroup does. Optional; the
	// default returns all groups.
	SecurityGroupsOnly bool

	// MaxAge is how long an answer may be used, counted from its request: a person
	// who leaves a group keeps it so long. 0 means one minute; a negative value
	// keeps none; the longest is an hour. Failures are remembered whatever it is.
	MaxAge time.Duration

	// HTTPClient sends the requests. It is copied, without its cookie jar, and
	// follows no redirects. Optional; the default is a client with
	// http.DefaultTransport. A request ends after 10 seconds whatever the client's
	// own timeout.
	HTTPClient *http.Client
}

// Resolver looks groups up in Microsoft Graph. Make it with [New]. It is safe for
// concurrent use; nothing of it runs while nobody asks.
type Resolver struct {
	// In a closure, because fmt would print what the fields remember of people.
	resolve func(ctx context.Context, c *claims.Claims, claim string) ([]string, error)
}

var _ claims.Resolver = (*Resolver)(nil)

// New checks the configuration and returns a resolver. It sends nothing. The
// error names every field that has to change.
func New(cfg Config) (*Resolver, error) {
	s, err := newService(cfg)
	if err != nil {
		return nil, fmt.Errorf("graph: configuration: %w", err)
	}
	return &Resolver{s.resolve}, nil
}

// Resolve returns the object IDs of all groups of the token's holder, nested ones
// included: in lower case, sorted, each once, at most 11,000. claim is groups or
// /groups; nothing else is resolved. An empty result says that the holder is in
// no group any more. The result belongs to the caller. Every error is an
// [*Error], and none holds a claim's value.
func (r *Resolver) Resolve(ctx context.Context, c *claims.Claims, claim string) ([]string, error) {
	if r == nil || r.resolve == nil {
		return nil, &Error{Reason: "the resolver is not configured", Hint: "make it with graph.New"}
	}
	return r.resolve(ctx, c, claim)
}

// service is what a Resolver does.
type service struct {
	origin  string // of Endpoint
	tenant  string
	issuers []string
	token   func(context.Context) (string, error)
	client  *http.Client
	request string // body of every request
	known   memory
}

func newService(cfg Config) (*service, error) {
	var problems []error
	problem := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
	}
	tenant, ok := parseUUID(cfg.Tenant)
	if !ok {
		problem("Tenant", "set it to the tenant's ID, a UUID, which the Entra admin center shows; a domain name will not do")
	}
	if cfg.Token == nil {
		problem("Token", "set it to what returns access tokens for Microsoft Graph")
	}
	origin, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		problem("Endpoint", "%w", err)
	}
	if cfg.MaxAge > longestMaxAge {
		problem("MaxAge", "%v is too long: whoever leaves a group would keep it; the longest is %v", cfg.MaxAge, longestMaxAge)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &service{
		origin:  origin,
		tenant:  tenant,
		issuers: issuersOf(tenant, cfg.Issuer),
		token:   cfg.Token,
		client:  httpx.NoRedirects(cfg.HTTPClient),
		request: fmt.Sprintf(`{"securityEnabledOnly":%t}`, cfg.SecurityGroupsOnly),
		known:   memory{maxAge: maxAge(cfg.MaxAge)},
	}, nil
}

// parseEndpoint returns the origin of a Graph root.
func parseEndpoint(endpoint string) (string, error) {
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	u, err := httpx.ParseURL(endpoint)
	switch {
	case err != nil:
		return "", fmt.Errorf("it is %w", err)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("give scheme and host alone, such as " + defaultEndpoint + ", without a path such as /v1.0")
	}
	return httpx.Origin(u), nil
}

// issuersOf returns the issuers of a tenant's tokens. A tenant ID exists in one
// cloud only, so that all of them may stand side by side.
func issuersOf(tenant, configured string) []string {
	if configured != "" {
		return []string{configured}
	}
	return []string{
		"https://login.microsoftonline.com/" + tenant + "/v2.0",
		"https://sts.windows.net/" + tenant + "/",
		"https://login.microsoftonline.us/" + tenant + "/v2.0",
		"https://login.partner.microsoftonline.cn/" + tenant + "/v2.0",
		"https://sts.chinacloudapi.cn/" + tenant + "/",
	}
}

func maxAge(configured time.Duration) time.Duration {
	if configured == 0 {
		return defaultMaxAge
	}
	return max(configured, 0)
}

// resolve answers from memory, or else joins or starts the request.
func (s *service) resolve(ctx context.Context, c *claims.Claims, claim string) ([]string, error) {
	who, failure := s.holder(c, claim)
	if failure != nil {
		return nil, failure
	}
	e := s.known.entry(who)
	if a, ok := s.known.recall(e); ok {
		return a.result()
	}
	// A request ends by itself, unless Config.Token ignores its context.
	wait, cancel := context.WithTimeout(ctx, callTimeout+time.Second)
	defer cancel()
	if wait.Err() != nil {
		return nil, ended(wait)
	}
	a, err := e.flight.Do(wait, callTimeout, func(ctx context.Context) (answer, error) {
		return s.lookUp(ctx, e, who), nil
	})
	switch {
	case err == nil:
		return a.result()
	case wait.Err() != nil:
		return nil, ended(wait)
	}
	return nil, &Error{Reason: "a function of the configuration failed: " + err.Error()} // it panicked
}

// lookUp asks Graph, unless another request has ended since the caller looked.
func (s *service) lookUp(ctx context.Context, e *entry, who holder) answer {
	if a, ok := s.known.recall(e); ok {
		return a
	}
	asked := time.Now()
	groups, failure := s.ask(ctx, who)
	return s.known.keep(e, asked, answer{groups, failure})
}

// answer is what is known of one holder.
type answer struct {
	groups  []string
	failure *Error
}

func (a answer) result() ([]string, error) {
	if a.failure != nil {
		return nil, a.failure
	}
	return slices.Clone(a.groups), nil
}
