package claims_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/claims"
)

// TestMap_oneClaimTwoSpellings holds that a pointer of one step is the claim of
// that name: what split and complete say of the one holds for the other.
func TestMap_oneClaimTwoSpellings(t *testing.T) {
	tests := []struct{ name, policy, payload string }{
		{"complete", `"complete":{"groups":2},"rules":[{"name":"d","when":{"/groups":"bad"},"deny":"no"},{"name":"g","when":{"x":"1"},"groups":["g"]}]`, `"groups":["a","b"],"x":"1"`},
		{"split", `"split":{"scp":" "},"rules":[{"name":"d","when":{"/scp":"bad"},"deny":"no"},{"name":"g","when":{"scp":"x"},"groups":["g"]}]`, `"scp":"bad x"`},
		{"split, then complete", `"split":{"groups":","},"complete":{"groups":2},"rules":[{"name":"d","when":{"groups":"bad"},"deny":"no"},{"name":"g","when":{"x":"1"},"groups":["g"]}]`, `"groups":"a,b,c","x":"1"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := load(t, `{"version":1,"issuers":[{"issuer":"i",`+tt.policy+`}]}`)
			if grant, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i",`+tt.payload+`}`))); !errors.Is(err, claims.ErrDenied) {
				t.Errorf("got %+v, %v", grant, err)
			}
		})
	}
}

// TestMap_blockedWay holds that a claim is not there if something else than an
// object stands on the way to it, and that nobody can tell.
func TestMap_blockedWay(t *testing.T) {
	for _, want := range []string{"true", "false"} {
		for _, payload := range []string{`"a":"x"`, `"a":[]`, `"a":7`} {
			for effect, kind := range map[string]error{`"deny":"no"`: claims.ErrDenied, `"groups":["g"]`: claims.ErrMalformed} {
				p := load(t, `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{"/a/b":{"present":`+want+`}},`+effect+`}],"default":{"groups":["d"]}}]}`)
				if grant, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i",`+payload+`}`))); !errors.Is(err, kind) {
					t.Errorf("present %s, %s, %s: got %+v, %v", want, effect, payload, grant, err)
				}
			}
		}
	}
}

// TestResolver_whenItDecides holds that a resolver is asked whenever its answer
// can make a rule definitely false.
func TestResolver_whenItDecides(t *testing.T) {
	const policy = `{"version":1,"issuers":[{"issuer":"i","rules":[
		{"name":"a","when":{"groups":"x","z":"1"},"groups":["a"]},{"name":"b","when":{"y":"1"},"groups":["b"]}]}]}`
	calls := 0
	p := load(t, policy, claims.WithResolver(resolverFunc(func(string) ([]string, error) { calls++; return []string{"q"}, nil })))
	grant, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i","hasgroups":true,"z":{},"y":"1"}`)))
	if err != nil || !slices.Equal(grant.Groups, []string{"b"}) || calls != 1 {
		t.Errorf("got %+v, %v after %d calls", grant, err, calls)
	}
	for name, answer := range map[string][]string{"not text": {"\xff"}, "too many": make([]string, 20_001)} {
		p = load(t, policy, claims.WithResolver(resolverFunc(func(string) ([]string, error) { return answer, nil })))
		if _, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i","hasgroups":true,"z":"1"}`))); !errors.Is(err, claims.ErrIncomplete) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestMap_longValues holds that a value which no pattern looks at is not taken for
// one that does not match.
func TestMap_longValues(t *testing.T) {
	long := strings.Repeat("a", 4097)
	for _, matcher := range []string{`{"glob":"b*"}`, `{"regex":"b+"}`} {
		p := load(t, `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"d","when":{"v":`+matcher+`},"deny":"no"}],"default":{"groups":["g"]}}]}`)
		if _, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i","v":"`+long+`"}`))); !errors.Is(err, claims.ErrDenied) {
			t.Errorf("%s: got %v", matcher, err)
		}
		if _, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i","v":"`+long[1:]+`"}`))); err != nil {
			t.Errorf("%s at the bound: got %v", matcher, err)
		}
	}
}

// TestLoad_staysCheap loads what would be slow without bounds; it ends within the
// test's own time or not at all.
func TestLoad_staysCheap(t *testing.T) {
	list := func(n int, item string) string {
		return strings.TrimSuffix(strings.Repeat(item+",", n), ",")
	}
	numbers := make([]string, 40_000)
	for i := range numbers {
		numbers[i] = fmt.Sprint(i)
	}
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, `"c%d":"x",`, i)
	}
	rule := func(when string) string {
		return `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{` + when + `},"groups":["g"]}]}]}`
	}
	for name, policy := range map[string]string{
		"numbers":    rule(`"v":[` + strings.Join(numbers, ",") + `]`),
		"claims":     rule(strings.TrimSuffix(many.String(), ",")),
		"rules":      `{"version":1,"issuers":[{"issuer":"i","rules":[` + list(20_000, `{"when":{"a":"b"}}`) + `]}]}`,
		"long names": rule(`"` + strings.Repeat("n", 100_000) + `":[` + list(5000, "null") + `]`),
		"regex":      rule(`"v":{"regex":"(?:[a-z]+-?){300}x.*z[0-9]{600}"}`),
	} {
		_, err := claims.Load([]byte(policy))
		if !errors.Is(err, claims.ErrPolicy) || len(err.Error()) > 8<<20 {
			t.Errorf("%s: an error of %d bytes", name, len(fmt.Sprint(err)))
		}
	}
}

// TestFollow_triesAgain holds that a policy which failed for a reason outside its
// file is loaded once that is mended.
func TestFollow_triesAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.json")
	policy := strings.TrimSuffix(simplePolicy("g"), "}") + `,"tests":[{"name":"t","claims":{"file":"a.json"},"want":{"groups":["g"]}}]}`
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var live claims.Live
		if err := live.Replace([]byte(simplePolicy("old"))); err != nil {
			t.Fatal(err)
		}
		var log reloads
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			_ = live.Follow(ctx, claims.File{
				Path: path, Interval: time.Second, Options: []claims.Option{claims.WithTestFiles(os.DirFS(dir))},
				OnReload: log.add,
			})
		}()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if events := log.all(); len(events) != 1 || events[0].Err == nil {
			t.Fatalf("got %v, want one failure", events)
		}
		if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(`{"iss":"i","sub":"s"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if events := log.all(); len(events) != 2 || events[1].Err != nil {
			t.Errorf("got %v, want a reload", events)
		}
		cancel()
	})
}

func TestTrace_neverShows(t *testing.T) {
	p := load(t, `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{"v":"x"},"groups":["g"]}]}]}`)
	trace := p.Explain(t.Context(), parse(t, []byte(`{"iss":"i","sub":"secret-subject","v":"x"}`)))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if text := fmt.Sprintf(verb, trace); strings.Contains(text, "secret-subject") {
			t.Errorf("%s shows the subject", verb)
		}
	}
}
