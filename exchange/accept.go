package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/oidc"
)

// Lives of a returned token.
const (
	unknownLife = 5 * time.Minute // taken for a token that says nothing of its end
	longestLife = 24 * time.Hour  // a longer one is cut: a key or a role may change
)

// accept turns a token response into a token, unless it contradicts what was
// asked for.
func (t *try) accept(r tokenResponse, a answer) (*oauth2.Token, error) {
	q := t.question
	sum := sha256.Sum256([]byte(r.accessToken))
	t.event.Token = hex.EncodeToString(sum[:8])
	returned, err := oidc.ParseToken(r.accessToken)
	if err != nil {
		returned = nil // opaque
	}
	if err := t.compare(returned, r); err != nil {
		return nil, err
	}
	expiry, ended := t.expiry(returned, r, a)
	if ended {
		return nil, q.refuse(KindBadResponse, "the returned token has already ended")
	}
	t.event.Expiry = expiry
	token := &oauth2.Token{
		AccessToken: r.accessToken,
		TokenType:   "Bearer",
		Expiry:      expiry,
		ExpiresIn:   int64(expiry.Sub(a.sent) / time.Second),
	}
	return withGrant(token, t.event.Grant, r.scope), nil
}

// compare refuses a token that is not the one asked for, and says what could be
// confirmed. No keys are fetched: the connection to the host vouches for it, and
// only mistakes are looked for.
func (t *try) compare(returned *oidc.Token, r tokenResponse) error {
	q := t.question
	t.event.Identity, t.event.Scope = Unknown, Unknown
	if r.accessToken == q.subject.Raw() {
		return q.refuse(KindContradiction, "the subject token itself came back instead of a Databricks token")
	}
	scopes := strings.Fields(r.scope)
	if returned != nil {
		c := returned.UnverifiedClaims()
		if c.Issuer() != "" && c.Issuer() == q.subject.UnverifiedClaims().Issuer() {
			return q.refuse(KindContradiction, "a token of the identity provider came back instead of a Databricks token")
		}
		if err := t.compareIdentity(returned); err != nil {
			return err
		}
		if said := scopesOf(returned); len(said) > 0 {
			if len(scopes) > 0 && joinScopes(scopes) != joinScopes(said) {
				return q.refuse(KindContradiction, "the answer and the token in it name different scopes")
			}
			scopes = said
		}
	}
	if len(scopes) > 0 {
		if got := joinScopes(scopes); got != q.scope {
			return q.refuse(KindContradiction, fmt.Sprintf("scope %.256q was asked for, %.256q came back", q.scope, got))
		}
		t.event.Scope = Confirmed
	}
	if t.cfg.Strict && (returned == nil || t.event.Identity == Unknown) {
		return q.refuse(KindContradiction, "Strict is set and the returned token does not say whose it is")
	}
	return nil
}

// compareIdentity looks for the identity in the client_id and sub of the
// returned token. Account-wide federation names the identity by a claim that
// only the federation policy knows, so that any of the subject's may be it.
func (t *try) compareIdentity(returned *oidc.Token) error {
	q := t.question
	c := returned.UnverifiedClaims()
	if q.target.ClientID == "" {
		if c.Subject() != "" && slices.Contains(identities(q.subject), c.Subject()) {
			t.event.Identity = Confirmed
		}
		return nil
	}
	var names []string
	if clients, there, err := c.Strings("client_id"); err == nil && there {
		names = clients
	}
	if isUUID(c.Subject()) {
		names = append(names, c.Subject())
	}
	for _, name := range names {
		if !strings.EqualFold(name, q.target.ClientID) {
			return q.refuse(KindContradiction, fmt.Sprintf("service principal %s was asked for, a token of %.64q came back", q.target.ClientID, name))
		}
		t.event.Identity = Confirmed
	}
	return nil
}

// identities are the claims that account federation policies usually name.
func identities(subject *oidc.Token) (names []string) {
	for _, claim := range []string{"sub", "email", "preferred_username", "upn", "oid", "azp", "appid", "client_id"} {
		if values, there, err := subject.UnverifiedClaims().Strings(claim); err == nil && there {
			names = append(names, values...)
		}
	}
	return names
}

// scopesOf reads a token's scope claim: a space-delimited string (RFC 8693,
// section 4.2) or a list.
func scopesOf(token *oidc.Token) (scopes []string) {
	said, _, _ := token.UnverifiedClaims().Strings("scope") // another shape says nothing
	for _, s := range said {
		scopes = append(scopes, strings.Fields(s)...)
	}
	return scopes
}

// expiry returns when a token ends, by the local clock, counted from when the
// request left: a slow answer adds no life. Of what the answer and the returned
// token say, the earlier holds. The subject's end is asked only if both say
// nothing. ended is true if the returned token is over.
func (t *try) expiry(returned *oidc.Token, r tokenResponse, a answer) (expiry time.Time, ended bool) {
	lives := t.lives(returned, r, a)
	if len(lives) == 0 {
		if left := t.byClock(t.question.subject, a); left > 0 {
			lives = append(lives, left)
		} else {
			lives = append(lives, unknownLife)
		}
	}
	life := min(slices.Min(lives), longestLife)
	expiry = a.sent.Add(life)
	return expiry, !expiry.After(a.received)
}

// lives returns what the answer and the token in it say of the token's life.
// expires_in, and exp against the token's own iat, need no clock. exp by the
// server's clock, or without that by ours, is left out if that would have the
// token dead on arrival and something else is known: then the clock is wrong.
func (t *try) lives(token *oidc.Token, r tokenResponse, a answer) (lives []time.Duration) {
	if r.lifetime > 0 {
		lives = append(lives, r.lifetime)
	}
	if token == nil || token.Expiry().IsZero() {
		return lives
	}
	iat, there, err := token.UnverifiedClaims().Time("iat")
	if err == nil && there {
		lives = append(lives, token.Expiry().Sub(iat))
	}
	_, known := t.clock.Best(a.sent)
	left, ours := t.byClock(token, a), token.Expiry().Sub(a.sent)
	switch {
	case left > 0, len(lives) == 0, known && ours <= 0: // dead by both clocks is dead
		lives = append(lives, left)
	case ours > 0:
		lives = append(lives, ours)
	}
	return lives
}

// byClock returns the time from a.sent to a token's end by the server's clock,
// or by ours if that is not known, and 0 for a token without an end.
func (t *try) byClock(token *oidc.Token, a answer) time.Duration {
	if token.Expiry().IsZero() {
		return 0
	}
	sample, known := t.clock.Best(a.sent)
	if !known || !credible(sample) {
		sample.Offset = 0
	}
	return token.Expiry().Sub(a.sent.Add(sample.Offset))
}
