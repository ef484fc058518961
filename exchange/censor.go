package exchange

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/internal/redact"
)

// censor makes what a server says fit to be shown. A server may echo what it was
// sent, and tokens that it was sent earlier or by others.
type censor struct {
	secrets []string // never shown, in no form
	known   []string // facts that may be shown although they look like a token
}

// text returns at most limit bytes of what the server said.
func (c censor) text(said string, limit int) string {
	said = redact.Text(said, c.secrets...)
	said = longWord.ReplaceAllStringFunc(said, func(word string) string {
		isFact := func(fact string) bool { return strings.Contains(fact, word) }
		if readable(word) || slices.ContainsFunc(c.known, isFact) {
			return word
		}
		return redact.Mark
	})
	return bounded(said, limit)
}

// hides reports whether text would hide a part of what the server said.
func (c censor) hides(said string) bool {
	return strings.Contains(c.text(said, len(said)), redact.Mark)
}

// requestID returns the id under which Databricks' support finds a request.
func (c censor) requestID(h http.Header) string { return c.text(h.Get("X-Request-Id"), maxID) }

func requestID(h http.Header, secrets ...string) string {
	return censor{secrets: secrets}.requestID(h)
}

// longWord is what may be a piece of a token: 20 letters and digits carry 100
// bits.
var longWord = regexp.MustCompile(`[0-9A-Za-z_-]{20,}`)

// readable reports whether a long word is more likely a name, an error code or
// an id than a piece of a token. Base64 has both cases and digits; in one case it
// still has long runs of letters and digits, longer than those of a UUID.
func readable(word string) bool {
	var upper, lower, digit bool
	for _, c := range []byte(word) {
		upper = upper || 'A' <= c && c <= 'Z'
		lower = lower || 'a' <= c && c <= 'z'
		digit = digit || isDigit(c)
	}
	switch mixed := upper && lower; {
	case !upper && !lower:
		return true // a number
	case !digit:
		return !mixed || len(word) < 40 // CamelCase, or an error code
	case mixed:
		return false
	}
	for _, part := range strings.FieldsFunc(word, func(r rune) bool { return r == '_' || r == '-' }) {
		hex := strings.Trim(part, "0123456789abcdefABCDEF") == ""
		if hex && len(part) >= 40 || !hex && len(part) >= 24 {
			return false
		}
	}
	return true
}

// tidy makes a word of our own side fit to be shown.
func tidy(s string, limit int, secrets ...string) string {
	return bounded(redact.Text(s, secrets...), limit)
}
