package bench_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

const (
	celGo        = "cel-go"
	exprLang     = "expr"
	byHand       = "by hand"
	encodingJSON = "encoding/json"
)

// An outcome is what a policy says of a payload: the groups, sorted and once
// each, and the target, whose Rule stays empty.
type outcome struct {
	groups []string
	target claims.Target
}

func (o outcome) equal(other outcome) bool {
	return slices.Equal(o.groups, other.groups) && reflect.DeepEqual(o.target, other.target)
}

var errNotMapped = errors.New("the token is not what the policy requires")

// A mapper maps one payload, decoded before.
type mapper func() (outcome, error)

// A mapping is a policy in the words of all, and a payload for it.
type mapping struct {
	probe   *probe
	policy  []byte // a policy file
	payload []byte
	want    outcome
	peers   peerPolicy
	hand    func(payload map[string]any) (outcome, error)
}

// A peerPolicy is a policy as one writes it with an expression language: one
// expression for each thing to be decided, and Go around them. The expressions
// spare themselves what brickfed checks besides (names, completeness, the limits
// of a wildcard), so that they are as fast as can be.
type peerPolicy struct {
	require text
	rules   []peerRule
}

// A peerRule matches if when is true; without when, if groups gives any.
type peerRule struct {
	when   text
	groups text
	name   string // the one group of a rule that has no expression for it
	target claims.Target
}

// A text is an expression in both languages.
type text struct{ cel, expr string }

// own returns the mapper of brickfed.
func (m mapping) own(t testing.TB) mapper {
	t.Helper()
	policy, err := claims.Load(m.policy)
	if err != nil {
		t.Fatal(err)
	}
	c, err := claims.Parse(m.payload)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	return func() (outcome, error) {
		grant, err := policy.Map(ctx, c)
		grant.Target.Rule = ""
		return outcome{grant.Groups, grant.Target}, err
	}
}

// mappers returns everybody's mapper by name.
func (m mapping) mappers(t testing.TB) map[string]mapper {
	t.Helper()
	payload := decode(t, m.payload)
	all := map[string]mapper{celGo: m.peers.cel(t, payload), exprLang: m.peers.expr(t, payload), brickfed: m.own(t)}
	if m.hand != nil {
		all[byHand] = func() (outcome, error) { return m.hand(payload) }
	}
	return all
}

// A program is a compiled expression together with a payload.
type program func() (any, error)

// A peerProgram is a peerRule, compiled.
type peerProgram struct {
	rule         peerRule
	when, groups program // nil for none
}

// compiled makes a mapper of programs. compile returns nil for an empty text.
func (p peerPolicy) compiled(compile func(text) (program, error), list func(any, []string) []string) (mapper, error) {
	require, err := compile(p.require)
	if err != nil {
		return nil, err
	}
	programs := make([]peerProgram, len(p.rules))
	for i, r := range p.rules {
		when, err := compile(r.when)
		if err != nil {
			return nil, err
		}
		groups, err := compile(r.groups)
		if err != nil {
			return nil, err
		}
		programs[i] = peerProgram{r, when, groups}
	}
	return func() (outcome, error) {
		switch ok, err := require(); {
		case err != nil:
			return outcome{}, err
		case ok != true:
			return outcome{}, errNotMapped
		}
		var o outcome
		for i := range programs {
			matched, err := programs[i].run(&o, list)
			if err != nil {
				return outcome{}, err
			}
			if matched && !o.target.Selects() {
				o.target = programs[i].rule.target
			}
		}
		slices.Sort(o.groups)
		o.groups = slices.Compact(o.groups)
		return o, nil
	}, nil
}

func (p *peerProgram) run(o *outcome, list func(any, []string) []string) (bool, error) {
	if p.when != nil {
		if ok, err := p.when(); err != nil || ok != true {
			return false, err
		}
	}
	if p.rule.name != "" {
		o.groups = append(o.groups, p.rule.name)
	}
	if p.groups == nil {
		return true, nil
	}
	found, err := p.groups()
	if err != nil {
		return false, err
	}
	before := len(o.groups)
	o.groups = list(found, o.groups)
	return len(o.groups) > before || p.when != nil, nil
}

// TestMappingSame: what is measured is the same job. All say the same of the same
// payload, and again the second time.
func TestMappingSame(t *testing.T) {
	for _, m := range append(mappings(t), manyRules(t)) {
		for name, run := range m.mappers(t) {
			for range 2 {
				got, err := run()
				if err != nil {
					t.Fatalf("%s: %s: %v", m.probe.title, name, err)
				}
				if !got.equal(m.want) {
					t.Errorf("%s: %s gives %v, want %v", m.probe.title, name, got, m.want)
				}
			}
		}
	}
}

// TestMappingRefusal: nobody is fast because of looking at nothing. The token of
// another issuer is refused by all.
func TestMappingRefusal(t *testing.T) {
	for _, m := range append(mappings(t), manyRules(t)) {
		payload := decode(t, m.payload)
		payload["iss"] = "https://evil.example"
		m.payload = encode(t, payload)
		for name, run := range m.mappers(t) {
			if got, err := run(); err == nil {
				t.Errorf("%s: %s gives %v, want an error", m.probe.title, name, got)
			}
		}
	}
}

func decode(t testing.TB, payload []byte) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(payload, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "claims", "testdata", "idp", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
