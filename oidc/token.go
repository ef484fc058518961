package oidc

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/brickfed/brickfed/claims"
)

// MaxToken is the longest token, in bytes, that [ParseToken] takes. HTTP servers
// refuse far shorter ones.
const MaxToken = 64 << 10

// Token is a JSON Web Token that an identity provider issued, in JWS compact
// form (RFC 7515, section 3.1). It is immutable and safe for concurrent use.
//
// A Token never prints itself: fmt with any verb, slog and encoding/json show
// its fingerprint. Nothing in it is verified; whoever decides for other people
// takes a [*Verified].
type Token struct {
	// raw is a function, because fmt looks into unexported fields: without asking
	// Format in a copy of a Token, and through a pointer for a mismatched verb.
	raw    func() string
	header header
	claims *claims.Claims
	expiry time.Time
}

// ErrMalformed is returned, wrapped, for a text that is not a JSON Web Token in
// compact form, by [ParseToken] and [KeySet.VerifySignature].
var ErrMalformed = errors.New("malformed token")

// ParseToken reads a JSON Web Token in JWS compact form: three base64url parts
// without padding (RFC 7515, section 3.1), a JSON header with an alg, and a
// payload that [claims.Parse] takes. Space around the token is trimmed, because
// files and environment variables end in newlines. The signature is not checked.
// The token may have 64 KiB at most. Errors wrap [ErrMalformed] and never quote
// the token.
func ParseToken(raw string) (*Token, error) {
	raw = strings.Trim(raw, " \t\r\n")
	switch {
	case raw == "":
		return nil, parseError("it is empty")
	case len(raw) > MaxToken:
		return nil, parseError(fmt.Sprintf("it has more than %d bytes", MaxToken))
	}
	h, payload, err := splitJWS(raw)
	if err != nil {
		return nil, parseError(err.Error())
	}
	t := &Token{raw: func() string { return raw }, header: h}
	if t.claims, err = claims.Parse(payload); err != nil {
		return nil, fmt.Errorf("oidc: parse token: %w: %w", ErrMalformed, err)
	}
	if t.expiry, _, err = t.claims.Time("exp"); err != nil {
		return nil, fmt.Errorf("oidc: parse token: %w: %w", ErrMalformed, err)
	}
	return t, nil
}

// Raw returns the token itself. It is the only way to the secret: write it to a
// request, never to a log.
func (t *Token) Raw() string {
	if t.raw == nil {
		return "" // the zero Token
	}
	return t.raw()
}

// UnverifiedClaims returns what the token says. Nobody checked its signature
// here: use them to explain and to decide for yourself, never for others.
func (t *Token) UnverifiedClaims() *claims.Claims { return t.claims }

// Expiry returns the exp claim, or the zero time if there is none.
func (t *Token) Expiry() time.Time { return t.expiry }

// Algorithm returns the alg header (RFC 7515, section 4.1.1), such as RS256.
func (t *Token) Algorithm() string { return t.header.Alg }

// KeyID returns the kid header (RFC 7515, section 4.1.4), or the empty string.
func (t *Token) KeyID() string { return t.header.Kid }

// Fingerprint returns the first 16 hexadecimal digits of the token's SHA-256,
// the same wherever this module names a token in events and errors.
func (t *Token) Fingerprint() string {
	sum := sha256.Sum256([]byte(t.Raw()))
	return hex.EncodeToString(sum[:8])
}

// String returns the fingerprint.
func (t *Token) String() string {
	if t == nil {
		return "oidc.Token(none)"
	}
	return "oidc.Token(" + t.Fingerprint() + ")"
}

// Format implements fmt.Formatter, so that no verb shows the token.
func (t *Token) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, t.String()) }

// LogValue implements slog.LogValuer.
func (t *Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON implements json.Marshaler with the fingerprint.
func (t *Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

func parseError(reason string) error {
	return fmt.Errorf("oidc: parse token: %w: %s", ErrMalformed, reason)
}
