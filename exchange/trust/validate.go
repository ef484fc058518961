package trust

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds that Databricks documents, and two of our own that keep a mistake from
// becoming a large request.
const (
	maxPolicies = 20       // of an account, and of each service principal
	maxKeys     = 5        // in jwks_json
	maxText     = 4 << 10  // bytes of any other value; ours
	maxJWKS     = 64 << 10 // bytes of jwks_json; ours
)

var (
	policyID = regexp.MustCompile(`\A[0-9a-z-]{2,63}\z`)
	uuid     = regexp.MustCompile(`\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\z`)
)

// Validate checks every rule that Databricks has for a policy, and a few that
// catch what it would take but never match. All violations are reported at once,
// joined as by [errors.Join]; each names the field as Databricks spells it, the
// value and what to change.
func (p Policy) Validate() error {
	v := p.violations()
	if len(v) == 0 {
		return nil
	}
	if p.ID != "" {
		return fmt.Errorf("trust: validate policy %s: %w", quote(p.ID), errors.Join(v...))
	}
	return fmt.Errorf("trust: validate policy: %w", errors.Join(v...))
}

func (p *Policy) violations() violations {
	var v violations
	v.checkAddress(p)
	v.checkText("description", p.Description)
	v.checkIssuer(p)
	v.checkAudiences(p.Audiences)
	v.checkSubject(p)
	v.checkKeys(p)
	return v
}

// violations are the broken rules, one error each.
type violations []error

func (v *violations) add(field, value, change string, args ...any) {
	if value != "" {
		field += " " + quote(value)
	}
	*v = append(*v, fmt.Errorf("%s: %s", field, fmt.Sprintf(change, args...)))
}

func (v *violations) checkAddress(p *Policy) {
	switch {
	case p.AccountID == "" || uuid.MatchString(p.AccountID):
	case isNumericID(p.AccountID):
		v.add("account_id", p.AccountID, "that looks like the ID of a workspace; use the account's, a UUID")
	default:
		v.add("account_id", p.AccountID, "use the account's ID, a UUID")
	}
	switch {
	case p.ServicePrincipalID == "" || isNumericID(p.ServicePrincipalID):
	case uuid.MatchString(p.ServicePrincipalID):
		v.add("service_principal_id", p.ServicePrincipalID,
			"that is an application ID, which is the client_id of the exchange; use the numeric ID of the service principal")
	default:
		v.add("service_principal_id", p.ServicePrincipalID, "use the numeric ID of the service principal")
	}
	if p.ID != "" && !policyID.MatchString(p.ID) {
		v.add("policy_id", p.ID, "use 2 to 63 characters of 0-9, a-z and hyphen; it has %d", utf8.RuneCountInString(p.ID))
	}
}

// checkIssuer holds OpenID Connect Core 1.0, section 2 (iss), and what keeps
// Databricks from reading the discovery document of such an issuer.
func (v *violations) checkIssuer(p *Policy) {
	const field = "issuer"
	if p.Issuer == "" {
		v.add(field, "", "it is required: set it to the token's iss, to the letter")
		return
	}
	u := v.checkURL(field, p.Issuer)
	if u == nil {
		return
	}
	if strings.Contains(p.Issuer, "?") {
		v.add(field, p.Issuer, "remove the query: an issuer has none")
	}
	if strings.HasSuffix(u.Path, "/.well-known/openid-configuration") {
		v.add(field, p.Issuer, "that is the discovery document; use the issuer that it names")
	}
	if tenant := entraTenant(p.Issuer); slices.Contains([]string{"common", "organizations", "consumers"}, tenant) {
		v.add(field, p.Issuer, "no token has this issuer: put the tenant's ID in place of %q", tenant)
	}
	if p.JWKSJSON == "" && p.JWKSURI == "" && isPrivate(u.Hostname()) {
		v.add(field, p.Issuer, "Databricks cannot reach this host to read the keys: set jwks_json")
	}
}

// checkURL checks what an issuer and a key set's address have in common, and
// returns nil if no more can be said.
func (v *violations) checkURL(field, value string) *url.URL {
	if !v.checkText(field, value) {
		return nil
	}
	if strings.Contains(value, " ") {
		v.add(field, value, "remove the white space")
		return nil
	}
	if strings.ContainsAny(value, "{}<>*") {
		v.add(field, value, "fill in the placeholder: it is taken to the letter")
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" {
		v.add(field, value, "use a URL such as https://idp.example.com")
		return nil
	}
	if !strings.HasPrefix(value, "https://") {
		v.add(field, value, "use https, in lower case")
	}
	if u.User != nil {
		v.add(field, value, "remove the user information")
	}
	if strings.Contains(value, "#") {
		v.add(field, value, "remove the fragment")
	}
	return u
}

func (v *violations) checkAudiences(audiences []string) {
	for i, audience := range audiences {
		field := "audiences[" + strconv.Itoa(i) + "]"
		if audience == "" {
			v.add(field, "", "it is empty: remove it, no audiences at all mean the account ID")
			continue
		}
		v.checkLiteral(field, audience)
		if first := slices.Index(audiences, audience); first != i {
			v.add(field, audience, "remove it, it stands at %d already", first)
		}
	}
}

func (v *violations) checkSubject(p *Policy) {
	switch {
	case p.ServicePrincipalID != "" && p.Subject == "":
		v.add("subject", "", "it is required in the policy of a service principal: set it to the one subject that may become it")
	case p.ServicePrincipalID == "" && p.Subject != "":
		v.add("subject", p.Subject, "an account policy takes all subjects: remove it, or set service_principal_id")
	}
	v.checkLiteral("subject", p.Subject)
	v.checkLiteral("subject_claim", p.SubjectClaim)
	if strings.HasPrefix(p.SubjectClaim, "/") {
		v.add("subject_claim", p.SubjectClaim, "use the name of a claim at the top of the token: it is no path")
	}
}

// checkLiteral checks a value that is compared to the letter.
func (v *violations) checkLiteral(field, value string) {
	if !v.checkText(field, value) {
		return
	}
	if value != strings.TrimSpace(value) {
		v.add(field, value, "remove the white space around it: it is compared to the letter")
	}
	if strings.Contains(value, "*") {
		v.add(field, value, "there are no wildcards: * would be compared to the letter")
	}
}

// checkText returns false if the value is better not looked at any further.
func (v *violations) checkText(field, value string) bool {
	before := len(*v)
	if len(value) > maxText {
		v.add(field, value, "shorten it to %d bytes, it has %d", maxText, len(value))
	}
	if !utf8.ValidString(value) {
		v.add(field, value, "it is not UTF-8")
	} else if strings.ContainsFunc(value, unicode.IsControl) {
		v.add(field, value, "remove the control characters")
	}
	return len(*v) == before
}

func (v *violations) checkKeys(p *Policy) {
	if p.JWKSURI != "" {
		if u := v.checkURL("jwks_uri", p.JWKSURI); u != nil && isPrivate(u.Hostname()) {
			v.add("jwks_uri", p.JWKSURI, "Databricks cannot reach this host: set jwks_json instead")
		}
	}
	if p.JWKSJSON != "" {
		v.checkJWKS(p.JWKSJSON)
	}
	if p.JWKSURI != "" && p.JWKSJSON != "" {
		v.add("jwks_uri", p.JWKSURI, "remove it or jwks_json: only one can hold the keys")
	}
}

// isNumericID tells whether s is a positive 64-bit number as Databricks numbers
// service principals and workspaces.
func isNumericID(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// privateSuffixes end names that have no meaning outside of a network
// (RFC 6761, RFC 6762 and, for internal, ICANN's resolution of 2024), and names
// inside of a Kubernetes cluster.
var privateSuffixes = []string{".localhost", ".local", ".internal", ".svc"}

func isPrivate(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return !strings.Contains(host, ".") || slices.ContainsFunc(privateSuffixes, func(suffix string) bool {
		return strings.HasSuffix(host, suffix)
	})
}

// quote bounds a value for an error's text.
func quote(s string) string {
	const most = 200 // runes
	if utf8.RuneCountInString(s) <= most {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%.*q… (%d bytes)", most, s, len(s))
}
