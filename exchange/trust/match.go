package trust

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/claims"
)

// The values of [Mismatch.Field].
const (
	fieldIssuer   = "issuer"
	fieldAudience = "audience"
	fieldSubject  = "subject"
	fieldPolicy   = "policy"
)

// Mismatch says why a policy does not take a token. It shows values of claims,
// bounded; a subject can be personal data, a token or key is never among them.
type Mismatch struct {
	// Field is the first that differs, in the order issuer, audience, subject. It
	// is policy if there was no policy to compare with.
	Field string

	// Want is what the policy takes: one value, or any of its audiences. Empty if
	// it names none, as an account policy names no subject.
	Want []string

	// Got is what the token carries; empty if that claim is absent or is neither
	// a string nor a list of strings.
	Got []string

	// Only tells that nothing else differs. Databricks answers
	// TOKEN_AUDIENCE_INVALID if that is the audience, else TOKEN_INVALID.
	Only bool

	// Hint says what to change, and where. Empty if nothing particular is known.
	Hint string
}

// Error implements error.
func (m *Mismatch) Error() string {
	var b strings.Builder
	b.WriteString("trust: match token: ")
	switch {
	case m.Field == fieldPolicy:
		b.WriteString("there is no policy to match")
	case len(m.Want) == 0:
		fmt.Fprintf(&b, "the policy names no %s, the token has %s", m.Field, list(m.Got, " and "))
	default:
		fmt.Fprintf(&b, "the policy wants %s %s, the token has %s", m.Field, list(m.Want, " or "), list(m.Got, " and "))
	}
	if m.Hint != "" {
		b.WriteString(": " + m.Hint)
	}
	return b.String()
}

// list quotes at most 8 values.
func list(values []string, last string) string {
	const most = 8
	if len(values) == 0 {
		return "none"
	}
	quoted := make([]string, 0, most+1)
	for _, v := range values[:min(len(values), most)] {
		quoted = append(quoted, quote(v))
	}
	if len(values) > most {
		quoted = append(quoted, fmt.Sprintf("%d more", len(values)-most))
	}
	if n := len(quoted); n > 1 {
		return strings.Join(quoted[:n-1], ", ") + last + quoted[n-1]
	}
	return quoted[0]
}

// Match tells whether a policy takes a token with these claims. It returns nil,
// or a [*Mismatch] with the first field that differs.
//
// Issuer, audience and subject are compared to the letter, as Databricks does.
// The token's aud may be a list, of which one suffices. An account policy takes
// every subject, but the token must have one: sub is a string, and of another
// subject claim a list counts if it has a single string. A policy without issuer
// takes nothing, and neither does a service principal's policy without subject.
//
// Whether the policy is valid, and the token genuine and alive, is not looked at.
// Match is safe for concurrent use.
func Match(p Policy, c *claims.Claims) error {
	if m := match(&p, c); m != nil {
		return m
	}
	return nil
}

// Find returns the first of the policies that takes a token with these claims.
// If none does it returns the closest one, nil if there are no policies, and its
// [*Mismatch]. Give it the policies that Databricks searches: those of the
// service principal whose client_id the exchange names, else the account's. To
// ask one policy, use [Match].
func Find(policies []Policy, c *claims.Claims) (*Policy, error) {
	var closest *Policy
	miss := &Mismatch{Field: fieldPolicy, Hint: "create a federation policy, and wait a minute or two until it counts"}
	best := -1
	for i := range policies {
		m := match(&policies[i], c)
		if m == nil {
			return &policies[i], nil
		}
		if n := closeness(&policies[i], c, m); n > best {
			closest, miss, best = &policies[i], m, n
		}
	}
	return closest, miss
}

// closeness orders misses: by the number of fields that agree, then by which, and
// a near miss that is understood before one that is not.
func closeness(p *Policy, c *claims.Claims, m *Mismatch) int {
	issuer, audience, subject := p.takesIssuer(c), p.takesAudience(c), p.takesSubject(c)
	n := 0
	for i, agrees := range []bool{audience, subject, issuer} {
		if agrees {
			n += 16 + 2<<i
		}
	}
	if m.Hint != "" {
		n++
	}
	return n
}

func match(p *Policy, c *claims.Claims) *Mismatch {
	issuer, audience, subject := p.takesIssuer(c), p.takesAudience(c), p.takesSubject(c)
	switch {
	case !issuer:
		return &Mismatch{
			Field: fieldIssuer, Want: nonEmpty(p.Issuer), Got: nonEmpty(c.Issuer()),
			Only: audience && subject, Hint: issuerHint(p.Issuer, c.Issuer()),
		}
	case !audience:
		got, _ := p.read(c, "aud")
		return &Mismatch{
			Field: fieldAudience, Want: p.audiences(), Got: got,
			Only: subject, Hint: audienceHint(p, got),
		}
	case !subject:
		got, err := p.read(c, p.subjectClaim())
		return &Mismatch{
			Field: fieldSubject, Want: nonEmpty(p.Subject), Got: got,
			Only: true, Hint: subjectHint(p, c, got, err),
		}
	}
	return nil
}

func (p *Policy) takesIssuer(c *claims.Claims) bool {
	return p.Issuer != "" && p.Issuer == c.Issuer()
}

func (p *Policy) takesAudience(c *claims.Claims) bool {
	got, _ := p.read(c, "aud")
	return slices.ContainsFunc(p.audiences(), func(want string) bool {
		return want != "" && slices.Contains(got, want)
	})
}

func (p *Policy) takesSubject(c *claims.Claims) bool {
	got, err := p.read(c, p.subjectClaim())
	if err != nil || len(got) != 1 || got[0] == "" {
		return false
	}
	if p.Subject == "" {
		return p.ServicePrincipalID == ""
	}
	return got[0] == p.Subject
}

// read returns the values of a claim by its literal name, which a pointer spells
// for names that start with a slash, too. See RFC 6901, section 3.
func (p *Policy) read(c *claims.Claims, name string) ([]string, error) {
	if name == "sub" {
		return nonEmpty(c.Subject()), nil // sub is a string: RFC 7519, section 4.1.2
	}
	values, _, err := c.Strings("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	return values, err
}

// audiences returns what the policy takes, by the default of Databricks.
func (p *Policy) audiences() []string {
	if len(p.Audiences) == 0 {
		return nonEmpty(p.AccountID)
	}
	return p.Audiences
}

func (p *Policy) subjectClaim() string { return cmp.Or(p.SubjectClaim, "sub") }

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
