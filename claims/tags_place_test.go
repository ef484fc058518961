package claims_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/brickfed/brickfed/claims"
)

// languages say, in other words than the code, what each place takes.
var languages = map[string]func(value string) bool{
	"Query": func(v string) bool {
		escaped := regexp.MustCompile(`[\\,:]`).ReplaceAllString(v, `\$0`)
		return len(utf16.Encode([]rune(escaped))) <= 128 && printable(v) && v == strings.TrimSpace(v) && v != ""
	},
	"Job":       regexp.MustCompile(`^([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$`).MatchString,
	"Cluster":   regexp.MustCompile(`^([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$`).MatchString,
	"Run":       func(v string) bool { return len(v) <= 5000 && printable(v) && v == strings.TrimSpace(v) && v != "" },
	"UserAgent": regexp.MustCompile(`^[0-9A-Za-z_.+-]{1,64}$`).MatchString,
}

func printable(v string) bool {
	return utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) })
}

func TestFit(t *testing.T) {
	long := strings.Repeat("0123456789", 600)
	const hash = `__[a-z2-7]{16}$`
	for _, tt := range []struct {
		place, value, want string // want is a pattern of the whole
	}{
		{"Query", "repo:acme/x", `^repo:acme/x$`},
		{"Query", "日本 🧱", `^日本 🧱$`},
		{"Query", long[:128], "^" + long[:128] + "$"},
		{"Query", long[:129], "^" + long[:110] + hash},
		{"Query", strings.Repeat(":", 64), `^:{64}$`},
		{"Query", strings.Repeat(":", 65), `^:{55}` + hash},
		{"Query", strings.Repeat("🧱", 64), `^🧱{64}$`},
		{"Query", strings.Repeat("🧱", 65), `^🧱{55}` + hash},
		{"Query", " padded ", `^padded ` + hash},
		{"Query", "   ", `^x` + hash},
		{"Query", "two\nlines", `^two_lines` + hash},
		{"Query", "\u202egnp", `^_gnp` + hash},
		{"Query", "\xff", `^\x{fffd}` + hash},
		{"Cluster", "v1.2-rc_3", `^v1.2-rc_3$`},
		{"Cluster", long[:63], "^" + long[:63] + "$"},
		{"Cluster", long[:64], "^" + long[:45] + hash},
		{"Cluster", "ada@acme.example", `^ada_acme.example` + hash},
		{"Cluster", "_x", `^x` + hash},
		{"Cluster", "x_", `^x_` + hash},
		{"Cluster", "日本", `^x` + hash},
		{"Cluster", "Zoë", `^Zo_` + hash},
		{"Job", "a b", `^a_b` + hash},
		{"Job", "x__abcdefghijklmnop", `^x__abcdefghijklmnop` + hash},
		{"Run", "ada@acme.example, on: \\", `^ada@acme.example, on: \\$`},
		{"Run", "x__abcdefghijklmnop", `^x__abcdefghijklmnop` + hash},
		{"Run", long[:5000], "^" + long[:1000] + long[:1000] + long[:1000] + long[:1000] + long[:1000] + "$"},
		{"Run", long[:5001], "^" + long[:1000] + long[:1000] + long[:1000] + long[:1000] + long[:982] + hash},
		{"Run", strings.Repeat("é", 2501), "^" + strings.Repeat("é", 2491) + hash},
		{"UserAgent", "+a_b.c-d", `^\+a_b.c-d$`},
		{"UserAgent", "a/b c", `^a_b_c` + hash},
		{"UserAgent", long[:65], "^" + long[:46] + hash},
	} {
		got := fitted(t, tt.place, tt.value)
		if !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%s of %.70q: got %q, want %.70s", tt.place, tt.value, got, tt.want)
		}
		if !languages[tt.place](got) {
			t.Errorf("%s of %.70q: %q is not in its language", tt.place, tt.value, got)
		}
	}
}

// Different values stay different in every place, those that imitate a replaced
// one among them, and equal ones stay equal for everybody with the key.
func TestFit_distinct(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for place := range places {
		seen := map[string]string{}
		check := func(value string) (out string) {
			out = fitted(t, place, value)
			if first, taken := seen[out]; taken && first != value {
				t.Fatalf("%s: %q and %q both become %q", place, first, value, out)
			}
			if !languages[place](out) {
				t.Fatalf("%s: %q becomes %q", place, value, out)
			}
			seen[out] = value
			return out
		}
		for range 500 {
			value := randomText(random, 100)
			out := check(value)
			if out != value {
				check(out)
			}
			if again := fitted(t, place, value); again != out {
				t.Fatalf("%s: %q becomes %q and %q", place, value, out, again)
			}
		}
	}
}

// Without the key nobody makes two values the same, or finds out what stood
// behind a hash.
func TestFit_keyed(t *testing.T) {
	value := strings.Repeat("x", 100)
	one := mustTags(t, pipeline, claims.TagOptions{Key: newTagKey(t, tagSecret), Extra: map[string]string{"v": value}})
	other := mustTags(t, pipeline, claims.TagOptions{Key: newTagKey(t, tagSecret+"!"), Extra: map[string]string{"v": value}})
	a, err := one.Cluster(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := other.Cluster(nil)
	if err != nil {
		t.Fatal(err)
	}
	if a["v"] == b["v"] || a["v"][:45] != b["v"][:45] {
		t.Errorf("%q and %q", a["v"], b["v"])
	}
}

func numbered(n int, value string) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("k%d", i)] = value
	}
	return m
}

func TestTags_limits(t *testing.T) {
	key := newTagKey(t, tagSecret)
	const own = 5 // tags of the grant
	for place, limit := range map[string]int{"Query": 20, "Job": 25, "Cluster": 45, "Run": 100, "UserAgent": 16} {
		for _, existing := range []int{0, 3} {
			if place == "UserAgent" && existing > 0 {
				continue
			}
			before := map[string]string{}
			for i := range existing {
				before[fmt.Sprintf("there:%d", i)] = "already"
			}
			kept := maps.Clone(before)
			for _, over := range []int{0, 1} {
				tags := mustTags(t, pipeline, claims.TagOptions{Key: key, Extra: numbered(limit-own-existing+over, "v")})
				got, err := places[place](tags, before)
				switch {
				case over == 0 && (err != nil || len(got) != limit-existing):
					t.Errorf("%s, %d there: %d of %d tags: %v", place, existing, len(got), limit, err)
				case over == 1 && (err == nil || got != nil || !strings.Contains(err.Error(), fmt.Sprintf("%d are too many, %d of them there already; the limit is %d", limit+1, existing, limit))):
					t.Errorf("%s, %d there: %d tags more than %d: %v", place, existing, over, limit, err)
				}
			}
			if !maps.Equal(before, kept) {
				t.Errorf("%s: the existing tags were changed", place)
			}
		}
	}
}

// Keys, values and two separators for each count.
func TestTags_queryBytes(t *testing.T) {
	tags := mustTags(t, pipeline, claims.TagOptions{Key: newTagKey(t, tagSecret), Extra: numbered(10, strings.Repeat("日", 128))})
	added, err := tags.Query(nil)
	if err != nil {
		t.Fatal(err)
	}
	room := 10_000 - len("there") - 2
	for key, value := range added {
		room -= len(key) + len(value) + 2
	}
	for over := range 2 {
		_, err := tags.Query(map[string]string{"there": strings.Repeat("x", room+over)})
		if (err == nil) != (over == 0) || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("10001 bytes are too many, %d of them there already; the limit is 10000", room+1+len("there")+2)) {
			t.Errorf("%d over: %v", over, err)
		}
	}
}

// Every ASCII character, in the middle of a value and as all of it.
func TestFit_characters(t *testing.T) {
	for place, takes := range languages {
		for c := range byte(0x80) {
			for _, value := range []string{"a" + string(rune(c)) + "a", string(rune(c))} {
				if out := fitted(t, place, value); (out == value) != takes(value) || !takes(out) {
					t.Errorf("%s of %q: %q", place, value, out)
				}
			}
		}
	}
}

func TestTags_existing(t *testing.T) {
	tags := mustTags(t, pipeline, claims.TagOptions{Key: newTagKey(t, tagSecret), Extra: map[string]string{"team": "risk@acme"}})
	for place, add := range places {
		if place == "UserAgent" {
			continue
		}
		fresh, err := add(tags, nil)
		if err != nil || len(fresh) != 6 {
			t.Fatalf("%s: %q, %v", place, fresh, err)
		}
		if again, err := add(tags, fresh); err != nil || len(again) != 0 {
			t.Errorf("%s, twice: %q, %v", place, again, err)
		}
		part := maps.Clone(fresh)
		delete(part, "team")
		delete(part, "brickfed_rule")
		part["a:b"] = ""
		if rest, err := add(tags, part); err != nil || !slices.Equal(sortedKeys(rest), []string{"brickfed_rule", "team"}) {
			t.Errorf("%s, in part: %q, %v", place, rest, err)
		}
		conflicts := map[string]string{"team": "sales", "brickfed_rule": "other", "Brickfed_Policy": "5e884898da280471"}
		got, err := add(tags, conflicts)
		if err == nil || got != nil {
			t.Fatalf("%s: no error", place)
		}
		for _, part := range []string{`"team" is there already with another value`, `"brickfed_rule" is there already with another value`, `"brickfed_policy" and "Brickfed_Policy"`} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error does not say %s: %v", place, part, err)
			}
		}
		for _, value := range []string{"sales", "risk", "other"} {
			if strings.Contains(strings.ReplaceAll(err.Error(), "another", ""), value) {
				t.Errorf("%s: the error has a value: %v", place, err)
			}
		}
	}
}

// What every place makes of a value is in its language, differs for different
// values, and is the value itself if that is in the language and does not look
// like a replaced one.
func FuzzTagValues(f *testing.F) {
	f.Add("ada@acme.example", "ada_acme.example")
	f.Add(strings.Repeat("x", 63), strings.Repeat("x", 64))
	f.Add("x__abcdefghijklmnop", "x")
	f.Add("\xff", "\ufffd")
	f.Add(" a", "a ")
	f.Add("日本", "🧱")
	marked := regexp.MustCompile(`__[a-z2-7]{16}$`)
	key := newTagKey(f, tagSecret)
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			t.Skip("an empty value is refused")
		}
		tags := mustTags(t, pipeline, claims.TagOptions{Key: key, Extra: map[string]string{"a": a, "b": b}})
		for place, add := range places {
			got, err := add(tags, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{"a": a, "b": b} {
				out, takes := got[name], languages[place]
				if !takes(out) {
					t.Errorf("%s of %q: %q is not in its language", place, value, out)
				}
				if unchanged := takes(value) && !marked.MatchString(value); unchanged != (out == value) {
					t.Errorf("%s of %q is %q", place, value, out)
				}
				if out != value && !marked.MatchString(out) {
					t.Errorf("%s of %q: %q does not show that it was changed", place, value, out)
				}
			}
			if (got["a"] == got["b"]) != (a == b) {
				t.Errorf("%s of %q and %q: %q and %q", place, a, b, got["a"], got["b"])
			}
		}
	})
}

// A key of the caller's is refused, or is one that every place takes as it is.
func FuzzTagKeys(f *testing.F) {
	for _, key := range []string{"pipeline_run", "a-b", "@@x", "Name", "mlflow.user", "a\n", "x_", "K", "ſ"} {
		f.Add(key)
	}
	query := regexp.MustCompile(`^[^,:\-/=.]{1,128}$`)
	cloud := regexp.MustCompile(`^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$`)
	product := regexp.MustCompile(`^[0-9A-Za-z_.+-]+$`)
	secret := newTagKey(f, tagSecret)
	f.Fuzz(func(t *testing.T, key string) {
		tags, err := pipeline.Tags(claims.TagOptions{Key: secret, Extra: map[string]string{key: "v"}})
		if err != nil {
			return
		}
		if !query.MatchString(key) || strings.HasPrefix(key, "@@") || !cloud.MatchString(key) || len(key) > 63 || !product.MatchString(key) {
			t.Errorf("key %q was taken", key)
		}
		if slices.Contains([]string{"name", "vendor", "creator", "clusterid", "clustername", "runname", "jobid"}, strings.ToLower(key)) || strings.HasPrefix(strings.ToLower(key), "brickfed_") {
			t.Errorf("the reserved key %q was taken", key)
		}
		for place, add := range places {
			if got, err := add(tags, nil); err != nil || got[key] != "v" || len(got) != 6 {
				t.Errorf("%s: %q, %v", place, got, err)
			}
		}
	})
}

// Only equal identities have equal pseudonyms.
func FuzzPseudonym(f *testing.F) {
	f.Add("ab", "c", "a", "bc")
	f.Add("https://sso.acme.example", "ada", "https://sso.acme.example", "Ada")
	key := newTagKey(f, tagSecret)
	f.Fuzz(func(t *testing.T, issuer, subject, issuer2, subject2 string) {
		if issuer == "" || subject == "" || issuer2 == "" || subject2 == "" {
			t.Skip("nobody")
		}
		one := mustTags(t, claims.Grant{Issuer: issuer, Subject: subject}, claims.TagOptions{Key: key}).Subject()
		two := mustTags(t, claims.Grant{Issuer: issuer2, Subject: subject2}, claims.TagOptions{Key: key}).Subject()
		if (one == two) != (issuer == issuer2 && subject == subject2) {
			t.Errorf("%q %q is %s, %q %q is %s", issuer, subject, one, issuer2, subject2, two)
		}
	})
}
