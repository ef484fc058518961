package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// Without arguments the program shows its own policy and payload, and leaves
// standard input alone.
func TestRun_own(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), nil, forbidden{t}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"matched  production deploy: gives groups deployers and a target\n",
		"nearly   nightly training: only event_name kept it from matching\n",
		"result   target of production deploy: client_id 3f0c2a1e-1111-4000-8000-000000000002\n",
		"\n  \"groups\": [\n    \"deployers\"\n  ],\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
}

func TestRun_files(t *testing.T) {
	const (
		rules = `{"name":"staff","when":{"team":{"glob":"dbx-*"}},"groups":["team-${1}"],"target":{"assume_group":"42"}}`
		tests = `{"name":"a","claims":{"file":"staff.json"},"want":{"groups":["team-risk"],"target":"staff"}}`
		loose = `{"version":1,"issuers":[{"issuer":"https://idp.example","rules":[` + rules + `]}]}`
		exact = `{"version":1,"issuers":[{"issuer":"https://idp.example","require":{"aud":"dbx"},"rules":[` + rules + `]}],"tests":[` + tests + `]}`
		yaml  = `
version: 1
issuers:
  - issuer: https://idp.example
    require: {aud: dbx}
    rules:
      - name: staff
        when: {team: {glob: "dbx-*"}}
        groups: ["team-${1}"]
        target: {assume_group: "42"}
`
		staff  = `{"iss":"https://idp.example","sub":"u1","aud":"dbx","team":"dbx-risk"}`
		guest  = `{"iss":"https://idp.example","sub":"u2","aud":"dbx","team":"guest-7"}`
		admins = `{"iss":"https://idp.example","sub":"u3","aud":"dbx","team":["dbx-risk","dbx-!secret!"]}`
	)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"loose.json": loose, "exact.json": exact, "policy.yaml": yaml, "policy.YML": yaml,
		"yaml.json": yaml, "staff.json": staff, "long.json": strings.Repeat(" ", maxRead+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		args []string
		in   string
		want string // in what is printed
		err  error
	}{
		{"JSON", []string{"loose.json"}, staff, `"team-risk"`, nil},
		{"YAML", []string{"policy.yaml"}, staff, `"assume_group": "42"`, nil},
		{"YAML by the other ending", []string{"policy.YML"}, staff, `"assume_group": "42"`, nil},
		{"YAML in a file named JSON", []string{"yaml.json"}, staff, "", claims.ErrPolicy},
		{"tests with their folder", []string{"-tests", dir, "exact.json"}, staff, `"team-risk"`, nil},
		{"tests without it", []string{"exact.json"}, staff, "", claims.ErrPolicy},
		{"nobody", []string{"loose.json"}, guest, "no       staff", claims.ErrNoMatch},
		{"a value gives no group", []string{"loose.json"}, admins, "dropped  team: a value gives no group", nil},
		{"with values", []string{"-values", "loose.json"}, admins, `"dbx-!secret!"`, nil},
		{"lint", []string{"-lint", "loose.json"}, "", `issuers[0].rules[0]: no test makes rule "staff" fire`, nil},
		{"lint finds nothing", []string{"-lint", "-tests", dir, "exact.json"}, "", "nothing found\n", nil},
		{"no payload", []string{"loose.json"}, "", "", claims.ErrMalformed},
		{"an endless payload", []string{"loose.json"}, strings.Repeat(" ", maxRead+1), "", claims.ErrMalformed},
		{"an endless policy", []string{"long.json"}, staff, "", claims.ErrPolicy},
		{"no policy", []string{"missing.json"}, staff, "", os.ErrNotExist},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			args[len(args)-1] = filepath.Join(dir, args[len(args)-1])
			var out strings.Builder
			err := run(t.Context(), args, strings.NewReader(tt.in), &out)
			if !errors.Is(err, tt.err) {
				t.Errorf("got the error %v, want %v", err, tt.err)
			}
			if !strings.Contains(out.String(), tt.want) || tt.want == "" && out.Len() > 0 {
				t.Errorf("printed %q, want %q in it", &out, tt.want)
			}
			if strings.Contains(out.String(), "!secret!") != (tt.name == "with values") {
				t.Errorf("values:\n%s", &out)
			}
		})
	}
}

func TestParse_usage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want error
	}{
		{[]string{"-verbose"}, errUsage},
		{[]string{"a.json", "b.json"}, errUsage},
		{[]string{"-h"}, flag.ErrHelp},
	} {
		if _, err := parse(tt.args); !errors.Is(err, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.args, err, tt.want)
		}
	}
}

// forbidden is an input that must not be read.
type forbidden struct{ t *testing.T }

func (f forbidden) Read([]byte) (int, error) {
	f.t.Error("standard input was read")
	return 0, errors.New("not now")
}
