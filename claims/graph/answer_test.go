package graph_test

import (
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims/graph"
)

func FuzzReadGroups(f *testing.F) {
	for _, seed := range []string{
		list(engineers, analysts), list(), `{"value":["` + engineers + `"],"value":[]}`, `{"value":null}`, `{"value":[null]}`,
		`{"@odata.nextLink":null,"value":[]}`, `{"@odata.nextLink":"x","value":[]}`, graphError("x"), "{}", "[]", "", "{", `{"value":["` + strings.ToUpper(engineers) + `"]} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		groups, problem := graph.ReadGroups(body)
		if (problem == "") != (groups != nil) {
			t.Fatalf("%q: %q, %q", body, groups, problem)
		}
		for i, id := range groups {
			if canonical, ok := graph.ParseUUID(id); !ok || canonical != id {
				t.Fatalf("%q: %q came out", body, id)
			}
			if i > 0 && groups[i-1] >= id {
				t.Fatalf("%q: not sorted, or twice: %q", body, groups)
			}
		}
		// Once more, as the answer that it should have been.
		if again, problem := graph.ReadGroups([]byte(list(groups...))); groups != nil && (problem != "" || len(again) != len(groups)) {
			t.Fatalf("%q: %q, %q after %q", body, again, problem, groups)
		}
		// Whatever is cut off, is noticed.
		if trimmed := strings.TrimRight(string(body), " \t\r\n"); problem == "" {
			if less, problem := graph.ReadGroups([]byte(trimmed[:len(trimmed)-1])); problem == "" {
				t.Fatalf("%q: cut short it gives %q", body, less)
			}
		}
	})
}

func TestReadCode(t *testing.T) {
	long := strings.Repeat("x", 64)
	for said, want := range map[string]string{
		"Authorization_RequestDenied": "Authorization_RequestDenied",
		"azAZ09_.":                    "azAZ09_.",
		long:                          long,
		long + "x":                    "",
		"":                            "",
		"two words":                   "",
		"a-b":                         "",
		"a/b":                         "",
		"a:b":                         "",
		"a@b":                         "",
		"a[b":                         "",
		"a`b":                         "",
		"a{b":                         "",
		"ü":                           "",
		accessToken:                   "",
		"x" + accessToken[10:19]:      "",
		"eyJhbGciOiJSUzI1NiJ9.e30.x":  "", // another token
		person:                        "",
		"x" + person[:8]:              "",
	} {
		if got := graph.ReadCode([]byte(graphError(said)), []string{accessToken, person}); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}

func FuzzReadCode(f *testing.F) {
	f.Add([]byte(graphError("Authorization_RequestDenied")))
	f.Add([]byte(graphError(accessToken)))
	f.Add([]byte(`{"error":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		code := graph.ReadCode(body, []string{accessToken, person})
		if len(code) > 64 || strings.Contains(accessToken, code) && len(code) >= 8 || strings.ContainsAny(code, " \n\"'<>") {
			t.Fatalf("%q: %q", body, code)
		}
	})
}
