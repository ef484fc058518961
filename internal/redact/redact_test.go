package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/brickfed/brickfed/internal/redact"
)

const secret = "s3cr3t-of-the-client/with+signs="

func TestText_secrets(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want string
	}{
		{"nothing to hide", "client is not allowed", "client is not allowed"},
		{"whole", "wrong secret " + secret + "!", "wrong secret [redacted]!"},
		{"twice", secret + " is not " + secret, "[redacted] is not [redacted]"},
		{"a piece", "it starts with s3cr3t-of-th", "it starts with [redacted]"},
		{"a piece of eight bytes", "starts with s3cr3t-o.", "starts with [redacted]."},
		{"seven bytes are a word", "it knows s3cr3t- only", "it knows s3cr3t- only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Text(tt.in, secret); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestText_encodedSecret(t *testing.T) {
	for _, tt := range []struct{ name, in string }{
		{"percent-encoded", url.QueryEscape(secret)},
		{"percent-encoded twice", url.QueryEscape(url.QueryEscape(secret))},
		{"in base64", base64.StdEncoding.EncodeToString([]byte(secret))},
		{"in base64 after an ID", base64.StdEncoding.EncodeToString([]byte("id:" + secret))},
		{"in hexadecimal", hex.EncodeToString([]byte(secret))},
		{"in another case", strings.ToUpper(secret)},
		{"as in JSON", `s3cr3t\u002dof\u002dthe\u002dclient`},
		{"as in HTML", `s3cr3t&#45;of&#x2d;the&#45;client`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := redact.Text(tt.in, secret)
			if rest := strings.ReplaceAll(got, redact.Mark, ""); len(rest) > 4 {
				t.Errorf("%q leaves %q", tt.in, got)
			}
		})
	}
}

func TestText_shortSecret(t *testing.T) {
	for _, tt := range []struct{ secret, in, want string }{
		{"hunter2", "the secret hunter2 is wrong", "the secret [redacted] is wrong"},
		{"hunter2", "the secret hunter is wrong", "the secret hunter is wrong"},
		{"abc", "abc is no secret that can be kept", "abc is no secret that can be kept"},
		{"", "nothing", "nothing"},
	} {
		if got := redact.Text(tt.in, tt.secret); got != tt.want {
			t.Errorf("Text(%q, %q) = %q, want %q", tt.in, tt.secret, got, tt.want)
		}
	}
}

func TestText_looksLikeCredential(t *testing.T) {
	jwt := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
	for _, tt := range []struct {
		name string
		in   string
		want string
	}{
		{"JWT", "token " + jwt + " is bad", "token [redacted] is bad"},
		{"JWE", "token " + jwt + ".YQ.YQ is bad", "token [redacted] is bad"},
		{"Databricks personal access token", "dapi0123456789abcdef0123456789abcdef-2", "[redacted]"},
		{"Databricks secret", "dose0123456789abcdef0123456789abcdef", "[redacted]"},
		{"bearer", "Authorization: Bearer abcdef0123456789", "Authorization: [redacted]"},
		{"basic", "got Basic " + base64.StdEncoding.EncodeToString([]byte("client:secret")), "got [redacted]"},
		{"parameter", "client_secret=0123456789abcdef0", "[redacted]"},
		{"JSON member", `"refresh_token": "0123456789abcdef0"`, `"[redacted]"`},
		{"words", "the token is not fit for Basic authentication", "the token is not fit for Basic authentication"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.Text(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestText_shape(t *testing.T) {
	if got := redact.Text(" a\x00b\r\nc\u2028d\u200be \x1b[31m"); got != "a b  c d e  [31m" {
		t.Errorf("control characters: got %q", got)
	}
	if got := redact.Text("a\xffb"); got != "ab" {
		t.Errorf("broken UTF-8: got %q", got)
	}
	got := redact.Text(strings.Repeat("ä", redact.MaxText))
	if len(got) > redact.MaxText+len("…") || !utf8.ValidString(got) || !strings.HasSuffix(got, "ä…") {
		t.Errorf("long text: %d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

func TestText_longText(t *testing.T) {
	for name, piece := range map[string]string{
		"secrets":   secret,
		"words":     "wrong ",
		"one byte":  "a",
		"escapes":   "%2525",
		"JWTs":      "eyJhbGciOiJSUzI1NiJ9.",
		"no UTF-8":  "\x80",
		"controls":  "\x00",
		"wide":      "ä",
		"password=": "password=",
	} {
		long := strings.Repeat(piece, 5<<20/len(piece))
		head := long[:redact.MaxRead-redact.MaxRead%len(piece)]
		cost := func(s string) float64 { return testing.AllocsPerRun(1, func() { redact.Text(s, secret) }) }
		if short, whole := cost(head), cost(long); whole > short+100 {
			t.Errorf("%s: %v allocations, and %v for the part that is read", name, whole, short)
		}
		if got := redact.Text(long, secret); len(got) > redact.MaxText+len("…") || overlaps(got, secret) {
			t.Errorf("%s: got %d bytes: %.100q", name, len(got), got)
		}
		for _, secrets := range [][]string{nil, {secret}} {
			if !redact.Finds(long, secrets...) {
				t.Errorf("%s: Finds finds nothing, with %d secrets", name, len(secrets))
			}
		}
		if n := testing.AllocsPerRun(1, func() { redact.Finds(long, secret) }); n > 0 {
			t.Errorf("%s: Finds makes %v allocations", name, n)
		}
	}
	// The bound itself is read, and nothing after it is shown.
	words := strings.Repeat("wrong ", redact.MaxRead)
	if redact.Finds(words[:redact.MaxRead], secret) || !redact.Finds(words[:redact.MaxRead-len(secret)]+secret, secret) {
		t.Error("a text of the longest length is not read")
	}
	if got := redact.Text(strings.Repeat(" ", redact.MaxRead)+"wrong", secret); got != "" {
		t.Errorf("got %q from beyond what is read", got)
	}
}

func TestError(t *testing.T) {
	if redact.Error(nil, secret) != nil {
		t.Error("no error becomes one")
	}
	path := &fs.PathError{Op: "read", Path: "x", Err: io.ErrUnexpectedEOF}
	for _, tt := range []struct {
		name string
		err  error
		want string // empty for the error itself
	}{
		{"harmless", fmt.Errorf("wrong: %w", path), ""},
		{"a secret", fmt.Errorf("wrong %s: %w", secret, path), "wrong [redacted]: read x: unexpected EOF"},
		{"long", fmt.Errorf("%s: %w", strings.Repeat("wrong ", 1<<20), path), redact.Text(strings.Repeat("wrong ", 1000))},
	} {
		got := redact.Error(tt.err, secret)
		var cause *fs.PathError
		switch {
		case tt.want == "" && any(got) != any(tt.err): // the very same
			t.Errorf("%s: got another error", tt.name)
		case tt.want != "" && got.Error() != tt.want:
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		case !errors.Is(got, io.ErrUnexpectedEOF) || errors.Is(got, io.EOF):
			t.Errorf("%s: it is something else", tt.name)
		case errors.As(got, &cause) != (tt.want == ""):
			t.Errorf("%s: it hands out %v", tt.name, cause)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
			if text := fmt.Sprintf(verb, got); overlaps(text, secret) || tt.want != "" && len(text) > 4*redact.MaxText {
				t.Errorf("%s: %s shows %.300s", tt.name, verb, text)
			}
		}
	}
}

// FuzzText checks that no 8 bytes of a secret survive, in any encoding that a
// server may echo.
func FuzzText(f *testing.F) {
	f.Add("wrong secret "+secret, secret)
	f.Add("wrong\tsecret", "wrong secret")
	f.Add("s3cr3t-of\xff-the-client", secret)
	f.Add("äöüäöüäöü", "xäöüäöüx")
	f.Add(strings.Repeat("a", 1021)+"bcdefgh", "abc…efgh")
	f.Add("[redacted] [redacted]", "abcdefghijkl")
	f.Fuzz(func(t *testing.T, text, secret string) {
		// What stands for a secret is no secret.
		if len(secret) > 1000 || len(text) > 20_000 || strings.Contains(secret, "…") || overlaps(redact.Mark+redact.Mark, secret) {
			t.Skip()
		}
		for _, echo := range []string{text, text + secret, secret + text, url.QueryEscape(secret) + text, secret[:len(secret)/2] + text + secret} {
			got := redact.Text(echo, secret, url.QueryEscape(secret))
			if !utf8.ValidString(got) {
				t.Fatalf("broken UTF-8: %q", got)
			}
			if len(got) > redact.MaxText+len("…") {
				t.Fatalf("%d bytes", len(got))
			}
			if i := strings.IndexFunc(got, unicode.IsControl); i >= 0 {
				t.Fatalf("a control character in %q", got)
			}
			if overlaps(got, secret) {
				t.Fatalf("%q shows a part of %q", got, secret)
			}
		}
	})
}

// overlaps reports whether 8 bytes of secret stand in text.
func overlaps(text, secret string) bool {
	for i := 0; i+8 <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+8]) {
			return true
		}
	}
	return false
}
