package claims_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// A trap is a policy that says something else than its author means, or that
// somebody has made to cost much. It must not load.
type trap struct {
	name    string
	policy  string
	path    string // of the finding; empty if the file cannot be read at all
	text    string // in the finding, or in the error
	options []claims.Option
}

// rulesOf is a policy with these rules and tests.
func rulesOf(rules string, tests ...string) string {
	return issuerOf(`"require":{"aud":"databricks"},"rules":[`+rules+`]`, tests...)
}

// issuerOf is a policy with these settings of its one issuer, and tests.
func issuerOf(settings string, tests ...string) string {
	policy := `{"version":1,"issuers":[{"issuer":"` + homeIssuer + `",` + settings + `}]`
	if len(tests) > 0 {
		policy += `,"tests":[` + strings.Join(tests, ",") + `]`
	}
	return policy + `}`
}

// whenRef is a policy with one rule that has this matcher for ref.
func whenRef(matcher string) string {
	return rulesOf(`{"name":"r","when":{"ref":` + matcher + `},"groups":["staff"]}`)
}

// givesGroup is a policy with one rule that gives this group.
func givesGroup(name string) string {
	return rulesOf(`{"name":"r","when":{"groups":{"glob":"x-*"}},"groups":[` + text(name) + `]}`)
}

// givesTarget is a policy with one rule that gives this target.
func givesTarget(target string) string {
	return rulesOf(`{"name":"r","when":{"ref":"x"},"target":` + target + `}`)
}

func text(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// many joins n members with commas.
func many(n int, member func(i int) string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = member(i)
	}
	return strings.Join(list, ",")
}

const (
	atMatcher = "issuers[0].rules[0].when.ref"
	atGroup   = "issuers[0].rules[0].groups[0]"
	atTarget  = "issuers[0].rules[0].target"
	atRule    = "issuers[0].rules[0]"
)

var traps = slices.Concat(trapsPatterns, trapsNames, trapsTemplates, trapsMatchers, trapsRules, trapsMail, trapsTargets, trapsFile, trapsTests, trapsSize, trapsBroker)

var trapsPatterns = []trap{
	{name: "regex that closes the group around it", policy: whenRef(`{"regex":"a)(b"}`), path: atMatcher, text: "a)(b"},
	{name: "regex that closes it and ends early", policy: whenRef(`{"regex":"main)|(?:.*"}`), path: atMatcher, text: "regex"},
	{name: "regex that quotes the rest", policy: whenRef(`{"regex":"\\Qmain"}`), path: atMatcher},
	{name: "regex that escapes the rest", policy: whenRef(`{"regex":"main\\"}`), path: atMatcher},
	{name: "regex that folds", policy: whenRef(`{"regex":"(?i)main"}`), path: atMatcher, text: "fold"},
	{name: "regex that folds a part", policy: whenRef(`{"regex":"x(?i:main)"}`), path: atMatcher, text: "fold"},
	{name: "regex that folds among other flags", policy: whenRef(`{"regex":"(?msi)main"}`), path: atMatcher, text: "fold"},
	{name: "regex that folds in a named group", policy: whenRef(`{"regex":"(?P<n>(?i)main)"}`), path: atMatcher, text: "fold"},
	{name: "regex for everything", policy: whenRef(`{"regex":".*"}`), path: atMatcher, text: "every value"},
	{name: "regex for everything, by a count", policy: whenRef(`{"regex":".{1,}"}`), path: atMatcher, text: "every value"},
	{name: "regex for everything, captured", policy: whenRef(`{"regex":"(?s)^(.+)$"}`), path: atMatcher, text: "every value"},
	{name: "regex for everything, or main", policy: whenRef(`{"regex":"refs/heads/main|.*"}`), path: atMatcher, text: "every value"},
	{name: "regex for nothing", policy: whenRef(`{"regex":""}`), path: atMatcher},
	{name: "regex with a back reference", policy: whenRef(`{"regex":"(a)\\1"}`), path: atMatcher},
	{name: "regex that looks ahead", policy: whenRef(`{"regex":"(?=a)a"}`), path: atMatcher},
	{name: "regex that repeats repetitions", policy: whenRef(`{"regex":"((a{100}){100}){100}"}`), path: atMatcher},
	{name: "regex that is too long", policy: whenRef(`{"regex":"` + strings.Repeat("a", 1025) + `"}`), path: atMatcher, text: "1024"},
	{name: "regex with capitals that a fold never sees", policy: whenRef(`{"regex":"MAIN","fold":true}`), path: atMatcher, text: "lower case"},
	{name: "second regex for everything", policy: whenRef(`{"regex":["refs/heads/main",".*"]}`), path: atMatcher},
	{name: "glob for everything", policy: whenRef(`{"glob":"*"}`), path: atMatcher, text: "literal"},
	{name: "glob for everything with separators", policy: whenRef(`{"glob":"**"}`), path: atMatcher, text: "literal"},
	{name: "glob of three stars", policy: whenRef(`{"glob":"refs/***"}`), path: atMatcher},
	{name: "second glob for everything", policy: whenRef(`{"glob":["refs/heads/main","**"]}`), path: atMatcher},
	{name: "empty glob", policy: whenRef(`{"glob":""}`), path: atMatcher},
	{name: "no glob", policy: whenRef(`{"glob":[]}`), path: atMatcher},
	{name: "glob with too many wildcards", policy: whenRef(`{"glob":"` + strings.Repeat("a*", 17) + `"}`), path: atMatcher, text: "16"},
	{name: "glob that is too long", policy: whenRef(`{"glob":"` + strings.Repeat("a", 1025) + `"}`), path: atMatcher, text: "1024"},
	{name: "allow for everything", policy: issuerOf(`"allow":["**"],"rules":[{"name":"r","when":{"ref":"x"},"groups":["staff"]}]`), path: "issuers[0].allow[0]"},
}

// Names that Databricks keeps for itself, and what looks like them.
var trapsNames = []trap{
	{name: "admins", policy: givesGroup("admins"), path: atGroup, text: "system group"},
	{name: "users", policy: givesGroup("users"), path: atGroup, text: "system group"},
	{name: "account users", policy: givesGroup("account users"), path: atGroup, text: "system group"},
	{name: "account admins", policy: givesGroup("account admins"), path: atGroup, text: "system group"},
	{name: "admins in capitals", policy: givesGroup("ADMINS"), path: atGroup, text: "system group"},
	{name: "account users in mixed capitals", policy: givesGroup("Account Users"), path: atGroup, text: "system group"},
	{name: "users with a long s", policy: givesGroup("u\u017fers"), path: atGroup, text: "system group"},
	{name: "admins with two long s", policy: givesGroup("ADMIN\u017f"), path: atGroup, text: "system group"},
	{name: "account users with two spaces", policy: givesGroup("account  users"), path: atGroup},
	{name: "account users with a space that does not break", policy: givesGroup("account\u00a0users"), path: atGroup},
	{name: "admins with a space before it", policy: givesGroup(" admins"), path: atGroup},
	{name: "admins with a space after it", policy: givesGroup("admins "), path: atGroup},
	{name: "admins with a joiner of no width", policy: givesGroup("adm\u200dins"), path: atGroup},
	{name: "admins written from right to left", policy: givesGroup("\u202eadmins"), path: atGroup},
	{name: "admins with a dot of its own", policy: givesGroup("admi\u0307ns"), path: atGroup},
	{name: "admins with a variation selector", policy: givesGroup("admins\ufe0f"), path: atGroup},
	{name: "group with a slash", policy: givesGroup("team/admins"), path: atGroup},
	{name: "group with a comma", policy: givesGroup("team,admins"), path: atGroup},
	{name: "group that begins with a dot", policy: givesGroup(".team"), path: atGroup},
	{name: "group without a name", policy: givesGroup(""), path: atGroup, text: "empty"},
	{name: "group with a long name", policy: givesGroup(strings.Repeat("x", 256)), path: atGroup, text: "255"},
	{
		name: "admins in a table", path: "issuers[0].rules[0].lookup.table.x[1]", text: "system group",
		policy: rulesOf(`{"name":"r","lookup":{"claim":"groups","table":{"x":["staff","Admins"]}}}`),
	},
	{
		name: "admins by default", path: "issuers[0].default.groups[0]", text: "system group",
		policy: issuerOf(`"default":{"groups":["admins"]}`),
	},
	{
		name: "group beyond allow", path: atGroup, text: "allow",
		policy: issuerOf(`"allow":["team-*"],"rules":[{"name":"r","when":{"ref":"x"},"groups":["team-a@b"]}]`),
	},
	{
		name: "table beyond allow", path: "issuers[0].rules[0].lookup.table.x[0]", text: "allow",
		policy: issuerOf(`"allow":["team-*"],"rules":[{"name":"r","lookup":{"claim":"groups","table":{"x":["staff"]}}}]`),
	},
	{
		name: "default beyond allow", path: "issuers[0].default.groups[0]", text: "allow",
		policy: issuerOf(`"allow":["team-*"],"default":{"groups":["staff"]}`),
	},
}

var trapsTemplates = []trap{
	{name: "whatever the provider says", policy: givesGroup("${1}"), path: atGroup, text: "prefix"},
	{name: "whatever the provider says, with a suffix", policy: givesGroup("${1}-team"), path: atGroup, text: "prefix"},
	{name: "prefix of a space", policy: givesGroup(" ${1}"), path: atGroup},
	{name: "prefix of a dash", policy: givesGroup("-${1}"), path: atGroup},
	{name: "prefix with a slash", policy: givesGroup("team/${1}"), path: atGroup},
	{name: "the whole match", policy: givesGroup("team-${0}"), path: atGroup, text: "${1}"},
	{name: "a capture by name", policy: givesGroup("team-${name}"), path: atGroup, text: "${1}"},
	{name: "a capture without its brace", policy: givesGroup("team-${1"), path: atGroup, text: "${1}"},
	{name: "a capture without braces", policy: givesGroup("team-$1"), path: atGroup},
	{name: "a capture that nothing makes", policy: givesGroup("team-${2}"), path: "issuers[0].rules[0].groups", text: "${2}"},
	{
		name: "captures of nobody", path: "issuers[0].rules[0].groups", text: "captures",
		policy: rulesOf(`{"name":"r","when":{"groups":"x"},"groups":["team-${1}"]}`),
	},
	{
		name: "captures of two", path: "issuers[0].rules[0].when", text: "ambiguous",
		policy: rulesOf(`{"name":"r","when":{"groups":{"glob":"x-*"},"ref":{"glob":"r-*"}},"groups":["team-${1}"]}`),
	},
	{
		name: "captures of a default", path: "issuers[0].default.groups", text: "captures",
		policy: issuerOf(`"default":{"groups":["team-${1}"]}`),
	},
}

var trapsMatchers = []trap{
	{name: "null", policy: whenRef(`null`), path: atMatcher, text: "present"},
	{name: "no value", policy: whenRef(`[]`), path: atMatcher},
	{name: "null among values", policy: whenRef(`["x",null]`), path: atMatcher + "[1]"},
	{name: "list among values", policy: whenRef(`["x",["y"]]`), path: atMatcher + "[1]"},
	{name: "no matcher", policy: whenRef(`{}`), path: atMatcher, text: "exactly one"},
	{name: "two matchers", policy: whenRef(`{"glob":"x*","none":["xy"]}`), path: atMatcher, text: "exactly one"},
	{name: "only fold", policy: whenRef(`{"fold":true}`), path: atMatcher, text: "exactly one"},
	{name: "contains, which other systems have", policy: whenRef(`{"contains":"x"}`), path: atMatcher + ".contains", text: "no such"},
	{name: "not, which other systems have", policy: whenRef(`{"not":"x"}`), path: atMatcher + ".not", text: "no such"},
	{name: "misspelt matcher", policy: whenRef(`{"globs":"x*"}`), path: atMatcher + ".globs", text: "did you mean glob"},
	{name: "present as a text", policy: whenRef(`{"present":"false"}`), path: atMatcher, text: "true or false"},
	{name: "none of nothing", policy: whenRef(`{"none":[]}`), path: atMatcher},
	{name: "fold as a text", policy: whenRef(`{"any":["x"],"fold":"true"}`), path: atMatcher + ".fold"},
	{name: "fold where there is no text", policy: whenRef(`{"present":true,"fold":true}`), path: atMatcher + ".fold"},
	{name: "predicate that the program lacks", policy: whenRef(`{"predicate":"ours"}`), path: atMatcher, text: "WithPredicate"},
	{
		name: "pointer with a bad tilde", path: "issuers[0].rules[0].when./a~2b", text: "~0",
		policy: rulesOf(`{"name":"r","when":{"/a~2b":"x"},"groups":["staff"]}`),
	},
	{
		name: "claim without a name", path: "issuers[0].rules[0].when.", text: "name",
		policy: rulesOf(`{"name":"r","when":{"":"x"},"groups":["staff"]}`),
	},
	{
		name: "split by two characters", path: "issuers[0].split.ref", text: "one ASCII",
		policy: issuerOf(`"split":{"ref":", "},"rules":[{"name":"r","when":{"ref":"x"},"groups":["staff"]}]`),
	},
	{
		name: "complete of a misspelt claim", path: "issuers[0].complete.Groups", text: "no rule reads",
		policy: issuerOf(`"complete":{"Groups":100},"rules":[{"name":"r","when":{"groups":"x"},"groups":["staff"]}]`),
	},
	{
		name: "complete at 0", path: "issuers[0].complete.groups",
		policy: issuerOf(`"complete":{"groups":0},"rules":[{"name":"r","when":{"groups":"x"},"groups":["staff"]}]`),
	},
	{
		name: "complete as a text", path: "issuers[0].complete.groups",
		policy: issuerOf(`"complete":{"groups":"100"},"rules":[{"name":"r","when":{"groups":"x"},"groups":["staff"]}]`),
	},
}

var trapsRules = []trap{
	{name: "rule for everybody", policy: rulesOf(`{"name":"r","groups":["staff"]}`), path: atRule + ".when", text: "every token"},
	{name: "rule for everybody, with an empty when", policy: rulesOf(`{"name":"r","when":{},"groups":["staff"]}`), path: atRule + ".when", text: "every token"},
	{name: "rule for everybody, with a null when", policy: rulesOf(`{"name":"r","when":null,"groups":["staff"]}`), path: atRule + ".when"},
	{name: "empty require", policy: issuerOf(`"require":{},"rules":[{"name":"r","when":{"ref":"x"},"groups":["staff"]}]`), path: "issuers[0].require"},
	{name: "rule without effect", policy: rulesOf(`{"name":"r","when":{"ref":"x"}}`), path: atRule, text: "no effect"},
	{name: "rule with no groups", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":[]}`), path: atRule + ".groups"},
	{name: "deny that gives groups", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"deny":"no","groups":["staff"]}`), path: atRule + ".groups", text: "denies"},
	{name: "deny that gives a target", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"deny":"no","target":{"assume_group":"1"}}`), path: atRule + ".target", text: "denies"},
	{name: "deny by a table", policy: rulesOf(`{"name":"r","lookup":{"claim":"groups","table":{"x":["y"]}},"deny":"no"}`), path: atRule + ".lookup", text: "denies"},
	{name: "deny without a reason", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"deny":""}`), path: atRule + ".deny"},
	{name: "deny as true", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"deny":true}`), path: atRule + ".deny"},
	{name: "misspelt deny", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"denny":"no","groups":["staff"]}`), path: atRule + ".denny", text: "no such"},
	{name: "deny in capitals", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"Deny":"no","groups":["staff"]}`), path: atRule + ".Deny", text: "did you mean deny"},
	{name: "rule without a name", policy: rulesOf(`{"when":{"ref":"x"},"groups":["staff"]}`), path: atRule + ".name"},
	{name: "rule named default", policy: rulesOf(`{"name":"default","when":{"ref":"x"},"groups":["staff"]}`), path: atRule + ".name", text: "default"},
	{name: "rule name with a line feed", policy: rulesOf(`{"name":"a\nmatched b","when":{"ref":"x"},"groups":["staff"]}`), path: atRule + ".name"},
	{name: "two rules of one name", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]},{"name":"r","when":{"ref":"y"},"groups":["staff"]}`), path: "issuers[0].rules[1].name", text: "same name"},
	{name: "table of nothing", policy: rulesOf(`{"name":"r","lookup":{"claim":"groups","table":{}}}`), path: atRule + ".lookup.table"},
	{name: "table without a claim", policy: rulesOf(`{"name":"r","lookup":{"table":{"x":["y"]}}}`), path: atRule + ".lookup.claim"},
	{
		name: "target behind the same matchers", path: "issuers[0].rules[1].target", text: "unreachable",
		policy: rulesOf(`{"name":"a","when":{"ref":["x","y"]},"target":{"assume_group":"1"}},{"name":"b","when":{"ref":"x","sub":"s"},"target":{"assume_group":"2"}}`),
	},
	{
		name: "target behind a glob that takes it in", path: "issuers[0].rules[1].target", text: "unreachable",
		policy: rulesOf(`{"name":"a","when":{"ref":{"glob":"refs/heads/**"}},"target":{"assume_group":"1"}},{"name":"b","when":{"ref":"refs/heads/main"},"target":{"assume_group":"2"}}`),
	},
	{
		name: "target behind a deny rule", path: "issuers[0].rules[0]", text: "never matches",
		policy: rulesOf(`{"name":"a","when":{"ref":"x","sub":"s"},"target":{"assume_group":"1"}},{"name":"d","when":{"ref":"x"},"deny":"no"}`),
	},
	{name: "issuer without rules", policy: issuerOf(`"require":{"aud":"databricks"}`), path: "issuers[0].rules"},
	{
		name: "one issuer twice", path: "issuers[1].issuer", text: "same",
		policy: `{"version":1,"issuers":[{"issuer":"i","default":{"groups":["staff"]}},{"issuer":"i","default":{"groups":["risk"]}}]}`,
	},
	{name: "issuer without a name", policy: `{"version":1,"issuers":[{"default":{"groups":["staff"]}}]}`, path: "issuers[0].issuer"},
	{name: "issuer with an empty name", policy: `{"version":1,"issuers":[{"issuer":"","default":{"groups":["staff"]}}]}`, path: "issuers[0].issuer"},
	{name: "issuers as a list", policy: `{"version":1,"issuers":[{"issuer":["i"],"default":{"groups":["staff"]}}]}`, path: "issuers[0].issuer"},
}

// Addresses without email_verified.
var trapsMail = []trap{
	{name: "address in a rule", policy: rulesOf(`{"name":"r","when":{"email":"a@acme.example"},"groups":["staff"]}`), path: atRule + ".when.email", text: "email_verified: true"},
	{name: "address by a pointer", policy: rulesOf(`{"name":"r","when":{"/email":"a@acme.example"},"groups":["staff"]}`), path: atRule + ".when./email", text: "email_verified: true"},
	{name: "address in a table", policy: rulesOf(`{"name":"r","lookup":{"claim":"email","table":{"a@acme.example":["staff"]}}}`), path: atRule + ".lookup.claim", text: "email_verified: true"},
	{name: "address in a deny rule", policy: rulesOf(`{"name":"r","when":{"email":"a@acme.example"},"deny":"no"}`), path: atRule + ".when.email", text: "email_verified: true"},
	{name: "address in require", policy: issuerOf(`"require":{"email":{"glob":"*@acme.example"}},"default":{"groups":["staff"]}`), path: "issuers[0].require.email", text: "email_verified: true"},
	{
		name: "verified asked for by the rule only", path: atRule + ".when.email", text: "email_verified: true",
		policy: rulesOf(`{"name":"r","when":{"email":"a@acme.example","email_verified":true},"groups":["staff"]}`),
	},
	{
		name: "verified as a text", path: atRule + ".when.email", text: "email_verified: true",
		policy: issuerOf(`"require":{"email_verified":"true"},"rules":[{"name":"r","when":{"email":"a@acme.example"},"groups":["staff"]}]`),
	},
	{
		name: "verified or not", path: atRule + ".when.email", text: "email_verified: true",
		policy: issuerOf(`"require":{"email_verified":[true,false]},"rules":[{"name":"r","when":{"email":"a@acme.example"},"groups":["staff"]}]`),
	},
	{
		name: "verified not false", path: atRule + ".when.email", text: "email_verified: true",
		policy: issuerOf(`"require":{"email_verified":{"none":[false]}},"rules":[{"name":"r","when":{"email":"a@acme.example"},"groups":["staff"]}]`),
	},
	{
		name: "verified present", path: atRule + ".when.email", text: "email_verified: true",
		policy: issuerOf(`"require":{"email_verified":{"present":true}},"rules":[{"name":"r","when":{"email":"a@acme.example"},"groups":["staff"]}]`),
	},
	{
		name: "verified at another issuer", path: "issuers[1].rules[0].when.email", text: "email_verified: true",
		policy: `{"version":1,"issuers":[{"issuer":"a","require":{"email_verified":true},"default":{"groups":["staff"]}},
			{"issuer":"b","rules":[{"name":"r","when":{"email":"a@acme.example"},"groups":["staff"]}]}]}`,
	},
}

var trapsTargets = []trap{
	{name: "target for nobody", policy: givesTarget(`{}`), path: atTarget},
	{name: "target of scopes only", policy: givesTarget(`{"scopes":["sql"]}`), path: atTarget, text: "client_id"},
	{name: "client that is a name", policy: givesTarget(`{"client_id":"etl"}`), path: atTarget + ".client_id", text: "UUID"},
	{name: "client with a line after it", policy: givesTarget(`{"client_id":"3f0c2a1e-1111-4000-8000-000000000001\n"}`), path: atTarget + ".client_id"},
	{name: "client in braces", policy: givesTarget(`{"client_id":"{3f0c2a1e-1111-4000-8000-000000000001}"}`), path: atTarget + ".client_id", text: "UUID"},
	{name: "group that is a name", policy: givesTarget(`{"assume_group":"admins"}`), path: atTarget + ".assume_group", text: "numeric"},
	{name: "group as a number", policy: givesTarget(`{"assume_group":42}`), path: atTarget + ".assume_group"},
	{name: "group with a sign", policy: givesTarget(`{"assume_group":"-1"}`), path: atTarget + ".assume_group"},
	{name: "group with digits of another script", policy: givesTarget(`{"assume_group":"\u0664\u0662"}`), path: atTarget + ".assume_group"},
	{name: "group with 21 digits", policy: givesTarget(`{"assume_group":"123456789012345678901"}`), path: atTarget + ".assume_group"},
	{name: "group from a claim", policy: givesTarget(`{"assume_group":"${1}"}`), path: atTarget + ".assume_group"},
	{name: "two scopes in one", policy: givesTarget(`{"assume_group":"1","scopes":["sql all-apis"]}`), path: atTarget + ".scopes[0]"},
	{name: "scope with a quote", policy: givesTarget(`{"assume_group":"1","scopes":["sql","a\"b"]}`), path: atTarget + ".scopes[1]"},
	{name: "empty scope", policy: givesTarget(`{"assume_group":"1","scopes":[""]}`), path: atTarget + ".scopes[0]"},
	{name: "misspelt client", policy: givesTarget(`{"client-id":"3f0c2a1e-1111-4000-8000-000000000001","assume_group":"1"}`), path: atTarget + ".client-id"},
	{name: "rule name in the target", policy: givesTarget(`{"assume_group":"1","rule":"other"}`), path: atTarget + ".rule"},
}

// Files that can be read in two ways, or in none.
var trapsFile = []trap{
	{name: "nothing", policy: ``},
	{name: "null policy", policy: `null`},
	{name: "list of policies", policy: `[` + whenRef(`"x"`) + `]`},
	{name: "two policies", policy: whenRef(`"x"`) + whenRef(`"y"`), text: "follows"},
	{name: "issuers twice", policy: `{"version":1,"issuers":[],"issuers":[]}`, text: "twice"},
	{name: "deny twice", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"deny":"no","deny":"yes"}`), text: "twice"},
	{name: "claim twice", policy: rulesOf(`{"name":"r","when":{"ref":"x","ref":{"glob":"x*"}},"groups":["staff"]}`), text: "twice"},
	{name: "claim twice, once with an escape", policy: rulesOf(`{"name":"r","when":{"ref":"x","r\u0065f":{"glob":"x*"}},"groups":["staff"]}`), text: "twice"},
	{name: "table entry twice", policy: rulesOf(`{"name":"r","lookup":{"claim":"g","table":{"x":["a"],"x":["b"]}}}`), text: "twice"},
	{name: "bytes that are not UTF-8, in a policy", policy: whenRef("\"\xff\""), text: "UTF-8"},
	{name: "half a surrogate pair, in a policy", policy: whenRef(`"\ud83d"`)},
	{name: "byte order mark, in a policy", policy: "\ufeff" + whenRef(`"x"`)},
	{name: "comment in a policy", policy: "// policy\n" + whenRef(`"x"`)},
	{name: "policy that is nested too deep", policy: whenRef(strings.Repeat("[", 100) + strings.Repeat("]", 100)), text: "nested"},
	{name: "no version", policy: `{"issuers":[{"issuer":"i","default":{"groups":["staff"]}}]}`, path: "version"},
	{name: "version as a text", policy: `{"version":"1","issuers":[{"issuer":"i","default":{"groups":["staff"]}}]}`, path: "version"},
	{name: "version of the future", policy: `{"version":2,"issuers":[{"issuer":"i","default":{"groups":["staff"]}}]}`, path: "version"},
	{name: "no issuers", policy: `{"version":1,"issuers":[]}`, path: "issuers"},
	{name: "misspelt issuers", policy: `{"version":1,"issuer":[{"issuer":"i","default":{"groups":["staff"]}}]}`, path: "issuer", text: "did you mean issuers"},
	{name: "misspelt require", policy: issuerOf(`"required":{"aud":"databricks"},"default":{"groups":["staff"]}`), path: "issuers[0].required", text: "no such"},
	{name: "require in capitals", policy: issuerOf(`"Require":{"aud":"databricks"},"default":{"groups":["staff"]}`), path: "issuers[0].Require", text: "did you mean require"},
	{name: "misspelt allow", policy: issuerOf(`"allowed":["team-*"],"default":{"groups":["staff"]}`), path: "issuers[0].allowed", text: "no such"},
}

// Tests that prove nothing, and tests that fail.
var trapsTests = []trap{
	{
		name: "test that fails", path: "tests[0]", text: "got",
		policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"`+homeIssuer+`","aud":"databricks","ref":"y"}},"want":{"groups":["staff"]}}`),
	},
	{
		name: "test that gets more than it wants", path: "tests[0]", text: "risk",
		policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff","risk"]}`, `{"name":"t","claims":{"set":{"iss":"`+homeIssuer+`","aud":"databricks","ref":"x"}},"want":{"groups":["staff"]}}`),
	},
	{
		name: "test that gets a target it does not name", path: "tests[0]", text: "target",
		policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"],"target":{"assume_group":"1"}}`, `{"name":"t","claims":{"set":{"iss":"`+homeIssuer+`","aud":"databricks","ref":"x"}},"want":{"groups":["staff"]}}`),
	},
	{
		name: "test that wants another error", path: "tests[0]", text: "no match",
		policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"`+homeIssuer+`","aud":"databricks"}},"want":{"error":"denied"}}`),
	},
	{name: "test that wants nothing", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"i"}},"want":{}}`), path: "tests[0].want"},
	{name: "test without want", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"i"}}}`), path: "tests[0].want"},
	{name: "test that wants an unknown error", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"refused"}}`), path: "tests[0].want.error"},
	{name: "test that wants an error and groups", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"denied","groups":["staff"]}}`), path: "tests[0].want"},
	{name: "test without claims", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","want":{"error":"denied"}}`), path: "tests[0].claims"},
	{name: "test with a file that nobody gave", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"file":"okta.json"},"want":{"error":"denied"}}`), path: "tests[0].claims.file", text: "WithTestFiles"},
	{name: "test with a file outside the folder", options: []claims.Option{payloads}, policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"file":"../policies/okta.json"},"want":{"error":"denied"}}`), path: "tests[0].claims.file"},
	{name: "test with an absolute file", options: []claims.Option{payloads}, policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"file":"/etc/passwd"},"want":{"error":"denied"}}`), path: "tests[0].claims.file"},
	{name: "test with a file that is no payload", options: []claims.Option{payloads}, policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"file":"hostile/dup-groups.json"},"want":{"error":"denied"}}`), path: "tests[0].claims.file", text: "twice"},
	{name: "two tests of one name", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"denied"}}`, `{"name":"t","claims":{"set":{"iss":"j"}},"want":{"error":"denied"}}`), path: "tests[1].name"},
	{name: "misspelt want", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"i"}},"want":{"group":["staff"]}}`), path: "tests[0].want.group"},
}

var trapsSize = []trap{
	{name: "file over 1 MiB", policy: whenRef(`"x"`) + strings.Repeat(" ", 1<<20), text: "1048576"},
	{name: "101 issuers", policy: `{"version":1,"issuers":[` + many(101, func(i int) string { return fmt.Sprintf(`{"issuer":"i%d","default":{"groups":["staff"]}}`, i) }) + `]}`, path: "issuers", text: "100"},
	{name: "1001 rules", policy: rulesOf(many(1001, func(i int) string { return fmt.Sprintf(`{"name":"r%d","when":{"ref":"x%d"},"groups":["staff"]}`, i, i) })), path: "issuers", text: "1000"},
	{name: "5001 groups", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":[` + many(5001, func(i int) string { return fmt.Sprintf(`"g%d"`, i) }) + `]}`), path: "issuers", text: "5000"},
	{name: "5001 groups in a table", policy: rulesOf(`{"name":"r","lookup":{"claim":"c","table":{` + many(5001, func(i int) string { return fmt.Sprintf(`"v%d":["g%d"]`, i, i) }) + `}}}`), path: "issuers", text: "5000"},
	{name: "10001 tests", policy: rulesOf(`{"name":"r","when":{"ref":"x"},"groups":["staff"]}`, many(10001, func(i int) string {
		return fmt.Sprintf(`{"name":"t%d","claims":{"set":{"a":1}},"want":{"error":"denied"}}`, i)
	})), path: "tests", text: "10000"},
}

var trapsBroker = []trap{
	{name: "broker without an audience", options: []claims.Option{claims.Broker()}, policy: issuerOf(`"rules":[{"name":"r","when":{"ref":"x"},"groups":["staff"]}]`), path: "issuers[0].require", text: "aud"},
	{name: "broker with any audience", options: []claims.Option{claims.Broker()}, policy: issuerOf(`"require":{"aud":{"present":true}},"rules":[{"name":"r","when":{"ref":"x"},"groups":["staff"]}]`), path: "issuers[0].require", text: "aud"},
	{name: "broker with all audiences but one", options: []claims.Option{claims.Broker()}, policy: issuerOf(`"require":{"aud":{"none":["payroll"]}},"rules":[{"name":"r","when":{"ref":"x"},"groups":["staff"]}]`), path: "issuers[0].require", text: "aud"},
	{name: "broker with an audience in the rule only", options: []claims.Option{claims.Broker()}, policy: issuerOf(`"rules":[{"name":"r","when":{"aud":"databricks","ref":"x"},"groups":["staff"]}]`), path: "issuers[0].require", text: "aud"},
	{
		name: "broker with names of repositories", options: []claims.Option{claims.Broker()}, path: "issuers[0].rules[0].when", text: "repository_id",
		policy: `{"version":1,"issuers":[{"issuer":"https://token.actions.githubusercontent.com","require":{"aud":"a"},"rules":[
			{"name":"r","when":{"repository":"acme/lakehouse"},"groups":["staff"]}]}]}`,
	},
	{
		name: "broker with paths of projects", options: []claims.Option{claims.Broker()}, path: "issuers[0].rules[0].when", text: "project_id",
		policy: `{"version":1,"issuers":[{"issuer":"https://gitlab.com","require":{"aud":"a"},"rules":[
			{"name":"r","when":{"project_path":"acme/lakehouse"},"groups":["staff"]}]}]}`,
	},
	{
		name: "broker with slugs of pipelines", options: []claims.Option{claims.Broker()}, path: "issuers[0].rules[0].when", text: "pipeline_id",
		policy: `{"version":1,"issuers":[{"issuer":"https://agent.buildkite.com","require":{"aud":"a","organization_slug":"acme"},"rules":[
			{"name":"r","when":{"pipeline_slug":"lakehouse"},"groups":["staff"]}]}]}`,
	},
	{
		name: "broker with Entra's names of people", options: []claims.Option{claims.Broker()}, path: "issuers[0].rules[0].when", text: "oid",
		policy: `{"version":1,"issuers":[{"issuer":"https://login.microsoftonline.com/3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607/v2.0","require":{"aud":"a"},"rules":[
			{"name":"r","when":{"preferred_username":"test.user@acme.example"},"groups":["staff"]}]}]}`,
	},
	{
		name: "broker with Entra's names of people in one tenant", options: []claims.Option{claims.Broker()}, path: "issuers[0].rules[0].when", text: "oid",
		policy: `{"version":1,"issuers":[{"issuer":"https://login.microsoftonline.com/3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607/v2.0",
			"require":{"aud":"a","tid":"3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607"},"rules":[
			{"name":"r","when":{"preferred_username":"test.user@acme.example"},"groups":["staff"]}]}]}`,
	},
}

func TestHostile_policies(t *testing.T) {
	seen := map[string]bool{}
	for _, trap := range traps {
		if seen[trap.name] {
			t.Errorf("two traps are named %q", trap.name)
		}
		seen[trap.name] = true
		t.Run(trap.name, trap.run)
	}
	t.Logf("%d policies", len(traps))
}

func (p trap) run(t *testing.T) {
	loaded, err := claims.Load([]byte(p.policy), p.options...)
	if loaded != nil {
		t.Error("got a policy")
	}
	var refused *claims.Error
	if !errors.Is(err, claims.ErrPolicy) || !errors.As(err, &refused) {
		t.Fatalf("got %v, want an error of kind %q", err, claims.ErrPolicy)
	}
	found := p.path == "" && strings.Contains(err.Error(), p.text)
	for _, f := range refused.Problems {
		found = found || p.path != "" && p.at(f.Path) && strings.Contains(f.Text, p.text)
	}
	if !found {
		t.Errorf("got %.600v\nwant %s: … %s …", err, p.path, p.text)
	}
	// A running policy does not give way to it.
	var live claims.Live
	if err := live.Replace([]byte(whenRef(`"x"`))); err != nil {
		t.Fatal(err)
	}
	before := live.Policy().ID()
	if err := live.Replace([]byte(p.policy), p.options...); err == nil || live.Policy().ID() != before {
		t.Errorf("it replaced a running policy: %v", err)
	}
}

// at reports whether a finding is where the trap is: at its path, or at the
// matcher's kind or value just below it.
func (p trap) at(path string) bool {
	rest, ok := strings.CutPrefix(path, p.path)
	return ok && (rest == "" || p.path == atMatcher && (rest[0] == '.' || rest[0] == '['))
}

// TestHostile_allProblems checks that one load tells of everything.
func TestHostile_allProblems(t *testing.T) {
	policy := rulesOf(`{"name":"r","when":{"ref":{"glob":"**"},"email":"x"},"groups":["admins","${1}"],"target":{"assume_group":"x","client_id":"y"}},
		{"name":"r","groups":["staff"]}`, `{"name":"t","claims":{"set":{"iss":"i"}},"want":{}}`)
	_, err := claims.Load([]byte(policy))
	var refused *claims.Error
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"issuers[0].rules[0].when.ref.glob", "issuers[0].rules[0].when.email", "issuers[0].rules[0].groups[0]", "issuers[0].rules[0].groups[1]",
		"issuers[0].rules[0].target.assume_group", "issuers[0].rules[0].target.client_id", "issuers[0].rules[1].name", "issuers[0].rules[1].when", "tests[0].want",
	} {
		if !slices.ContainsFunc(refused.Problems, func(f claims.Finding) bool { return f.Path == want }) {
			t.Errorf("nothing about %s in %v", want, err)
		}
	}
}
