package claims_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

func TestParse_bounds(t *testing.T) {
	sized := func(n int) string { return `{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}` }
	lists := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	// The object, the list and n-2 elements.
	values := func(n int) string { return `{"a":[0` + strings.Repeat(",0", n-3) + `]}` }
	members := func(n int) string {
		var b strings.Builder
		for i := range n - 1 {
			fmt.Fprintf(&b, `,"m%d":null`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	digits := func(n int) string { return `{"a":` + strings.Repeat("7", n) + `}` }
	tests := []struct {
		name string
		make func(int) string
		most int
		want string
	}{
		{"bytes", sized, 64 << 10, "it has 65537 bytes; the limit is 65536"},
		{"bytes of white space", func(n int) string { return "{}" + strings.Repeat(" ", n-2) }, 64 << 10, "bytes"},
		{"lists in lists", lists, 16, "nested deeper than 16"},
		{"objects in objects", objects, 16, "nested deeper than 16"},
		{"values of a list", values, 2000, "more than 2000 values"},
		{"members", members, 2000, "more than 2000 values"},
		{"digits", digits, 64, "more than 64 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := claims.Parse([]byte(tt.make(tt.most))); err != nil {
				t.Errorf("at the bound: %v", err)
			}
			_, err := claims.Parse([]byte(tt.make(tt.most + 1)))
			checkError(t, err, tt.want)
		})
	}
	for _, bomb := range []string{strings.Repeat("[", 60000), `{"a":` + strings.Repeat("[", 60000)} {
		if _, err := claims.Parse([]byte(bomb)); err == nil {
			t.Error("a bomb of brackets was taken")
		}
	}
}

func TestParse_repeatedMembers(t *testing.T) {
	tests := []struct{ name, payload string }{
		{"top level", `{"a":1,"a":1}`},
		{"with another between", `{"a":1,"b":2,"a":3}`},
		{"nested object", `{"o":{"a":1,"a":2}}`},
		{"object in a list", `{"l":[{"a":1,"a":2}]}`},
		{"escape equal to a letter", `{"\u0061":1,"a":2}`},
		{"two spellings of one escape", `{"\u00E9":1,"\u00e9":2}`},
		{"escape equal to a character", `{"é":1,"\u00e9":2}`},
		{"surrogate pair equal to a character", `{"😀":1,"\ud83d\ude00":2}`},
		{"escaped slash", `{"a\/b":1,"a/b":2}`},
		{"empty names", `{"":1,"":2}`},
		{"null first", `{"a":null,"a":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := claims.Parse([]byte(tt.payload))
			checkError(t, err, "the member stands twice")
		})
	}
	fine := []string{
		`{"a":{"a":{"a":1}}}`,          // one name on three levels
		`{"l":[{"a":1},{"a":1}]}`,      // in two objects
		`{"a":1,"A":2,"ä":3,"a ":4}`,   // names that differ
		"{\"\u00e9\":1,\"e\u0301\":2}", // not normalised
	}
	for _, payload := range fine {
		if _, err := claims.Parse([]byte(payload)); err != nil {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestParse_caseTwins(t *testing.T) {
	tests := []struct{ name, payload, want string }{
		{"ISS", `{"iss":"a","ISS":"b"}`, `claim "ISS": the name differs from "iss" only by case`},
		{"Iss alone", `{"Iss":"b"}`, `differs from "iss"`},
		{"long s in sub", `{"ſub":"b"}`, `differs from "sub"`},
		{"long s in iss", `{"iſs":"b"}`, `differs from "iss"`},
		{"escaped long s", `{"\u017fub":"b"}`, `differs from "sub"`},
		{"AUD", `{"AUD":"b"}`, `differs from "aud"`},
		{"Exp", `{"Exp":1}`, `differs from "exp"`},
		{"nBf", `{"nBf":1}`, `differs from "nbf"`},
		{"IAT", `{"IAT":1}`, `differs from "iat"`},
		{"JTI null", `{"JTI":null}`, `differs from "jti"`},

		{"nested", `{"act":{"SUB":"b"}}`, ""},
		{"not registered", `{"groups":1,"GROUPS":2,"email":1,"Email":2}`, ""},
		{"dotless i has no fold", `{"ıss":"b"}`, ""},
		{"dotted I has no fold", `{"İSS":"b"}`, ""},
		{"Kelvin sign folds to no registered letter", "{\"\u212aid\":1,\"kid\":2}", ""},
		{"combining dot", "{\"i\u0307ss\":1}", ""},
		{"longer name", `{"ISSUER":1,"subject":2}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := claims.Parse([]byte(tt.payload))
			checkError(t, err, tt.want)
		})
	}
}

func TestParse_grammar(t *testing.T) {
	tests := []struct{ name, payload, want string }{
		{"empty", ``, "not a JSON object"},
		{"spaces", " \t\r\n", "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"list", `[]`, "not a JSON object"},
		{"string", `"x"`, "not a JSON object"},
		{"byte order mark", "\ufeff{}", "not a JSON object"},
		{"no-break space before", "\u00a0{}", "not a JSON object"},
		{"no-break space inside", "{\u00a0}", "a member name is due at byte 1"},
		{"no-break space after", "{}\u00a0", "something follows the object at byte 2"},
		{"form feed", "{\f}", "a member name"},
		{"line separator after", "{}\u2028", "follows the object"},
		{"zero byte after", "{}\x00", "follows the object"},
		{"two objects", `{}{}`, "follows the object"},
		{"comma after", `{},`, "follows the object"},
		{"comment", `{/**/}`, "a member name"},
		{"trailing comma in object", `{"a":1,}`, "a member name"},
		{"trailing comma in list", `{"a":[1,]}`, "a value is due at byte 8"},
		{"leading comma", `{,"a":1}`, "a member name"},
		{"missing comma", `{"a":1 "b":2}`, "a comma or the end of the object"},
		{"missing comma in list", `{"a":[1 2]}`, "a comma or the end of the list"},
		{"missing colon", `{"a" 1}`, "a colon"},
		{"missing value", `{"a":}`, "a value"},
		{"single quotes", `{'a':1}`, "a member name"},
		{"bare name", `{a:1}`, "a member name"},
		{"number as name", `{1:1}`, "a member name"},
		{"wrong close", `{"a":[}`, "a value"},
		{"unclosed object", `{`, "it ends where a member name is due"},
		{"unclosed after value", `{"a":1`, "it ends where a comma or the end of the object"},
		{"unclosed list", `{"a":[1`, "it ends where a comma or the end of the list"},
		{"TRUE", `{"a":TRUE}`, "a value"},
		{"tru", `{"a":tru}`, "a value"},
		{"nullx", `{"a":nullx}`, "a comma"},
		{"NaN", `{"a":NaN}`, "a value"},
		{"Infinity", `{"a":-Infinity}`, "a digit"},
		{"invalid UTF-8 in a name", "{\"\xc3\":1}", "not valid UTF-8"},
		{"UTF-8 of a surrogate", "{\"a\":\"\xed\xa0\x80\"}", "not valid UTF-8"},
		{"overlong slash", "{\"a\":\"\xc0\xaf\"}", "not valid UTF-8"},
		{"UTF-16", "{\x00}\x00", "a member name"},

		{"white space everywhere", " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } , \"c\" : [ ] } \n", ""},
		{"literals", `{"a":true,"b":false,"c":null}`, ""},
		{"empty object", `{}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := claims.Parse([]byte(tt.payload))
			checkError(t, err, tt.want)
		})
	}
}

func TestParse_numbers(t *testing.T) {
	for _, good := range []string{
		"0", "-0", "1", "-1", "10", "0.0", "0.5", "-0.5", "1e5", "1E5", "1e+5", "1e-5", "0e0", "1.25e10",
		"123456789012345678901234567890", "1e400",
	} {
		if _, err := claims.Parse([]byte(`{"a":` + good + `}`)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1e", "1e+", "1E-", "1.e5", "0x10", "1_000", "1,5", "--1", "1e5.5", "１", "1f", "٣",
	} {
		if _, err := claims.Parse([]byte(`{"a":` + bad + `}`)); !errors.Is(err, claims.ErrMalformed) {
			t.Errorf("%s: got %v, want malformed", bad, err)
		}
	}
}

func TestParse_texts(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // the value
		wantErr    string
	}{
		{"plain", `abc`, "abc", ""},
		{"empty", ``, "", ""},
		{"not ASCII", `grüße 日本 😀`, "grüße 日本 😀", ""},
		{"every short escape", `\"\\\/\b\f\n\r\t`, "\"\\/\b\f\n\r\t", ""},
		{"unicode escape", `\u00fc\u65E5`, "ü日", ""},
		{"escaped zero", `\u0000`, "\x00", ""},
		{"surrogate pair", `a\ud83d\uDE00b`, "a😀b", ""},
		{"replacement character", `\ufffd`, "\ufffd", ""},
		{"no-break space", "a\u00a0b", "a\u00a0b", ""},
		{"delete", "a\x7fb", "a\x7fb", ""},
		{"text after an escape", `\nüber`, "\nüber", ""},

		{"zero byte", "a\x00b", "", "a printable character"},
		{"new line", "a\nb", "", "a printable character"},
		{"tab after an escape", "\\n\tb", "", "a printable character"},
		{"lone high surrogate", `\ud83d`, "", "the second half of a surrogate pair"},
		{"high surrogate and text", `\ud83dxx`, "", "the second half"},
		{"high surrogate and other escape", `\ud83d\n`, "", "the second half"},
		{"two high surrogates", `\ud83d\ud83d`, "", "half a surrogate pair"},
		{"high surrogate and letter", `\ud83d\u0061`, "", "half a surrogate pair"},
		{"high surrogate and broken escape", `\ud83d\u00`, "", "a hexadecimal digit"},
		{"lone low surrogate", `\ude00`, "", "the second half"},
		{"reversed pair", `\ude00\ud83d`, "", "half a surrogate pair"},
		{"unknown escape", `\x41`, "", "an escape"},
		{"single quote escape", `\'`, "", "an escape"},
		{"capital U", `\U0041`, "", "an escape"},
		{"three digits", `\u004`, "", "a hexadecimal digit"},
		{"not hexadecimal", `\u00g1`, "", "a hexadecimal digit"},
		{"code point in braces", `\u{61}`, "", "a hexadecimal digit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := claims.Parse([]byte(`{"a":"` + tt.text + `"}`))
			checkError(t, err, tt.wantErr)
			if err != nil {
				return
			}
			if got, _, _ := c.Strings("a"); len(got) != 1 || got[0] != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, cut := range []string{`{"a":"b`, `{"a`, `{"a":"\`, `{"a":"\n`, `{"a":"\u`, `{"a":"\u12`, `{"a":"\ud83d\`, `{"a":"x\nyz`} {
		_, err := claims.Parse([]byte(cut))
		checkError(t, err, "it ends where")
	}
}

// TestParse_everyPrefix cuts a real payload everywhere: no part of it is a
// payload.
func TestParse_everyPrefix(t *testing.T) {
	payload := bytes.TrimSpace(read(t, "testdata/idp/keycloak.json"))
	for i := range payload {
		if _, err := claims.Parse(payload[:i]); !errors.Is(err, claims.ErrMalformed) {
			t.Fatalf("the first %d bytes: got %v, want malformed", i, err)
		}
	}
}

// FuzzParse holds two properties: what Parse takes, encoding/json takes with the
// same values, and what encoding/json refuses, Parse refuses.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/idp/*.json", "testdata/idp/hostile/*.json"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			f.Add(read(f, file))
		}
	}
	for _, seed := range []string{
		`{"\u0061":1,"a":2}`, `{"a":"\ud83d\ude00"}`, `{"a":-0.5e-7}`, `{"a":[[],{},null,true]}`, "\ufeff{}", `{"a":1e}`, `{"ſub":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		want, wantErr := decode(payload)
		c, err := claims.Parse(payload)
		if err != nil {
			if c != nil || !errors.Is(err, claims.ErrMalformed) {
				t.Errorf("got %v, %v; want nil and malformed", c, err)
			}
			return
		}
		if wantErr != nil {
			t.Fatalf("Parse took %q, encoding/json says %v", payload, wantErr)
		}
		if got := c.Members(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, encoding/json has %v", got, want)
		}
	})
}

// decode reads one JSON document and nothing after it.
func decode(payload []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	return v, nil
}
