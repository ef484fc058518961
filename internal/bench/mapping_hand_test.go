package bench_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/brickfed/brickfed/claims"
)

// What a careful programmer writes for one policy: it knows all claims and
// matchers beforehand, and checks what brickfed checks.

var errByHand = errors.New("the token is denied")

// affixes select a value, and rename what stands between them.
type affixes struct{ before, after, prefix string }

func renameByHand(payload map[string]any, rules ...affixes) (outcome, error) {
	if payload["iss"] != issuerURL || cutByHand(payload, "groups") {
		return outcome{}, errByHand
	}
	list, ok := payload["groups"].([]any)
	if !ok {
		return outcome{}, errByHand
	}
	var groups []string
	for _, item := range list {
		value, ok := item.(string)
		if !ok {
			return outcome{}, errByHand
		}
		for _, r := range rules {
			rest, starts := strings.CutPrefix(value, r.before)
			rest, ends := strings.CutSuffix(rest, r.after)
			if !starts || !ends || rest == "" || strings.ContainsAny(rest, "/:@") {
				continue
			}
			if name := r.prefix + rest; validByHand(name) {
				groups = append(groups, name)
			}
		}
	}
	if len(groups) == 0 {
		return outcome{}, errByHand
	}
	slices.Sort(groups)
	return outcome{groups: slices.Compact(groups)}, nil
}

// cutByHand tells whether the token says that it leaves the claim out.
func cutByHand(payload map[string]any, claim string) bool {
	if names, there := payload["_claim_names"]; there && names != nil {
		object, ok := names.(map[string]any)
		if _, named := object[claim]; !ok || named {
			return true
		}
	}
	has, there := payload["hasgroups"]
	return there && has != nil && has != false && claim == "groups"
}

func validByHand(name string) bool {
	if utf8.RuneCountInString(name) > 255 || strings.HasSuffix(name, " ") {
		return false
	}
	for i, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !unicode.IsLetter(r) && !unicode.IsNumber(r) && (i == 0 || !strings.ContainsRune(" _.@+-", r)) {
			return false
		}
	}
	for _, reserved := range []string{"admins", "users", "account users", "account admins"} {
		if strings.EqualFold(name, reserved) {
			return false
		}
	}
	return true
}

func githubByHand(payload map[string]any, prod, ci claims.Target) (outcome, error) {
	if payload["iss"] != "https://token.actions.githubusercontent.com" {
		return outcome{}, errByHand
	}
	is := func(claim, want string) bool { return !cutByHand(payload, claim) && payload[claim] == want }
	begins := func(claim, prefix, not string) bool {
		value, _ := payload[claim].(string)
		rest, ok := strings.CutPrefix(value, prefix)
		return ok && rest != "" && !strings.ContainsAny(rest, not) && !cutByHand(payload, claim)
	}
	switch {
	case !is("aud", "https://github.com/acme") || !is("repository_owner_id", "1234567") || !is("repository_id", "765432109"):
		return outcome{}, errByHand
	case is("environment", "prod") && is("ref", "refs/heads/main") && begins("job_workflow_ref", githubWorkflow, "/:@"):
		return outcome{target: prod}, nil
	case begins("ref", "refs/heads/", ""):
		return outcome{target: ci}, nil
	}
	return outcome{}, errByHand
}

// TestByHand: what is written by hand agrees with brickfed where it is hard too.
func TestByHand(t *testing.T) {
	rename, workflow := prefixed(t), github(t)
	for _, c := range []struct {
		name  string
		m     mapping
		claim string
		value any
	}{
		{"no groups", rename, "groups", nil},
		{"an empty list", rename, "groups", []any{}},
		{"groups in an object", rename, "groups", map[string]any{"dbx-a": "dbx-a"}},
		{"a number among them", rename, "groups", []any{"dbx-a", 1}},
		{"nothing after the prefix", rename, "groups", []any{"dbx-", "dbx-a"}},
		{"a separator", rename, "groups", []any{"dbx-a/b", "dbx-a"}},
		{"characters that no group has", rename, "groups", []any{"dbx-a\n", "dbx-a*", "dbx-é", "dbx-a "}},
		{"the same twice", rename, "groups", []any{"dbx-b", "dbx-a", "dbx-b"}},
		{"too long", rename, "groups", []any{"dbx-" + strings.Repeat("a", 251), "dbx-" + strings.Repeat("b", 250)}},
		{"groups elsewhere", rename, "_claim_names", map[string]any{"groups": "src1"}},
		{"another claim elsewhere", rename, "_claim_names", map[string]any{"roles": "src1"}},
		{"groups left out", rename, "hasgroups", true},
		{"another branch", workflow, "ref", "refs/heads/next"},
		{"a tag", workflow, "ref", "refs/tags/v1"},
		{"another environment", workflow, "environment", "test"},
		{"another owner", workflow, "repository_owner_id", "7654321"},
		{"another repository", workflow, "repository_id", "1"},
		{"a longer workflow", workflow, "job_workflow_ref", githubWorkflow + "3/evil"},
		{"no workflow", workflow, "job_workflow_ref", nil},
	} {
		payload := decode(t, c.m.payload)
		payload[c.claim] = c.value
		c.m.payload = encode(t, payload)
		got, err := c.m.hand(decode(t, c.m.payload))
		own, ownErr := c.m.own(t)()
		if (err != nil) != (ownErr != nil) || !got.equal(own) {
			t.Errorf("%s: by hand %v, %v; brickfed %v, %v", c.name, got, err, own, ownErr)
		}
	}
}
