package claims_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
)

func TestIssuerSubject(t *testing.T) {
	tests := []struct{ payload, issuer, subject string }{
		{`{"iss":"https://idp.example","sub":"s"}`, "https://idp.example", "s"},
		{`{}`, "", ""},
		{`{"iss":null,"sub":null}`, "", ""},
		{`{"iss":["https://idp.example"],"sub":7}`, "", ""},
	}
	for _, tt := range tests {
		c := parse(t, []byte(tt.payload))
		if c.Issuer() != tt.issuer || c.Subject() != tt.subject {
			t.Errorf("%s: got %q, %q; want %q, %q", tt.payload, c.Issuer(), c.Subject(), tt.issuer, tt.subject)
		}
	}
}

func TestStrings(t *testing.T) {
	const payload = `{"s":"x","l":["x","y"],"e":[],"n":null,"num":1,"b":true,"o":{},"m":["x",["y"]],"nl":["x",null],
		"a/b":"slash","m~n":"tilde","":"empty","/lead":"slash first","~1":"looks escaped",
		"deep":{"":{"er":"found"},"a/b":"in","~":"t","null":null,"list":[{"x":"y"}]}}`
	tests := []struct {
		path    string
		want    []string
		wantErr string
	}{
		{"s", []string{"x"}, ""},
		{"l", []string{"x", "y"}, ""},
		{"e", []string{}, ""},
		{"n", nil, ""},
		{"absent", nil, ""},
		{"S", nil, ""},
		{"num", nil, `claims: malformed claim "num": it is a number, not a string or a list of strings`},
		{"b", nil, "it is a boolean"},
		{"o", nil, "it is an object"},
		{"m", nil, "element 1 is a list, not a string"},
		{"nl", nil, "element 1 is null"},

		{"a/b", []string{"slash"}, ""},
		{"m~n", []string{"tilde"}, ""},
		{"", []string{"empty"}, ""},
		{"~1", []string{"looks escaped"}, ""},

		{"/s", []string{"x"}, ""},
		{"/", []string{"empty"}, ""},
		{"/a~1b", []string{"slash"}, ""},
		{"/m~0n", []string{"tilde"}, ""},
		{"/~1lead", []string{"slash first"}, ""},
		{"/~01", []string{"looks escaped"}, ""},
		{"/deep//er", []string{"found"}, ""},
		{"/deep/a~1b", []string{"in"}, ""},
		{"/deep/~0", []string{"t"}, ""},
		{"/deep/null", nil, ""},
		{"/deep/null/further", nil, ""},
		{"/deep/absent/further", nil, ""},
		{"/absent", nil, ""},
		{"/deep", nil, "it is an object"},
		{"/s/x", nil, `"s" in it is a string, not an object`},
		{"/deep/list/0", nil, `"list" in it is a list, not an object`},
		{"/l/0", nil, "is a list, not an object"},
		{"/~", nil, "a tilde in a JSON pointer is written ~0"},
		{"/m~2n", nil, "a tilde"},
		{"/absent/x~", nil, "a tilde"}, // whatever the payload
	}
	c := parse(t, []byte(payload))
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			got, ok, err := c.Strings(tt.path)
			checkError(t, err, tt.wantErr)
			if ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func TestStrings_resultIsOwned(t *testing.T) {
	c := parse(t, []byte(`{"l":["x"]}`))
	first, _, _ := c.Strings("l")
	first[0] = "changed"
	if again, _, _ := c.Strings("l"); again[0] != "x" {
		t.Errorf("got %q after the caller changed its slice, want x", again[0])
	}
}

func TestTime(t *testing.T) {
	tests := []struct {
		value   string
		want    int64 // -1: none
		wantErr string
	}{
		{"0", 0, ""},
		{"1767225600", 1767225600, ""},
		{"1767225600.5", 1767225600, ""},
		{"1767225600.99999999999999999999", 1767225600, ""}, // a float would round up
		{"0.9", 0, ""},
		{"1.7672256e9", 1767225600, ""},
		{"17672256E2", 1767225600, ""},
		{"1e-400", 0, ""},
		{"253402300799", 253402300799, ""},
		{"253402300799.9", 253402300799, ""},
		{"null", -1, ""},
		{"253402300800", -1, "out of range"},
		{"2.53402300800e11", -1, "out of range"},
		{"9223372036854775807", -1, "out of range"},
		{"9223372036854775808", -1, "out of range"},
		{"123456789012345678901234567890", -1, "out of range"},
		{"1e400", -1, "out of range"},
		{"1e18", -1, "out of range"},
		{"-1", -1, "out of range"},
		{"-0", -1, "out of range"},
		{"-0.5", -1, "out of range"},
		{"-1e3", -1, "out of range"},
		{`"1767225600"`, -1, "it is a string, not a number of seconds since 1970"},
		{"true", -1, "a boolean"},
		{"[1767225600]", -1, "a list"},
		{"{}", -1, "an object"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, ok, err := parse(t, []byte(`{"exp":`+tt.value+`}`)).Time("exp")
			checkError(t, err, tt.wantErr)
			if tt.want < 0 {
				if ok || !got.IsZero() {
					t.Errorf("got %v, %v; want none", got, ok)
				}
				return
			}
			if !ok || got.Unix() != tt.want || got.Location() != time.UTC {
				t.Errorf("got %v, %v; want %v", got, ok, time.Unix(tt.want, 0).UTC())
			}
		})
	}
	if _, ok, err := parse(t, []byte(`{"o":{"t":1}}`)).Time("/o/t"); !ok || err != nil {
		t.Errorf("by pointer: got %v, %v", ok, err)
	}
	if _, _, err := parse(t, []byte(`{}`)).Time("/~"); err == nil {
		t.Error("a bad pointer was taken")
	}
}

func TestClaims_nilAndZero(t *testing.T) {
	var none *claims.Claims
	for _, c := range []*claims.Claims{none, {}} {
		if got := c.Issuer() + c.Subject(); got != "" {
			t.Errorf("got %q, want nothing", got)
		}
		for _, path := range []string{"iss", "/a/b"} {
			if _, ok, err := c.Strings(path); ok || err != nil {
				t.Errorf("%s: got %v, %v; want none", path, ok, err)
			}
			if _, ok, err := c.Time(path); ok || err != nil {
				t.Errorf("%s: got %v, %v; want none", path, ok, err)
			}
		}
	}
	if got := fmt.Sprint(none); got != "claims(none)" {
		t.Errorf("got %q", got)
	}
}

// TestClaims_printNothing prints a payload in every way that the standard
// library offers, also copied and inside other values.
func TestClaims_printNothing(t *testing.T) {
	const secret = "ada.lovelace-personal"
	c := parse(t, []byte(`{"sub":"`+secret+`","`+secret+`":{"x":["`+secret+`"]}}`))
	copied := *c
	holder := struct {
		Pointer *claims.Claims
		Copy    claims.Claims
		hidden  *claims.Claims
	}{c, copied, c}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p"} {
		for _, v := range []any{c, copied, holder, &holder, []*claims.Claims{c}, map[string]any{"c": c}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	text := slog.New(slog.NewTextHandler(&out, nil))
	js := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{c, copied, holder} {
		text.Info("claims", "c", v)
		js.Info("claims", "c", v)
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
	}
	_, _, err := c.Time("sub")
	fmt.Fprintf(&out, "%v %+v %#v", err, err, err)

	if strings.Contains(out.String(), secret) {
		t.Errorf("a claim value was printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "claims(2 members)") {
		t.Errorf("no summary in:\n%s", out.String())
	}
}

func TestError(t *testing.T) {
	_, err := claims.Parse([]byte(`{"a":1,"a":2}`))
	var e *claims.Error
	if !errors.As(err, &e) || !errors.Is(e.Kind, claims.ErrMalformed) || e.Claim != "a" || e.Reason == "" {
		t.Errorf("got %#v", err)
	}
	_, err = claims.Parse([]byte(`[]`))
	if got, want := err.Error(), "claims: malformed: it is not a JSON object"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	long := strings.Repeat("n", 5000)
	_, err = claims.Parse([]byte(`{"` + long + `":1,"` + long + `":2}`))
	if n := len(err.Error()); n > 200 {
		t.Errorf("the message has %d bytes", n)
	}
}

func TestTarget_Selects(t *testing.T) {
	tests := []struct {
		target claims.Target
		want   bool
	}{
		{claims.Target{}, false},
		{claims.Target{Rule: "r", Scopes: []string{"sql"}}, false},
		{claims.Target{ClientID: "3f0c2a1e-1111-4000-8000-000000000001"}, true},
		{claims.Target{AssumeGroup: "884100000000017"}, true},
	}
	for _, tt := range tests {
		if got := tt.target.Selects(); got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.target, got, tt.want)
		}
	}
}

// FuzzLookup holds that no path makes a reader panic, and that what they find
// without an error is what the payload says.
func FuzzLookup(f *testing.F) {
	keycloak := read(f, "testdata/idp/keycloak.json")
	for _, path := range []string{
		"/realm_access/roles", "/", "//", "/~", "/~0~1", "/a~2", "iss", "", "/aud/0", "/realm_access/", "/exp", "/\xff",
	} {
		f.Add(keycloak, path)
	}
	f.Add([]byte(`{"":{"":{"":"x"}},"~":{"/":1}}`), "/~0/~1")
	f.Fuzz(func(t *testing.T, payload []byte, path string) {
		c, err := claims.Parse(payload)
		if err != nil {
			return
		}
		values, ok, err := c.Strings(path)
		if err != nil && (ok || values != nil) {
			t.Errorf("got values with the error %v", err)
		}
		at, ok, err := c.Time(path)
		if ok == at.IsZero() || err != nil && ok {
			t.Errorf("got %v, %v, %v", at, ok, err)
		}
		if ok && (at.Unix() < 0 || at.Year() > 9999) {
			t.Errorf("got %v, which is out of range", at)
		}
	})
}
