package exchangetest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
)

// federate verifies a subject token and finds the identity that a federation
// policy gives it, and how long an access token for it may live.
func (s *Server) federate(c *call, raw, clientID string) (*Principal, time.Time, *refusal) {
	token, err := oidc.ParseToken(raw)
	if err == nil && token.Raw() != raw {
		err = errors.New("there is white space around the token") // ParseToken forgives it, Databricks does not
	}
	if err != nil {
		return nil, time.Time{}, tokenRefused(err.Error(), "", "", "")
	}
	said := token.UnverifiedClaims()
	refuse := func(format string, args ...any) (*Principal, time.Time, *refusal) {
		audience, _, _ := said.Strings("aud")
		reason := fmt.Sprintf(format, args...)
		return nil, time.Time{}, tokenRefused(reason, said.Issuer(), said.Subject(), strings.Join(audience, ", "))
	}
	searched, err := s.searched(clientID, c.now)
	if err != nil {
		return refuse("%v", err)
	}
	matching := slices.DeleteFunc(slices.Clone(searched), func(p trust.Policy) bool { return trust.Match(p, said) != nil })
	if len(matching) == 0 {
		return nil, time.Time{}, mismatch(searched, said)
	}
	if !slices.ContainsFunc(algorithms, func(a jose.SignatureAlgorithm) bool { return string(a) == token.Algorithm() }) {
		return refuse("algorithm %q is neither RS256 nor ES256", token.Algorithm())
	}
	expiry, err := s.expiry(said, c.now)
	if err != nil {
		return refuse("%v", err)
	}
	var reasons []error
	for _, p := range matching {
		if err := s.keys.verify(c.Context(), raw, keySource{p.JWKSJSON, p.JWKSURI, p.Issuer}); err != nil {
			reasons = append(reasons, err)
			continue
		}
		principal, err := s.identify(p, clientID, said)
		if err != nil {
			reasons = append(reasons, err)
			continue
		}
		return principal, expiry, nil
	}
	return refuse("%v", errors.Join(reasons...))
}

// searched returns the policies that count for a request: those of the service
// principal that it names, else those of the account.
func (s *Server) searched(clientID string, now time.Time) ([]trust.Policy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := ""
	if clientID != "" {
		p := s.byName(clientID)
		if p == nil || p.ApplicationID == "" {
			return nil, fmt.Errorf("there is no service principal with application ID %q", clientID)
		}
		owner = p.ID
	}
	var list []trust.Policy
	for _, p := range s.policies {
		if p.ServicePrincipalID == owner && !now.Before(p.effective) {
			list = append(list, p.Policy)
		}
	}
	return list, nil
}

// identify returns who a verified token is, by a policy that it matches.
func (s *Server) identify(p trust.Policy, clientID string, verified *claims.Claims) (*Principal, error) {
	name := clientID
	if name == "" {
		claim := cmp.Or(p.SubjectClaim, "sub")
		values, _, err := verified.Strings("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(claim))
		if err != nil || len(values) != 1 {
			return nil, fmt.Errorf("the claim %q names nobody", claim)
		}
		name = values[0]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	principal := s.byName(name)
	if principal == nil {
		return nil, fmt.Errorf("there is no user or service principal %q", name)
	}
	if principal.Inactive {
		return nil, fmt.Errorf("%q is not active", name)
	}
	return principal, nil
}

// mismatch answers for a token that no policy takes.
func mismatch(searched []trust.Policy, said *claims.Claims) *refusal {
	_, err := trust.Find(searched, said)
	audience, _, _ := said.Strings("aud")
	sent := strings.Join(audience, ", ")
	var miss *trust.Mismatch
	if !errors.As(err, &miss) || miss.Field != "audience" || !miss.Only {
		return tokenRefused(err.Error(), said.Issuer(), said.Subject(), sent)
	}
	return &refusal{
		oauthError(http.StatusBadRequest, "invalid_grant", fmt.Sprintf("Failed to process token: TOKEN_AUDIENCE_INVALID (Token audience '%s' invalid). "+
			"Valid federation policy for provided token: {issuer: '%s', audience: '%s'}", sent, said.Issuer(), strings.Join(miss.Want, ", "))),
		err.Error(),
	}
}
