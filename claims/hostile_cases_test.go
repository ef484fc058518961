package claims_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/claims"
)

// A guard is a policy with rules on the claim that an attack is about, and an
// honest payload that it lets in: an attack that is refused proves nothing about
// a policy that refuses everybody.
type guard struct {
	policy  string
	honest  string
	options []claims.Option
}

// An attack is one payload that somebody hopes is misread.
type attack struct {
	name    string
	guard   guard
	payload string // JSON, or the name of a file in testdata/idp/hostile
	want    outcome
}

// An outcome is an error, or the groups and the rule of the target.
type outcome struct {
	err    error
	groups string // sorted, with spaces between
	target string
}

var (
	wantDenied     = outcome{err: claims.ErrDenied}
	wantNoMatch    = outcome{err: claims.ErrNoMatch}
	wantIncomplete = outcome{err: claims.ErrIncomplete}
	wantMalformed  = outcome{err: claims.ErrMalformed}
)

func wantGroups(groups string) outcome { return outcome{groups: groups} }

// The malloryIs of most attacks.
const (
	homeIssuer = `https://sso.acme.example/realms/data`
	malloryIs  = `"iss":"` + homeIssuer + `","sub":"mallory","aud":"databricks"`
)

// mallory is a payload with these claims besides the malloryIs.
func mallory(members string) string { return `{` + malloryIs + `,` + members + `}` }

// guardOf is a policy for the issuer of mallory.
func guardOf(settings, honest string) guard {
	return guard{policy: `{"version":1,"issuers":[{"issuer":"` + homeIssuer + `",` + settings + `}]}`, honest: mallory(honest)}
}

// guardRule is a guard with one rule, which gives staff if its matchers hold.
func guardRule(when, honest string) guard {
	return guardOf(`"require":{"aud":"databricks"},"rules":[{"name":"r","when":{`+when+`},"groups":["staff"]}]`, honest)
}

// guardDeny is a guard with one deny rule before a rule that gives staff.
func guardDeny(when, honest string) guard {
	return guardOf(`"rules":[{"name":"d","when":{`+when+`},"deny":"no"},
		{"name":"r","when":{"aud":"databricks"},"groups":["staff"]}]`, honest)
}

// guardGitHub is a guard with one rule for the main branch of a GitHub repository.
func guardGitHub(when string) guard {
	return guard{
		policy: `{"version":1,"issuers":[{"issuer":"https://token.actions.githubusercontent.com","require":{"aud":"https://github.com/acme"},
			"rules":[{"name":"r","when":{` + when + `},"groups":["staff"]}]}]}`,
		honest: gitHubToken("repo:acme/lakehouse:ref:refs/heads/main"),
	}
}

func gitHubToken(sub string) string {
	return `{"iss":"https://token.actions.githubusercontent.com","aud":"https://github.com/acme","ref":"refs/heads/main","sub":"` + sub + `"}`
}

// guardExample is a policy of testdata/policies with a payload of testdata/idp.
func guardExample(policy, payload string) guard {
	data, err := os.ReadFile("testdata/policies/" + policy)
	if err != nil {
		panic(err)
	}
	honest, err := os.ReadFile("testdata/idp/" + payload)
	if err != nil {
		panic(err)
	}
	return guard{policy: string(data), honest: string(honest), options: []claims.Option{payloads}}
}

var (
	onGroups = guardOf(`"require":{"aud":"databricks"},"complete":{"groups":100},"rules":[
		{"name":"engineers","when":{"groups":"dbx-data-engineers"},"groups":["data-engineers"],"target":{"assume_group":"42"}},
		{"name":"teams","when":{"groups":{"glob":"dbx-team-*"}},"groups":["team-${1}"]}]`, `"groups":["dbx-data-engineers"]`)
	onTable = guardOf(`"rules":[{"name":"r","lookup":{"claim":"groups","table":{"0b7d5a11":["staff"],"5e2f9c83":["risk"]}}}]`,
		`"groups":["0b7d5a11"]`)
	onFolded    = guardRule(`"groups":{"any":["dbx-data-engineers","k8s"],"fold":true}`, `"groups":["DBX-Data-Engineers"]`)
	onSuspended = guardDeny(`"groups":"dbx-suspended"`, `"groups":["vpn-users"]`)
	onScopes    = guardOf(`"split":{"scp":" "},"rules":[{"name":"r","when":{"scp":"sql.read"},"groups":["staff"]}]`,
		`"scp":"openid sql.read"`)
	onCutScopes = guardOf(`"split":{"scp":" "},"complete":{"scp":3},"rules":[{"name":"r","when":{"scp":"sql.read"},"groups":["staff"]}]`,
		`"scp":"openid sql.read"`)
	onAnyScope = guardOf(`"split":{"scp":" "},"rules":[{"name":"r","when":{"scp":{"present":true}},"groups":["staff"]}]`, `"scp":"openid"`)
	onRoles    = guardRule(`"/resource_access/databricks/roles":"sql-admin"`, `"resource_access":{"databricks":{"roles":["sql-admin"]}}`)
	onPaths    = guardOf(`"rules":[
		{"name":"engineers","when":{"groups":"/data/engineering"},"groups":["data-engineers"]},
		{"name":"teams","when":{"groups":{"glob":"/data/engineering/*"}},"groups":["team-${1}"]}]`, `"groups":["/data/engineering"]`)
	onProtected = guardRule(`"ref_protected":true`, `"ref_protected":true`)
	onTexts     = guardRule(`"ref_protected":"true"`, `"ref_protected":"true"`)
	onRerun     = guardDeny(`"ssh_rerun":true`, `"ssh_rerun":false`)
	onTenant    = guardRule(`"tenant_id":[9007199254740992,1]`, `"tenant_id":9007199254740992`)
	onSibling   = guardRule(`"tenant_id":9007199254740993`, `"tenant_id":9007199254740993`)
	onEvenTen   = guardDeny(`"tenant_id":10`, `"tenant_id":11`)
	onMail      = guardOf(`"require":{"aud":"databricks","email_verified":true},"rules":[
		{"name":"r","when":{"email":{"glob":"*@acme.example"}},"groups":["staff"]}]`,
		`"email":"test.user@acme.example","email_verified":true`)
	onOneMail = guardOf(`"require":{"email_verified":true},"rules":[
		{"name":"r","when":{"email":"test.user@acme.example"},"groups":["staff"]}]`,
		`"email":"test.user@acme.example","email_verified":true`)
	onRegexRef  = guardRule(`"ref":{"regex":"refs/heads/main|refs/heads/release-[0-9]+"}`, `"ref":"refs/heads/release-7"`)
	onLines     = guardRule(`"ref":{"regex":"(?m)^refs/heads/main$"}`, `"ref":"refs/heads/main"`)
	onDollar    = guardRule(`"ref":{"regex":"refs/heads/main$"}`, `"ref":"refs/heads/main"`)
	onGlobRef   = guardRule(`"ref":{"glob":"refs/heads/*"}`, `"ref":"refs/heads/main"`)
	onDeepRef   = guardRule(`"ref":{"glob":"refs/heads/**"}`, `"ref":"refs/heads/feature/x"`)
	onGlobSub   = guardGitHub(`"sub":{"glob":"repo:acme/*:ref:refs/heads/main"}`)
	onExactRef  = guardGitHub(`"ref":"refs/heads/main"`)
	onFullRef   = guardGitHub(`"ref":{"regex":"refs/heads/(main|release)"}`)
	onStarRef   = guardGitHub(`"ref":{"glob":"refs/*/main"}`)
	onPull      = guardRule(`"ref":{"glob":"refs/pull/*/merge"}`, `"ref":"refs/pull/482/merge"`)
	onBrackets  = guardRule(`"groups":{"glob":"dbx-[ab]?-*"}`, `"groups":"dbx-[ab]?-x"`)
	onRole      = guardRule(`"arn":{"glob":"arn:aws:iam::111122223333:role/*"}`, `"arn":"arn:aws:iam::111122223333:role/etl"`)
	onWorkload  = guardRule(`"wid":{"glob":"spiffe://acme.example/ns/*/sa/etl"}`, `"wid":"spiffe://acme.example/ns/data/sa/etl"`)
	onSlow      = guardRule(`"ref":{"regex":"(a|aa|a*)*(a+)+b"}`, `"ref":"aaab"`)
	onWildcards = guardRule(`"ref":{"glob":"`+strings.Repeat("**a", 16)+`b"}`, `"ref":"`+strings.Repeat("xa", 16)+`b"`)
	onSystem    = guardOf(`"rules":[{"name":"r","when":{"groups":{"glob":"x-**"}},"groups":["account ${1}"]}]`, `"groups":["x-readers"]`)
	onSingle    = guardOf(`"rules":[{"name":"r","when":{"groups":{"glob":"x-**"}},"groups":["a${1}"]}]`, `"groups":["x-nalysts"]`)
	onLetter    = guardOf(`"rules":[{"name":"r","when":{"groups":{"glob":"x-**"}},"groups":["u${1}"]}]`, `"groups":["x-i-people"]`)
	onTwo       = guardOf(`"rules":[{"name":"r","when":{"groups":{"regex":"dbx-([a-z]+)(?:-([a-z]+))?"}},"groups":["t-${1}-${2}"]}]`,
		`"groups":["dbx-a-b"]`)
	onTwoNames = guardOf(`"rules":[{"name":"r","when":{"groups":{"glob":"dbx-**"}},"groups":["all-${1}","u${1}"]}]`, `"groups":["dbx-x"]`)
	onAllowed  = guardOf(`"allow":["team-risk","team-ops-*"],"rules":[
		{"name":"r","when":{"groups":{"glob":"dbx-**"}},"groups":["team-${1}"]}]`, `"groups":["dbx-risk"]`)
	onFallback = guardOf(`"require":{"aud":"databricks"},"rules":[
		{"name":"d","when":{"groups":"dbx-suspended"},"deny":"no"},
		{"name":"r","when":{"groups":{"glob":"dbx-team-*"}},"groups":["team-${1}"]}],
		"default":{"groups":["guests"]}`, `"groups":["vpn-users"]`)
	onOpenFallback = guardOf(`"rules":[{"name":"r","when":{"groups":"dbx-data-engineers"},"groups":["staff"]}],
		"default":{"groups":["guests"]}`, `"groups":["vpn-users"]`)
	onOutsider = guardRule(`"groups":{"none":["contractors"]}`, `"groups":["employees"]`)
	onPersonal = guardDeny(`"hd":{"present":false}`, `"hd":"acme.example"`)
	onBound    = guardDeny(`"/kubernetes.io/pod":{"present":false}`, `"kubernetes.io":{"pod":{"name":"etl"}}`)
	onNested   = guardRule(`"/a/b":{"present":true}`, `"a":{"b":"x"}`)
	onClient   = guardOf(`"require":{"aud":"databricks","azp":"dbx-cli"},"rules":[
		{"name":"r","when":{"groups":"dbx-data-engineers"},"groups":["staff"]}]`, `"azp":"dbx-cli","groups":["dbx-data-engineers"]`)
	onTwoIssuers = guard{
		policy: `{"version":1,"issuers":[
			{"issuer":"` + homeIssuer + `","require":{"aud":"databricks"},"rules":[{"name":"r","when":{"sub":"admin"},"groups":["staff"]}]},
			{"issuer":"https://partner.example","require":{"aud":"databricks"},"rules":[{"name":"r","when":{"groups":"p"},"groups":["partners"]}]}]}`,
		honest: `{"iss":"` + homeIssuer + `","sub":"admin","aud":"databricks"}`,
	}
	onEntra  = guardExample("entra.json", "entra-v2.json")
	onGithub = guardExample("github-actions.json", "github-actions.json")
	onGitlab = guardExample("gitlab.json", "gitlab-ci.json")
	onOkta   = guardExample("okta.json", "okta.json")
	onGoogle = guardExample("google.json", "google.json")
	onKube   = guardExample("kubernetes.json", "kubernetes-sa.json")
)

// longList is a list of n groups.
func longList(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"dbx-data-engineers-%d"`, i)
	}
	return `"groups":["dbx-data-engineers",` + strings.Join(list[1:], ",") + `]`
}

// altered replaces one member of an honest payload.
func altered(payload, member, value string) string {
	re := regexp.MustCompile(`"` + regexp.QuoteMeta(member) + `":\s*("[^"]*"|\[[^\]]*\]|[^,}\s]+)`)
	changed := re.ReplaceAllLiteralString(payload, `"`+member+`": `+value)
	if changed == payload {
		panic("claims_test: " + member + " is not in the payload")
	}
	return changed
}

var attacks = slices.Concat(
	attacksStringsAndLists, attacksSubstrings, attacksObjects, attacksBooleans, attacksAddresses, attacksPatterns, attacksExhaustion, attacksGroupPaths, attacksNamespaces,
	attacksInjections, attacksAbsences, attacksDuplicates, attacksNumbers, attacksUnicodeTricks, attacksIdentities, attacksOverage, attacksForgeries,
)

// The same value as a string, in a list, in a list of lists (CVE-2024-5798,
// CVE-2024-53861, CVE-2020-26160).
var attacksStringsAndLists = []attack{
	{"group name inside a longer string", onGroups, "groups-string", wantNoMatch},
	{"groups joined by commas in one string", onGroups, "groups-csv-string", wantNoMatch},
	{"groups joined by spaces in one string", onGroups, mallory(`"groups":"vpn-users dbx-data-engineers"`), wantNoMatch},
	{"groups as JSON in a string", onGroups, mallory(`"groups":"[\"dbx-data-engineers\"]"`), wantNoMatch},
	{"group in a list of other things", onGroups, "groups-mixed", wantMalformed},
	{"group in a list in a list", onGroups, mallory(`"groups":[["dbx-data-engineers"]]`), wantMalformed},
	{"groups as a list of objects with names", onGroups, mallory(`"groups":[{"name":"dbx-data-engineers"}]`), wantMalformed},
	{"group before a null", onGroups, mallory(`"groups":["dbx-data-engineers",null]`), wantMalformed},
	{"one group as a string is that group", onGroups, mallory(`"groups":"dbx-data-engineers"`), outcome{groups: "data-engineers", target: "engineers"}},
	{"suspended as a string passes by a filter on lists", onSuspended, mallory(`"groups":"dbx-suspended"`), wantDenied},
	{"suspended at the end of a list", onSuspended, mallory(`"groups":["vpn-users","dbx-suspended"]`), wantDenied},
	{"suspended among other things", onSuspended, mallory(`"groups":["dbx-suspended",1]`), wantDenied},
	{"audience that contains ours", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `"databricks-staging"`), wantDenied},
	{"audience that ours contains", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `"data"`), wantDenied},
	{"empty audience", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `""`), wantDenied},
	{"empty list of audiences", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `[]`), wantDenied},
	{"audience null", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `null`), wantDenied},
	{"no audience", onGroups, `{"iss":"` + homeIssuer + `","sub":"mallory","groups":["dbx-data-engineers"]}`, wantDenied},
	{"audience as a number", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `0`), wantDenied},
	{"audience as true", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `true`), wantDenied},
	{"audience as a list with a number", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `["databricks",0]`), wantMalformed},
	{"audience as an object", onGroups, "aud-object", wantMalformed},
	{"audiences that only look like ours", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "aud", `["Databricks","databricks ","databricks/"]`), wantDenied},
	{"issuer in a list", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `["`+homeIssuer+`"]`), wantDenied},
	{"scopes joined by a space that is none", onScopes, mallory(`"scp":"openid\u00a0sql.read"`), wantNoMatch},
	{"scopes joined by a tab", onScopes, mallory(`"scp":"openid\tsql.read"`), wantNoMatch},
	{"scopes joined by a line feed", onScopes, mallory(`"scp":"openid\nsql.read"`), wantNoMatch},
	{"scopes joined by commas", onScopes, mallory(`"scp":"openid,sql.read"`), wantNoMatch},
	{"scopes that are separators only", onAnyScope, mallory(`"scp":"  "`), wantNoMatch},
	{"joined scopes in a list are not split", onScopes, mallory(`"scp":["openid sql.read"]`), wantNoMatch},
}

// A name inside another one.
var attacksSubstrings = []attack{
	{"group with a suffix", onGroups, mallory(`"groups":["dbx-data-engineers-not"]`), wantNoMatch},
	{"group with a prefix", onGroups, mallory(`"groups":["no-dbx-data-engineers"]`), wantNoMatch},
	{"group with a space after it", onGroups, mallory(`"groups":["dbx-data-engineers "]`), wantNoMatch},
	{"group with a line feed after it", onGroups, mallory(`"groups":["dbx-data-engineers\n"]`), wantNoMatch},
	{"group with a zero byte after it", onGroups, mallory(`"groups":["dbx-data-engineers\u0000"]`), wantNoMatch},
	{"group id inside a longer one", onTable, mallory(`"groups":["0b7d5a11-64c2","x0b7d5a11"]`), wantNoMatch},
	{"group id in capitals", onTable, mallory(`"groups":["0B7D5A11"]`), wantNoMatch},
	{"group id as a number", onTable, mallory(`"groups":5`), wantNoMatch},
}

// An object where values are due.
var attacksObjects = []attack{
	{"group as the name of a member", onGroups, "groups-object", wantMalformed},
	{"groups with numbers as names", onGroups, "roles-indexed", wantMalformed},
	{"group id as the name of a member", onTable, mallory(`"groups":{"0b7d5a11":true}`), wantMalformed},
	{"empty object", onGroups, mallory(`"groups":{}`), wantMalformed},
	{"suspended hidden in an object", onSuspended, mallory(`"groups":{"a":"dbx-suspended"}`), wantDenied},
	{"contractor hidden in an object", onOutsider, mallory(`"groups":{"a":"contractors"}`), wantMalformed},
	{"default not for who sends an object", onOpenFallback, mallory(`"groups":{}`), wantMalformed},
}

// Truth in other types.
var attacksBooleans = []attack{
	{"false as a text is not true", onProtected, "bool-strings", wantNoMatch},
	{"true as a text is not true", onProtected, mallory(`"ref_protected":"true"`), wantNoMatch},
	{"1 is not true", onProtected, mallory(`"ref_protected":1`), wantNoMatch},
	{"yes is not true", onProtected, mallory(`"ref_protected":"yes"`), wantNoMatch},
	{"a list with true is not true", onProtected, mallory(`"ref_protected":[true]`), wantMalformed},
	{"null is not true", onProtected, mallory(`"ref_protected":null`), wantNoMatch},
	{"true is not the text true", onTexts, mallory(`"ref_protected":true`), wantNoMatch},
	{"TRUE is not the text true", onTexts, mallory(`"ref_protected":"TRUE"`), wantNoMatch},
	{"a rerun that says so as a text", onRerun, mallory(`"ssh_rerun":"true"`), wantDenied},
	{"a rerun that says so as a number", onRerun, mallory(`"ssh_rerun":1`), wantDenied},
	{"a rerun that says nothing", onRerun, mallory(`"ssh_rerun":null`), wantDenied},
	{"a rerun that says it in a list", onRerun, mallory(`"ssh_rerun":[true]`), wantDenied},
	{"GitLab's flag as a boolean only passes for the weaker target", onGitlab, altered(onGitlab.honest, "ref_protected", "true"), outcome{target: "branches"}},
}

// Addresses that nobody has verified, or that only end like ours
// (GHSA-9r87-mvcw-x35f, CVE-2026-14781, CVE-2024-27918, CVE-2026-40574).
var attacksAddresses = []attack{
	{"verified is not said", onOneMail, mallory(`"email":"test.user@acme.example"`), wantDenied},
	{"verified is null", onOneMail, mallory(`"email":"test.user@acme.example","email_verified":null`), wantDenied},
	{"verified is false", onOneMail, mallory(`"email":"test.user@acme.example","email_verified":false`), wantDenied},
	{"verified is the text false", onOneMail, "bool-strings", wantDenied},
	{"verified is the text true", onOneMail, mallory(`"email":"test.user@acme.example","email_verified":"true"`), wantDenied},
	{"verified is 1", onOneMail, mallory(`"email":"test.user@acme.example","email_verified":1`), wantDenied},
	{"verified is a list", onOneMail, mallory(`"email":"test.user@acme.example","email_verified":[true]`), wantMalformed},
	{"verified in other capitals", onOneMail, "case-shadow", wantDenied},
	{"verified twice", onOneMail, "dup-email-verified", wantMalformed},
	{"verified elsewhere", onOneMail, mallory(`"email":"test.user@acme.example","userinfo":{"email_verified":true}`), wantDenied},
	{"address with two domains", onMail, "email-double-at", wantNoMatch},
	{"domain with ours at its end", onMail, mallory(`"email":"m@notacme.example","email_verified":true`), wantNoMatch},
	{"domain below another one", onMail, mallory(`"email":"m@acme.example.evil.example","email_verified":true`), wantNoMatch},
	{"domain below ours", onMail, mallory(`"email":"m@x.acme.example","email_verified":true`), wantNoMatch},
	{"no name before the domain", onMail, mallory(`"email":"@acme.example","email_verified":true`), wantNoMatch},
	{"quoted address in an address", onMail, mallory(`"email":"\"m@evil.example\"@acme.example","email_verified":true`), wantNoMatch},
	{"two addresses in one", onMail, mallory(`"email":"m@evil.example, a@acme.example","email_verified":true`), wantNoMatch},
	{"line feed after the domain", onMail, mallory(`"email":"m@acme.example\n","email_verified":true`), wantNoMatch},
	{"a wide at sign", onMail, mallory(`"email":"m\uff20acme.example","email_verified":true`), wantNoMatch},
	{"the domain in capitals", onMail, mallory(`"email":"m@ACME.EXAMPLE","email_verified":true`), wantNoMatch},
	{"path in the name", onMail, mallory(`"email":"evil.example/m@acme.example","email_verified":true`), wantNoMatch},
}

// Patterns that take in more than was meant (CVE-2026-22772, CVE-2026-41059).
var attacksPatterns = []attack{
	{"branch that begins like main", onExactRef, "github-branch-prefix", wantNoMatch},
	{"branch that begins like main, by regex", onFullRef, "github-branch-prefix", wantNoMatch},
	{"branch that begins like main, by glob", onStarRef, "github-branch-prefix", wantNoMatch},
	{"branch that begins like one of two", onRegexRef, mallory(`"ref":"refs/heads/main-attacker"`), wantNoMatch},
	{"branch that ends like the other of two", onRegexRef, mallory(`"ref":"evil/refs/heads/release-7"`), wantNoMatch},
	{"branch that begins like the other of two", onRegexRef, mallory(`"ref":"refs/heads/release-7-evil"`), wantNoMatch},
	{"branch with a line feed after it, by regex", onRegexRef, mallory(`"ref":"refs/heads/main\n"`), wantNoMatch},
	{"branch on a line of its own", onLines, mallory(`"ref":"refs/heads/evil\nrefs/heads/main"`), wantNoMatch},
	{"branch on the first line", onLines, mallory(`"ref":"refs/heads/main\nrefs/heads/evil"`), wantNoMatch},
	{"branch before a last line feed, with a dollar", onDollar, mallory(`"ref":"refs/heads/main\n"`), wantNoMatch},
	{"digits of another script", onRegexRef, mallory(`"ref":"refs/heads/release-\u0661"`), wantNoMatch},
	{"branch in a folder, by one star", onGlobRef, mallory(`"ref":"refs/heads/x/main"`), wantNoMatch},
	{"branch without a name, by one star", onGlobRef, mallory(`"ref":"refs/heads/"`), wantNoMatch},
	{"branch without a name, by two stars", onDeepRef, mallory(`"ref":"refs/heads/"`), wantNoMatch},
	{"branch name with a colon, by one star", onGlobRef, mallory(`"ref":"refs/heads/a:b"`), wantNoMatch},
	{"branch name with an at sign, by one star", onGlobRef, mallory(`"ref":"refs/heads/a@b"`), wantNoMatch},
	{"tag with the name of a branch", onDeepRef, mallory(`"ref":"refs/tags/refs/heads/x"`), wantNoMatch},
	{"environment named like the rest of a subject", onGlobSub, gitHubToken("repo:acme/x:environment:y:ref:refs/heads/main"), wantNoMatch},
	{"owner that begins like ours", onGlobSub, gitHubToken("repo:acme-evil/x:ref:refs/heads/main"), wantNoMatch},
	{"owner in front of ours", onGlobSub, gitHubToken("repo:evil/repo:acme/x:ref:refs/heads/main"), wantNoMatch},
	{"merge ref with more parts", onPull, mallory(`"ref":"refs/pull/1/evil/merge"`), wantNoMatch},
	{"brackets and question marks are themselves", onBrackets, mallory(`"groups":"dbx-ax-y"`), wantNoMatch},
	{"a star as a value", onGroups, mallory(`"groups":["*","**","dbx-*"]`), wantNoMatch},
	{"role in a folder of roles", onRole, mallory(`"arn":"arn:aws:iam::111122223333:role/evil/etl"`), wantNoMatch},
	{"user with a role's name", onRole, mallory(`"arn":"arn:aws:iam::111122223333:user/role/etl"`), wantNoMatch},
	{"role of another account", onRole, mallory(`"arn":"arn:aws:iam::444455556666:role/etl"`), wantNoMatch},
	{"workload in two namespaces", onWorkload, mallory(`"wid":"spiffe://acme.example/ns/a/ns/b/sa/etl"`), wantNoMatch},
	{"trust domain that begins like ours", onWorkload, mallory(`"wid":"spiffe://acme.example.evil/ns/a/sa/etl"`), wantNoMatch},
	{"branch that begins like main, in GitHub's example", onGithub, "github-branch-prefix", wantDenied},
}

// Payloads that are meant to take long.
var attacksExhaustion = []attack{
	{"regex that other engines try for ever", onSlow, mallory(`"ref":"` + strings.Repeat("a", 60_000) + `"`), wantNoMatch},
	{"glob that other engines try for ever", onWildcards, mallory(`"ref":"` + strings.Repeat("a", 60_000) + `"`), wantNoMatch},
	{"many long groups", onWildcards, mallory(`"ref":["` + strings.Repeat(strings.Repeat("a", 28)+`","`, 1900) + `a"]`), wantNoMatch},
	{"payload that is nested too deep", onGroups, "deep", wantMalformed},
	{"payload that is too long", onGroups, mallory(`"x":"` + strings.Repeat("a", 64<<10) + `"`), wantMalformed},
	{"payload with too many values", onGroups, mallory(`"x":[0` + strings.Repeat(",0", 2000) + `]`), wantMalformed},
	{"number with too many digits", onGroups, mallory(`"x":` + strings.Repeat("9", 65)), wantMalformed},
	{"most groups that a payload can have", onTable, mallory(`"groups":["x"` + strings.Repeat(`,"x"`, 1990) + `]`), wantNoMatch},
}

// Groups of one name in several places of a tree (CVE-2026-19608).
var attacksGroupPaths = []attack{
	{"group without its path", onPaths, mallory(`"groups":["engineering"]`), wantNoMatch},
	{"group of the same name elsewhere", onPaths, mallory(`"groups":["/corp/data/engineering"]`), wantNoMatch},
	{"path without its first slash", onPaths, mallory(`"groups":["data/engineering"]`), wantNoMatch},
	{"path with a slash at its end", onPaths, mallory(`"groups":["/data/engineering/"]`), wantNoMatch},
	{"path with a doubled slash", onPaths, mallory(`"groups":["/data//engineering"]`), wantNoMatch},
	{"path with dots", onPaths, mallory(`"groups":["/data/x/../engineering"]`), wantNoMatch},
	{"path with an escaped slash", onPaths, mallory(`"groups":["/data%2Fengineering","/data~1engineering","\\/data\\/engineering"]`), wantNoMatch},
	{"group below a team", onPaths, mallory(`"groups":["/data/engineering/risk/leads"]`), wantNoMatch},
	{"dots as a team", onPaths, mallory(`"groups":["/data/engineering/.."]`), wantGroups("team-..")},
}

// Names of the malloryIs provider that are names of Databricks too.
var attacksNamespaces = []attack{
	{"system groups by a template", onGroups, "groups-system-names", wantGroups("team-admins")},
	{"a Databricks group by its own name", onGroups, mallory(`"groups":["data-engineers","team-risk","staff"]`), wantNoMatch},
	{"account users, by a template", onSystem, mallory(`"groups":["x-users"]`), wantNoMatch},
	{"account admins, in capitals", onSystem, mallory(`"groups":["x-ADMINS"]`), wantNoMatch},
	{"account users, with two spaces", onSystem, mallory(`"groups":["x- users"]`), wantNoMatch},
	{"admins, by a letter", onSingle, mallory(`"groups":["x-dmins"]`), wantNoMatch},
	{"admins, in mixed capitals", onSingle, mallory(`"groups":["x-DmInS"]`), wantNoMatch},
	{"users, with a long s", onLetter, mallory(`"groups":["x-\u017fers"]`), wantNoMatch},
	{"users, with a space after it", onLetter, mallory(`"groups":["x-sers "]`), wantNoMatch},
	{"account users, by a letter", onSingle, mallory(`"groups":["x-ccount users"]`), wantNoMatch},
	{"users beside an allowed name", onTwoNames, mallory(`"groups":["dbx-sers"]`), wantNoMatch},
	{"claims that say what to assume", onGroups, mallory(`"groups":["dbx-team-x"],"assume_group":"42","target":{"assume_group":"42"},"client_id":"3f0c2a1e-1111-4000-8000-000000000001"`), wantGroups("team-x")},
	{"claims named like a policy", onGroups, mallory(`"groups":["x"],"rules":[],"default":{"groups":["data-engineers"]},"allow":["*"]`), wantNoMatch},
}

// Group names made to break out of a template.
var attacksInjections = []attack{
	{"separators, controls and bidirectional marks", onGroups, "group-names-injected", wantGroups("team-risk")},
	{"name that is too long by one", onGroups, mallory(`"groups":["dbx-team-` + strings.Repeat("x", 251) + `"]`), wantNoMatch},
	{"longest name", onGroups, mallory(`"groups":["dbx-team-` + strings.Repeat("x", 250) + `"]`), wantGroups("team-" + strings.Repeat("x", 250))},
	{"nothing after the prefix", onGroups, mallory(`"groups":["dbx-team-"]`), wantNoMatch},
	{"part of a pattern that took nothing", onTwo, mallory(`"groups":["dbx-a"]`), wantNoMatch},
	{"team that is not allowed", onAllowed, mallory(`"groups":["dbx-admins"]`), wantNoMatch},
	{"team that begins like an allowed one", onAllowed, mallory(`"groups":["dbx-risk-admins"]`), wantNoMatch},
	{"separator inside an allowed pattern", onAllowed, mallory(`"groups":["dbx-ops-a@b"]`), wantNoMatch},
	{"allowed beside one that is not", onAllowed, mallory(`"groups":["dbx-admins","dbx-ops-x"]`), wantGroups("team-ops-x")},
	{"capture inside a value", onGroups, mallory(`"groups":["dbx-team-${1}"]`), wantNoMatch},
	{"group after a separator in a list that is split", onScopes, mallory(`"scp":["x sql.read"]`), wantNoMatch},
}

// Nothing where something is due (CVE-2022-31690).
var attacksAbsences = []attack{
	{"groups null", onGroups, "groups-null", wantNoMatch},
	{"groups empty", onGroups, "groups-empty", wantNoMatch},
	{"group with an empty name", onGroups, mallory(`"groups":[""]`), wantNoMatch},
	{"groups an empty string", onGroups, mallory(`"groups":""`), wantNoMatch},
	{"no groups, where somebody may be suspended", onSuspended, mallory(`"x":1`), wantDenied},
	{"groups null, where somebody may be suspended", onSuspended, mallory(`"groups":null`), wantDenied},
	{"no groups at all cannot be suspended", onSuspended, mallory(`"groups":[]`), wantGroups("staff")},
	{"no groups, where somebody must not be a contractor", onOutsider, mallory(`"x":1`), wantIncomplete},
	{"a number, where somebody must not be a contractor", onOutsider, mallory(`"groups":0`), wantMalformed},
	{"contractor among others", onOutsider, mallory(`"groups":["employees","contractors"]`), wantNoMatch},
	{"default for who is suspended", onFallback, mallory(`"groups":["dbx-suspended"]`), wantDenied},
	{"default for whose groups nobody knows", onFallback, mallory(`"x":1`), wantDenied},
	{"default for another audience", onFallback, altered(mallory(`"groups":["vpn-users"]`), "aud", `"payroll"`), wantDenied},
	{"default for who has a team without a name", onFallback, mallory(`"groups":["dbx-team-"]`), wantGroups("guests")},
	{"default for who sends groups elsewhere", onOpenFallback, mallory(`"_claim_names":{"groups":"src1"}`), wantIncomplete},
	{"default for who sends mixed groups", onOpenFallback, "groups-mixed", wantMalformed},
	{"a domain that is empty is not a company's", onGoogle, altered(onGoogle.honest, "hd", `""`), wantNoMatch},
	{"a domain that is null", onPersonal, mallory(`"hd":null`), wantDenied},
	{"a domain that is an empty list", onPersonal, mallory(`"hd":[]`), wantDenied},
	{"a pod that is null", onBound, mallory(`"kubernetes.io":{"pod":null}`), wantDenied},
	{"a text where the pod's object should be", onBound, mallory(`"kubernetes.io":"pod"`), wantDenied},
	{"a list where the pod's object should be", onBound, mallory(`"kubernetes.io":["pod"]`), wantDenied},
	{"a text on the way to a claim that must be there", onNested, mallory(`"a":"b"`), wantMalformed},
	{"no pod in the Kubernetes example", onKube, strings.Replace(onKube.honest, `"pod"`, `"pods"`, 1), wantDenied},
	{"empty payload", onGroups, `{}`, wantDenied},
	{"payload null", onGroups, `null`, wantMalformed},
	{"payload a list", onGroups, `[` + mallory(`"groups":["dbx-data-engineers"]`) + `]`, wantMalformed},
	{"no payload", onGroups, ``, wantMalformed},
}

// Members that stand twice, or that another decoder takes for ours
// (CVE-2017-12635).
var attacksDuplicates = []attack{
	{"groups twice", onGroups, "dup-groups", wantMalformed},
	{"roles twice", onRoles, "dup-nested", wantMalformed},
	{"groups twice, once with an escape", onGroups, "dup-escaped", wantMalformed},
	{"groups in capitals beside groups", onGroups, "case-shadow", wantNoMatch},
	{"groups in capitals alone", onGroups, mallory(`"GROUPS":["dbx-data-engineers"],"Groups":["dbx-data-engineers"]`), wantNoMatch},
	{"groups with a long s", onGroups, mallory(`"group\u017f":["dbx-data-engineers"]`), wantNoMatch},
	{"groups with a space", onGroups, mallory(`"groups ":["dbx-data-engineers"]`), wantNoMatch},
	{"a second issuer in capitals", onGroups, "iss-twin", wantMalformed},
	{"a second issuer with a long s", onGroups, "iss-twin-long-s", wantMalformed},
	{"a second audience in capitals", onGroups, mallory(`"AUD":"databricks","groups":["dbx-data-engineers"]`), wantMalformed},
	{"another object after the first", onGroups, "trailing-data", wantMalformed},
	{"comment in the payload", onGroups, `{` + malloryIs + `,/**/"groups":["dbx-data-engineers"]}`, wantMalformed},
	{"comma at the end", onGroups, `{` + malloryIs + `,"groups":["dbx-data-engineers"],}`, wantMalformed},
	{"names without quotes", onGroups, `{` + malloryIs + `,groups:["dbx-data-engineers"]}`, wantMalformed},
}

// Numbers that are equal only for a computer in a hurry.
var attacksNumbers = []attack{
	{"id that is equal as a float", onTenant, "big-numbers", wantNoMatch},
	{"id that is equal as a float, the other way", onSibling, mallory(`"tenant_id":9007199254740992`), wantNoMatch},
	{"exact id", onSibling, "big-numbers", wantGroups("staff")},
	{"1.9 is not 1", onTenant, mallory(`"tenant_id":1.9`), wantNoMatch},
	{"1.0 is not 1", onTenant, mallory(`"tenant_id":1.0`), wantNoMatch},
	{"1e0 is not 1", onTenant, mallory(`"tenant_id":1e0`), wantNoMatch},
	{"the text 1 is not 1", onTenant, mallory(`"tenant_id":"1"`), wantNoMatch},
	{"true is not 1", onTenant, mallory(`"tenant_id":true`), wantNoMatch},
	{"1 in a list is malformed", onTenant, mallory(`"tenant_id":[1]`), wantMalformed},
	{"number beyond every float", onTenant, mallory(`"tenant_id":1e400`), wantNoMatch},
	{"leading zero", onTenant, mallory(`"tenant_id":01`), wantMalformed},
	{"plus sign", onTenant, mallory(`"tenant_id":+1`), wantMalformed},
	{"not a number", onTenant, mallory(`"tenant_id":NaN`), wantMalformed},
	{"denied id as a text", onEvenTen, mallory(`"tenant_id":"10"`), wantDenied},
	{"denied id", onEvenTen, mallory(`"tenant_id":10`), wantDenied},
}

// Letters that look alike, fold alike or are none.
var attacksUnicodeTricks = []attack{
	{"lookalikes of a group", onGroups, "groups-unicode", wantNoMatch},
	{"lookalikes of a group that is folded", onFolded, "groups-unicode", wantNoMatch},
	{"Kelvin sign for k", onFolded, mallory(`"groups":["\u212a8s"]`), wantNoMatch},
	{"long s for s", onFolded, mallory(`"groups":["k8\u017f"]`), wantNoMatch},
	{"Kelvin sign for k, in a folded glob", guardRule(`"groups":{"glob":"k8s-*","fold":true}`, `"groups":"K8S-x"`), mallory(`"groups":["\u212a8s-x"]`), wantNoMatch},
	{"Kelvin sign for k, in a folded regex", guardRule(`"groups":{"regex":"k8s-[a-z]","fold":true}`, `"groups":"K8S-X"`), mallory(`"groups":["\u212a8s-x","K8S-\u212a"]`), wantNoMatch},
	{"capitals without fold", onGroups, mallory(`"groups":["DBX-DATA-ENGINEERS"]`), wantNoMatch},
	{"accent as a letter of its own", guardRule(`"groups":"\u00e9quipe"`, `"groups":"équipe"`), mallory(`"groups":"e\u0301quipe"`), wantNoMatch},
	{"fold beyond ASCII", guardRule(`"groups":{"any":["équipe"],"fold":true}`, `"groups":"éQUIPE"`), mallory(`"groups":"\u00c9quipe"`), wantNoMatch},
	{"sharp s for two", guardRule(`"groups":{"any":["gross"],"fold":true}`, `"groups":"GROSS"`), mallory(`"groups":["gro\u00df","gro\u1e9e"]`), wantNoMatch},
	{"half a surrogate pair", onGroups, "lone-surrogate", wantMalformed},
	{"bytes that are not UTF-8", onGroups, "invalid-utf8", wantMalformed},
	{"a letter in two bytes too many", onGroups, "overlong-utf8", wantMalformed},
	{"byte order mark", onGroups, "byte-order-mark", wantMalformed},
	{"control character in a string", onGroups, "{" + malloryIs + ",\"groups\":\"dbx-data-engineers\n\"}", wantMalformed},
	{"group in wide letters by a template", onGroups, mallory(`"groups":["\uff44bx-team-x"]`), wantNoMatch},
}

// Somebody else with the same name (CVE-2026-40946, CVE-2026-44428).
var attacksIdentities = []attack{
	{"issuer with a slash at its end", onGroups, "issuer-lookalike", wantDenied},
	{"issuer in capitals", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `"HTTPS://SSO.ACME.EXAMPLE/realms/data"`), wantDenied},
	{"issuer with its port", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `"https://sso.acme.example:443/realms/data"`), wantDenied},
	{"issuer as a user name", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `"https://sso.acme.example@evil.example/realms/data"`), wantDenied},
	{"issuer that begins like ours", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `"https://sso.acme.example/realms/data-evil"`), wantDenied},
	{"issuer with a space", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `" `+homeIssuer+`"`), wantDenied},
	{"issuer without https", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `"sso.acme.example/realms/data"`), wantDenied},
	{"issuer null", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `null`), wantDenied},
	{"issuer a number", onGroups, altered(mallory(`"groups":["dbx-data-engineers"]`), "iss", `1`), wantDenied},
	{"subject of one issuer in a token of another", onTwoIssuers, `{"iss":"https://partner.example","sub":"admin","aud":"databricks"}`, wantNoMatch},
	{"groups of one issuer in a token of another", onTwoIssuers, mallory(`"groups":["p"]`), wantNoMatch},
	{"issuer named in azp and act", onTwoIssuers, `{"iss":"https://partner.example","sub":"x","aud":"databricks","azp":"` + homeIssuer + `","act":{"iss":"` + homeIssuer + `","sub":"admin"}}`, wantNoMatch},
	{"repository that took over the name", onGithub, "github-recycled", wantDenied},
	{"same person id in another tenant", onEntra, "entra-other-tenant", wantDenied},
	{"token for the same subject at another API", onEntra, altered(onEntra.honest, "aud", `"https://graph.microsoft.com"`), wantDenied},
	{"another organization's service account with our audience", guardExample("google.json", "google-service-account.json"), altered(altered(onGoogle.honest, "sub", `"100000000000000000009"`), "hd", `"evil.example"`), wantNoMatch},
	{"subject in capitals", onTwoIssuers, `{"iss":"` + homeIssuer + `","sub":"Admin","aud":"databricks"}`, wantNoMatch},
	{"subject in a list", onTwoIssuers, `{"iss":"` + homeIssuer + `","sub":["admin",1],"aud":"databricks"}`, wantMalformed},
}

// Groups that are not all there.
var attacksOverage = []attack{
	{"groups elsewhere, at an address of the attacker's choice", onEntra, "overage-evil-endpoint", wantIncomplete},
	{"some groups here and the others elsewhere", onEntra, "overage-and-groups", wantIncomplete},
	{"hasgroups as a text", onEntra, "hasgroups-string", wantIncomplete},
	{"hasgroups as 0", onGroups, mallory(`"hasgroups":0`), wantIncomplete},
	{"hasgroups with some groups", onGroups, mallory(`"hasgroups":true,"groups":["dbx-data-engineers"]`), wantIncomplete},
	{"hasgroups false", onGroups, mallory(`"hasgroups":false,"groups":["dbx-team-x"]`), wantGroups("team-x")},
	{"list cut at 100", onGroups, "groups-100-truncated", wantIncomplete},
	{"list cut at 100, with the group in it", onGroups, mallory(longList(100)), wantIncomplete},
	{"list of 99", onGroups, mallory(longList(99)), outcome{groups: "data-engineers", target: "engineers"}},
	{"list longer than the cut", onGroups, mallory(longList(150)), wantIncomplete},
	{"one group a hundred times", onGroups, mallory(`"groups":["dbx-data-engineers"` + strings.Repeat(`,"dbx-data-engineers"`, 99) + `]`), wantIncomplete},
	{"list cut at 100, in Okta's example", onOkta, altered(altered(onOkta.honest, "groups", `["x"`+strings.Repeat(`,"x"`, 99)+`]`), "nonce", `"n"`), wantIncomplete},
	{"joined scopes cut at three", onCutScopes, mallory(`"scp":"a b sql.read"`), wantIncomplete},
	{"claim names as a list", onGroups, mallory(`"_claim_names":["groups"],"groups":["dbx-data-engineers"]`), wantIncomplete},
	{"claim names with a null", onGroups, mallory(`"_claim_names":{"groups":null},"groups":["dbx-data-engineers"]`), wantIncomplete},
	{"another claim elsewhere", onGroups, mallory(`"_claim_names":{"wids":"src1"},"groups":["dbx-team-x"]`), wantGroups("team-x")},
	{"suspended elsewhere", onSuspended, mallory(`"_claim_names":{"groups":"src1"}`), wantDenied},
	{"audience elsewhere", onGroups, mallory(`"_claim_names":{"aud":"src1"},"groups":["dbx-data-engineers"]`), wantIncomplete},
	{"roles elsewhere", onRoles, mallory(`"_claim_names":{"resource_access":"src1"},"resource_access":{"databricks":{"roles":["sql-admin"]}}`), wantIncomplete},
	{"contractor elsewhere", onOutsider, mallory(`"_claim_names":{"groups":"src1"}`), wantIncomplete},
	{"lookup elsewhere", onTable, mallory(`"_claim_names":{"groups":"src1"}`), wantIncomplete},
}

// Claims that a client or a user may write (CVE-2026-16102, CVE-2026-15572,
// CVE-2026-4629).
var attacksForgeries = []attack{
	{"groups from another client", onClient, mallory(`"azp":"playground","groups":["dbx-data-engineers"]`), wantDenied},
	{"groups from no client", onClient, mallory(`"groups":["dbx-data-engineers"]`), wantDenied},
	{"client in a list with others", onClient, mallory(`"azp":["playground"],"groups":["dbx-data-engineers"]`), wantDenied},
	{"client in client_id only", onClient, mallory(`"client_id":"dbx-cli","groups":["dbx-data-engineers"]`), wantDenied},
	{"our client with another audience", onClient, altered(mallory(`"azp":"dbx-cli","groups":["dbx-data-engineers"]`), "aud", `"account"`), wantDenied},
	{"claims named like a pointer", onRoles, "pointer-shadow", wantNoMatch},
	{"pointer through a list", onRoles, "pointer-through-list", wantMalformed},
	{"pointer through a text", onRoles, mallory(`"resource_access":"databricks"`), wantMalformed},
	{"pointer with an index", onRoles, mallory(`"resource_access":{"databricks":{"roles":{"0":"sql-admin"}}}`), wantMalformed},
	{"roles of another client", onRoles, mallory(`"resource_access":{"account":{"roles":["sql-admin"]}}`), wantNoMatch},
	{"pull request that runs with the base's rights", onGithub, "github-fork-pull-request", wantDenied},
}
