package claims_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brickfed/brickfed/claims"
)

const tagSecret = "0123456789abcdef-the-secret"

func newTagKey(t testing.TB, secret string) *claims.TagKey {
	t.Helper()
	key, err := claims.NewTagKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pipeline has every field that becomes a tag.
var pipeline = claims.Grant{
	Policy:  "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
	Issuer:  "https://token.actions.githubusercontent.com",
	Subject: "repo:acme/models:environment:prod",
	Rules:   []string{"ci", "deploy-prod"},
	Groups:  []string{"data-engineers"},
	Target: claims.Target{
		Rule: "deploy-prod", ClientID: "3f0c2a1e-1111-4000-8000-000000000001", AssumeGroup: "884100000000017", Scopes: []string{"sql"},
	},
}

// places are the methods that fit tags for a kind of object.
var places = map[string]func(claims.Tags, map[string]string) (map[string]string, error){
	"Query":   claims.Tags.Query,
	"Job":     claims.Tags.Job,
	"Cluster": claims.Tags.Cluster,
	"Run":     claims.Tags.Run,
	"UserAgent": func(t claims.Tags, _ map[string]string) (map[string]string, error) {
		header, err := t.UserAgent()
		if err != nil {
			return nil, err
		}
		parts := map[string]string{}
		for _, product := range strings.Fields(header) {
			key, value, _ := strings.Cut(product, "/")
			parts[key] = value
		}
		return parts, nil
	},
}

func mustTags(t testing.TB, g claims.Grant, opts claims.TagOptions) claims.Tags {
	t.Helper()
	tags, err := g.Tags(opts)
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

// fitted returns what a place makes of a value.
func fitted(t testing.TB, place, value string) string {
	t.Helper()
	tags := mustTags(t, pipeline, claims.TagOptions{Key: newTagKey(t, tagSecret), Extra: map[string]string{"v": value}})
	m, err := places[place](tags, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m["v"]
}

// What is written here stands in other people's dashboards: it must not change.
func TestTags_golden(t *testing.T) {
	key := newTagKey(t, tagSecret)
	context := map[string]string{
		"brickfed_subject":      "3s7r6zszfw5axrk2a6izxcib",
		"brickfed_policy":       "5e884898da280471",
		"brickfed_rule":         "deploy-prod",
		"brickfed_client_id":    "3f0c2a1e-1111-4000-8000-000000000001",
		"brickfed_assume_group": "884100000000017",
	}
	with := func(more ...string) map[string]string {
		m := maps.Clone(context)
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	opts := claims.TagOptions{Key: key, Readable: true, Extra: map[string]string{"pipeline_run": "2026-10-01 #7"}}
	for place, want := range map[string]map[string]string{
		"Query":     with("brickfed_iss", pipeline.Issuer, "brickfed_sub", pipeline.Subject, "pipeline_run", "2026-10-01 #7"),
		"Run":       with("brickfed_iss", pipeline.Issuer, "brickfed_sub", pipeline.Subject, "pipeline_run", "2026-10-01 #7"),
		"Job":       with("brickfed_iss", "https___token.actions.githubusercontent.com__q3kjjxe4skh7dv5m", "brickfed_sub", "repo_acme_models_environment_prod__csk2jhngwkgczabx", "pipeline_run", "2026-10-01__7__yuvsoawkrkqk7cuy"),
		"Cluster":   with("brickfed_iss", "https___token.actions.githubusercontent.com__q3kjjxe4skh7dv5m", "brickfed_sub", "repo_acme_models_environment_prod__csk2jhngwkgczabx", "pipeline_run", "2026-10-01__7__yuvsoawkrkqk7cuy"),
		"UserAgent": with("brickfed_iss", "https___token.actions.githubusercontent.com__q3kjjxe4skh7dv5m", "brickfed_sub", "repo_acme_models_environment_prod__csk2jhngwkgczabx", "pipeline_run", "2026-10-01__7__yuvsoawkrkqk7cuy"),
	} {
		got, err := places[place](mustTags(t, pipeline, opts), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", place, got, want)
		}
	}
	header, err := mustTags(t, pipeline, claims.TagOptions{Key: key}).UserAgent()
	if err != nil {
		t.Fatal(err)
	}
	if want := "brickfed_subject/3s7r6zszfw5axrk2a6izxcib brickfed_policy/5e884898da280471 brickfed_rule/deploy-prod brickfed_client_id/3f0c2a1e-1111-4000-8000-000000000001 brickfed_assume_group/884100000000017"; header != want {
		t.Errorf("header %q", header)
	}
}

// Fields that are empty give no tag, and a policy that names itself keeps its name.
func TestTags_leanGrant(t *testing.T) {
	opts := claims.TagOptions{Key: newTagKey(t, tagSecret)}
	lean := claims.Grant{Issuer: "i", Subject: "s", Policy: "my policy"}
	got, err := mustTags(t, lean, opts).Query(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["brickfed_policy"] != "my policy" || len(got["brickfed_subject"]) != 24 {
		t.Errorf("got %q", got)
	}
	for _, policy := range []string{strings.Repeat("a", 63), strings.Repeat("g", 64), strings.Repeat("A", 64), strings.Repeat("a", 65)} {
		lean.Policy = policy
		if got, err = mustTags(t, lean, opts).Query(nil); err != nil || got["brickfed_policy"] != policy {
			t.Errorf("policy %q became %q, %v", policy, got["brickfed_policy"], err)
		}
	}
}

func TestTags_zero(t *testing.T) {
	for place, add := range places {
		if got, err := add(claims.Tags{}, map[string]string{"team": "risk"}); err != nil || len(got) != 0 {
			t.Errorf("%s: got %q, %v", place, got, err)
		}
	}
	if got := (claims.Tags{}).Subject(); got != "" {
		t.Errorf("subject %q", got)
	}
}

// Two programs with the same secret agree, and nobody else gets the same
// pseudonyms. Where a field ends makes a difference.
func TestTags_pseudonym(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	identities := []claims.Grant{
		{Issuer: "ab", Subject: "c"},
		{Issuer: "a", Subject: "bc"},
		{Issuer: "a\x00b", Subject: "c"},
		{Issuer: "a", Subject: "b\x00c"},
		{Issuer: "a", Subject: "ada@acme.example"},
		{Issuer: "a", Subject: "Ada@acme.example"},
		{Issuer: "a", Subject: "ada@acme.example "},
		{Issuer: "a", Subject: "\u00e9"},
		{Issuer: "a", Subject: "e\u0301"},
		{Issuer: "a", Subject: "\xff"},
		{Issuer: "a", Subject: "\ufffd"},
	}
	for range 5000 {
		identities = append(identities, claims.Grant{Issuer: randomText(random, 12), Subject: randomText(random, 12)})
	}
	one, again, other := newTagKey(t, tagSecret), newTagKey(t, tagSecret), newTagKey(t, tagSecret+"!")
	owner := map[string]claims.Grant{}
	for _, g := range identities {
		g.Policy, g.Target = "p", claims.Target{ClientID: "c"}
		pseudonym := mustTags(t, g, claims.TagOptions{Key: one}).Subject()
		g.Policy, g.Target = "q", claims.Target{Rule: "r"}
		if got := mustTags(t, g, claims.TagOptions{Key: again, Readable: true, Extra: map[string]string{"k": "v"}}).Subject(); got != pseudonym {
			t.Fatalf("%q %q has two pseudonyms", g.Issuer, g.Subject)
		}
		if mustTags(t, g, claims.TagOptions{Key: other}).Subject() == pseudonym {
			t.Fatal("another key gives the same pseudonym")
		}
		if len(pseudonym) != 24 || strings.Trim(pseudonym, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("pseudonym %q", pseudonym)
		}
		first, taken := owner[pseudonym]
		if taken && (first.Issuer != g.Issuer || first.Subject != g.Subject) {
			t.Fatalf("%q %q and %q %q have the same pseudonym", first.Issuer, first.Subject, g.Issuer, g.Subject)
		}
		owner[pseudonym] = g
	}
}

// No tag has a word of who it is, unless the caller says so.
func TestTags_pseudonymous(t *testing.T) {
	person := pipeline
	person.Issuer, person.Subject = "https://sso.acme.example", "ada.lovelace@acme.example"
	for _, readable := range []bool{false, true} {
		tags := mustTags(t, person, claims.TagOptions{Key: newTagKey(t, tagSecret), Readable: readable})
		for place, add := range places {
			got, err := add(tags, nil)
			if err != nil {
				t.Fatal(err)
			}
			if named := strings.Contains(fmt.Sprint(got), "lovelace"); named != readable {
				t.Errorf("%s, readable %t: %q", place, readable, got)
			}
			if got["brickfed_subject"] != tags.Subject() {
				t.Errorf("%s, readable %t: pseudonym %q", place, readable, got["brickfed_subject"])
			}
		}
	}
}

func TestTags_refuses(t *testing.T) {
	key := newTagKey(t, tagSecret)
	extra := func(keys ...string) claims.TagOptions {
		m := map[string]string{}
		for _, k := range keys {
			m[k] = "v"
		}
		return claims.TagOptions{Key: key, Extra: m}
	}
	tests := []struct {
		name  string
		grant claims.Grant
		opts  claims.TagOptions
		want  []string // all in one error; none: no error
	}{
		{"no key", pipeline, claims.TagOptions{}, []string{"TagOptions.Key is required", "NewTagKey"}},
		{"zero key", pipeline, claims.TagOptions{Key: &claims.TagKey{}}, []string{"TagOptions.Key is required"}},
		{"no issuer", claims.Grant{Subject: "ada"}, extra(), []string{"nobody's"}},
		{"no subject", claims.Grant{Issuer: "https://sso.acme.example"}, extra(), []string{"nobody's"}},
		{"all at once", claims.Grant{}, claims.TagOptions{Extra: map[string]string{"a-b": "", "Name": "x"}}, []string{"TagOptions.Key", "nobody's", `"a-b": use`, `"a-b" has an empty value`, `"Name"`}},
		{"key with a dash", pipeline, extra("run-id"), []string{`"run-id"`}},
		{"key with a dot", pipeline, extra("mlflow.user"), []string{`"mlflow.user"`}},
		{"key with @@", pipeline, extra("@@x"), []string{`"@@x"`}},
		{"empty key", pipeline, extra(""), []string{`""`}},
		{"key with a digit first", pipeline, extra("1st"), []string{`"1st"`}},
		{"key with an underscore last", pipeline, extra("run_"), []string{`"run_"`}},
		{"key with a newline last", pipeline, extra("run\n"), []string{`"run\n"`}},
		{"key beyond ASCII", pipeline, extra("région"), []string{"TagOptions.Extra"}},
		{"key of 64 characters", pipeline, extra(strings.Repeat("k", 64)), []string{"63"}},
		{"key of 63 characters", pipeline, extra(strings.Repeat("k", 63)), nil},
		{"key of one character", pipeline, extra("k"), nil},
		{"keys of all kinds of characters", pipeline, extra("aZ0_9b", "Za0_9B", "zA", "A9__0"), nil},
		{"our own key", pipeline, extra("Brickfed_subject"), []string{"reserved"}},
		{"the cluster's name", pipeline, extra("NAME"), []string{"reserved"}},
		{"a default tag", pipeline, extra("ClusterId"), []string{"reserved"}},
		{"a default tag of pools", pipeline, extra("DatabricksInstancePoolId"), []string{"reserved"}},
		{"Azure's", pipeline, extra("azure_region"), []string{"reserved"}},
		{"Databricks' note on query tags", pipeline, extra("tag_invalid"), []string{"reserved"}},
		{"keys that differ in case", pipeline, extra("team", "Team"), []string{`"Team" and "team"`}},
		{"empty value", pipeline, claims.TagOptions{Key: key, Extra: map[string]string{"k": ""}}, []string{"empty value"}},
		{"everything right", pipeline, extra("team", "name_of_it", "Windows10"[:4]), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.grant.Tags(tt.opts)
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "claims: make tags: ") {
				t.Fatalf("got error %v", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not speak of %s: %v", part, err)
				}
			}
		})
	}
}

func TestNewTagKey(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 15: false, 16: true, 64: true, 65: true} {
		secret := bytes.Repeat([]byte{'s'}, n)
		key, err := claims.NewTagKey(secret)
		if (err == nil) != ok || (key != nil) != ok {
			t.Errorf("%d bytes: %v, %v", n, key, err)
		}
		if err != nil && (!strings.Contains(err.Error(), fmt.Sprintf("has %d bytes", n)) || strings.Contains(err.Error(), "ss")) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	// The secret is copied.
	secret := []byte(tagSecret)
	key, err := claims.NewTagKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	opts := claims.TagOptions{Key: key}
	if got, want := mustTags(t, pipeline, opts).Subject(), mustTags(t, pipeline, claims.TagOptions{Key: newTagKey(t, tagSecret)}).Subject(); got != want {
		t.Error("the key changed with its caller's bytes")
	}
}

// Not by any way of printing, also not of a copy or inside of something else.
func TestTagKey_secrecy(t *testing.T) {
	key := newTagKey(t, tagSecret)
	opts := claims.TagOptions{Key: key, Extra: map[string]string{"team": "risk"}}
	tags := mustTags(t, pipeline, opts)
	type outer struct {
		Options claims.TagOptions
		options claims.TagOptions
		key     claims.TagKey
		tags    claims.Tags
	}
	values := map[string]any{
		"key": key, "copied key": *key, "options": opts, "tags": tags, "pointers": []any{&opts, &tags},
		"inside": outer{Options: opts, options: opts, key: *key, tags: tags},
	}
	var printed strings.Builder
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		printed.Write(data)
		slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "v", v)
	}
	hex := fmt.Sprintf("%x", tagSecret)
	for _, secret := range []string{tagSecret, hex, strings.ToUpper(hex), fmt.Sprintf("%v", []byte(tagSecret)), "MDEyMzQ1Njc4OWFiY2RlZi10aGUtc2VjcmV0"} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
	if !strings.Contains(printed.String(), "risk") {
		t.Error("nothing was printed at all")
	}
}

func TestRunAs(t *testing.T) {
	for name, tt := range map[string]struct {
		target  claims.Target
		want    string
		wantErr string
	}{
		"service principal": {claims.Target{ClientID: "3f0c2a1e-1111-4000-8000-000000000001"}, "3f0c2a1e-1111-4000-8000-000000000001", ""},
		"with a group":      {claims.Target{ClientID: "3f0c2a1e-1111-4000-8000-000000000001", AssumeGroup: "17"}, "", `assumes group "17"`},
		"person":            {claims.Target{}, "", "no service principal"},
	} {
		got, err := claims.Grant{Target: tt.target}.RunAs()
		if got != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// randomText has letters of many scripts, symbols, control characters and broken
// UTF-8.
func randomText(random *rand.Rand, longest int) string {
	pieces := []string{"a", "Z", "7", " ", "_", "__", "-", ".", ":", ",", "\\", "/", "=", "@@", "é", "ß", "日本", "🧱", "\u202e", "\x00", "\n", "\xff", "\ufffd", "e\u0301"}
	var b strings.Builder
	for range 1 + random.IntN(longest) {
		if random.IntN(3) == 0 {
			b.WriteRune(rune(random.IntN(utf8.MaxRune)))
		} else {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
