package claims_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// payloads holds one payload per kind of token; the tests in the example
// policies name them.
var payloads = claims.WithTestFiles(os.DirFS("testdata/idp"))

// TestPolicies_load loads every example policy, which runs its tests. A policy
// that people copy gives no cause for a finding, and a broker takes it too.
func TestPolicies_load(t *testing.T) {
	for name, data := range policies(t) {
		t.Run(name, func(t *testing.T) {
			p, err := claims.Load(data, payloads)
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range p.Lint() {
				t.Errorf("lint: %s", finding)
			}
			if _, err := claims.Load(data, payloads, claims.Broker()); err != nil {
				t.Errorf("as a broker's: %v", err)
			}
			if _, err := claims.Load(data); !errors.Is(err, claims.ErrPolicy) {
				t.Errorf("without its test files: got %v, want an error", err)
			}
		})
	}
}

// TestPolicies_everyPayload checks that each payload stands in a policy's test,
// and that each policy has its row in the README.
func TestPolicies_everyPayload(t *testing.T) {
	used := map[string]bool{}
	readme := string(read(t, "testdata/policies/README.md"))
	for name, data := range policies(t) {
		for _, v := range readTree(t, data)["tests"].([]any) {
			file, _ := v.(map[string]any)["claims"].(map[string]any)["file"].(string)
			used[file] = true
		}
		if !strings.Contains(readme, "| `"+name+"` |") {
			t.Errorf("README.md has no row for %s", name)
		}
	}
	files, err := filepath.Glob("testdata/idp/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if !used[filepath.Base(file)] {
			t.Errorf("no policy's test names %s", file)
		}
	}
}

// TestPolicies_mutants changes each policy in one place at a time, in every
// place. Its tests must notice each change: that shows that they hold the policy
// and do not merely go with it.
func TestPolicies_mutants(t *testing.T) {
	for name, data := range policies(t) {
		t.Run(name, func(t *testing.T) {
			mutants := mutate(t, data)
			checked := 0
			for _, m := range mutants {
				_, err := claims.Load(m.data, payloads)
				var refused *claims.Error
				if !errors.As(err, &refused) {
					t.Errorf("%s: the tests do not notice", m.name)
					continue
				}
				switch {
				case slices.ContainsFunc(refused.Problems, func(f claims.Finding) bool { return failedTest.MatchString(f.Path) }):
					checked++
				case refusedBefore.MatchString(err.Error()):
				default:
					t.Errorf("%s: no test fails, but %v", m.name, err)
				}
			}
			if checked*10 < len(mutants)*8 {
				t.Errorf("the tests noticed only %d of %d changes", checked, len(mutants))
			}
			t.Logf("%d changes, %d noticed by tests, the others by Load", len(mutants), checked)
		})
	}
}

var (
	failedTest = regexp.MustCompile(`^tests\[\d+\]$`)

	// refusedBefore is why Load refuses a change before it runs the tests.
	refusedBefore = regexp.MustCompile(`it is unreachable|it never matches|email_verified: true|no matcher of this rule captures|pattern of .* captures|no rule reads this claim`)
)

// mutant is a policy with one change.
type mutant struct {
	name string
	data []byte
}

// mutator makes mutants. change is called with a fresh copy of the policy each
// time, at the place to change.
type mutator struct {
	t    *testing.T
	data []byte
	made []mutant
}

func mutate(t *testing.T, data []byte) []mutant {
	m := &mutator{t: t, data: data}
	doc := readTree(t, data)
	for i, v := range doc["issuers"].([]any) {
		issuer := v.(map[string]any)
		m.issuer(fmt.Sprintf("issuers[%d]", i), issuer, func(doc map[string]any) map[string]any {
			return doc["issuers"].([]any)[i].(map[string]any)
		})
	}
	return m.made
}

// add makes the mutant that change gives.
func (m *mutator) add(name string, change func(doc map[string]any)) {
	doc := readTree(m.t, m.data)
	change(doc)
	m.made = append(m.made, mutant{name, writeTree(m.t, doc)})
}

type find func(doc map[string]any) map[string]any

func (m *mutator) issuer(path string, issuer map[string]any, at find) {
	for _, setting := range []string{"split", "complete"} {
		inner, _ := issuer[setting].(map[string]any)
		for name := range inner {
			m.add(path+": "+setting+" of "+name+" dropped", func(doc map[string]any) {
				delete(at(doc)[setting].(map[string]any), name)
			})
		}
	}
	for _, setting := range []string{"allow", "default"} {
		if issuer[setting] != nil {
			m.add(path+": "+setting+" dropped", func(doc map[string]any) { delete(at(doc), setting) })
		}
	}
	m.add(path+": issuer changed", func(doc map[string]any) {
		at(doc)["issuer"] = issuer["issuer"].(string) + "x"
	})
	require, _ := issuer["require"].(map[string]any)
	for _, claim := range slices.Sorted(maps.Keys(require)) {
		m.matcher(path+".require."+claim, require[claim], true, func(doc map[string]any, v any) {
			matchers := at(doc)["require"].(map[string]any)
			if v != nil {
				matchers[claim] = v
			} else if delete(matchers, claim); len(matchers) == 0 {
				delete(at(doc), "require")
			}
		})
	}
	for j, v := range issuer["rules"].([]any) {
		rule := v.(map[string]any)
		path := fmt.Sprintf("%s.rules[%d] (%s)", path, j, rule["name"])
		m.rule(path, rule, !bounded(issuer, rule), func(doc map[string]any) map[string]any {
			return at(doc)["rules"].([]any)[j].(map[string]any)
		})
		m.add(path+": rule dropped", func(doc map[string]any) {
			at(doc)["rules"] = slices.Delete(at(doc)["rules"].([]any), j, j+1)
		})
		if rule["deny"] == nil {
			m.add(path+": made to deny", func(doc map[string]any) {
				at(doc)["rules"].([]any)[j] = map[string]any{"name": rule["name"], "when": always(rule["when"]), "deny": "mutant"}
			})
		} else {
			m.add(path+": made to give", func(doc map[string]any) {
				at(doc)["rules"].([]any)[j] = map[string]any{"name": rule["name"], "when": rule["when"], "groups": []any{"mutant"}}
				delete(at(doc), "allow")
			})
		}
	}
}

// always returns matchers that hold for every token if there are none.
func always(when any) any {
	if matchers, _ := when.(map[string]any); len(matchers) > 0 {
		return when
	}
	return map[string]any{"sub": map[string]any{"present": true}}
}

func (m *mutator) rule(path string, rule map[string]any, wildcards bool, at find) {
	when, _ := rule["when"].(map[string]any)
	for _, claim := range slices.Sorted(maps.Keys(when)) {
		m.matcher(path+".when."+claim, when[claim], wildcards, func(doc map[string]any, v any) {
			matchers := at(doc)["when"].(map[string]any)
			if v != nil {
				matchers[claim] = v
				return
			}
			delete(matchers, claim)
			if rule["lookup"] == nil {
				at(doc)["when"] = always(matchers)
			} else if len(matchers) == 0 {
				delete(at(doc), "when")
			}
		})
	}
	if groups, ok := rule["groups"].([]any); ok {
		for i := range groups {
			m.add(fmt.Sprintf("%s: groups[%d] changed", path, i), func(doc map[string]any) {
				at(doc)["groups"].([]any)[i] = "mutant"
				for _, issuer := range doc["issuers"].([]any) {
					delete(issuer.(map[string]any), "allow")
				}
			})
		}
	}
	if rule["target"] != nil {
		m.add(path+": target dropped", func(doc map[string]any) {
			delete(at(doc), "target")
			if rule["groups"] == nil && rule["lookup"] == nil {
				at(doc)["groups"] = []any{"mutant"}
			}
		})
	}
	if rule["lookup"] == nil {
		return
	}
	table := func(doc map[string]any) map[string]any {
		return at(doc)["lookup"].(map[string]any)["table"].(map[string]any)
	}
	for value, groups := range rule["lookup"].(map[string]any)["table"].(map[string]any) {
		m.add(path+": entry "+value+" changed", func(doc map[string]any) {
			table(doc)[value+"x"] = groups
			delete(table(doc), value)
		})
		for i := range groups.([]any) {
			m.add(fmt.Sprintf("%s: entry %s[%d] changed", path, value, i), func(doc map[string]any) {
				table(doc)[value].([]any)[i] = "mutant"
			})
		}
	}
}

// bounded reports whether the issuer's allow holds what a rule's template gives:
// then a wildcard that crosses separators gives nothing more.
func bounded(issuer, rule map[string]any) bool {
	text, _ := json.Marshal(rule["groups"])
	return issuer["allow"] != nil && bytes.Contains(text, []byte("${"))
}

// matcher drops a matcher, widens it to any value, narrows it to another value,
// leaves out one of its values, and moves its wildcards over the separators.
func (m *mutator) matcher(path string, v any, wildcards bool, put func(doc map[string]any, v any)) {
	add := func(what string, v any) {
		m.add(path+" "+what, func(doc map[string]any) { put(doc, v) })
	}
	add("dropped", nil)
	object, ok := v.(map[string]any)
	if !ok {
		add("widened to any value", map[string]any{"present": true})
		list, isList := v.([]any)
		if !isList {
			add("changed", other(v))
		}
		for i := range list {
			add(fmt.Sprintf("[%d] changed", i), replaced(list, i))
		}
		return
	}
	if present, ok := object["present"].(bool); ok {
		add("turned around", map[string]any{"present": !present})
		return
	}
	add("widened to any value", map[string]any{"present": true})
	if object["fold"] != nil {
		without := maps.Clone(object)
		delete(without, "fold")
		add("unfolded", without)
	}
	for kind, v := range object {
		if kind == "fold" {
			continue
		}
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for i := range list {
			with := maps.Clone(object)
			with[kind] = replaced(list, i)
			add(fmt.Sprintf("%s[%d] changed", kind, i), with)
			if kind == "glob" && !isList && wildcards {
				m.wildcards(path, v.(string), put)
			}
		}
	}
}

// wildcards turns * into ** and the reverse.
func (m *mutator) wildcards(path, pattern string, put func(doc map[string]any, v any)) {
	for _, at := range regexp.MustCompile(`\*+`).FindAllStringIndex(pattern, -1) {
		star := map[string]string{"*": "**", "**": "*"}[pattern[at[0]:at[1]]]
		changed := pattern[:at[0]] + star + pattern[at[1]:]
		m.add(path+" with the glob "+changed, func(doc map[string]any) {
			put(doc, map[string]any{"glob": changed})
		})
	}
}

func replaced(list []any, i int) []any {
	list = slices.Clone(list)
	list[i] = other(list[i])
	return list
}

// other returns another value of the same JSON type.
func other(v any) any {
	switch v := v.(type) {
	case string:
		return v + "x"
	case bool:
		return !v
	case json.Number:
		n, _ := strconv.ParseInt(v.String(), 10, 64)
		return json.Number(strconv.FormatInt(n+1, 10))
	}
	panic("claims_test: a matcher has a value of no known type")
}

// policies returns the example policies by file name, in order.
func policies(t testing.TB) iter.Seq2[string, []byte] {
	t.Helper()
	files, err := filepath.Glob("testdata/policies/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 21 {
		t.Fatalf("got %d policies, want 21", len(files))
	}
	return func(yield func(string, []byte) bool) {
		for _, file := range files {
			if !yield(filepath.Base(file), read(t, file)) {
				return
			}
		}
	}
}

func readTree(t testing.TB, data []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func writeTree(t testing.TB, doc map[string]any) []byte {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
