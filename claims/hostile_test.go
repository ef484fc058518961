package claims_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
)

func TestHostile(t *testing.T) {
	if len(attacks) < 80 {
		t.Fatalf("got %d attacks, want 80 or more", len(attacks))
	}
	seen := map[string]bool{}
	for _, a := range attacks {
		if seen[a.name] {
			t.Errorf("two attacks are named %q", a.name)
		}
		seen[a.name] = true
		t.Run(a.name, a.run)
	}
	t.Logf("%d attacks", len(attacks))
}

func (a attack) run(t *testing.T) {
	p, err := claims.Load([]byte(a.guard.policy), a.guard.options...)
	if err != nil {
		t.Fatal(err)
	}
	before, err := p.Map(t.Context(), parse(t, []byte(a.guard.honest)))
	if err != nil {
		t.Fatalf("the honest payload is refused: %v", err)
	}
	start := time.Now()
	payload := []byte(a.payload)
	if regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(a.payload) && a.payload != "null" {
		payload = read(t, "testdata/idp/hostile/"+a.payload+".json")
	}
	c, err := claims.Parse(payload)
	if err != nil {
		a.judge(t, claims.Grant{}, err)
		a.silent(t, payload, err.Error())
		return
	}
	got, err := p.Map(t.Context(), c)
	a.judge(t, got, err)
	trace := p.Explain(t.Context(), c)
	if fmt.Sprint(trace.Err) != fmt.Sprint(err) || !reflect.DeepEqual(trace.Grant, got) {
		t.Errorf("Explain says %+v, %v; Map says %+v, %v", trace.Grant, trace.Err, got, err)
	}
	a.silent(t, payload, fmt.Sprint(err), trace.String(), fmt.Sprintf("%+v", trace.Steps))
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	// What one payload did leaves nothing behind for the next.
	after, err := p.Map(t.Context(), parse(t, []byte(a.guard.honest)))
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("after the attack: got %+v, %v; before it %+v", after, err, before)
	}
}

func (a attack) judge(t *testing.T, got claims.Grant, err error) {
	t.Helper()
	if a.want.err != nil {
		var typed *claims.Error
		if !errors.Is(err, a.want.err) || !errors.As(err, &typed) {
			t.Errorf("got %+v, %v; want %q", got, err, a.want.err)
		}
		if !reflect.DeepEqual(got, claims.Grant{}) {
			t.Errorf("with an error: got the grant %+v", got)
		}
		return
	}
	if err != nil || strings.Join(got.Groups, " ") != a.want.groups || got.Target.Rule != a.want.target {
		t.Errorf("got groups %q, target %q, %v; want %q, %q", got.Groups, got.Target.Rule, err, a.want.groups, a.want.target)
	}
	if a.want.target == "" && got.Target.Selects() {
		t.Errorf("got a target that selects %+v", got.Target)
	}
}

var (
	jsonText   = regexp.MustCompile(`("(?:[^"\\]|\\.)*")\s*(:?)`)
	jsonNumber = regexp.MustCompile(`[:\[,]\s*(-?[0-9][0-9.eE+-]{4,})`)
)

// silent checks that no text tells a value of the payload, unless the policy
// says the same.
func (a attack) silent(t *testing.T, payload []byte, texts ...string) {
	t.Helper()
	var values []string
	for _, m := range jsonText.FindAllSubmatch(payload, -1) {
		var value string
		if len(m[2]) == 0 && json.Unmarshal(m[1], &value) == nil {
			values = append(values, value, string(m[1][1:len(m[1])-1]))
		}
	}
	for _, m := range jsonNumber.FindAllSubmatch(payload, -1) {
		values = append(values, string(m[1]))
	}
	for _, value := range values {
		if len(value) < 5 || strings.Contains(a.guard.policy, value) {
			continue
		}
		for _, text := range texts {
			if strings.Contains(text, value) || strings.Contains(text, strconv.Quote(value)) {
				t.Errorf("a value of the payload, %q, stands in %q", value, text)
			}
		}
	}
}

// TestHostile_everyFile checks that each hostile file is an attack of the table
// and has its row in the README.
func TestHostile_everyFile(t *testing.T) {
	files, err := filepath.Glob("testdata/idp/hostile/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	readme := string(read(t, "testdata/idp/README.md"))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if !slices.ContainsFunc(attacks, func(a attack) bool { return a.payload == name }) {
			t.Errorf("no attack uses %s", file)
		}
		if !strings.Contains(readme, "| "+name+" |") {
			t.Errorf("README.md has no row for %s", name)
		}
	}
}

// answer is a resolver that gives always the same.
type answer struct {
	values []string
	err    error
	calls  *int
}

func (a answer) Resolve(_ context.Context, _ *claims.Claims, _ string) ([]string, error) {
	*a.calls++
	return a.values, a.err
}

// TestHostile_resolver checks that a resolver's answer passes the same matchers
// as a token's claim, and that a bad answer is never taken for no groups.
func TestHostile_resolver(t *testing.T) {
	outage := errors.New("directory is down")
	elsewhere := mallory(`"_claim_names":{"groups":"src1"}`)
	tests := []struct {
		name    string
		guard   guard
		payload string
		answer  []string
		err     error
		want    outcome
		calls   int
	}{
		{"groups", onGroups, elsewhere, []string{"dbx-team-x"}, nil, wantGroups("team-x"), 1},
		{"more groups than the token's list may have", onTable, elsewhere, append(slices.Repeat([]string{"x"}, 200), "0b7d5a11"), nil, wantGroups("staff"), 1},
		{"lookalikes", onGroups, elsewhere, []string{"dbx-data-engineers-not", "DBX-data-engineers"}, nil, wantNoMatch, 1},
		{"system groups", onSystem, elsewhere, []string{"x-users", "x-ADMINS"}, nil, wantNoMatch, 1},
		{"names that break out", onGroups, elsewhere, []string{"dbx-team-a/b", "dbx-team-a,b", "dbx-team-\u202ex"}, nil, wantNoMatch, 1},
		{"no groups", onGroups, elsewhere, nil, nil, wantNoMatch, 1},
		{"outage", onGroups, elsewhere, nil, outage, wantIncomplete, 1},
		{"some groups and an outage", onGroups, elsewhere, []string{"dbx-data-engineers"}, outage, wantIncomplete, 1},
		{"outage with a default", onOpenFallback, elsewhere, nil, outage, wantIncomplete, 1},
		{"bytes that are not UTF-8", onGroups, elsewhere, []string{"dbx-data-engineers", "dbx-team-\xff"}, nil, wantIncomplete, 1},
		{"far too many", onGroups, elsewhere, slices.Repeat([]string{"dbx-data-engineers"}, 20_001), nil, wantIncomplete, 1},
		{"suspended", onSuspended, elsewhere, []string{"dbx-suspended"}, nil, wantDenied, 1},
		{"list cut at 100", onGroups, mallory(longList(100)), []string{"dbx-team-x"}, nil, wantGroups("team-x"), 1},
		{"list that is whole", onGroups, mallory(`"groups":["dbx-team-x"]`), []string{"dbx-data-engineers"}, nil, wantGroups("team-x"), 0},
		{"another audience is refused first", onGroups, altered(elsewhere, "aud", `"payroll"`), []string{"dbx-data-engineers"}, nil, wantDenied, 0},
		{"an unknown issuer is refused first", onGroups, altered(elsewhere, "iss", `"https://evil.example"`), []string{"dbx-data-engineers"}, nil, wantDenied, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			p, err := claims.Load([]byte(tt.guard.policy), claims.WithResolver(answer{tt.answer, tt.err, &calls}))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Map(t.Context(), parse(t, []byte(tt.payload)))
			attack{want: tt.want}.judge(t, got, err)
			if tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("got %v, which does not wrap the resolver's error", err)
			}
			if calls != tt.calls {
				t.Errorf("the resolver was called %d times, want %d", calls, tt.calls)
			}
			trace := p.Explain(t.Context(), parse(t, []byte(tt.payload)))
			if fmt.Sprint(trace.Err) != fmt.Sprint(err) || !reflect.DeepEqual(trace.Grant, got) {
				t.Errorf("Explain says %+v, %v; Map says %+v, %v", trace.Grant, trace.Err, got, err)
			}
			for _, value := range tt.answer {
				if len(value) > 5 && !strings.Contains(tt.guard.policy, value) && strings.Contains(trace.String()+fmt.Sprint(err), value) {
					t.Errorf("a value of the resolver's, %q, stands in %v or %v", value, err, trace)
				}
			}
		})
	}
	t.Run("outage where somebody may be suspended", func(t *testing.T) {
		calls := 0
		p, err := claims.Load([]byte(onSuspended.policy), claims.WithResolver(answer{nil, outage, &calls}))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Map(t.Context(), parse(t, []byte(elsewhere))); err == nil || len(got.Groups) > 0 {
			t.Errorf("got %+v, %v; want an error", got, err)
		}
	})
}

// TestHostile_staleGroups maps one identity again and again while its groups and
// the policy change: nothing is kept from the last time (CVE-2026-43983).
func TestHostile_staleGroups(t *testing.T) {
	var live claims.Live
	steps := []struct {
		name    string
		policy  string // put in place before the step; empty for none
		payload string
		want    outcome
	}{
		{"before any policy", "", onGroups.honest, wantDenied},
		{"in the group", onGroups.policy, onGroups.honest, outcome{groups: "data-engineers", target: "engineers"}},
		{"out of the group", "", mallory(`"groups":["vpn-users"]`), wantNoMatch},
		{"in another group", "", mallory(`"groups":["dbx-team-x"]`), wantGroups("team-x")},
		{"without groups", "", mallory(`"groups":[]`), wantNoMatch},
		{"without the claim", "", mallory(`"x":1`), wantNoMatch},
		{"in too many groups", "", mallory(longList(100)), wantIncomplete},
		{"in the group again", "", onGroups.honest, outcome{groups: "data-engineers", target: "engineers"}},
		{"the policy denies", onSuspended.policy, mallory(`"groups":["dbx-suspended","dbx-data-engineers"]`), wantDenied},
		{"the policy knows no such group", onTable.policy, onGroups.honest, wantNoMatch},
		{"the policy knows no such issuer", onFullRef.policy, onGroups.honest, wantDenied},
		{"the first policy again", onGroups.policy, onGroups.honest, outcome{groups: "data-engineers", target: "engineers"}},
	}
	for _, s := range steps {
		if s.policy != "" {
			if err := live.Replace([]byte(s.policy)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := live.Map(t.Context(), parse(t, []byte(s.payload)))
		t.Log(s.name)
		attack{want: s.want}.judge(t, got, err)
		trace := live.Explain(t.Context(), parse(t, []byte(s.payload)))
		if fmt.Sprint(trace.Err) != fmt.Sprint(err) || !reflect.DeepEqual(trace.Grant, got) {
			t.Errorf("%s: Explain says %+v, %v; Map says %+v, %v", s.name, trace.Grant, trace.Err, got, err)
		}
	}
}

// TestHostile_nobody checks that nothing comes of nothing.
func TestHostile_nobody(t *testing.T) {
	p, err := claims.Load([]byte(onGroups.policy))
	if err != nil {
		t.Fatal(err)
	}
	honest := parse(t, []byte(onGroups.honest))
	for name, decide := range map[string]func() (claims.Grant, error){
		"no claims":            func() (claims.Grant, error) { return p.Map(t.Context(), nil) },
		"zero claims":          func() (claims.Grant, error) { return p.Map(t.Context(), new(claims.Claims)) },
		"no policy":            func() (claims.Grant, error) { return (*claims.Policy)(nil).Map(t.Context(), honest) },
		"zero policy":          func() (claims.Grant, error) { return new(claims.Policy).Map(t.Context(), honest) },
		"zero live policy":     func() (claims.Grant, error) { return new(claims.Live).Map(t.Context(), honest) },
		"no claims, explained": func() (claims.Grant, error) { tr := p.Explain(t.Context(), nil); return tr.Grant, tr.Err },
		"zero policy explained": func() (claims.Grant, error) {
			tr := new(claims.Policy).Explain(t.Context(), honest)
			return tr.Grant, tr.Err
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decide()
			attack{want: wantDenied}.judge(t, got, err)
		})
	}
}

// TestHostile_valuesOnRequest checks that a trace shows values to who asks for
// them, and so that the search for values in other texts can find something.
func TestHostile_valuesOnRequest(t *testing.T) {
	p, err := claims.Load([]byte(onGroups.policy))
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, []byte(mallory(`"groups":["the-secret-project"]`)))
	const value = "the-secret-project"
	if text := p.Explain(t.Context(), c, claims.WithValues()).String(); !strings.Contains(text, value) {
		t.Errorf("the value was asked for and is not in\n%s", text)
	}
	if text := p.Explain(t.Context(), c).String(); strings.Contains(text, value) {
		t.Errorf("nobody asked for the value in\n%s", text)
	}
}
