package claims_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// byEffect is how a mapping by one rule came out: a rule that gives a group, and
// the same as one that denies.
type byEffect struct{ grant, deny error }

var (
	matched   = byEffect{nil, claims.ErrDenied}
	unmatched = byEffect{claims.ErrNoMatch, nil}
	untold    = byEffect{claims.ErrNoMatch, claims.ErrDenied} // absent, or of another type
	odd       = byEffect{claims.ErrMalformed, claims.ErrDenied}
	short     = byEffect{claims.ErrIncomplete, claims.ErrDenied}
)

// TestMatchers is the language, matcher by matcher.
func TestMatchers(t *testing.T) {
	tests := []struct {
		matcher, claims string
		want            byEffect
	}{
		{`"x"`, `"v":"x"`, matched},
		{`"x"`, `"v":"X"`, unmatched},
		{`"x"`, `"v":["y","x"]`, matched},
		{`"x"`, `"v":[]`, unmatched},
		{`"x"`, `"v":["y"]`, unmatched},
		{`"x"`, `"v":null`, untold},
		{`"x"`, ``, untold},
		{`"x"`, `"v":1`, untold},
		{`"x"`, `"v":{"x":true}`, odd},
		{`"x"`, `"v":["x",1]`, odd},
		{`true`, `"v":true`, matched},
		{`true`, `"v":false`, unmatched},
		{`true`, `"v":"true"`, untold},
		{`false`, `"v":"false"`, untold},
		{`1`, `"v":1`, matched},
		{`1`, `"v":1.0`, unmatched},
		{`1`, `"v":"1"`, untold},
		{`9007199254740993`, `"v":9007199254740992`, unmatched},
		{`["x",1]`, `"v":1`, matched},
		{`["x",1]`, `"v":"x"`, matched},
		{`["x",1]`, `"v":2`, unmatched},
		{`["x",1]`, `"v":true`, untold},
		{`["a","b","c","d","e","f","g","h","i"]`, `"v":["z","i"]`, matched},
		{`["a","b","c","d","e","f","g","h","i"]`, `"v":"z"`, unmatched},
		{`["a","b","c","d","e","f","g","h","i"]`, `"v":1`, untold},
		{`{"any":["Ab"],"fold":true}`, `"v":"aB"`, matched},
		{`{"any":["s"],"fold":true}`, `"v":"ſ"`, unmatched},
		{`{"any":["a","b","c","d","e","f","g","h","I"],"fold":true}`, `"v":"i"`, matched},

		{`{"glob":"a*"}`, `"v":"ab"`, matched},
		{`{"glob":"a*"}`, `"v":"a"`, unmatched},
		{`{"glob":"a*"}`, `"v":"a/b"`, unmatched},
		{`{"glob":"a*"}`, `"v":"a:b"`, unmatched},
		{`{"glob":"a*"}`, `"v":"a@b"`, unmatched},
		{`{"glob":"a**"}`, `"v":"a/b:c@d"`, matched},
		{`{"glob":"a**"}`, `"v":"a"`, unmatched},
		{`{"glob":"a*b"}`, `"v":"ab"`, unmatched},
		{`{"glob":"aa*aa"}`, `"v":"aaaa"`, unmatched},
		{`{"glob":"*b"}`, `"v":"ab"`, matched},
		{`{"glob":"a*b*c"}`, `"v":"axbxbxc"`, matched},
		{`{"glob":"a*b*c"}`, `"v":"axbx/c"`, unmatched},
		{`{"glob":"a*/**/z"}`, `"v":"ab/c/d/z"`, matched},
		{`{"glob":"a*/**/z"}`, `"v":"ab/z"`, unmatched},
		{`{"glob":["x","a*"]}`, `"v":"ab"`, matched},
		{`{"glob":"x"}`, `"v":"x"`, matched},
		{`{"glob":"A*","fold":true}`, `"v":"aB"`, matched},
		{`{"glob":"a*"}`, `"v":7`, untold},
		{`{"glob":"*@acme.example"}`, `"v":"eve@evil.example@acme.example"`, unmatched},

		{`{"regex":"a|b"}`, `"v":"a"`, matched},
		{`{"regex":"a|b"}`, `"v":"ax"`, unmatched},
		{`{"regex":"a|b"}`, `"v":"xb"`, unmatched},
		{`{"regex":"a"}`, `"v":"a\n"`, unmatched},
		{`{"regex":["x","a+"]}`, `"v":["n","aa"]`, matched},
		{`{"regex":"[a-z]+","fold":true}`, `"v":"AB"`, matched},
		{`{"regex":"[Aa]b"}`, `"v":"Ab"`, matched},

		{`{"present":true}`, `"v":""`, matched},
		{`{"present":true}`, `"v":{}`, matched},
		{`{"present":true}`, `"v":["x",1]`, matched},
		{`{"present":true}`, `"v":[]`, unmatched},
		{`{"present":true}`, `"v":null`, unmatched},
		{`{"present":false}`, ``, matched},
		{`{"present":false}`, `"v":0`, unmatched},

		{`{"none":["x"]}`, `"v":"y"`, matched},
		{`{"none":["x"]}`, `"v":["y","x"]`, unmatched},
		{`{"none":["x"]}`, `"v":[]`, matched},
		{`{"none":["x"]}`, ``, short},
		{`{"none":[false]}`, `"v":"false"`, odd},
		{`{"none":["X"],"fold":true}`, `"v":"x"`, unmatched},

		{`{"predicate":"yes"}`, ``, matched},
		{`{"predicate":"no"}`, ``, unmatched},
		{`{"predicate":"fails"}`, ``, short},

		{`"x"`, `"v":"x","_claim_names":{"v":"src"}`, short},
		{`{"present":false}`, `"_claim_names":{"v":"src"}`, short},
		{`{"predicate":"yes"}`, `"_claim_names":{"v":"src"}`, short},
		{`"x"`, `"v":"x","_claim_names":["v"]`, short},
		{`"x"`, `"v":"x","_claim_names":{"w":"src"}`, matched},
	}
	predicates := []claims.Option{
		claims.WithPredicate("yes", func(*claims.Claims) (bool, error) { return true, nil }),
		claims.WithPredicate("no", func(*claims.Claims) (bool, error) { return false, nil }),
		claims.WithPredicate("fails", func(*claims.Claims) (bool, error) { return true, errors.New("down") }),
	}
	for _, tt := range tests {
		t.Run(tt.matcher+" "+tt.claims, func(t *testing.T) {
			payload := `{"iss":"i"` + map[bool]string{true: ",", false: ""}[tt.claims != ""] + tt.claims + `}`
			c := parse(t, []byte(payload))
			grants := load(t, `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{"v":`+tt.matcher+`},"groups":["g"]}]}]}`, predicates...)
			grant, err := grants.Map(t.Context(), c)
			if !errors.Is(err, tt.want.grant) || (err == nil) != slices.Equal(grant.Groups, []string{"g"}) {
				t.Errorf("a rule that gives: got %v, %v; want %v", grant.Groups, err, tt.want.grant)
			}
			denies := load(t, `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{"v":`+tt.matcher+`},"deny":"no"}],"default":{"groups":["d"]}}]}`, predicates...)
			grant, err = denies.Map(t.Context(), c)
			if !errors.Is(err, tt.want.deny) || (err == nil) != slices.Equal(grant.Groups, []string{"d"}) {
				t.Errorf("a rule that denies: got %v, %v; want %v", grant.Groups, err, tt.want.deny)
			}
			for _, p := range []*claims.Policy{grants, denies} {
				_, err := p.Map(t.Context(), c)
				if trace := p.Explain(t.Context(), c); (err == nil) != (trace.Err == nil) || err != nil && err.Error() != trace.Err.Error() {
					t.Errorf("Explain says %v, Map %v", trace.Err, err)
				}
			}
		})
	}
}

// TestRules_threeValued combines matchers: what is definitely false settles a
// rule, whatever else cannot be told.
func TestRules_threeValued(t *testing.T) {
	tests := []struct {
		name, when, claims string
		want               byEffect
	}{
		{"false and absent", `"a":"x","b":"y"`, `"a":"n"`, unmatched},
		{"absent and false", `"a":"x","b":"y"`, `"b":"n"`, unmatched},
		{"false and malformed", `"a":"x","b":"y"`, `"a":"n","b":{}`, unmatched},
		{"malformed and false", `"a":"x","b":"y"`, `"a":{},"b":"n"`, unmatched},
		{"absent and malformed", `"a":"x","b":"y"`, `"b":{}`, untold},
		{"true and malformed", `"a":"x","b":"y"`, `"a":"x","b":{}`, odd},
		{"false and incomplete", `"a":"x","groups":"y"`, `"a":"n","hasgroups":true`, unmatched},
		{"true and incomplete", `"a":"x","groups":"y"`, `"a":"x","hasgroups":true`, short},
		{"not incomplete", `"a":"x","groups":"y"`, `"a":"x","groups":["y"],"hasgroups":false`, matched},
		{"malformed and incomplete", `"a":"x","groups":"y"`, `"a":{},"hasgroups":true`, odd},
		{"both true", `"a":"x","b":"y"`, `"a":"x","b":"y"`, matched},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, []byte(`{"iss":"i",`+tt.claims+`}`))
			for effect, want := range map[string]error{`"groups":["g"]`: tt.want.grant, `"deny":"no"`: tt.want.deny} {
				p := load(t, `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{`+tt.when+`},`+effect+`}`+
					map[bool]string{true: `],"default":{"groups":["d"]}}]}`, false: `]}]}`}[strings.HasPrefix(effect, `"deny"`)])
				if _, err := p.Map(t.Context(), c); !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Errorf("%s: got %v, want %v", effect, err, want)
				}
			}
		})
	}
}

// TestRequire holds what an issuer requires to the same logic.
func TestRequire(t *testing.T) {
	p := load(t, `{"version":1,"issuers":[{"issuer":"i","require":{"a":"x","b":{"none":["y"]},"groups":{"present":true}},"default":{"groups":["g"]}}]}`)
	tests := []struct {
		claims string
		want   error
	}{
		{`"a":"x","b":"z","groups":["k"]`, nil},
		{`"a":"n","b":"z","groups":["k"]`, claims.ErrDenied},
		{`"b":"z","groups":["k"]`, claims.ErrDenied},
		{`"a":1,"b":"z","groups":["k"]`, claims.ErrDenied},
		{`"a":{},"b":"z","groups":["k"]`, claims.ErrMalformed},
		{`"a":"x","b":"y","groups":["k"]`, claims.ErrDenied},
		{`"a":"x","groups":["k"]`, claims.ErrIncomplete},
		{`"a":"x","b":"z","hasgroups":true`, claims.ErrIncomplete},
		{`"a":"n","b":"z","hasgroups":true`, claims.ErrDenied},
		{`"a":"x","b":"z","groups":[]`, claims.ErrDenied},
	}
	for _, tt := range tests {
		_, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i",`+tt.claims+`}`)))
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: got %v, want %v", tt.claims, err, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		when, groups, value string
		want                []string
	}{
		{`{"glob":"t-*"}`, `["team-${1}"]`, `["t-a","t-b","x","t-a"]`, []string{"team-a", "team-b"}},
		{`{"glob":"*-*"}`, `["g ${2}.${1}"]`, `"a-b"`, []string{"g b.a"}},
		{`{"glob":"*-*-*"}`, `["g ${1}_${2}_${3}"]`, `"a-b-c-d"`, []string{"g a_b_c-d"}},
		{`{"regex":"(a)|b(c)"}`, `["g${2}"]`, `["a","bc"]`, []string{"gc"}},
		{`{"regex":"(a)|b(c)"}`, `["g${2}"]`, `["a"]`, nil},
		{`{"glob":"T-*","fold":true}`, `["team-${1}"]`, `["t-A","T-a"]`, []string{"team-a"}},
		{`{"glob":"t-**"}`, `["team-${1}", "all"]`, `["t-a/b"]`, nil},
		{`{"glob":"t-**"}`, `["team-${1}", "all"]`, `["t-a/b","t-c"]`, []string{"all", "team-c"}},
		{`{"glob":"t-**"}`, `["ad${1}"]`, `["t-mins","t-MINS","t-min"]`, []string{"admin"}},
		{`{"glob":"t-**"}`, `["account${1}"]`, `["t- users","t-  Users","t- admins "]`, nil},
		{`{"glob":"t-**"}`, `["g${1}"]`, `["t- x","t-x ","t-\u0000"]`, []string{"g x"}},
		{`{"glob":"t-*"}`, `["g-${1}"]`, `["t-` + strings.Repeat("é", 253) + `","t-` + strings.Repeat("é", 254) + `"]`, []string{"g-" + strings.Repeat("é", 253)}},
	}
	for _, tt := range tests {
		t.Run(tt.when+tt.groups+tt.value[:min(30, len(tt.value))], func(t *testing.T) {
			p := load(t, `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{"v":`+tt.when+`},"groups":`+tt.groups+`}],"default":{"groups":["none"]}}]}`)
			grant, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i","v":`+tt.value+`}`)))
			if tt.want == nil {
				tt.want = []string{"none"}
			}
			if err != nil || !slices.Equal(grant.Groups, tt.want) {
				t.Errorf("got %q, %v; want %q", grant.Groups, err, tt.want)
			}
		})
	}
}

// TestAllow bounds templates; what is literal is refused at load.
func TestAllow(t *testing.T) {
	const head = `{"version":1,"issuers":[{"issuer":"i","allow":["team-*"],"rules":[{"name":"r",`
	p := load(t, head+`"when":{"v":{"glob":"**-*"}},"groups":["team${1}"]}]}]}`)
	grant, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i","v":["-a-x","b-x"]}`)))
	if err != nil || !slices.Equal(grant.Groups, []string{"team-a"}) {
		t.Errorf("got %q, %v", grant.Groups, err)
	}
	for _, rest := range []string{
		`"when":{"v":"x"},"groups":["other"]}]}]}`,
		`"lookup":{"claim":"v","table":{"x":["other"]}}}]}]}`,
		`"when":{"v":"x"},"groups":["team-a"]}],"default":{"groups":["other"]}}]}`,
	} {
		_, err := claims.Load([]byte(head + rest))
		checkError(t, err, `"other": the issuer's allow does not name it`)
	}
}

// TestSplitAndComplete reads delimited strings and lists that a provider cuts.
func TestSplitAndComplete(t *testing.T) {
	p := load(t, `{"version":1,"issuers":[{"issuer":"i","split":{"scp":" "},"complete":{"groups":3},"rules":[
		{"name":"a","when":{"scp":"x"},"groups":["x"]},
		{"name":"b","when":{"groups":"k","on":true},"groups":["k"]}]}]}`)
	tests := []struct {
		claims string
		want   []string
		err    error
	}{
		{`"scp":"w x  y"`, []string{"x"}, nil},
		{`"scp":"w\u00a0x"`, nil, claims.ErrNoMatch},
		{`"scp":"wx"`, nil, claims.ErrNoMatch},
		{`"scp":["x"]`, []string{"x"}, nil},
		{`"scp":["w x"]`, nil, claims.ErrNoMatch},
		{`"on":true,"groups":["a","k"]`, []string{"k"}, nil},
		{`"on":true,"groups":["a","b","k"]`, nil, claims.ErrIncomplete},
		{`"on":false,"groups":["a","b","k"]`, nil, claims.ErrNoMatch},
	}
	for _, tt := range tests {
		grant, err := p.Map(t.Context(), parse(t, []byte(`{"iss":"i",`+tt.claims+`}`)))
		if !errors.Is(err, tt.err) || !slices.Equal(grant.Groups, tt.want) {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.claims, grant.Groups, err, tt.want, tt.err)
		}
	}
}
