package trust

import (
	"errors"
	"fmt"
	"slices"
)

// ValidateSet checks the policies that are to exist together: each of them as
// [Policy.Validate] does, and the rules for all: at most 20 account policies and
// 20 of each service principal, IDs that are unique among them, and no policy
// that says what another one says already. Databricks keeps one of such twins,
// so a plan that counts on two would never come to rest. All violations are
// reported at once, with the index of the policy.
func ValidateSet(policies []Policy) error {
	var v violations
	scopes := map[scope][]int{}
	for i := range policies {
		p, field := &policies[i], fmt.Sprintf("policies[%d]", i)
		for _, err := range p.violations() {
			v = append(v, fmt.Errorf("%s: %w", field, err))
		}
		in := scope{p.AccountID, p.ServicePrincipalID}
		if len(scopes[in]) >= maxPolicies {
			v.add(field, p.ID, "remove it: %s may have %d policies, and they stand before it", in, maxPolicies)
		}
		for _, j := range scopes[in] {
			if p.ID != "" && p.ID == policies[j].ID {
				v.add(field, p.ID, "use another policy_id: policies[%d] has it", j)
			}
			if twins(p, &policies[j]) {
				v.add(field, p.ID, "remove it: policies[%d] says the same", j)
			}
		}
		scopes[in] = append(scopes[in], i)
	}
	if len(v) == 0 {
		return nil
	}
	return fmt.Errorf("trust: validate policies: %w", errors.Join(v...))
}

// scope is what policies belong to, and are searched and counted in.
type scope struct{ account, servicePrincipal string }

func (s scope) String() string {
	if s.servicePrincipal == "" {
		return "the account"
	}
	return "service principal " + quote(s.servicePrincipal)
}

// twins tells whether two policies take the same tokens by the same keys.
func twins(a, b *Policy) bool {
	return a.Issuer == b.Issuer && a.Subject == b.Subject && a.subjectClaim() == b.subjectClaim() &&
		a.JWKSJSON == b.JWKSJSON && a.JWKSURI == b.JWKSURI &&
		slices.Equal(sortedSet(a.audiences()), sortedSet(b.audiences()))
}

func sortedSet(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
