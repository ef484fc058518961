package exchange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/brickfed/brickfed/claims"
)

// Map says what the holder of a token may become: by the policy, or else by the
// configuration, which gives everybody the same target. It refuses a target that
// an exchange would refuse, such as one that selects nothing, and does not touch
// the network, unless the policy does. So an Exchanger is itself a [Mapper].
//
// The holder is the issuer and subject of the claims; a policy that leaves both
// out of its grant means them, and one that names somebody else is refused.
//
// Every error is an [*Error]: of kind [KindDenied] for a holder whom the policy
// refuses, with the policy's reason as its cause; of kind [KindUnavailable] if the
// policy could not reach something that it needs to know; of kind [KindConfig] for
// a target that Databricks is sure to refuse.
func (x *Exchanger) Map(ctx context.Context, c *claims.Claims) (claims.Grant, error) {
	holder := claims.Grant{Issuer: c.Issuer(), Subject: c.Subject()}
	if x.cfg.Policy == nil {
		holder.Target = x.fill(claims.Target{})
		return holder, nil
	}
	grant, err := x.cfg.Policy.Map(ctx, c)
	if err != nil {
		return holder, refusedBy(ctx, err, holder)
	}
	switch {
	case grant.Issuer == "" && grant.Subject == "":
		grant.Issuer, grant.Subject = holder.Issuer, holder.Subject
	case grant.Issuer != holder.Issuer || grant.Subject != holder.Subject:
		err := errors.New("the policy answered with a grant for somebody else")
		return holder, &Error{Op: opMap, Kind: KindDenied, Err: err, Issuer: holder.Issuer, Subject: holder.Subject}
	}
	if failure := x.within(grant.Target); failure != nil {
		failure.Issuer, failure.Subject = holder.Issuer, holder.Subject
		return grant, failure
	}
	return grant, nil
}

const opMap = "map claims"

// refusedBy makes the error of a policy that gives no grant.
func refusedBy(ctx context.Context, err error, holder claims.Grant) *Error {
	failure := &Error{Op: opMap, Kind: KindDenied, Err: err, Issuer: holder.Issuer, Subject: holder.Subject}
	if ctx.Err() == nil && !passes(err) {
		return failure
	}
	failure.Kind = KindUnavailable // whatever the policy had to ask
	var r interface{ RetryAfter() time.Duration }
	if errors.As(err, &r) {
		failure.Wait = min(max(r.RetryAfter(), 0), maxWait)
	}
	return failure
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

// within refuses a target that goes beyond what the policy or the configuration
// allows.
func (x *Exchanger) within(as claims.Target) *Error {
	refuse := func(kind Kind, format string, args ...any) *Error {
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
