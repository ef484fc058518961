package yamlpolicy_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/yamlpolicy"
)

var conversions = []struct{ name, yaml, want string }{
	{"empty mapping", "{}", `{}`},
	{"comments", "# one\nversion: 1 # two\n# three\n", `{"version":1}`},
	{"document marks", "---\nversion: 1\n...\n", `{"version":1}`},
	{"line feeds of Windows", "version: 1\r\nissuers: []\r\n", `{"version":1,"issuers":[]}`},
	{"JSON", `{"version":1,"issuers":[{"issuer":"a","complete":{"groups":100}}]}`, `{"version":1,"issuers":[{"issuer":"a","complete":{"groups":100}}]}`},
	{"quoted keys", `{"yes": 1, 'null': 2, "<<": 3, "1": 4, "": 5}`, `{"yes":1,"null":2,"<<":3,"1":4,"":5}`},
	{"keys that only begin like something else", "{5e2f9c83-1a7b: 1, 0b7d5a11: 2, nullable: 3, /a~1b/c: 4, cognito:groups: 5, 1.2.3: 6}", `{"5e2f9c83-1a7b":1,"0b7d5a11":2,"nullable":3,"/a~1b/c":4,"cognito:groups":5,"1.2.3":6}`},
	{"texts in quotes", `issuers: [{allow: ["1", '007', "null", 'yes', "2026-01-01", "", "~"]}]`, `{"issuers":[{"allow":["1","007","null","yes","2026-01-01","","~"]}]}`},
	{"texts without", `issuers: [{allow: [a, a b, "c" , 3f0c2a1e-1111-4000-8000-000000000001, 1.2.3, 12ab, team-*, -x, é]}]`, `{"issuers":[{"allow":["a","a b","c","3f0c2a1e-1111-4000-8000-000000000001","1.2.3","12ab","team-*","-x","é"]}]}`},
	{"texts in blocks", "issuers: [{rules: [{deny: a\n  b}]}]\ntests:\n- name: |-\n    12\n- name: >-\n    yes\n    no\n", `{"issuers":[{"rules":[{"deny":"a b"}]}],"tests":[{"name":"12"},{"name":"yes no"}]}`},
	{"replacement character", "deny: \uFFFD", "{\"deny\":\"\uFFFD\"}"},
	{"escapes", `{a: "\t\0\x41\u2028\U0001F600\"\\"}`, `{"a":"\t\u0000A\u2028😀\"\\"}`},
	{"matchers", "issuers:\n- require: {runner_id: 12270835, ratio: -1.50, email_verified: true, x: [a, 1, false], w: {none: [1, b], fold: true}, z: {present: false}}\n", `{"issuers":[{"require":{"runner_id":12270835,"ratio":-1.50,"email_verified":true,"x":["a",1,false],"w":{"none":[1,"b"],"fold":true},"z":{"present":false}}}]}`},
	{"digits of numbers", "{a: 884100000000017884100000000017, b: 1.0, c: 0, d: -0.10}", `{"a":884100000000017884100000000017,"b":1.0,"c":0,"d":-0.10}`},
	{"payloads of tests", "tests:\n- claims:\n    set: {environment: null, /a/b: {c: [1, null, true, x]}, d: 1.5}\n", `{"tests":[{"claims":{"set":{"environment":null,"/a/b":{"c":[1,null,true,"x"]},"d":1.5}}}]}`},
	{"what claims.Load refuses", "version: one\nissuers: true\nunknown: {a: [1]}\n", `{"version":"one","issuers":true,"unknown":{"a":[1]}}`},
}

func TestJSON(t *testing.T) {
	for _, tt := range conversions {
		t.Run(tt.name, func(t *testing.T) {
			got, err := yamlpolicy.JSON([]byte(tt.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(decodeJSON(t, got), decodeJSON(t, []byte(tt.want))) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

var refusals = []struct {
	name, yaml string
	want       []string
}{
	// Bytes.
	{"not UTF-8", "version: 1\na: \"é\xff\"", []string{`line 2, column 6: a byte that is not UTF-8`}},
	{"UTF-16", "\xff\xfea\x00:\x00", []string{`line 1, column 1: a byte that is not UTF-8`}},
	{"byte order mark", "\uFEFFversion: 1", []string{`line 1, column 1: a byte order mark; save the file without one`}},
	{"byte order mark within", "version: 1\n# \uFEFF", []string{`line 2, column 3: a byte order mark; save the file without one`}},
	{"tabs", "version:\t1\nissuers:\n\t- a\t\n", []string{
		`line 1, column 9: a tab; indent by spaces, and write "\t" in double quotes`,
		`line 3, column 1: a tab; indent by spaces, and write "\t" in double quotes`,
	}},
	{"carriage return", "version: 1\rissuers: []\r\n", []string{`line 1, column 11: a carriage return without a line feed; it ends a line for some programs only`}},
	{"control characters", "a: \"\x00\"\nb: \"\x1b\"\nc: \"\u0085\"\nd: \"\x7f\"", []string{
		`line 1, column 5: the control character U+0000; write "\u0000" in double quotes`,
		`line 2, column 5: the control character U+001B; write "\u001b" in double quotes`,
		`line 3, column 5: the control character U+0085; write "\u0085" in double quotes`,
		`line 4, column 5: the control character U+007F; write "\u007f" in double quotes`,
	}},
	{"line breaks of YAML 1.1", "a: b\u2028c: d\ne: f\u2029g: h", []string{
		`line 1, column 5: the control character U+2028; write "\u2028" in double quotes`,
		`line 2, column 5: the control character U+2029; write "\u2029" in double quotes`,
	}},
	{"order of characters", "deny: a # \u202e\n", []string{`line 1, column 11: U+202E changes the order in which text is shown; write "\u202e" in double quotes`}},
	{"not characters", "a: \"\uFFFE\"\nb: \"\uFFFF\"\n", []string{
		`line 1, column 5: the control character U+FFFE; write "\ufffe" in double quotes`,
		`line 2, column 5: the control character U+FFFF; write "\uffff" in double quotes`,
	}},
	{"directives", "# a\n\n%YAML 1.1\n%TAG ! tag:acme.example,2026:\n---\na: 1\n%b: 2", []string{
		`line 3, column 1: a directive; leave it out`,
		`line 4, column 1: a directive; leave it out`,
	}},

	// Grammar.
	{"empty file", "", []string{`the file is empty`}},
	{"only comments", "# a\n", []string{`the file is empty`}},
	{"empty document", "---\n", []string{`line 2, column 1: a policy is a mapping: version, issuers, tests`}},
	{"list", "- a", []string{`line 1, column 1: a policy is a mapping: version, issuers, tests`}},
	{"text", "a", []string{`line 1, column 1: a policy is a mapping: version, issuers, tests`}},
	{"broken on the first line", "a: 'x", []string{`near line 1: found unexpected end of stream`}},
	{"broken below", "a: 1\nb: c: d", []string{`near line 2: mapping values are not allowed in this context`}},
	{"alias of nothing", "a: *x", []string{`unknown anchor 'x' referenced`}},
	{"surrogates", `a: "\ud83d\ude00"`, []string{`near line 1: found invalid Unicode character escape code`}},
	{"two documents", "version: 1\nissuers: [~]\n---\nversion: 2\n", []string{
		`line 3, column 1: a second document starts here; a policy file has one`,
		`issuers[0]: line 2, column 11: null has no meaning here; leave the key out, or put it in quotes`,
	}},
	{"broken second document", "version: 1\n---\n[\n", []string{`near line 3: did not find expected node content`}},

	// What does not stand there.
	{"anchor and alias", "issuers:\n- &a {issuer: x}\n- *a\n", []string{
		`issuers[0]: line 2, column 3: the anchor &a; leave it out, and write the value out where it is used`,
		`issuers[1]: line 3, column 3: the alias *a; write the value out`,
	}},
	{"anchor and alias as keys", "issuers:\n- {&a issuer: x}\n- {*a : x}\n", []string{
		`issuers[0].issuer: line 2, column 4: the anchor &a; leave it out, and write the value out where it is used`,
		`issuers[1].a: line 3, column 4: the alias *a; write the value out`,
	}},
	{"anchored document", "--- &a\nversion: 1\n", []string{`line 1, column 5: the anchor &a; leave it out, and write the value out where it is used`}},
	{"cycle", "a: &x [*x]", []string{
		`a: line 1, column 4: the anchor &x; leave it out, and write the value out where it is used`,
		`a[0]: line 1, column 8: the alias *x; write the value out`,
	}},
	{"tags", "a: !!str 1\nb: !x {}\nc: !<tag:yaml.org,2002:int> [d]\n!!str e: \"f\"\n? !!str\n: g\n", []string{
		`a: line 1, column 4: a tag; leave it out, and put a text in quotes`,
		`b: line 2, column 4: a tag; leave it out, and put a text in quotes`,
		`c: line 3, column 4: a tag; leave it out, and put a text in quotes`,
		`e: line 4, column 1: a tag; leave it out, and put a text in quotes`,
		`line 5, column 3: a tag; leave it out, and put a text in quotes`,
		`line 5, column 3: a key is missing here`,
	}},
	{"tags without a name", "a: ! 1\né: [x, ! \"y\", é, ! [], ! {}]\nb: !\n  c: d\n", []string{
		`a: line 1, column 4: a tag; leave it out, and put a text in quotes`,
		`é[1]: line 2, column 8: a tag; leave it out, and put a text in quotes`,
		`é[3]: line 2, column 18: a tag; leave it out, and put a text in quotes`,
		`é[4]: line 2, column 24: a tag; leave it out, and put a text in quotes`,
		`b: line 3, column 4: a tag; leave it out, and put a text in quotes`,
	}},
	{"merge key", "a: &x {}\nb: {<<: *x}\n", []string{
		`a: line 1, column 4: the anchor &x; leave it out, and write the value out where it is used`,
		`b.<<: line 2, column 5: a merge key; write the members out, or put the key in quotes`,
		`b.<<: line 2, column 9: the alias *x; write the value out`,
	}},

	// Keys.
	{"repeated keys", "version: 1\n'version': 2\nissuers: [{require: {a: b, \"a\": c, a: d}}]\n", []string{
		`version: line 2, column 1: the key stands twice, first on line 1`,
		`issuers[0].require.a: line 3, column 28: the key stands twice, first on line 3`,
		`issuers[0].require.a: line 3, column 36: the key stands twice, first on line 3`,
	}},
	{"keys that may be no text", "{yes: 1, No: 1, 1: 1, 1.5: 1, 0x1f: 1, true: 1, NULL: 1, ~: 1, 2026-01-01: 1, 1:30: 1, =: 1}", []string{
		`yes: line 1, column 2: the key "yes" is a boolean to some YAML readers; put it in quotes`,
		`No: line 1, column 10: the key "No" is a boolean to some YAML readers; put it in quotes`,
		`1: line 1, column 17: the key "1" is a number to some YAML readers; put it in quotes`,
		`1.5: line 1, column 23: the key "1.5" is a number to some YAML readers; put it in quotes`,
		`0x1f: line 1, column 31: the key "0x1f" is a number to some YAML readers; put it in quotes`,
		`true: line 1, column 40: the key "true" is a boolean to some YAML readers; put it in quotes`,
		`NULL: line 1, column 49: the key "NULL" is null to some YAML readers; put it in quotes`,
		`~: line 1, column 58: the key "~" is null to some YAML readers; put it in quotes`,
		`2026-01-01: line 1, column 64: the key "2026-01-01" is a date to some YAML readers; put it in quotes`,
		`1:30: line 1, column 79: the key "1:30" is a number to some YAML readers; put it in quotes`,
		`=: line 1, column 88: a merge key; write the members out, or put the key in quotes`,
	}},
	{"keys that are none", "a:\n  ? [x]\n  : 1\n  ? {y: z}\n  : 0x1\n", []string{
		`a: line 2, column 5: a key is a text, not a list or a mapping`,
		`a: line 4, column 5: a key is a text, not a list or a mapping`,
		`a.: line 5, column 5: YAML readers take "0x1" for different things; write it as a decimal number, or put it in quotes`,
	}},
	{"a table of ids", "issuers:\n- rules:\n  - lookup:\n      claim: groups\n      table: {884100000000017: [a], \"884100000000018\": b, x: [1]}\n", []string{
		`issuers[0].rules[0].lookup.table.884100000000017: line 5, column 15: the key "884100000000017" is a number to some YAML readers; put it in quotes`,
		`issuers[0].rules[0].lookup.table.x[0]: line 5, column 63: "1" is a number to some YAML readers and a text is due; put it in quotes`,
	}},

	// Values. TestJSON_scalars has the rest.
	{"assume_group", "issuers:\n- rules:\n  - name: a\n    target: {assume_group: 884100000000017}\n", []string{
		`issuers[0].rules[0].target.assume_group: line 4, column 28: "884100000000017" is a number to some YAML readers and a text is due; put it in quotes`,
	}},
	{"nothing at the end", "a:", []string{`a: line 1, column 3: there is nothing here; write a value, or leave the key out`}},
	{"nothing", "issuers:\ntests:\n- claims: {set: {a, b: }}\n", []string{
		`issuers: line 1, column 9: there is nothing here; write a value, or leave the key out`,
		`tests[0].claims.set.a: line 3, column 19: there is nothing here; write null, or "" for an empty text`,
		`tests[0].claims.set.b: line 3, column 24: there is nothing here; write null, or "" for an empty text`,
	}},
}

func TestJSON_refuses(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			got, err := yamlpolicy.JSON([]byte(tt.yaml))
			if got != nil {
				t.Errorf("got %s", got)
			}
			compare(t, problems(t, err), tt.want)
		})
	}
}

// TestJSON_textPlaces puts a number where the language has nothing but texts.
func TestJSON_textPlaces(t *testing.T) {
	for _, place := range []string{
		"issuers[0].issuer", "issuers[0].split.c", "issuers[0].allow[0]", "issuers[0].default.groups[0]",
		"issuers[0].default.target.client_id", "issuers[0].default.target.assume_group", "issuers[0].default.target.scopes[0]",
		"issuers[0].require.c.glob", "issuers[0].require.c.glob[0]", "issuers[0].require.c.regex", "issuers[0].require.c.predicate",
		"issuers[0].rules[0].name", "issuers[0].rules[0].deny", "issuers[0].rules[0].groups[0]", "issuers[0].rules[0].when.c.glob[0]",
		"issuers[0].rules[0].when.c.regex[0]", "issuers[0].rules[0].target.client_id", "issuers[0].rules[0].target.assume_group",
		"issuers[0].rules[0].target.scopes[0]", "issuers[0].rules[0].lookup.claim", "issuers[0].rules[0].lookup.table.c[0]",
		"tests[0].name", "tests[0].claims.file", "tests[0].want.target", "tests[0].want.error", "tests[0].want.groups[0]",
	} {
		t.Run(place, func(t *testing.T) {
			got, err := yamlpolicy.JSON([]byte(at(place, "12")))
			if err == nil {
				t.Fatalf("got %s", got)
			}
			p := problems(t, err)
			if len(p) != 1 || !strings.HasPrefix(p[0], place+": line ") || !strings.HasSuffix(p[0], `"12" is a number to some YAML readers and a text is due; put it in quotes`) {
				t.Errorf("got %q", p)
			}
		})
	}
}

// TestJSON_valuePlaces puts a number where one may stand.
func TestJSON_valuePlaces(t *testing.T) {
	for _, place := range []string{
		"version", "issuers[0].complete.c", "issuers[0].require.c", "issuers[0].require.c[0]", "issuers[0].require.c.any[0]",
		"issuers[0].require.c.none[0]", "issuers[0].rules[0].when.c", "issuers[0].rules[0].when.c[0]", "issuers[0].rules[0].when.c.any",
		"issuers[0].rules[0].when.c.present", "issuers[0].rules[0].when.c.fold", "tests[0].claims.set.c", "tests[0].claims.set.c[0].d",
	} {
		t.Run(place, func(t *testing.T) {
			got, err := yamlpolicy.JSON([]byte(at(place, "12")))
			if err != nil || strings.Contains(string(got), `"12"`) {
				t.Errorf("got %s, error %v", got, err)
			}
		})
	}
}

// at builds a file that has a value at one place.
func at(place, value string) string {
	steps := strings.FieldsFunc(strings.ReplaceAll(place, "[0]", ".[0]"), func(r rune) bool { return r == '.' })
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i] == "[0]" {
			value = "[" + value + "]"
		} else {
			value = "{" + steps[i] + ": " + value + "}"
		}
	}
	return value
}

// TestJSON_bounds takes each bound and one more.
func TestJSON_bounds(t *testing.T) {
	nested := func(levels int) string {
		return "a: " + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1)
	}
	tests := []struct {
		name, yaml, want string // what is wrong, if anything
	}{
		{"size", "#" + strings.Repeat("x", 1<<20-6) + "\na: 1", ""},
		{"size and one more", "#" + strings.Repeat("x", 1<<20-5) + "\na: 1", "it has 1048577 bytes; the limit is 1048576"},
		{"depth", nested(16), ""},
		{"depth and one more", nested(17), "a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: line 1, column 19: it is nested deeper than 16 levels"},
		{"depth of the parser", nested(20_000), "near line 1: exceeded max depth of 10000"},
		{"values", "a: [" + strings.Repeat("b,", 200_000-4) + "]", ""},
		{"values and one more", "a: [" + strings.Repeat("b,", 200_000-3) + "]", "it has 200001 values and keys; the limit is 200000"},
		{"size as JSON", "a: [" + strings.Repeat("bbb,", 190_000) + "]", "written as JSON it has 1140007 bytes; the limit is 1048576"},
		{"number", "a: " + strings.Repeat("1", 64), ""},
		{"number and one more", "a: " + strings.Repeat("1", 65), "a: line 1, column 4: YAML readers take \"" + strings.Repeat("1", 64) + "\" for different things; write it as a decimal number, or put it in quotes"},
		{"path that is not cut", "a: {? " + strings.Repeat("é", 64) + "\n: ~}", "a." + strings.Repeat("é", 64) + ": line 2, column 3: null has no meaning here; leave the key out, or put it in quotes"},
		{"path", "a: {? " + strings.Repeat("é", 65) + "\n: ~}", "a." + strings.Repeat("é", 64) + "…: line 2, column 3: null has no meaning here; leave the key out, or put it in quotes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := yamlpolicy.JSON([]byte(tt.yaml))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			compare(t, problems(t, err), []string{tt.want})
		})
	}
}

func TestJSON_problemsBound(t *testing.T) {
	_, err := yamlpolicy.JSON([]byte("a: [" + strings.Repeat("~,", 200) + "]"))
	got := problems(t, err)
	if len(got) != 101 || !strings.HasPrefix(got[99], "a[99]: ") || got[100] != "there is more; mend these first" {
		t.Errorf("got %d: %q", len(got), got)
	}
}

// TestJSON_ofJSON holds that a policy in JSON is the same policy in YAML.
func TestJSON_ofJSON(t *testing.T) {
	for _, name := range glob(t, "../testdata/policies/*.json") {
		data := readFile(t, name)
		got, err := yamlpolicy.JSON(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(decodeJSON(t, got), decodeJSON(t, data)) {
			t.Errorf("%s became %s", name, got)
		}
	}
}

func TestJSON_error(t *testing.T) {
	_, err := yamlpolicy.JSON([]byte("a: ~\nb: *a"))
	if want := "claims: policy: a problem in its YAML\n\tunknown anchor 'a' referenced"; fmt.Sprint(err) != want || !errors.Is(err, claims.ErrPolicy) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// problems returns what an error of kind ErrPolicy lists.
func problems(t *testing.T, err error) []string {
	t.Helper()
	var e *claims.Error
	if !errors.As(err, &e) || !errors.Is(err, claims.ErrPolicy) {
		t.Fatalf("got error %v, want one of kind %v", err, claims.ErrPolicy)
	}
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return texts
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
