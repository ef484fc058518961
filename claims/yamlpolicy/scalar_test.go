package yamlpolicy_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims/yamlpolicy"
)

// places are one for a text, one of a matcher and one of a test's payload, in
// both styles of YAML and in JSON.
var places = [3]struct{ flow, block, json string }{
	{"{issuers: {issuer: %s }}", "issuers:\n  issuer: %s\n", `{"issuers":{"issuer":%s}}`},
	{"{issuers: {require: {c: %s }}}", "issuers:\n  require:\n    c: %s\n", `{"issuers":{"require":{"c":%s}}}`},
	{"{tests: {claims: {set: {c: [%s ]}}}}", "tests:\n  claims:\n    set:\n      c:\n      - %s\n", `{"tests":{"claims":{"set":{"c":[%s]}}}}`},
}

// TestJSON_scalars holds where scalars without quotes may stand, by groups that
// are read alike.
func TestJSON_scalars(t *testing.T) {
	const refused, accepted = false, true
	for _, group := range []struct {
		name    string
		scalars []string
		in      [3]bool // in each of the places
		quoted  bool    // they become JSON strings
	}{
		{"texts", []string{
			"a", "a b", ".", "+", "-a", "+a", "_", "_1", "1a", "1-2", "1.2.3", "1_a", "0x", "0xg", "0o", "0b", "0b7d5a11-64c2", "5e2f9c83-1a7b",
			"1e", "1e5x", "e1", ".e1", "1:60", "12:99", "1:2x", "nullx", "trueish", "yesno", ".info", ".nano", "inf", "nan", "Infinity", "NaN", "1/2",
			"2026-01", "2026-01-01x", "2026-1-1-1", "1970-01-01Q", "2026-01-01 and more", "v1.0", "<<<", "==", "a!", "~a", "~~",
			"refs/heads/main", "3f0c2a1e-1111-4000-8000-000000000001", "10.0.0.1", "٣", "é",
		}, [3]bool{accepted, accepted, accepted}, true},
		{"numbers", []string{
			"0", "1", "12", "-1", "884100000000017", "1.0", "1.50", "0.1", "-0", "-0.5", "12345678901234567890123456789",
		}, [3]bool{refused, accepted, accepted}, false},
		{"booleans", []string{"true", "false"}, [3]bool{refused, accepted, accepted}, false},
		{"null", []string{"null"}, [3]bool{refused, refused, accepted}, false},
		{"unclear", []string{
			"01", "007", "08", "-01", "+1", "1_000", "1__0", "1_", "0x1F", "0X1f", "-0x1", "0x1_f", "0o17", "0O17", "0b11", "0B1", "+0b1",
			"1.", ".5", "-.5", "+.5", "._5", "1e3", "1E3", "1.5e-3", "1e+3", "1e400", "01.5", "0x1p4", "0x1.8p-2",
			"1:30", "12:30:00", "-1:30", "190:20:30.15", ".inf", ".Inf", ".INF", "-.inf", "+.inf", ".nan", ".NaN", ".NAN",
			"2026-01-01", "2026-1-1", "2026-01-01T00:00:00Z", "2026-01-01t21:59:43.10-05:00", "2026-01-01 21:59:43.10 -5",
			"y", "Y", "n", "N", "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "oN",
			"True", "TRUE", "False", "FALSE", "Null", "NULL", "~", "<<", "=",
		}, [3]bool{refused, refused, refused}, false},
	} {
		for _, s := range group.scalars {
			t.Run(group.name+" "+s, func(t *testing.T) {
				want := s
				if group.quoted {
					want = strconv.Quote(s)
				}
				for i, place := range places {
					for _, format := range [2]string{place.flow, place.block} {
						file := fmt.Sprintf(format, s)
						got, err := yamlpolicy.JSON([]byte(file))
						if !group.in[i] && (err == nil || strings.Count(err.Error(), "\n") != 1) {
							t.Errorf("%q: got %s, error %v", file, got, err)
						}
						if wantFile := fmt.Sprintf(place.json, want); group.in[i] && (err != nil || string(got) != wantFile) {
							t.Errorf("%q: got %s, error %v, want %s", file, got, err, wantFile)
						}
					}
				}
			})
		}
	}
}

// TestJSON_scalarsInQuotes holds that quotes and blocks make a text of anything.
func TestJSON_scalarsInQuotes(t *testing.T) {
	for _, s := range []string{"1", "007", "yes", "null", "2026-01-01", "<<", ""} {
		for i, place := range places {
			for _, file := range []string{
				fmt.Sprintf(place.flow, `"`+s+`"`), fmt.Sprintf(place.flow, `'`+s+`'`),
				fmt.Sprintf(place.block, "|-\n         "+s), fmt.Sprintf(place.block, ">-\n         "+s),
			} {
				got, err := yamlpolicy.JSON([]byte(file))
				if want := fmt.Sprintf(places[i].json, strconv.Quote(s)); err != nil || string(got) != want {
					t.Errorf("%q: got %s, error %v, want %s", file, got, err, want)
				}
			}
		}
	}
}

// TestJSON_advice holds what a person is told to do, by place.
func TestJSON_advice(t *testing.T) {
	due := func(s, what string) string {
		return fmt.Sprintf("%q is %s to some YAML readers and a text is due; put it in quotes", s, what)
	}
	number := `YAML readers take "0x1" for different things; write it as a decimal number, or put it in quotes`
	boolean := `YAML readers take "yes" for different things; write true or false, or put it in quotes`
	nothing := "there is nothing here; write a value, or leave the key out"
	for s, want := range map[string][3]string{
		"0x1":        {due("0x1", "a number"), number, number},
		"12":         {due("12", "a number")},
		"yes":        {due("yes", "a boolean"), boolean, boolean},
		"true":       {due("true", "a boolean")},
		"null":       {due("null", "null"), "null has no meaning here; leave the key out, or put it in quotes"},
		"~":          {due("~", "null"), "null has no meaning here; leave the key out, or put it in quotes", `write null for null, or put "~" in quotes`},
		"2026-01-01": {due("2026-01-01", "a date"), due("2026-01-01", "a date"), due("2026-01-01", "a date")},
		"<<":         {due("<<", "a mark"), due("<<", "a mark"), due("<<", "a mark")},
		"":           {nothing, nothing, `there is nothing here; write null, or "" for an empty text`},
	} {
		for i, place := range places {
			if want[i] == "" {
				continue
			}
			_, err := yamlpolicy.JSON([]byte(fmt.Sprintf(place.block, s)))
			if err == nil || !strings.HasSuffix(err.Error(), ": "+want[i]) {
				t.Errorf("%s: got error %v, want %s", fmt.Sprintf(place.block, s), err, want[i])
			}
		}
	}
}
