// Package trust handles Databricks' federation policies offline: what they may
// say, and which token they take.
//
//	var p trust.Policy
//	if err := json.Unmarshal(body, &p); err != nil {
//		return err
//	}
//	p.AccountID, p.ServicePrincipalID = account, "3711048827441"
//	if err := p.Validate(); err != nil {
//		return err // every problem at once
//	}
//	return trust.Match(p, c) // nil, or the first field that differs
//
// A federation policy tells Databricks which tokens of an identity provider it
// takes: those of one issuer, for one of some audiences and, for a service
// principal, with one subject. Everything is compared to the letter. A token
// that no policy takes is answered by TOKEN_INVALID, which does not say what
// differed; [Match] and [Find] do.
//
// # Two kinds
//
// An account policy takes all subjects of an issuer; the subject names the
// Databricks user or service principal. The policy of a service principal takes
// one subject, and is searched only if the exchange names that service principal
// by its client_id. ServicePrincipalID decides which kind a [Policy] is.
//
// # Two IDs of a service principal
//
// Policies hang on its numeric SCIM ID, while client_id at the token endpoint is
// its application ID, a UUID. [Policy.Validate] tells them apart.
//
// # What is not checked
//
// Signatures, lifetimes and algorithms are not a policy's business; package
// [github.com/brickfed/brickfed/oidc] verifies tokens. Whether the issuer's
// discovery document can be fetched is known only to Databricks, which does so
// when the policy is written.
//
// Sources: Databricks, "Configure a federation policy" and "OAuth token
// federation"; the federation policy types of databricks-sdk-go.
package trust
