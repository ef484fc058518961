package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/internal/httpx"
	"github.com/brickfed/brickfed/oidc"
)

// DefaultScope is asked for when no scope is named: every Databricks API that
// the identity may use.
const DefaultScope = "all-apis"

// Mapper decides from a token's claims who its holder may become. It returns an
// error for a holder who may become nobody. An error that says that something
// could not be reached (a net.Error, a context's error, or one whose method
// Temporary returns true) counts as an outage instead, and is tried again. It is
// safe for concurrent use.
//
// A [*claims.Policy] and a [*claims.Live] are Mappers.
type Mapper interface {
	Map(ctx context.Context, c *claims.Claims) (claims.Grant, error)
}

var (
	_ Mapper = (*claims.Policy)(nil)
	_ Mapper = (*claims.Live)(nil)
	_ Mapper = (*Exchanger)(nil)
)

// Config says where and for whom an [Exchanger] exchanges tokens. It is copied
// by [New].
type Config struct {
	// Host is the workspace, account or unified URL, such as
	// https://dbc-a1b2c3d4-e5f6.cloud.databricks.com. Required. https is assumed
	// where no scheme stands; http is for loopback only.
	Host string

	// AccountID is the Databricks account ID, a UUID that the account console
	// shows. Required for account hosts; optional for unified hosts, which name a
	// default one in their metadata.
	AccountID string

	// ClientID is the application ID (a UUID) of the service principal whose
	// federation policy trusts the subject. Exactly one of ClientID, AccountWide
	// and Policy is set.
	ClientID string

	// AccountWide exchanges under the account's federation policies: the result
	// is the Databricks user or service principal that the subject claim names.
	// See ClientID.
	AccountWide bool

	// AssumeGroup is the numeric ID of a group whose permissions replace the
	// identity's own. Optional; workspace hosts only.
	AssumeGroup string

	// Scopes are the OAuth scopes to ask for, one per element. Optional; the
	// default is all-apis.
	Scopes []string

	// Audience is the aud claim that the subject token must have, as the
	// federation policy names it. Optional. A token without it is refused before
	// the network. If empty, the source is merely asked for the audience that the
	// host prefers: the one of its metadata, else the token endpoint's URL
	// (workspaces) or the account ID (account and unified hosts).
	Audience string

	// TokenEndpoint is the URL to exchange at. Optional: it is derived from Host
	// and the host's metadata. It must have Host's origin. If it is set, no
	// metadata is asked for.
	TokenEndpoint string

	// Subject supplies the identity provider's tokens. Required for
	// [Exchanger.Token]; it is asked anew for each attempt.
	Subject oidc.Source

	// Policy chooses ClientID, AssumeGroup and Scopes, which must then be empty
	// here, from the subject token's claims. Optional.
	Policy Mapper

	// Strict refuses a returned token that cannot be checked, because it is
	// opaque or names no identity. Optional; the default takes it and says
	// "unknown" in the event. What contradicts the request is refused either way.
	Strict bool

	// HTTPClient sends every request, the first and the hundredth alike. It is
	// copied, without its cookie jar, and follows no redirects. Optional; the
	// default is a client with http.DefaultTransport. An attempt ends after 8
	// seconds whatever the client's own timeout.
	HTTPClient *http.Client

	// OnExchange is told of each attempt and its outcome, in the goroutine that
	// made it. Optional. It must be safe for concurrent use and should return
	// soon.
	OnExchange func(context.Context, Event)
}

// check returns the origin of Host and every problem that the user can fix, at
// once.
func (c *Config) check() (origin *url.URL, err error) {
	var problems []error
	problem := func(name, format string, args ...any) {
		problems = append(problems, field(name, format, args...))
	}
	origin, err = parseHost(c.Host)
	if err != nil {
		problem("Host", "%w", err)
	}
	if c.AccountID != "" && !isUUID(c.AccountID) {
		problem("AccountID", "%.64q is not a UUID; copy it from the account console", c.AccountID)
	}
	if origin != nil && isAccountHost(origin) && c.AccountID == "" {
		problem("AccountID", "an account host needs the account ID")
	}
	if origin != nil && c.TokenEndpoint != "" {
		if err := checkEndpoint(origin, c.TokenEndpoint, c.AccountID); err != nil {
			problem("TokenEndpoint", "%w", err)
		}
	}
	c.checkIdentity(origin, problem)
	if c.Policy == nil {
		problems = append(problems, checkTarget(claims.Target{ClientID: c.ClientID, AssumeGroup: c.AssumeGroup, Scopes: c.Scopes})...)
	}
	return origin, errors.Join(problems...)
}

// checkIdentity holds the rules about whom the token is for.
func (c *Config) checkIdentity(origin *url.URL, problem func(string, string, ...any)) {
	switch {
	case c.Policy != nil:
		if c.ClientID != "" || c.AccountWide || c.AssumeGroup != "" || len(c.Scopes) > 0 {
			problem("Policy", "it decides ClientID, AccountWide, AssumeGroup and Scopes; leave them empty")
		}
		return
	case c.ClientID != "" && c.AccountWide:
		problem("ClientID and AccountWide", "set one of them; a service principal's federation policy needs ClientID, an account federation policy AccountWide")
	case c.ClientID == "" && !c.AccountWide:
		problem("ClientID", "set it to the service principal's application ID, or set AccountWide to exchange as the identity itself")
	}
	if c.AssumeGroup != "" && origin != nil && isAccountHost(origin) {
		problem("AssumeGroup", "an account host cannot assume a group; use the workspace's URL as Host")
	}
}

// field says what is wrong with a field.
func field(name, format string, args ...any) error {
	return fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...))
}

// checkTarget returns what Databricks is sure to refuse in a target.
func checkTarget(t claims.Target) (problems []error) {
	if t.ClientID != "" && !isUUID(t.ClientID) {
		if isDigits(t.ClientID) {
			problems = append(problems, field("ClientID", "%.64q is a numeric ID; use the service principal's application ID, a UUID", t.ClientID))
		} else {
			problems = append(problems, field("ClientID", "%.64q is not a UUID; use the service principal's application ID", t.ClientID))
		}
	}
	if t.AssumeGroup != "" && !isDigits(t.AssumeGroup) {
		problems = append(problems, field("AssumeGroup", "%.64q is not a numeric group ID; a group's name or the identity provider's ID will not do", t.AssumeGroup))
	}
	for _, s := range t.Scopes {
		if !isScope(s) || strings.Contains(s, ",") {
			problems = append(problems, field("Scopes", "%.64q is not a scope; give one scope per element, such as \"all-apis\"", s))
		}
	}
	return problems
}

// joinScopes returns the scope parameter: sorted, each scope once.
func joinScopes(scopes []string) string {
	switch len(scopes) {
	case 0:
		return DefaultScope
	case 1:
		return scopes[0]
	}
	sorted := slices.Sorted(slices.Values(scopes))
	return strings.Join(slices.Compact(sorted), " ")
}

// isScope follows the scope-token grammar of RFC 6749, section 3.3.
func isScope(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 20 // the length of the largest 64-bit number
}

// isUUID takes the textual form of RFC 9562, section 4, in either case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(strings.ToLower(s)) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// client returns the one client of an Exchanger.
func (c *Config) client() *http.Client { return httpx.NoRedirects(c.HTTPClient) }
