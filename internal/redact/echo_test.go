package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/internal/redact"
)

// opaque has no shape that gives it away.
const opaque = "q7Zp-4fVt_N2xLk8.Rj5sWb0YcHd3mGa9eUo1TiQ"

func TestText_echo(t *testing.T) {
	base := base64.StdEncoding.EncodeToString
	for _, tt := range []struct {
		name string
		echo string
	}{
		{"as it is", opaque},
		{"its last half", opaque[20:]},
		{"in pieces", opaque[:12] + " and " + opaque[12:24] + " and " + opaque[24:]},
		{"in small pieces", strings.Join(strings.Split(opaque, ""), " ")},
		{"one sign per line", strings.Join(strings.Split(opaque, ""), "\n")},
		{"upper case", strings.ToUpper(opaque)},
		{"lower case", strings.ToLower(opaque)},
		{"percent-encoded", escape(opaque, "%%%02X")},
		{"percent-encoded twice", strings.ReplaceAll(escape(opaque, "%%%02X"), "%", "%25")},
		{"percent-encoded thrice", strings.ReplaceAll(strings.ReplaceAll(escape(opaque, "%%%02X"), "%", "%25"), "%", "%25")},
		{"JSON escapes", escape(opaque, `\u%04x`)},
		{"JSON escapes, upper case", escape(opaque, `\u%04X`)},
		{"JSON escapes in JSON", escape(opaque, `\\u%04x`)},
		{"hexadecimal escapes", escape(opaque, `\x%02x`)},
		{"HTML decimal references", escape(opaque, `&#%d;`)},
		{"HTML hexadecimal references", escape(opaque, `&#x%x;`)},
		{"some escapes", opaque[:6] + escape(opaque[6:9], "%%%02x") + escape(opaque[9:12], `\u%04x`) + opaque[12:]},
		{"escaped newlines inside", opaque[:6] + `\n` + opaque[6:12] + `\r\n` + opaque[12:]},
		{"base64", base([]byte(opaque))},
		{"base64 after one byte", base([]byte(":" + opaque))},
		{"base64 after two bytes", base([]byte("::" + opaque))},
		{"base64 for URLs", base64.URLEncoding.EncodeToString([]byte("é" + opaque))},
		{"base64, percent-encoded", escape(base([]byte(opaque)), "%%%02X")},
		{"hexadecimal", hex.EncodeToString([]byte(opaque))},
		{"hexadecimal, upper case", strings.ToUpper(hex.EncodeToString([]byte(opaque)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !redact.Finds(tt.echo, "another secret", opaque) {
				t.Error("Finds does not find it")
			}
			got := redact.Text("the value "+tt.echo+" is bad", "another secret", opaque)
			if !strings.HasPrefix(got, "the value ") || !strings.Contains(got, redact.Mark) || !strings.HasSuffix(got, " is bad") {
				t.Errorf("Text = %q", got)
			}
			// What is left between marks must be shorter than a run.
			rest := strings.TrimSuffix(strings.TrimPrefix(got, "the value "), " is bad")
			for _, left := range strings.Split(rest, redact.Mark) {
				if len(left) > 8 {
					t.Errorf("Text leaves %q of the echo", left)
				}
			}
		})
	}
}

// TestText_quoted: a secret too short to be known by its letters and digits.
func TestText_quoted(t *testing.T) {
	const secret = `a"b'c/d\e`
	for _, echo := range []string{fmt.Sprintf("%q", secret), `a\"b\'c\/d\\e`, fmt.Sprintf("%q", fmt.Sprintf("%q", secret))} {
		if got := redact.Text("the value "+echo, secret); !strings.Contains(got, redact.Mark) || strings.Contains(got, "b'c") {
			t.Errorf("%s: got %q", echo, got)
		}
	}
}

func TestText_keepsWords(t *testing.T) {
	for _, in := range []string{
		"Failed to process token: TOKEN_INVALID (Ensure a valid federation policy has been configured).",
		"Failed to process token: TOKEN_AUDIENCE_INVALID (Token audience 'x' invalid)",
		"error 2f1d3c5e-8a4b-4f7e-9c6d-1b2a3c4d5e6f",
		"issuer 'https://login.example.com/t/v2.0', audience 'api://x'",
		`100% of C:\new &#; &#xZZ; %zz \u12`,
		"Größe 世界 naïve",
		"short pieces: q7Zp-4f and 9eUo1Ti",
	} {
		if got := redact.Text(in, opaque, "", "abc"); got != in {
			t.Errorf("Text = %q, want %q", got, in)
		}
		if redact.Finds(in, opaque, "", "abc") {
			t.Errorf("Finds finds something in %q", in)
		}
	}
}

func escape(s, format string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}
