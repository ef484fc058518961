package exchange

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/internal/skew"
	"github.com/brickfed/brickfed/oidc"
)

// Exchanger turns an identity provider's token into a Databricks token by OAuth
// 2.0 Token Exchange (RFC 8693). It keeps no token: put a cache around it. It is
// safe for concurrent use.
type Exchanger struct {
	cfg     Config
	origin  *url.URL
	client  *http.Client
	locator *locator
	clock   skew.Clock     // the token endpoint's
	rand    func() float64 // in [0, 1)
}

// New checks the configuration and returns an [Exchanger]. It does not touch the
// network. Everything that is wrong is in one [*Error] of kind [KindConfig].
func New(cfg Config) (*Exchanger, error) {
	origin, err := cfg.check()
	if err != nil {
		return nil, &Error{Op: "check configuration", Kind: KindConfig, Err: err}
	}
	cfg.Scopes = slices.Clone(cfg.Scopes)
	client := cfg.client()
	return &Exchanger{
		cfg:     cfg,
		origin:  origin,
		client:  client,
		locator: newLocator(origin, cfg.AccountID, cfg.TokenEndpoint, client),
		rand:    rand.Float64,
	}, nil
}

// Token gets a token from the configured Subject, decides by the policy or the
// configuration what its holder may become, and exchanges it. It makes up to
// three attempts, of at most 8 seconds each, as long as the failure is one that
// may pass, and one more if the subject token was refused and its source has
// another one by then. Every error is an [*Error].
//
// Most programs want a cache around it: Token posts on every call.
func (x *Exchanger) Token(ctx context.Context) (*oauth2.Token, error) {
	return x.run(ctx, maxAttempts, order{source: x.cfg.Subject})
}

// TokenOnce is [Exchanger.Token] with one attempt, and one more if the subject
// token was refused and its source has another one by then. A cache calls it
// while it still holds a usable token: then nobody waits, and the next flight
// comes soon.
func (x *Exchanger) TokenOnce(ctx context.Context) (*oauth2.Token, error) {
	return x.run(ctx, 1, order{source: x.cfg.Subject})
}

// Exchange exchanges a given subject token for target as. With a Policy the
// target must select a service principal or a group, usually because a policy
// chose it for the person on whose behalf a service presents its own token; see
// [Exchanger.ExchangeFor], which also says so in the grant. Without one it must
// stay within the configuration; fields left empty take the configuration's. It
// makes up to three attempts with the same token.
func (x *Exchanger) Exchange(ctx context.Context, subject *oidc.Token, as claims.Target) (*oauth2.Token, error) {
	grant := claims.Grant{Target: as}
	if subject != nil {
		c := subject.UnverifiedClaims()
		grant.Issuer, grant.Subject = c.Issuer(), c.Subject()
	}
	return x.ExchangeFor(ctx, grant, oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) {
		if subject == nil {
			return nil, errors.New("no subject token was given")
		}
		return subject, nil
	}))
}

// ExchangeFor exchanges what subject supplies under a grant that was decided
// before, as by [Exchanger.Map], and maybe on another token: whoever the grant is
// for gets its target, and [GrantOf] and the events tell of them. That is how
// people reach a service principal whose federation policy trusts the service
// that acts for them. subject is asked anew for each attempt, as [Exchanger.Token]
// asks the configured Subject, which ExchangeFor does without.
//
// The target must be one that [Exchanger.Exchange] would take; any other is
// refused before the network. The caller vouches for the rest of the grant.
func (x *Exchanger) ExchangeFor(ctx context.Context, grant claims.Grant, subject oidc.Source) (*oauth2.Token, error) {
	if x.cfg.Policy == nil {
		grant.Target = x.fill(grant.Target)
	}
	return x.run(ctx, maxAttempts, order{source: subject, grant: &grant})
}

// SubjectKey returns the [Exchanger.Key] of what [Exchanger.Token] would
// exchange now. It asks the Subject for a token and the policy for its decision,
// and gives them 8 seconds in all.
func (x *Exchanger) SubjectKey(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	p, err := x.locator.place(ctx)
	if err != nil {
		return "", x.placeError(ctx, err)
	}
	_, grant, err := x.obtain(ctx, p.audience, order{source: x.cfg.Subject})
	if err != nil {
		return "", err
	}
	return x.Key(grant.Target, grant.Issuer, grant.Subject), nil
}

const opExchange = "exchange token"

// Attempts within one call.
const (
	maxAttempts    = 3
	attemptTimeout = 8 * time.Second
	maxInnerWait   = 5 * time.Second // a longer Retry-After ends the call
)

// backoff are the longest waits before the second and the third attempt; the
// wait is anything up to them, so that many callers do not come back at once.
var backoff = [...]time.Duration{250 * time.Millisecond, time.Second}

// order is what one call wants.
type order struct {
	source oidc.Source   // asked for the subject token of each attempt
	grant  *claims.Grant // who it is for; nil: decided on the subject token
}

// run makes attempts until one succeeds or another would not help.
func (x *Exchanger) run(ctx context.Context, attempts int, o order) (*oauth2.Token, error) {
	reread := false
	for n := 1; ; n++ {
		t := &try{Exchanger: x, order: o, number: n}
		token, err := t.make(ctx)
		if err == nil {
			return token, nil
		}
		if !reread && t.rotated(ctx, err) {
			reread = true
			continue
		}
		if n >= attempts || !x.wait(ctx, err, n) {
			return nil, err
		}
	}
}

// obtain gets a subject token and says what its holder may become.
func (x *Exchanger) obtain(ctx context.Context, wish string, o order) (*oidc.Token, claims.Grant, error) {
	var grant claims.Grant
	if o.grant != nil {
		grant = *o.grant
	}
	if o.source == nil {
		return nil, grant, &Error{Op: opExchange, Kind: KindConfig, Err: field("Subject", "it is required: there is no source of subject tokens")}
	}
	if x.cfg.Audience != "" {
		wish = x.cfg.Audience
	}
	subject, err := o.source.Token(ctx, wish)
	switch {
	case err != nil:
		return nil, grant, &Error{Op: opExchange, Kind: KindSource, Err: err}
	case subject == nil:
		return nil, grant, &Error{Op: opExchange, Kind: KindSource, Err: errors.New("the source returned neither a token nor an error")}
	case o.grant == nil:
		grant, err = x.Map(ctx, subject.UnverifiedClaims())
	}
	return subject, grant, err
}

// wait sleeps before attempt n+1 and reports whether it makes sense.
func (x *Exchanger) wait(ctx context.Context, err *Error, n int) bool {
	if !err.Temporary() || err.Kind == KindCanceled || err.RetryAfter() > maxInnerWait {
		return false
	}
	longest := backoff[min(n, len(backoff))-1]
	d := max(time.Duration(x.rand()*float64(longest)), err.RetryAfter())
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false // the caller gets the cause rather than a timeout
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
