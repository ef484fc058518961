package trust

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/claims"
)

// The hints of this file know the near misses that people run into: values that
// mean the same to them and differ to the letter.

func issuerHint(want, got string) string {
	switch {
	case want == "":
		return "set the policy's issuer"
	case got == "":
		return "the token has no iss, or one that is no string: it is no ID token or JWT access token of an OpenID provider"
	}
	if hint := nearHint(fieldIssuer, want, got); hint != "" {
		return hint
	}
	wantTenant, gotTenant := entraTenant(want), entraTenant(got)
	switch {
	case wantTenant != "" && wantTenant == gotTenant:
		return fmt.Sprintf("Entra ID issues this tenant's tokens in two versions: set the issuer to %s, or requestedAccessTokenVersion of the app registration", quote(got))
	case wantTenant != "" && gotTenant != "":
		return "the token is from another Entra tenant"
	case strings.HasPrefix(want, "https://vstoken.dev.azure.com/") && gotTenant != "":
		return "new service connections of Azure DevOps have the issuer and the subject of Entra ID: set both to the token's"
	case "https://"+got == want:
		return "the token's issuer is no URL: ask the provider for a token with the https form"
	case strings.HasPrefix(got, want+"/"):
		return fmt.Sprintf("the token's issuer goes on where the policy's ends, as that of a GitHub enterprise does: set the issuer to %s", quote(got))
	}
	return ""
}

func audienceHint(p *Policy, got []string) string {
	want := p.audiences()
	switch {
	case len(want) == 0:
		return "without audiences the policy takes the account ID: set audiences or AccountID"
	case len(got) == 0:
		return "the token has no aud: ask the provider for one of the policy's audiences"
	}
	for _, w := range want {
		for _, g := range got {
			if hint := nearHint("audiences", w, g); hint != "" {
				return hint
			}
			if "api://"+w == g || "api://"+g == w {
				return fmt.Sprintf("Entra ID writes the application's URI into version 1 tokens and its ID into version 2: add %s to the audiences", quote(g))
			}
		}
	}
	for _, g := range got {
		if strings.HasPrefix(g, "https://kubernetes.default.svc") {
			return fmt.Sprintf("that is the default audience of Kubernetes: ask for %s in the projected volume", quote(want[0]))
		}
		if strings.HasSuffix(g, "/oidc/v1/token") {
			return fmt.Sprintf("the token was asked for with the workspace's token endpoint as audience, which is the SDK's default: ask for %s, or add that URL to the audiences", quote(want[0]))
		}
	}
	if len(p.Audiences) == 0 {
		return fmt.Sprintf("the policy has no audiences, so it takes the account ID only: add %s to them, or ask the provider for that", quote(got[0]))
	}
	return ""
}

func subjectHint(p *Policy, c *claims.Claims, got []string, err error) string {
	claim := p.subjectClaim()
	switch {
	case err != nil || len(got) > 1:
		return fmt.Sprintf("the token's claim %s is not one string: choose another subject_claim", quote(claim))
	case len(got) == 0 || got[0] == "":
		return fmt.Sprintf("the token has no claim %s: choose a subject_claim that it has, or have the provider add it", quote(claim))
	case p.Subject == "":
		return "set the policy's subject, without which a service principal's policy takes nobody"
	}
	want, have := p.Subject, got[0]
	if hint := nearHint(fieldSubject, want, have); hint != "" {
		return hint
	}
	if strings.Contains(want, "*") {
		return "there are no wildcards: one policy per subject, or a subject_claim that all of them share"
	}
	if hint := githubHint(want, have); hint != "" {
		return hint
	}
	if want+"@clients" == have {
		return fmt.Sprintf("Auth0 adds @clients to a client's ID: set the subject to %s", quote(have))
	}
	if other := claimWith(c, p, want); other != "" {
		return fmt.Sprintf("the token carries that value in its claim %s: set subject_claim to it, or the subject to %s", quote(other), quote(have))
	}
	return ""
}

// nearHint finds what is the same to a reader's eye.
func nearHint(field, want, got string) string {
	change := fmt.Sprintf("set %s to %s", field, quote(got))
	switch {
	case strings.TrimSpace(want) == strings.TrimSpace(got):
		return "they differ in white space: " + change
	case strings.TrimRight(want, "/") == strings.TrimRight(got, "/"):
		return "they differ in the slash at the end: " + change
	case strings.EqualFold(strings.TrimRight(want, "/"), strings.TrimRight(got, "/")):
		return "they differ in upper and lower case: " + change
	}
	return ""
}

// entraTenant returns the tenant in an issuer of Entra ID, in version 1
// (https://sts.windows.net/<tenant>/) or version 2
// (https://login.microsoftonline.com/<tenant>/v2.0). Empty for other issuers.
func entraTenant(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || !slices.Contains([]string{"sts.windows.net", "login.microsoftonline.com"}, u.Hostname()) {
		return ""
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return tenant
}

// githubSubject splits the subject of GitHub Actions into owner, repository and
// what the token was issued for. Repositories made since 2026-07-15 have the
// numeric IDs of owner and repository in it, behind an @.
var githubSubject = regexp.MustCompile(`\Arepo:([^/:@]+)(@[0-9]+)?/([^/:@]+)(@[0-9]+)?(:.*)\z`)

// githubHint compares two different subjects.
func githubHint(want, got string) string {
	w, g := githubSubject.FindStringSubmatch(want), githubSubject.FindStringSubmatch(got)
	if w == nil || g == nil || w[1] != g[1] || w[3] != g[3] {
		return ""
	}
	switch {
	case w[2]+w[4] == "" && g[2]+g[4] != "":
		return fmt.Sprintf("this repository's subjects carry the immutable IDs of owner and repository: set subject to %s", quote(got))
	case w[2]+w[4] != "" && g[2]+g[4] == "":
		return fmt.Sprintf("this repository's subjects carry no immutable IDs: set subject to %s", quote(got))
	case w[2] != g[2] || w[4] != g[4]:
		return "the names are the same but the IDs are not: it is another repository, or another owner"
	}
	return "it is the right repository, but the job ran for another environment, branch or event"
}

// subjectClaims are the claims in which providers identify people and workloads.
var subjectClaims = []string{
	"sub", "oid", "azp", "appid", "client_id", "cid", "uid", "email", "preferred_username", "upn", "unique_name", "username",
	"repository", "job_workflow_ref", "project_path", "oidc.circleci.com/project-id",
}

// claimWith returns the name of a claim with that value.
func claimWith(c *claims.Claims, p *Policy, value string) string {
	for _, name := range subjectClaims {
		if got, err := p.read(c, name); err == nil && len(got) == 1 && got[0] == value {
			return name
		}
	}
	return ""
}
