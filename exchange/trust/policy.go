package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Policy is a federation policy of an account or of a service principal. Its
// JSON form is the body that Databricks' API and command line take:
//
//	{"description": "…", "oidc_policy": {"issuer": "…", "audiences": ["…"], "subject": "…"}}
//
// AccountID, ServicePrincipalID and ID are the policy's address. They stand in
// the URL of a request and not in its body, so they are never encoded; decoding
// reads them from the name, policy_id and service_principal_id of an answer.
type Policy struct {
	// AccountID is the ID of the Databricks account, a UUID. It is also the
	// audience of a policy that has none. Optional; without it such a policy
	// matches no token.
	AccountID string

	// ServicePrincipalID is the numeric ID of the service principal that the
	// policy belongs to. It is not the application ID. Optional; empty for an
	// account policy.
	ServicePrincipalID string

	// ID is the policy's ID, 2 to 63 characters of 0-9, a-z and hyphen. Optional;
	// Databricks makes one up.
	ID string

	// Description is for people. Optional.
	Description string

	// Issuer is what the token's iss must be, to the letter: an https URL without
	// user, query or fragment. A slash at its end counts. Required.
	Issuer string

	// Audiences are what the token's aud may be; one of them suffices. Optional;
	// default the account ID.
	Audiences []string

	// Subject is what the token's subject claim must be, to the letter: there are
	// no wildcards. Required for a service principal's policy, and not allowed in
	// an account policy.
	Subject string

	// SubjectClaim is the name of the token's claim that holds the subject. It is
	// a literal name at the top of the token, and no path. Optional; default sub.
	SubjectClaim string

	// JWKSJSON is the issuer's key set (RFC 7517, section 5) with at most 5 public
	// keys, for issuers that Databricks cannot reach. Optional; by default
	// Databricks finds the keys by the issuer's discovery document, and that is
	// what it recommends.
	JWKSJSON string

	// JWKSURI is the https URL of the issuer's key set. Optional, and instead of
	// JWKSJSON; default as there.
	JWKSURI string
}

// maxBody bounds the JSON of a policy: a key set of 64 KiB with every character
// escaped, and as much again.
const maxBody = 256 << 10

type policyBody struct {
	Description string   `json:"description,omitempty"`
	OIDC        oidcBody `json:"oidc_policy"`
}

type oidcBody struct {
	Issuer       string   `json:"issuer,omitempty"`
	Audiences    []string `json:"audiences,omitempty"`
	Subject      string   `json:"subject,omitempty"`
	SubjectClaim string   `json:"subject_claim,omitempty"`
	JWKSJSON     string   `json:"jwks_json,omitempty"`
	JWKSURI      string   `json:"jwks_uri,omitempty"`
}

// MarshalJSON returns the body of a create or update request. It fails only if a
// value is not UTF-8; call [Policy.Validate] to see whether Databricks will take
// it.
func (p Policy) MarshalJSON() ([]byte, error) {
	for _, s := range append([]string{p.Description, p.Issuer, p.Subject, p.SubjectClaim, p.JWKSJSON, p.JWKSURI}, p.Audiences...) {
		if !utf8.ValidString(s) {
			return nil, fmt.Errorf("trust: encode policy: %s is not UTF-8", quote(s))
		}
	}
	return json.Marshal(policyBody{p.Description, oidcBody{
		p.Issuer, p.Audiences, p.Subject, p.SubjectClaim, p.JWKSJSON, p.JWKSURI,
	}})
}

// UnmarshalJSON reads a request's body or what the API answers, at most 256 KiB,
// and replaces all of p. It is strict, so that no slip of the pen becomes a
// policy that trusts more than was meant: unknown, duplicate and null members
// and values of another type are errors, all of them reported at once. Names
// count to the letter. It checks the shape only; see [Policy.Validate].
func (p *Policy) UnmarshalJSON(data []byte) error {
	if len(data) > maxBody {
		return fmt.Errorf("trust: decode policy: it has %d bytes, more than %d", len(data), maxBody)
	}
	decoded, err := decode(data)
	if err != nil {
		return fmt.Errorf("trust: decode policy: %w", err)
	}
	*p = decoded
	return nil
}

func decode(data []byte) (Policy, error) {
	top := members(data, "")
	p := Policy{
		ID:                 top.text("policy_id"),
		ServicePrincipalID: top.id("service_principal_id"),
		Description:        top.text("description"),
	}
	name := top.text("name")
	for _, known := range []string{"uid", "create_time", "update_time"} {
		top.text(known)
	}
	if body := top.take("oidc_policy"); body != nil {
		oidc := members(body, "oidc_policy.")
		p.Issuer = oidc.text("issuer")
		p.Audiences = oidc.texts("audiences")
		p.Subject = oidc.text("subject")
		p.SubjectClaim = oidc.text("subject_claim")
		p.JWKSJSON = oidc.text("jwks_json")
		p.JWKSURI = oidc.text("jwks_uri")
		top.errs = append(top.errs, oidc.rest())
	} else if len(top.errs) == 0 {
		top.fail("oidc_policy", "it is missing")
	}
	if name != "" {
		if err := p.setName(name); err != nil {
			top.errs = append(top.errs, err)
		}
	}
	return p, top.rest()
}

// setName reads the address from a resource name, which must not contradict the
// members that say the same:
//
//	accounts/<account>/federationPolicies/<policy>
//	accounts/<account>/servicePrincipals/<id>/federationPolicies/<policy>
func (p *Policy) setName(name string) error {
	parts := strings.Split(name, "/")
	id := ""
	switch {
	case len(parts) == 4 && parts[0] == "accounts" && parts[2] == "federationPolicies":
	case len(parts) == 6 && parts[0] == "accounts" && parts[2] == "servicePrincipals" && parts[4] == "federationPolicies":
		id = parts[3]
	default:
		return fmt.Errorf("name: %s is not the resource name of a federation policy", quote(name))
	}
	last := parts[len(parts)-1]
	if p.ID != "" && p.ID != last || p.ServicePrincipalID != "" && p.ServicePrincipalID != id {
		return fmt.Errorf("name: %s contradicts policy_id or service_principal_id", quote(name))
	}
	if parts[1] == "" || last == "" || len(parts) == 6 && id == "" {
		return errors.New("name: an ID in it is empty")
	}
	p.AccountID, p.ServicePrincipalID, p.ID = parts[1], id, last
	return nil
}
