package yamlpolicy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/yamlpolicy"
)

var update = flag.Bool("update", false, "write the golden files")

// TestLoad_examples loads one policy per kind of provider, which runs the tests
// in it, and holds the JSON it becomes.
func TestLoad_examples(t *testing.T) {
	idp := os.DirFS("../testdata/idp")
	for _, name := range glob(t, "testdata/*.yaml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data := readFile(t, name)
			p, err := yamlpolicy.Load(data, claims.WithTestFiles(idp))
			if err != nil {
				t.Fatal(err)
			}
			if found := p.Lint(); len(found) > 0 {
				t.Errorf("lint: %v", found)
			}
			converted, err := yamlpolicy.JSON(data)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".json", converted)

			same, err := claims.Load(converted, claims.WithTestFiles(idp))
			if err != nil || same.ID() != p.ID() || p.ID() == "" {
				t.Errorf("its JSON loads as %q, error %v; want %q", same.ID(), err, p.ID())
			}
		})
	}
}

// TestLoad_examplesFail changes what a test of each example wants: a test that
// did not run would not notice.
func TestLoad_examplesFail(t *testing.T) {
	for name, change := range map[string][2]string{
		"github-actions": {"want: {target: ci}", "want: {target: deploy-prod}"},
		"keycloak":       {"want: {error: denied}", "want: {groups: [sql-users]}"},
		"entra":          {"want: {error: incomplete}", "want: {error: no match}"},
	} {
		data := string(readFile(t, "testdata/"+name+".yaml"))
		changed := strings.Replace(data, change[0], change[1], 1)
		_, err := yamlpolicy.Load([]byte(changed), claims.WithTestFiles(os.DirFS("../testdata/idp")))
		line := strings.Count(data[:strings.Index(data, change[0])], "\n") + 1
		if p := problems(t, err); len(p) != 1 || !strings.HasPrefix(p[0], "tests[1]") || !strings.Contains(p[0], fmt.Sprintf(": line %d, column ", line)) {
			t.Errorf("%s: got %q, want one problem of tests[1] on line %d", name, p, line)
		}
	}
}

// TestLoad_locates holds where the problems lie that claims.Load finds.
func TestLoad_locates(t *testing.T) {
	const data = `version: 2
isuers: []
issuers:
- issuer: https://a.example
  require: {aud: dbx, kubernetes.io: {glob: "*"}, kubernetes.io.x: {glob: "**"}}
  rules:
  - when:
      sub: a
      "https://a.example/x.y": {globb: x}
    target: {scopes: ["a b"]}
  - name: x
    when: {groups: a}
    groups:
    - ok
    - admins
- "é"
`
	_, err := yamlpolicy.Load([]byte(data))
	got := map[string]string{}
	for _, p := range problems(t, err) {
		path, rest, ok := strings.Cut(p, ": line ")
		where, _, _ := strings.Cut(rest, ": ")
		if got[path] = where; !ok {
			t.Errorf("%s: no line", p)
		}
	}
	for path, want := range map[string]string{
		"version":                               "1, column 1",
		"isuers":                                "2, column 1",
		"issuers[0].require.kubernetes.io.glob": "5, column 39",
		"issuers[0].require.kubernetes.io.x.glob": "5, column 69",
		"issuers[0].rules[0].name":                "7, column 5", // missing in the rule that begins here
		"issuers[0].rules[0].target.scopes[0]":    "10, column 23",
		"issuers[0].rules[1].groups[1]":           "15, column 7",
		"issuers[1]":                              "16, column 3",
	} {
		if got[path] != want {
			t.Errorf("%s: got %q, want %q", path, got[path], want)
		}
	}
}

// TestLoad_locatesDots holds that a name of many dots is looked for up to a
// bound, from which on the place above is told.
func TestLoad_locatesDots(t *testing.T) {
	for dots, want := range map[int]string{99: "line 4, ", 100: "line 3, "} {
		name := strings.Repeat("x.", dots) + "x"
		_, err := yamlpolicy.Load([]byte("issuers:\n-\n  require: {z: a,\n    " + name + ": {globb: a}}\n"))
		got := ""
		for _, p := range problems(t, err) {
			if strings.Contains(p, name) {
				got = p
			}
		}
		if !strings.Contains(got, want) {
			t.Errorf("%d dots: got %q, want %s", dots, got, want)
		}
	}
}

// TestLoad_keepsTheError holds that everything else of the error stays.
func TestLoad_keepsTheError(t *testing.T) {
	data := []byte("version: 2\n")
	converted, err := yamlpolicy.JSON(data)
	if err != nil {
		t.Fatal(err)
	}
	_, want := claims.Load(converted)
	_, got := yamlpolicy.Load(data)
	line := regexp.MustCompile(`line \d+, column \d+: `)
	if text := line.ReplaceAllString(got.Error(), ""); text != want.Error() || text == got.Error() {
		t.Errorf("got %v, want %v with lines", got, want)
	}
}

func TestLoad_options(t *testing.T) {
	data := []byte(`
version: 1
issuers:
- issuer: https://a.example
  rules: [{name: r, when: {sub: {predicate: p}}, groups: [g]}]
tests: [{name: t, claims: {set: {iss: https://a.example, sub: s}}, want: {groups: [g]}}]
`)
	if _, err := yamlpolicy.Load(data, claims.WithPredicate("p", func(*claims.Claims) (bool, error) { return true, nil })); err != nil {
		t.Error(err)
	}
	_, err := yamlpolicy.Load(data)
	if p := problems(t, err); len(p) != 1 || !strings.HasPrefix(p[0], "issuers[0].rules[0].when.sub.predicate: line 5, column 34: ") {
		t.Errorf("without the predicate: got %q", p)
	}
}

// TestJSON_follow holds that JSON is what claims.File wants, also of a file that
// is refused.
func TestJSON_follow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	for _, tt := range []struct {
		name, data string
		fails      bool
	}{
		{"good", policy, false},
		{"bad", strings.Replace(policy, `"884100000000042"`, "884100000000042", 1), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.data), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var live claims.Live
			err := live.Follow(ctx, claims.File{Path: path, Convert: yamlpolicy.JSON, OnReload: func(claims.Reload) { cancel() }})
			if errors.Is(err, claims.ErrPolicy) != tt.fails || (live.Policy() == nil) != tt.fails {
				t.Errorf("got policy %q, error %v", live.Policy().ID(), err)
			}
		})
	}
}

// TestNext_panic holds that a parser which breaks down is an error, not the end
// of the process.
func TestNext_panic(t *testing.T) {
	document, err := yamlpolicy.Next(yaml.NewDecoder(panicReader{}))
	if err == nil || !strings.Contains(err.Error(), "the YAML parser broke down: boom") {
		t.Errorf("got %v, error %v", document, err)
	}
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("boom") }

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, name); !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s: got\n%s", name, b.Bytes())
	}
}
