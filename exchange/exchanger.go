package exchange

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
	return x.run(ctx, maxAttempts, x.own)
}

// TokenOnce is [Exchanger.Token] with one attempt, and one more if the subject
// token was refused and its source has another one by then. A cache calls it
// while it still holds a usable token: then nobody waits, and the next flight
// comes soon.
func (x *Exchanger) TokenOnce(ctx context.Context) (*oauth2.Token, error) {
	return x.run(ctx, 1, x.own)
}

// Exchange exchanges a given subject token for target as. With a Policy the
// target must select a service principal or a group, usually because a policy
// chose it for the person on whose behalf a service presents its own token.
// Without one it must stay within the configuration; fields left empty take the
// configuration's. It makes up to three attempts with the same token.
func (x *Exchanger) Exchange(ctx context.Context, subject *oidc.Token, as claims.Target) (*oauth2.Token, error) {
	return x.run(ctx, maxAttempts, func(context.Context, *place) (*oidc.Token, claims.Grant, error) {
		if subject == nil {
			return nil, claims.Grant{}, &Error{Op: opExchange, Kind: KindSource, Err: errors.New("no subject token was given")}
		}
		c := subject.UnverifiedClaims()
		grant := claims.Grant{Issuer: c.Issuer(), Subject: c.Subject(), Target: as}
		if x.cfg.Policy == nil {
			grant.Target = x.fill(as)
		}
		return subject, grant, x.within(as)
	})
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
	_, grant, err := x.own(ctx, p)
	if err != nil {
		return "", err
	}
	return x.Key(grant.Target, grant.Issuer, grant.Subject), nil
}

// own gets the configured subject's token and decides about it.
func (x *Exchanger) own(ctx context.Context, p *place) (*oidc.Token, claims.Grant, error) {
	if x.cfg.Subject == nil {
		return nil, claims.Grant{}, &Error{Op: opExchange, Kind: KindConfig, Err: field("Subject", "it is required for Token")}
	}
	audience := x.cfg.Audience
	if audience == "" {
		audience = p.audience
	}
	subject, err := x.cfg.Subject.Token(ctx, audience)
	switch {
	case err != nil:
		return nil, claims.Grant{}, &Error{Op: opExchange, Kind: KindSource, Err: err}
	case subject == nil:
		return nil, claims.Grant{}, &Error{Op: opExchange, Kind: KindSource, Err: errors.New("the source returned neither a token nor an error")}
	}
	grant, err := x.decide(ctx, subject)
	return subject, grant, err
}

// decide says what the holder of a token may become.
func (x *Exchanger) decide(ctx context.Context, subject *oidc.Token) (claims.Grant, error) {
	c := subject.UnverifiedClaims()
	if x.cfg.Policy == nil {
		return claims.Grant{Issuer: c.Issuer(), Subject: c.Subject(), Target: x.fill(claims.Target{})}, nil
	}
	grant, err := x.cfg.Policy.Map(ctx, c)
	if err != nil {
		kind := KindDenied
		if ctx.Err() != nil || passes(err) {
			kind = KindUnavailable // whatever the policy had to ask
		}
		failure := &Error{Op: "map claims", Kind: kind, Err: err, Issuer: c.Issuer(), Subject: c.Subject()}
		var r interface{ RetryAfter() time.Duration }
		if kind == KindUnavailable && errors.As(err, &r) {
			failure.Wait = min(max(r.RetryAfter(), 0), maxWait)
		}
		return grant, failure
	}
	return grant, x.within(grant.Target)
}

// passes reports whether a policy's error is about something that it could not
// reach, and not a decision.
func passes(err error) bool {
	var t interface{ Temporary() bool }
	var n net.Error
	return errors.As(err, &t) && t.Temporary() || errors.As(err, &n) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// fill completes a target with the configuration's.
func (x *Exchanger) fill(as claims.Target) claims.Target {
	if as.ClientID == "" {
		as.ClientID = x.cfg.ClientID
	}
	if as.AssumeGroup == "" {
		as.AssumeGroup = x.cfg.AssumeGroup
	}
	if len(as.Scopes) == 0 {
		as.Scopes = x.cfg.Scopes
	}
	return as
}

// within refuses a target that goes beyond the grant.
func (x *Exchanger) within(as claims.Target) error {
	refuse := func(kind Kind, format string, args ...any) error {
		return &Error{Op: opExchange, Kind: kind, Err: fmt.Errorf(format, args...)}
	}
	if problems := checkTarget(as); len(problems) > 0 {
		return refuse(KindConfig, "%w", errors.Join(problems...))
	}
	if x.cfg.Policy != nil {
		if !as.Selects() {
			return refuse(KindDenied, "the grant has no target; groups alone authorize nothing at the exchange, so give the policy's rule a target with a client_id or an assume_group")
		}
		return nil
	}
	switch allowed := x.fill(claims.Target{}); {
	case as.ClientID != "" && !strings.EqualFold(as.ClientID, allowed.ClientID):
		return refuse(KindDenied, "service principal %q is not the configured one", as.ClientID)
	case as.AssumeGroup != "" && as.AssumeGroup != allowed.AssumeGroup:
		return refuse(KindDenied, "group %q is not the configured one", as.AssumeGroup)
	case beyond(as.Scopes, allowed.Scopes):
		return refuse(KindDenied, "scopes %q are not all among the configured ones", as.Scopes)
	}
	return nil
}

// beyond reports whether a scope is asked for that is not allowed.
func beyond(asked, allowed []string) bool {
	if len(allowed) == 0 {
		allowed = []string{DefaultScope}
	}
	return slices.ContainsFunc(asked, func(s string) bool {
		return !slices.Contains(allowed, s)
	})
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

// obtain gets a subject token and what its holder may become.
type obtain func(context.Context, *place) (*oidc.Token, claims.Grant, error)

// run makes attempts until one succeeds or another would not help.
func (x *Exchanger) run(ctx context.Context, attempts int, get obtain) (*oauth2.Token, error) {
	reread := false
	for n := 1; ; n++ {
		t := &try{Exchanger: x, number: n, get: get}
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
