package claims

import (
	"fmt"
	"slices"
	"strings"
)

// Difference compares the groups that a policy grants with those that
// Databricks lists for the same identity.
type Difference struct {
	Missing []string // granted, but not listed
	Extra   []string // listed, but not granted
}

// Diff compares the groups of a [Grant] with those that Databricks lists, for
// example in the answer of GET /api/2.0/preview/scim/v2/Me. Names are compared
// exactly. The results are sorted and unique.
func Diff(granted, listed []string) Difference {
	return Difference{Missing: without(granted, listed), Extra: without(listed, granted)}
}

// String says what to provision. It is empty if nothing is missing: groups
// beyond the grant are normal, because a token's holder may have them from
// elsewhere.
func (d Difference) String() string {
	if len(d.Missing) == 0 {
		return ""
	}
	return fmt.Sprintf("the policy grants %s, but Databricks does not list the identity as a member: "+
		"have your identity provider provision the membership (SCIM or automatic identity management), or add it to the group in the account console", quoted(d.Missing))
}

func without(names, others []string) []string {
	var left []string
	for _, name := range names {
		if !slices.Contains(others, name) {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	return slices.Compact(left)
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(all, ", ")
}
