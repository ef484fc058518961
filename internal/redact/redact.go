// Package redact keeps secrets out of texts that come from elsewhere.
package redact

import (
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

// maxRead is how much of a text is looked at. What follows is never shown.
const maxRead = 8 * MaxText

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
// invalid UTF-8 is dropped and the rest is cut at MaxText bytes. A server may
// echo a secret in pieces or in another form, so every run of 8 bytes that the
// text shares with a secret is replaced too, also in the wrong case,
// percent-encoded, escaped as in JSON or HTML, in base64 or hexadecimal; and
// every run of 12 letters and digits, whatever stands between them. A secret of
// 4 to 7 bytes is replaced where it stands as a whole; a shorter one is none.
func Text(s string, secrets ...string) string {
	s = strings.ToValidUTF8(head(s, maxRead), "")
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

// Finds reports whether Text would find one of the secrets in s, all of s.
func Finds(s string, secrets ...string) bool {
	return slices.Contains(hidden(s, secrets), true)
}

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
