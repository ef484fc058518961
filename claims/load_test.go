package claims_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/brickfed/brickfed/claims"
)

// TestLoad_problems is every way in which a policy can be wrong, one at a time.
func TestLoad_problems(t *testing.T) {
	const target = `"target":{"assume_group":"1"}`
	issuer := func(rest string) string { return `{"version":1,"issuers":[{"issuer":"i",` + rest + `}]}` }
	rule := func(rest string) string { return issuer(`"rules":[{"name":"r",` + rest + `}]`) }
	when := func(matcher string) string { return rule(`"when":{"v":` + matcher + `},"groups":["g"]`) }
	selfTest := func(rest string) string {
		return issuer(`"rules":[{"name":"r","when":{"v":"x"},"groups":["g"]}]`)[:len(issuer(`"rules":[{"name":"r","when":{"v":"x"},"groups":["g"]}]`))-1] + `,"tests":[` + rest + `]}`
	}
	tests := []struct{ name, policy, path, text string }{
		{"version", `{"version":2,"issuers":[{"issuer":"i","default":{"groups":["g"]}}]}`, "version", "the number 1"},
		{"version as text", `{"version":"1","issuers":[{"issuer":"i","default":{"groups":["g"]}}]}`, "version", "the number 1"},
		{"no issuers", `{"version":1}`, "issuers", "there is none"},
		{"issuers are an object", `{"version":1,"issuers":{}}`, "issuers", "it is an object, not a list"},
		{"issuer is a text", `{"version":1,"issuers":["i"]}`, "issuers[0]", "it is a string, not an object"},
		{"too many issuers", `{"version":1,"issuers":[` + strings.Repeat(`{},`, 100) + `{}]}`, "issuers", "more than 100"},
		{"unknown setting", `{"version":1,"issuers":[{"issuer":"i","default":{"groups":["g"]}}],"issuer":1}`, "issuer", "did you mean issuers?"},
		{"no issuer", `{"version":1,"issuers":[{"default":{"groups":["g"]}}]}`, "issuers[0].issuer", "it is required"},
		{"empty issuer", `{"version":1,"issuers":[{"issuer":"","default":{"groups":["g"]}}]}`, "issuers[0].issuer", "it is empty"},
		{"number as issuer", `{"version":1,"issuers":[{"issuer":1,"default":{"groups":["g"]}}]}`, "issuers[0].issuer", "it is a number, not a string"},
		{"control character", `{"version":1,"issuers":[{"issuer":"a\nb","default":{"groups":["g"]}}]}`, "issuers[0].issuer", "control character"},
		{"delete character", `{"version":1,"issuers":[{"issuer":"a\u007fb","default":{"groups":["g"]}}]}`, "issuers[0].issuer", "control character"},
		{"nothing in it", issuer(`"require":{"a":"b"}`), "issuers[0].rules", "neither a rule nor a default"},
		{"allow everything", issuer(`"allow":["**"],"default":{"groups":["g"]}`), "issuers[0].allow[0]", "no literal character"},
		{"allow nothing", issuer(`"allow":[],"default":{"groups":["g"]}`), "issuers[0].allow", "the list is empty"},
		{"split by two", issuer(`"split":{"v":", "},"require":{"v":"x"},"default":{"groups":["g"]}`), "issuers[0].split.v", "one ASCII character"},
		{"split by é", issuer(`"split":{"v":"é"},"require":{"v":"x"},"default":{"groups":["g"]}`), "issuers[0].split.v", "one ASCII character"},
		{"split by a number", issuer(`"split":{"v":1},"require":{"v":"x"},"default":{"groups":["g"]}`), "issuers[0].split.v", "one ASCII character"},
		{"split is a text", issuer(`"split":" ","require":{"v":"x"},"default":{"groups":["g"]}`), "issuers[0].split", "not an object"},
		{"complete at 0", issuer(`"complete":{"v":0},"require":{"v":"x"},"default":{"groups":["g"]}`), "issuers[0].complete.v", "1 or more"},
		{"complete as text", issuer(`"complete":{"v":"9"},"require":{"v":"x"},"default":{"groups":["g"]}`), "issuers[0].complete.v", "1 or more"},
		{"complete as a fraction", issuer(`"complete":{"v":1.5},"require":{"v":"x"},"default":{"groups":["g"]}`), "issuers[0].complete.v", "1 or more"},
		{"bad pointer", rule(`"when":{"/a~2":"x"},"groups":["g"]`), "issuers[0].rules[0].when./a~2", "written ~0"},
		{"claim without a name", rule(`"when":{"":"x"},"groups":["g"]`), "issuers[0].rules[0].when.", "a claim has a name"},

		{"no name", issuer(`"rules":[{"when":{"v":"x"},"groups":["g"]}]`), "issuers[0].rules[0].name", "it is required"},
		{"default as a name", issuer(`"rules":[{"name":"default","when":{"v":"x"},"groups":["g"]}]`), "issuers[0].rules[0].name", "is not default"},
		{"name with a slash", issuer(`"rules":[{"name":"a/b","when":{"v":"x"},"groups":["g"]}]`), "issuers[0].rules[0].name", "letters, digits"},
		{"name with a space at its end", issuer(`"rules":[{"name":"a ","when":{"v":"x"},"groups":["g"]}]`), "issuers[0].rules[0].name", "letters, digits"},
		{"name that begins with a dash", issuer(`"rules":[{"name":"-a","when":{"v":"x"},"groups":["g"]}]`), "issuers[0].rules[0].name", "letters, digits"},
		{"long name", issuer(`"rules":[{"name":"` + strings.Repeat("n", 65) + `","when":{"v":"x"},"groups":["g"]}]`), "issuers[0].rules[0].name", "64 characters"},
		{"same name", issuer(`"rules":[{"name":"r","when":{"v":"x"},"groups":["g"]},{"name":"r","when":{"v":"y"},"groups":["g"]}]`), "issuers[0].rules[1].name", "the same name"},
		{"rule is a list", issuer(`"rules":[[]]`), "issuers[0].rules[0]", "it is a list, not an object"},
		{"no condition", rule(`"groups":["g"]`), "issuers[0].rules[0].when", "without one it would match every token"},
		{"empty condition", rule(`"when":{},"groups":["g"]`), "issuers[0].rules[0].when", "it is empty"},
		{"condition is a text", rule(`"when":"x","groups":["g"]`), "issuers[0].rules[0].when", "not an object"},
		{"no effect", rule(`"when":{"v":"x"}`), "issuers[0].rules[0]", "no effect"},
		{"empty deny", rule(`"when":{"v":"x"},"deny":""`), "issuers[0].rules[0].deny", "it is empty"},
		{"deny and groups", rule(`"when":{"v":"x"},"deny":"n","groups":["g"]`), "issuers[0].rules[0].groups", "gives nothing"},
		{"deny and target", rule(`"when":{"v":"x"},"deny":"n",` + target), "issuers[0].rules[0].target", "gives nothing"},
		{"deny and lookup", rule(`"when":{"v":"x"},"deny":"n","lookup":{"claim":"c","table":{"a":["g"]}}`), "issuers[0].rules[0].lookup", "gives nothing"},

		{"null", when(`null`), "issuers[0].rules[0].when.v", "present"},
		{"no values", when(`[]`), "issuers[0].rules[0].when.v", "the list is empty"},
		{"value twice", when(`["a","a"]`), "issuers[0].rules[0].when.v[1]", "it stands twice"},
		{"list in a list", when(`[["a"]]`), "issuers[0].rules[0].when.v[0]", "it is a list"},
		{"two kinds", when(`{"glob":"a*","regex":"a"}`), "issuers[0].rules[0].when.v", "exactly one of"},
		{"no kind", when(`{"fold":true}`), "issuers[0].rules[0].when.v", "exactly one of"},
		{"unknown kind", when(`{"contains":"a"}`), "issuers[0].rules[0].when.v.contains", "there is no such setting"},
		{"fold as text", when(`{"any":"a","fold":"true"}`), "issuers[0].rules[0].when.v.fold", "true or false"},
		{"fold of present", when(`{"present":true,"fold":true}`), "issuers[0].rules[0].when.v.fold", "no text to fold"},
		{"present as text", when(`{"present":"true"}`), "issuers[0].rules[0].when.v.present", "true or false"},
		{"unknown predicate", when(`{"predicate":"p"}`), "issuers[0].rules[0].when.v.predicate", "WithPredicate"},
		{"glob as number", when(`{"glob":1}`), "issuers[0].rules[0].when.v.glob", "not a list of strings"},
		{"glob list with a number", when(`{"glob":["a*",1]}`), "issuers[0].rules[0].when.v.glob[1]", "not a string"},
		{"glob with ***", when(`{"glob":"a***"}`), "issuers[0].rules[0].when.v.glob", "two wildcards"},
		{"glob of wildcards", when(`{"glob":"*"}`), "issuers[0].rules[0].when.v.glob", "no literal character"},
		{"long glob", when(`{"glob":"` + strings.Repeat("a", 1025) + `"}`), "issuers[0].rules[0].when.v.glob", "more than 1024 bytes"},
		{"17 wildcards", when(`{"glob":"` + strings.Repeat("a*", 17) + `"}`), "issuers[0].rules[0].when.v.glob", "more than 16 wildcards"},
		{"broken regex", when(`{"regex":"a)(b"}`), "issuers[0].rules[0].when.v.regex", "unexpected )"},
		{"empty regex", when(`{"regex":""}`), "issuers[0].rules[0].when.v.regex", "empty regex"},
		{"regex for all", when(`{"regex":".*"}`), "issuers[0].rules[0].when.v.regex", "matches every value"},
		{"regex for all, grouped", when(`{"regex":"^(.+)$"}`), "issuers[0].rules[0].when.v.regex", "matches every value"},
		{"regex for all, as a choice", when(`{"regex":"ab|.*"}`), "issuers[0].rules[0].when.v.regex", "matches every value"},
		{"long regex", when(`{"regex":"` + strings.Repeat("a", 1025) + `"}`), "issuers[0].rules[0].when.v.regex", "more than 1024 bytes"},
		{"regex (?i)", when(`{"regex":"(?i)a"}`), "issuers[0].rules[0].when.v.regex", "use fold"},
		{"regex (?s-i:", when(`{"regex":"(?si:a)b"}`), "issuers[0].rules[0].when.v.regex", "use fold"},
		{"folded capitals", when(`{"regex":"Ab","fold":true}`), "issuers[0].rules[0].when.v.regex", "lower case"},
		{"folded class", when(`{"regex":"[A-Z]+","fold":true}`), "issuers[0].rules[0].when.v.regex", "lower case"},

		{"group as number", rule(`"when":{"v":"x"},"groups":[1]`), "issuers[0].rules[0].groups[0]", "not a string"},
		{"no groups", rule(`"when":{"v":"x"},"groups":[]`), "issuers[0].rules[0].groups", "the list is empty"},
		{"empty group", rule(`"when":{"v":"x"},"groups":[""]`), "issuers[0].rules[0].groups[0]", "it is empty"},
		{"group that begins with a space", rule(`"when":{"v":"x"},"groups":[" a"]`), "issuers[0].rules[0].groups[0]", "a character that"},
		{"group that ends with a space", rule(`"when":{"v":"x"},"groups":["a "]`), "issuers[0].rules[0].groups[0]", "ends in a space"},
		{"group with a slash", rule(`"when":{"v":"x"},"groups":["a/b"]`), "issuers[0].rules[0].groups[0]", "a character that"},
		{"long group", rule(`"when":{"v":"x"},"groups":["` + strings.Repeat("a", 256) + `"]`), "issuers[0].rules[0].groups[0]", "255 characters"},
		{"system group", rule(`"when":{"v":"x"},"groups":["Account  Admins"]`), "issuers[0].rules[0].groups[0]", "system group"},
		{"system group, folded", rule(`"when":{"v":"x"},"groups":["adminſ"]`), "issuers[0].rules[0].groups[0]", "system group"},
		{"bare capture", rule(`"when":{"v":{"glob":"a*"}},"groups":["${1}"]`), "issuers[0].rules[0].groups[0]", "literal prefix"},
		{"capture 0", rule(`"when":{"v":{"glob":"a*"}},"groups":["a-${0}"]`), "issuers[0].rules[0].groups[0]", "counted from ${1}"},
		{"capture 33", rule(`"when":{"v":{"glob":"a*"}},"groups":["a-${33}"]`), "issuers[0].rules[0].groups[0]", "counted from ${1}"},
		{"capture by name", rule(`"when":{"v":{"glob":"a*"}},"groups":["a-${x}"]`), "issuers[0].rules[0].groups[0]", "written ${1}"},
		{"open capture", rule(`"when":{"v":{"glob":"a*"}},"groups":["a-${1"]`), "issuers[0].rules[0].groups[0]", "written ${1}"},
		{"template with a slash", rule(`"when":{"v":{"glob":"a*"}},"groups":["a/${1}"]`), "issuers[0].rules[0].groups[0]", "a character that"},
		{"template with a slash after", rule(`"when":{"v":{"glob":"a*"}},"groups":["a${1}/"]`), "issuers[0].rules[0].groups[0]", "a character that"},
		{"nothing captured", rule(`"when":{"v":"a"},"groups":["a-${1}"]`), "issuers[0].rules[0].groups", "no matcher of this rule captures"},
		{"capture too high", rule(`"when":{"v":{"glob":"a*"}},"groups":["a-${2}"]`), "issuers[0].rules[0].groups", "there is no ${2}"},
		{"capture too high in one", rule(`"when":{"v":{"glob":["a*-*","b*"]}},"groups":["a-${2}"]`), "issuers[0].rules[0].groups", "captures 1"},
		{"two capture", rule(`"when":{"v":{"glob":"a*"},"w":{"regex":"(a)"}},"groups":["a-${1}"]`), "issuers[0].rules[0].when", "ambiguous"},
		{"default captures", issuer(`"default":{"groups":["a-${1}"]}`), "issuers[0].default.groups", "no captures"},
		{"empty default", issuer(`"default":{}`), "issuers[0].default", "groups or a target"},
		{"default is a text", issuer(`"default":"g"`), "issuers[0].default", "not an object"},

		{"target is a text", rule(`"when":{"v":"x"},"target":"x"`), "issuers[0].rules[0].target", "not an object"},
		{"target of scopes", rule(`"when":{"v":"x"},"target":{"scopes":["sql"]}`), "issuers[0].rules[0].target", "scopes alone choose nobody"},
		{"client_id", rule(`"when":{"v":"x"},"target":{"client_id":"7001"}`), "issuers[0].rules[0].target.client_id", "a UUID"},
		{"assume_group", rule(`"when":{"v":"x"},"target":{"assume_group":"data"}`), "issuers[0].rules[0].target.assume_group", "numeric ID"},
		{"assume_group as number", rule(`"when":{"v":"x"},"target":{"assume_group":7}`), "issuers[0].rules[0].target.assume_group", "not a string"},
		{"long assume_group", rule(`"when":{"v":"x"},"target":{"assume_group":"` + strings.Repeat("1", 21) + `"}`), "issuers[0].rules[0].target.assume_group", "20 digits"},
		{"two scopes in one", rule(`"when":{"v":"x"},"target":{"assume_group":"1","scopes":["a b"]}`), "issuers[0].rules[0].target.scopes[0]", "not one scope"},

		{"lookup is a text", rule(`"lookup":"x"`), "issuers[0].rules[0].lookup", "not an object"},
		{"lookup without a claim", rule(`"lookup":{"table":{"a":["g"]}}`), "issuers[0].rules[0].lookup.claim", "it is required"},
		{"lookup without a table", rule(`"lookup":{"claim":"c"}`), "issuers[0].rules[0].lookup.table", "not empty"},
		{"empty table", rule(`"lookup":{"claim":"c","table":{}}`), "issuers[0].rules[0].lookup.table", "not empty"},
		{"table of a system group", rule(`"lookup":{"claim":"c","table":{"a":["g","users"]}}`), "issuers[0].rules[0].lookup.table.a[1]", "system group"},

		{"email", rule(`"when":{"email":"a@b.example"},"groups":["g"]`), "issuers[0].rules[0].when.email", "email_verified: true"},
		{"email by pointer", rule(`"when":{"/email":"a@b.example"},"groups":["g"]`), "issuers[0].rules[0].when./email", "email_verified: true"},
		{"email in a table", rule(`"lookup":{"claim":"email","table":{"a":["g"]}}`), "issuers[0].rules[0].lookup.claim", "email_verified: true"},
		{"email required", issuer(`"require":{"email":"a@b.example"},"default":{"groups":["g"]}`), "issuers[0].require.email", "email_verified: true"},
		{"email verified as text", issuer(`"require":{"email_verified":"true"},"rules":[{"name":"r","when":{"email":"a@b.example"},"groups":["g"]}]`), "issuers[0].rules[0].when.email", "email_verified: true"},
		{"email verified or not", issuer(`"require":{"email_verified":[true,false]},"rules":[{"name":"r","when":{"email":"a@b.example"},"groups":["g"]}]`), "issuers[0].rules[0].when.email", "email_verified: true"},
		{"email not verified", issuer(`"require":{"email_verified":{"none":[true]}},"rules":[{"name":"r","when":{"email":"a@b.example"},"groups":["g"]}]`), "issuers[0].rules[0].when.email", "email_verified: true"},

		{"tests are an object", issuer(`"default":{"groups":["g"]}`)[:len(issuer(`"default":{"groups":["g"]}`))-1] + `,"tests":{}}`, "tests", "not a list"},
		{"test without a name", selfTest(`{"claims":{"set":{"iss":"i"}},"want":{"error":"no match"}}`), "tests[0].name", "it is required"},
		{"two tests of one name", selfTest(`{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"no match"}},{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"no match"}}`), "tests[1].name", "the same name"},
		{"test without claims", selfTest(`{"name":"t","want":{"error":"denied"}}`), "tests[0].claims", "not an object"},
		{"test with empty claims", selfTest(`{"name":"t","claims":{},"want":{"error":"denied"}}`), "tests[0].claims", "a file, a set, or both"},
		{"test without a want", selfTest(`{"name":"t","claims":{"set":{"iss":"i"}}}`), "tests[0].want", "it is required"},
		{"test with an empty want", selfTest(`{"name":"t","claims":{"set":{"iss":"i"}},"want":{}}`), "tests[0].want", "it is empty"},
		{"test of another error", selfTest(`{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"policy"}}`), "tests[0].want.error", "denied, no match"},
		{"test of an error and groups", selfTest(`{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"no match","groups":["g"]}}`), "tests[0].want", "nothing else"},
		{"test of a missing file", selfTest(`{"name":"t","claims":{"file":"x.json"},"want":{"error":"denied"}}`), "tests[0].claims.file", "not exist"},
		{"test of a broken file", selfTest(`{"name":"t","claims":{"file":"broken.json"},"want":{"error":"denied"}}`), "tests[0].claims.file", "malformed"},
		{"wrong groups", selfTest(`{"name":"t","claims":{"set":{"iss":"i","v":"x"}},"want":{"groups":["h"]}}`), "tests[0]", `got groups ["g"], want ["h"]`},
		{"wrong target", selfTest(`{"name":"t","claims":{"set":{"iss":"i","v":"x"}},"want":{"groups":["g"],"target":"r"}}`), "tests[0]", `got target "", want "r"`},
		{"wrong error", selfTest(`{"name":"t","claims":{"set":{"iss":"i"}},"want":{"error":"denied"}}`), "tests[0]", `want "denied"`},
		{"no grant", selfTest(`{"name":"t","claims":{"set":{"iss":"i"}},"want":{"groups":["g"]}}`), "tests[0]", "want a grant"},
	}
	files := claims.WithTestFiles(fstest.MapFS{"broken.json": {Data: []byte(`{"a":1,"a":2}`)}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := claims.Load([]byte(tt.policy), files)
			var failure *claims.Error
			if !errors.As(err, &failure) || !errors.Is(failure.Kind, claims.ErrPolicy) || p != nil {
				t.Fatalf("got %v, %v", p, err)
			}
			for _, problem := range failure.Problems {
				if problem.Path == tt.path && strings.Contains(problem.Text, tt.text) {
					if len(failure.Problems) > 1 && !strings.HasPrefix(tt.name, "too many") {
						t.Errorf("more than one problem: %v", err)
					}
					return
				}
			}
			t.Errorf("got %v, want %s: … %s …", err, tt.path, tt.text)
		})
	}
}

// TestLoad_bounds loads policies at the bounds and one beyond.
func TestLoad_bounds(t *testing.T) {
	rules := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"name":"r%d","when":{"v":"%d"},"groups":["g"]},`, i, i)
		}
		return `{"version":1,"issuers":[{"issuer":"i","rules":[` + strings.TrimSuffix(b.String(), ",") + `]}]}`
	}
	groups := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"g%d",`, i)
		}
		return `{"version":1,"issuers":[{"issuer":"i","default":{"groups":[` + strings.TrimSuffix(b.String(), ",") + `]}}]}`
	}
	issuers := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"issuer":"i%d","default":{"groups":["g"]}},`, i)
		}
		return `{"version":1,"issuers":[` + strings.TrimSuffix(b.String(), ",") + `]}`
	}
	tests := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"name":"%d","claims":{"set":{"iss":"i"}},"want":{"groups":["g"]}},`, i)
		}
		return `{"version":1,"issuers":[{"issuer":"i","default":{"groups":["g"]}}],"tests":[` + strings.TrimSuffix(b.String(), ",") + `]}`
	}
	pad := func(n int) string {
		policy := groups(1)
		return policy + strings.Repeat(" ", n-len(policy))
	}
	for name, c := range map[string]struct {
		make  func(int) string
		bound int
		want  string
	}{
		"rules":   {rules, 1000, "the limit is 1000"},
		"groups":  {groups, 5000, "the limit is 5000"},
		"issuers": {issuers, 100, "more than 100"},
		"tests":   {tests, 10_000, "more than 10000"},
		"bytes":   {pad, 1 << 20, "the limit is 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := claims.Load([]byte(c.make(c.bound))); err != nil {
				t.Errorf("at the bound: %v", err)
			}
			_, err := claims.Load([]byte(c.make(c.bound + 1)))
			checkError(t, err, c.want)
		})
	}
}

// TestLoad_sets shows how a test's set changes a file.
func TestLoad_sets(t *testing.T) {
	files := fstest.MapFS{"a.json": {Data: []byte(`{"iss":"i","a":{"b":{"c":"x"},"k":"y"},"v":["1"]}`)}}
	policy := func(set, want string) []byte {
		return []byte(`{"version":1,"issuers":[{"issuer":"i","rules":[
			{"name":"c","when":{"/a/b/c":"x"},"groups":["c"]},{"name":"k","when":{"/a/k":"y"},"groups":["k"]},
			{"name":"n","when":{"/n/m":7},"groups":["n"]},{"name":"v","when":{"v":"1"},"groups":["v"]}]}],
			"tests":[{"name":"set","claims":{"file":"a.json","set":` + set + `},"want":` + want + `},
				{"name":"unchanged","claims":{"file":"a.json"},"want":{"groups":["c","k","v"]}}]}`)
	}
	for set, want := range map[string]string{
		`{"/a/b/c":"z"}`:       `{"groups":["k","v"]}`,
		`{"/a/b":null}`:        `{"groups":["k","v"]}`,
		`{"a":null}`:           `{"groups":["v"]}`,
		`{"/n/m":7,"v":["2"]}`: `{"groups":["c","k","n"]}`,
		`{"iss":"j"}`:          `{"error":"denied"}`,
		`{"/v/x":1}`:           "",
	} {
		if want == "" {
			_, err := claims.Load(policy(set, `{"groups":["g"]}`), claims.WithTestFiles(files))
			checkError(t, err, "something else than an object on the way")
			continue
		}
		if _, err := claims.Load(policy(set, want), claims.WithTestFiles(files)); err != nil {
			t.Errorf("%s: %v", set, err)
		}
	}
}

func TestLoad_notJSON(t *testing.T) {
	for policy, want := range map[string]string{
		``:                          "not a JSON object",
		`[]`:                        "not a JSON object",
		`{"version":1,"version":1}`: "stands twice",
		`{"version":1} x`:           "something follows",
		"{\"\xff\":1}":              "UTF-8",
	} {
		_, err := claims.Load([]byte(policy))
		if !errors.Is(err, claims.ErrPolicy) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", policy, err, want)
		}
	}
	if _, err := claims.New(claims.Config{Tests: []claims.Test{{Claims: claims.TestClaims{Set: map[string]any{"f": func() {}}}}}}); !errors.Is(err, claims.ErrPolicy) {
		t.Errorf("a function as a claim: %v", err)
	}
}
