package claims_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brickfed/brickfed/claims"
)

// FuzzGlob compares a glob with the regular expression that says the same.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"a*", "abc"}, {"a**b", "a/b/b"}, {"*-*", "x-y-z"}, {"/d/*/**", "/d/x/y/z"}, {"a*b*c**d", "a1b2c3:d4d"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(value) || len(value) > 4096 {
			return
		}
		text, err := json.Marshal(map[string]any{"iss": "i", "sub": "s", "v": value})
		if err != nil {
			t.Fatal(err)
		}
		c, err := claims.Parse(text)
		if err != nil {
			return
		}
		p, err := claims.New(claims.Config{Version: 1, Issuers: []claims.Issuer{{Issuer: "i", Rules: []claims.Rule{
			{Name: "r", When: map[string]claims.Matcher{"v": {Glob: []string{pattern}}}, Groups: []string{"g"}},
		}}}})
		if err != nil {
			return
		}
		expr := regexp.QuoteMeta(pattern)
		expr = strings.ReplaceAll(expr, `\*\*`, `(?s:.+?)`)
		expr = strings.ReplaceAll(expr, `\*`, `[^/:@]+?`)
		want := regexp.MustCompile(`\A(?:` + expr + `)\z`).MatchString(value)
		if _, err = p.Map(context.Background(), c); (err == nil) != want {
			t.Errorf("glob %q on %q: %v; the regex says %t", pattern, value, err, want)
		}
	})
}

// FuzzRegex holds that a pattern matches whole values, whatever it is made of.
func FuzzRegex(f *testing.F) {
	for _, s := range []string{"a|b", "a)(b", "(?i)x", `\Qa.b\E`, "[a-z]+", "a{1,3}", "(?:x)?y", "\\z|a"} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if strings.ContainsAny(value, "<>") || !utf8.ValidString(value) || !utf8.ValidString(pattern) || len(pattern) > 200 {
			return
		}
		p, err := claims.New(claims.Config{Version: 1, Issuers: []claims.Issuer{{Issuer: "i", Rules: []claims.Rule{
			{Name: "r", When: map[string]claims.Matcher{"v": {Regex: []string{pattern}}}, Groups: []string{"g"}},
		}}}})
		if err != nil {
			return
		}
		text, _ := json.Marshal(map[string]any{"iss": "i", "v": value})
		c, err := claims.Parse(text)
		if err != nil {
			return
		}
		_, err = p.Map(context.Background(), c)
		re := regexp.MustCompile(pattern)
		re.Longest()
		if whole := slices.ContainsFunc(re.FindAllStringIndex(value, -1), func(span []int) bool { return span[0] == 0 && span[1] == len(value) }); err == nil && !whole && !strings.ContainsAny(pattern, `\^$?*+{`) {
			t.Errorf("regex %q matches %q, of which it takes a part only", pattern, value)
		}
	})
}

// FuzzLoad holds that loading never panics and that what loads has one ID.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{keycloakPolicy, entraPolicy, githubPolicy, systemNamesPolicy, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := claims.Load(data)
		if err != nil {
			if !errors.Is(err, claims.ErrPolicy) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		again, err := claims.Load(data, claims.Broker())
		if err == nil && again.ID() != p.ID() {
			t.Error("one policy, two IDs")
		}
	})
}

// validName is the output language, written down a second time.
var validName = regexp.MustCompile(`\A[\pL\pN][\pL\pN _.@+-]{0,254}\z`)

// FuzzMap holds what must be true of any payload under a policy that uses the
// whole language.
func FuzzMap(f *testing.F) {
	const issuer = `"version":1,"issuers":[{"issuer":"i","split":{"scp":" "},"complete":{"cut":3},"rules":[`
	const rules = `{"name":"a","when":{"groups":{"glob":"t-**"}},"groups":["team-${1}","all"]},
		{"name":"b","when":{"scp":{"regex":"(r.)-(.*)"},"n":{"none":["x",1]}},"groups":["ad${2}"],"target":{"assume_group":"1"}},
		{"name":"c","lookup":{"claim":"cut","table":{"k":["v"]}},"target":{"assume_group":"2","scopes":["sql"]}},
		{"name":"d","when":{"/a/b":{"any":["X"],"fold":true},"p":{"present":true}},"groups":["d"]}`
	const deny = `{"name":"z","when":{"bad":{"present":true}},"deny":"no"},`
	plain, err := claims.Load([]byte(`{` + issuer + rules + `]}]}`))
	if err != nil {
		f.Fatal(err)
	}
	strict, err := claims.Load([]byte(`{` + issuer + deny + rules + `]}]}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"iss":"i","groups":["t-x","t-mins"],"scp":"ra-mins rb-","n":"y","cut":["k"],"a":{"b":"x"},"p":1}`, "bad")
	f.Add(`{"iss":"i","_claim_names":{"groups":"s"},"cut":["a","b","k"]}`, "k")
	f.Add(`{"iss":"i","groups":{"t-x":1},"bad":null,"hasgroups":true}`, "t-")
	f.Fuzz(func(t *testing.T, payload, other string) {
		c, err := claims.Parse([]byte(payload))
		if err != nil {
			return
		}
		grant, err := plain.Map(context.Background(), c)
		trace := plain.Explain(context.Background(), c)
		if (err == nil) != (trace.Err == nil) || err != nil && err.Error() != trace.Err.Error() {
			t.Fatalf("Map says %v, Explain %v", err, trace.Err)
		}
		a, _ := json.Marshal(grant)
		b, _ := json.Marshal(trace.Grant)
		if string(a) != string(b) {
			t.Fatalf("Map grants %s, Explain %s", a, b)
		}
		for _, name := range grant.Groups {
			if !validName.MatchString(name) || slices.Contains([]string{"admins", "users", "account users", "account admins"}, strings.ToLower(name)) {
				t.Errorf("%q came out", name)
			}
		}
		denied, denyErr := strict.Map(context.Background(), c)
		if err != nil && denyErr == nil {
			t.Error("a deny rule has granted")
		}
		if d, _ := json.Marshal(denied.Groups); denyErr == nil && string(d) != mustJSON(t, grant.Groups) {
			t.Errorf("a deny rule has changed the groups: %s", d)
		}
		if values, ok, strs := c.Strings("groups"); ok && strs == nil && err == nil && !strings.HasPrefix(other, "t-") && utf8.ValidString(other) {
			more := with(t, payload, append(values, other))
			again, err := plain.Map(context.Background(), more)
			if err != nil || mustJSON(t, again) != string(a) {
				t.Errorf("a value outside every matcher has changed %s to %s, %v", a, mustJSON(t, again), err)
			}
		}
	})
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// with returns the payload with other groups.
func with(t *testing.T, payload string, groups []string) *claims.Claims {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(payload), &object); err != nil {
		t.Fatal(err)
	}
	object["groups"] = json.RawMessage(mustJSON(t, groups))
	return parse(t, []byte(mustJSON(t, object)))
}
