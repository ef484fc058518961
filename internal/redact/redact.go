// Package redact keeps secrets out of texts that come from elsewhere. Whatever
// the length of a text, it costs no more than one of [MaxRead] bytes; the time
// grows with the length of the secrets, which are the caller's own.
package redact

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// MaxText is the longest text, in bytes, that Text returns.
const MaxText = 1024

// MaxRead is how much of a text, in bytes, is looked at. What follows is never
// shown. A header or a status line may have 10 MB.
const MaxRead = 4 << 10

// credentials finds what looks like a credential although nobody named it: a
// JWS or JWE in compact form, a Databricks personal access token or secret, and
// the value after a scheme or a telling parameter name.
var credentials = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`eyJ[0-9a-z_-]{6,}(?:\.[0-9a-z_-]*)*`,
	`\bdo[se][ea]?[0-9a-f]{16,}`,
	`\bdapi[0-9a-f]{16,}(?:-[0-9]+)?`,
	`\b(?:bearer|basic)\s+[0-9a-z._~+/=-]{16,}`,
	`\b(?:[a-z_]*token|client_secret|assertion|password)["']?\s*[=:]\s*["']?[0-9a-z._~+/%=-]{16,}`,
}, "|"))

// errorCode is what only looks like a parameter: token: TOKEN_AUDIENCE_INVALID.
var errorCode = regexp.MustCompile(`(?i:token): [A-Z_]+$`)

// Text makes a server's text fit to be shown: the given secrets and everything
// that looks like a credential are replaced, control characters become spaces,
// invalid UTF-8 is dropped and the rest is cut at MaxText bytes. Only the first
// MaxRead bytes of s are looked at; the others never show. A server may
// echo a secret in pieces or in another form, so every run of 8 bytes that the
// text shares with a secret is replaced too, also in the wrong case,
// percent-encoded, escaped as in JSON or HTML, in base64 or hexadecimal; and
// every run of 12 letters and digits, whatever stands between them. A secret of
// 4 to 7 bytes is replaced where it stands as a whole; a shorter one is none.
func Text(s string, secrets ...string) string {
	s = strings.ToValidUTF8(head(s, MaxRead), "")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.ToValidUTF8(cover(s, secrets), "")
	s = credentials.ReplaceAllStringFunc(s, func(found string) string {
		if errorCode.MatchString(found) {
			return found
		}
		return Mark
	})
	return cut(strings.TrimSpace(s))
}

// Finds reports whether Text would find one of the secrets in s. A text of more
// than MaxRead bytes counts as one with a secret, unread and whatever the
// secrets: whoever replaces what is found by Text then shows a short text.
func Finds(s string, secrets ...string) bool {
	return len(s) > MaxRead || slices.Contains(hidden(s, secrets), true)
}

// Error returns err itself, also nil, if Finds finds nothing in its text. Else it
// returns an error with Text's text that answers errors.Is as err does and hands
// out nothing: it does not unwrap, and no verb prints what it came from.
func Error(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if !Finds(text, secrets...) {
		return err
	}
	return &scrubbed{
		text: Text(text, secrets...),
		is:   func(target error) bool { return errors.Is(err, target) },
	}
}

// scrubbed keeps its original in a function, which nothing prints.
type scrubbed struct {
	text string
	is   func(error) bool
}

func (s *scrubbed) Error() string        { return s.text }
func (s *scrubbed) Is(target error) bool { return s.is(target) }

func cut(s string) string {
	if len(s) <= MaxText {
		return s
	}
	return head(s, MaxText) + "…"
}

// head returns at most n bytes of s and no half rune.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
