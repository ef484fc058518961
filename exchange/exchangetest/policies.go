package exchangetest

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/internal/httpx"
)

// policy is a federation policy in force, or soon. Its AccountID and ID are
// always set.
type policy struct {
	trust.Policy
	uid       string
	created   time.Time
	updated   time.Time
	effective time.Time // the token endpoint sees it from then on
}

var errExists = errors.New("there is another policy with this policy_id")

// AddPolicy adds federation policies: of the account, or of the service
// principal that ServicePrincipalID names. Every rule of [trust.Policy.Validate]
// holds, except that issuer and jwks_uri may be http on a loopback host. A policy
// that says the same as another one is not added again. If one of them could not
// be, it is left out and told in the error.
func (s *Server) AddPolicy(policies ...trust.Policy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, declared := range policies {
		owner := declared.ServicePrincipalID
		if owner != "" && s.byID(owner) == nil {
			errs = append(errs, fmt.Errorf("exchangetest: add policy: there is no service principal with ID %q", owner))
			continue
		}
		p, err := s.newPolicy(declared, owner, s.policiesOf(owner))
		if err != nil {
			errs = append(errs, fmt.Errorf("exchangetest: add policy: %w", err))
			continue
		}
		if !slices.Contains(s.policies, p) {
			s.policies = append(s.policies, p)
		}
	}
	return errors.Join(errs...)
}

// newPolicy checks a policy against the others of its owner. If one of them says
// the same, it returns that one. It needs s.mu.
func (s *Server) newPolicy(declared trust.Policy, owner string, others []*policy) (*policy, error) {
	if declared.AccountID == "" {
		declared.AccountID = s.cfg.AccountID
	}
	if declared.AccountID != s.cfg.AccountID || declared.ServicePrincipalID != owner {
		return nil, errors.New("it belongs to another account or service principal")
	}
	declared.Audiences = slices.Clone(declared.Audiences)
	for _, other := range others {
		if sameRule(declared, other.Policy) && (declared.ID == "" || declared.ID == other.ID) {
			return other, nil
		}
		if declared.ID != "" && declared.ID == other.ID {
			return nil, errExists
		}
	}
	if declared.ID == "" {
		declared.ID = newUUID()
	}
	if err := validateSet(declared, others); err != nil {
		return nil, err
	}
	now := time.Now().Add(s.drift)
	return &policy{Policy: declared, uid: newUUID(), created: now, updated: now}, nil // effective at once, whatever the drift
}

// validateSet checks a policy beside the others of its owner.
func validateSet(p trust.Policy, others []*policy) error {
	set := make([]trust.Policy, 0, len(others)+1)
	for _, other := range others {
		if other.ID != p.ID {
			set = append(set, tolerate(other.Policy))
		}
	}
	return trust.ValidateSet(append(set, tolerate(p)))
}

// tolerate puts a public https host in place of a loopback one, so that the
// validation lets an identity provider on this machine pass.
func tolerate(p trust.Policy) trust.Policy {
	for _, field := range []*string{&p.Issuer, &p.JWKSURI} {
		u, err := url.Parse(*field)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !httpx.IsLoopback(u.Hostname()) {
			continue
		}
		// The port stays visible: two providers on one machine are not twins.
		u.Scheme, u.Host = "https", "port"+u.Port()+".loopback.example"
		*field = u.String()
	}
	return p
}

// sameRule tells whether two policies of one owner take the same tokens, to the
// letter.
func sameRule(a, b trust.Policy) bool {
	return a.Issuer == b.Issuer && a.Subject == b.Subject && a.SubjectClaim == b.SubjectClaim &&
		a.JWKSJSON == b.JWKSJSON && a.JWKSURI == b.JWKSURI && slices.Equal(a.Audiences, b.Audiences)
}

// policiesOf returns the policies of the account (empty owner) or of a service
// principal by numeric ID. It needs s.mu.
func (s *Server) policiesOf(owner string) []*policy {
	var list []*policy
	for _, p := range s.policies {
		if p.ServicePrincipalID == owner {
			list = append(list, p)
		}
	}
	return list
}

// dropPolicies needs s.mu.
func (s *Server) dropPolicies(owner string) {
	s.policies = slices.DeleteFunc(s.policies, func(p *policy) bool { return p.ServicePrincipalID == owner })
}
