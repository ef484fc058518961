package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
)

// grantExtra is the name under which a token carries its grant.
const grantExtra = "brickfed"

// GrantOf returns the grant under which a token was exchanged: who its holder is
// and what was asked for. It is kept as one JSON string in the token's extra
// fields, so that it survives a store that keeps those. ok is false for a token
// from elsewhere.
func GrantOf(t *oauth2.Token) (grant claims.Grant, ok bool) {
	if t == nil {
		return claims.Grant{}, false
	}
	text, isString := t.Extra(grantExtra).(string)
	if !isString || json.Unmarshal([]byte(text), &grant) != nil {
		return claims.Grant{}, false
	}
	return grant, true
}

func withGrant(t *oauth2.Token, g claims.Grant, scope string) *oauth2.Token {
	text, err := json.Marshal(g)
	if err != nil {
		return t // strings always marshal
	}
	return t.WithExtra(map[string]any{grantExtra: string(text), "scope": scope})
}

// Key names everything that decides which token an exchange returns: host,
// account, service principal, group, scopes, audience, and the issuer and
// subject of the token exchanged. Equal keys may share a token, different ones
// never. It is the hexadecimal SHA-256 of these, not a secret and free of
// personal data in clear.
func (x *Exchanger) Key(as claims.Target, issuer, subject string) string {
	if x.cfg.Policy == nil {
		as = x.fill(as)
	}
	scopes := slices.Sorted(slices.Values(as.Scopes))
	if len(scopes) == 0 {
		scopes = []string{DefaultScope}
	}
	identity, err := json.Marshal([]any{
		x.origin.String(), strings.ToLower(x.cfg.AccountID), strings.ToLower(as.ClientID), as.AssumeGroup,
		slices.Compact(scopes), x.cfg.Audience, issuer, subject,
	})
	if err != nil {
		panic("exchange: strings do not marshal") // cannot happen
	}
	sum := sha256.Sum256(identity)
	return hex.EncodeToString(sum[:])
}
