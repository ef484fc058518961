package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// A hint says what to change, and where: short sentences in lower case, joined
// by semicolons, most likely cause first. It quotes claims of the subject token,
// because a federation policy must equal them, but nothing that a server said.

const (
	hintThrottled   = "share one token between callers by a cache, and wait as long as the server asks"
	hintUnavailable = "nothing needs to be changed if this passes; if it lasts, see https://status.databricks.com and ask Databricks' support with the request id"
	hintProxy       = "give HTTPClient a transport whose Proxy holds the credentials of the proxy, or set HTTPS_PROXY and NO_PROXY"
	hintPortal      = "log in to the network's portal, or use another network"
	hintLogin       = "the refresh token was used before or was revoked: a person must log in again"
	hintSubject     = "check that the subject source returns a token that was issued for this exchange and not used before"
	hintTooLarge    = "the subject token is too long for the server: have the identity provider put fewer claims in it, such as groups"
	hintGrantType   = "this token endpoint knows no token exchange: check that Host is a Databricks workspace, account or unified URL, and leave TokenEndpoint empty"
	hintRequest     = "check ClientID, AssumeGroup and Scopes against the server's words; if they are right, ask Databricks' support with the error id"
	hintBadResponse = "check that Host is right and that no proxy in between changes answers"
)

// hintPolicy explains TOKEN_INVALID: Databricks found no policy that equals
// issuer, subject and audience, and says the same for half a dozen causes.
func (q question) hintPolicy() string {
	var s sentences
	s.add("%s", q.tokenSays())
	policy, complete := q.policy()
	if client := q.target.ClientID; client == "" {
		s.add("no client_id was sent, so only the account's federation policies were searched")
		s.add("to use a service principal's policy, set ClientID to the service principal's application ID (a UUID) instead of AccountWide")
		if complete {
			s.add("for the identity itself, create an account policy: databricks account federation-policy create --json '%s'", policy)
			s.add("then a user or service principal named %q must be in the account", tidy(q.subject.UnverifiedClaims().Subject(), maxClaim))
		}
	} else {
		s.add("only the federation policies of service principal %q were searched, and none of them accepts this token, or there is no such service principal in this account", tidy(client, maxWord))
		if complete {
			s.add("create one: databricks account service-principal-federation-policy create <numeric ID of the service principal> --json '%s'", policy)
		}
		s.add("%s", notUUID(client))
	}
	s.add("%s", q.audienceDefault())
	s.add("%s", q.issuerNote())
	s.add("a new policy takes 1 to 2 minutes to work")
	s.add("Free Edition accounts cannot have federation policies")
	return s.String()
}

// hintAudience explains a policy, or a configuration, that fits but for the
// audience.
func (q question) hintAudience() string {
	var s sentences
	s.add("%s", q.tokenSays())
	s.add("add its audience to the audiences of the federation policy, or set Audience to one that the policy has and have the identity provider issue the token for it")
	s.add("%s", q.audienceDefault())
	return s.String()
}

// hintIssuer explains that Databricks cannot fetch the issuer's keys.
func (q question) hintIssuer() string {
	var s sentences
	s.add("%s", q.tokenSays())
	s.add("Databricks must be able to read %s from the internet; for a private issuer put its keys into jwks_json of the federation policy", discoveryURL(q.issuer()))
	return s.String()
}

func (q question) hintExpired(a answer) string {
	var s sentences
	if q.subject != nil && !q.subject.Expiry().IsZero() {
		s.add("its exp is %s, and the server answered at %s", q.subject.Expiry().Format(time.RFC3339), dateOf(a).Format(time.RFC3339))
	}
	s.add("have the subject source read or mint a token for each exchange: an environment variable or a copied file keeps the first one")
	return s.String()
}

func (q question) hintAlgorithm() string {
	return fmt.Sprintf("its alg is %q and Databricks takes RS256 and ES256 only: have the identity provider sign with one of these", tidy(q.subject.Algorithm(), maxWord))
}

func (q question) hintClient() string {
	client := q.target.ClientID
	if client == "" {
		return "no client_id was sent: set ClientID to the service principal's application ID (a UUID), or check that the user or service principal that the subject claim names exists in the account"
	}
	var s sentences
	s.add("%s", notUUID(client))
	s.add("check that %q is the application ID of a service principal of this account that is active", tidy(client, maxWord))
	if q.kind == workspaceHost {
		s.add("add the service principal to workspace %s", q.hostname())
	}
	return s.String()
}

func (q question) hintScope() string {
	return fmt.Sprintf("set Scopes to scopes that the identity may have; %q was asked for, and %s is the default", tidy(q.scope, maxClaim), DefaultScope)
}

func (q question) hintGroup() string {
	var s sentences
	s.add("make the identity a member of group %q or give it the permission to assume it (role roles/group.assumer)", tidy(q.target.AssumeGroup, maxWord))
	s.add("AssumeGroup is the numeric ID of a group that the workspace knows")
	if q.kind != workspaceHost {
		s.add("only workspace hosts can assume a group: use the workspace's URL as Host")
	}
	return s.String()
}

func (q question) hintPermission() string {
	return "the subject token is good, but the identity may not do this: grant it in Databricks, or choose another ClientID"
}

func (q question) hintBlocked() string {
	return fmt.Sprintf("allow this machine's public address in the IP access lists of %s, or reach it by its private link; a proxy or firewall in between may also be what answers", q.hostname())
}

func (q question) hintPage() string {
	return fmt.Sprintf("a web page came instead of a token: check that Host %s is the workspace, account or unified URL, and that no private link, login page or proxy stands in between", q.hostname())
}

// hintEndpoint explains an endpoint that is not there.
func (q question) hintEndpoint() string {
	var s sentences
	s.add("nothing at %s exchanges tokens: check that Host is a Databricks host", tidy(q.endpoint, maxClaim))
	if q.kind != workspaceHost {
		s.add("check that AccountID %q is right", tidy(q.account, maxWord))
	}
	s.add("leave TokenEndpoint empty")
	return s.String()
}

// hintRedirect names the other host and nothing else of the Location, which may
// hold anything.
func (q question) hintRedirect(a answer) string {
	to := "another path"
	if u, err := url.Parse(a.header.Get("Location")); err == nil && u.Host != "" {
		to = "something that is not a host"
		if isHostname(u.Hostname()) && len(u.Hostname()) < maxClaim && !q.censor().hides(u.Host) {
			to = u.Hostname()
		}
	}
	return fmt.Sprintf("it redirects to %s, and a token does not follow: set Host to the final workspace, account or unified URL; a login page or proxy may also be in the way", to)
}

// tokenSays names the three claims that a federation policy must equal.
func (q question) tokenSays() string {
	if q.subject == nil {
		return ""
	}
	subject := q.subject.UnverifiedClaims().Subject()
	var audiences []string
	for _, audience := range q.audiences() {
		audiences = append(audiences, fmt.Sprintf("%q", tidy(audience, maxClaim)))
	}
	var s sentences
	s.add("the token has issuer %q, subject %q and audience %s", tidy(q.issuer(), maxClaim), tidy(subject, maxClaim), first(strings.Join(audiences, ", "), "none"))
	if q.issuer() == "" {
		s.add("without an iss claim no policy matches it: use an ID token or a JWT access token of an OpenID provider")
	}
	if subject == "" {
		s.add("without a sub claim only an account policy with another subject_claim matches it")
	}
	if len(audiences) == 0 {
		s.add("without an aud claim no policy matches it: have the identity provider issue it for an audience")
	}
	return s.String()
}

// federationPolicy is the body that the Databricks CLI takes with --json. See
// Databricks' "Configure a federation policy" documentation.
type federationPolicy struct {
	OIDC struct {
		Issuer       string   `json:"issuer"`
		Audiences    []string `json:"audiences,omitempty"`
		Subject      string   `json:"subject,omitempty"`
		SubjectClaim string   `json:"subject_claim,omitempty"`
	} `json:"oidc_policy"`
}

// policy returns the policy that would match the subject token, to be pasted
// between single quotes of a shell. complete is false if the token lacks one of
// the three claims, or if they are too long to be printed.
func (q question) policy() (text string, complete bool) {
	if q.subject == nil {
		return "", false
	}
	subject := q.subject.UnverifiedClaims().Subject()
	var p federationPolicy
	p.OIDC.Issuer, p.OIDC.Audiences = q.issuer(), q.audiences()
	if slices.Contains(p.OIDC.Audiences, q.audience) {
		p.OIDC.Audiences = []string{q.audience}
	}
	if q.target.ClientID != "" {
		p.OIDC.Subject = subject
	} else {
		p.OIDC.SubjectClaim = "sub"
	}
	for _, value := range append([]string{p.OIDC.Issuer, subject}, p.OIDC.Audiences...) {
		if value == "" || len(value) > 2*maxClaim {
			return "", false
		}
	}
	return shellJSON(p), len(p.OIDC.Audiences) > 0
}

// shellJSON writes JSON that survives single quotes and a terminal: quotes and
// what is not printable are escaped.
func shellJSON(v any) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "{}" // strings always marshal
	}
	var b strings.Builder
	for _, r := range strings.TrimSpace(buf.String()) {
		switch {
		case r != '\'' && unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// audienceDefault warns of the two different defaults.
func (q question) audienceDefault() string {
	audiences := q.audiences()
	switch {
	case slices.Contains(audiences, "https://kubernetes.default.svc") || slices.Contains(audiences, "https://kubernetes.default.svc.cluster.local"):
		return "Databricks refuses the default audience of Kubernetes: project a service account token with an audience of its own"
	case q.account == "":
		return "a policy without audiences accepts the account ID only"
	case !slices.Contains(audiences, q.account):
		return fmt.Sprintf("a policy without audiences accepts the account ID %s only", tidy(q.account, maxWord))
	}
	return ""
}

// issuerNote knows the issuers that are easily written down wrong.
func (q question) issuerNote() string {
	u, err := url.Parse(q.issuer())
	if err != nil || q.issuer() == "" {
		return ""
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https":
		return "the issuer of a policy must be an https URL"
	case host == "sts.windows.net":
		return "this is a version 1 token of Entra ID: the policy's issuer must be this one, not the one with login.microsoftonline.com, and the subject is the object ID of the service principal, not its client ID"
	case host == "login.microsoftonline.com":
		return "this is a version 2 token of Entra ID: the policy's issuer must be this one, not the one with sts.windows.net, and the subject is the object ID of the service principal, not its client ID"
	case strings.HasSuffix(host, ".auth0.com"):
		return "the issuer of Auth0 ends with a slash, and so must the policy's"
	case strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local") || strings.HasSuffix(host, ".local"):
		return "Databricks cannot read the keys of an issuer inside a cluster: put them into jwks_json of the policy"
	}
	return ""
}

func notUUID(client string) string {
	if isUUID(client) {
		return ""
	}
	return "set ClientID to the service principal's application ID (a UUID), not its numeric ID or its name"
}

func discoveryURL(issuer string) string {
	return tidy(strings.TrimSuffix(issuer, "/"), maxClaim) + "/.well-known/openid-configuration"
}

func (q question) issuer() string {
	if q.subject == nil {
		return ""
	}
	return q.subject.UnverifiedClaims().Issuer()
}

// hostname returns the host that was asked, for people.
func (q question) hostname() string {
	u, err := url.Parse(first(q.endpoint, q.host))
	if err != nil || u.Host == "" {
		return "the host"
	}
	return u.Host
}

// dateOf returns the server's time of an answer, or the local one.
func dateOf(a answer) time.Time {
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return date
	}
	return a.received.UTC()
}

// sentences are joined by semicolons.
type sentences []string

func (s *sentences) add(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != "" {
		*s = append(*s, text)
	}
}

func (s sentences) String() string { return strings.Join(s, "; ") }
