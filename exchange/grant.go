package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
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

// WithGrant returns a copy of t that carries g: for whoever keeps tokens and has
// decided anew about their holder, whose groups or rules may have changed since
// the exchange although the token is the same. It changes what [GrantOf] says and
// nothing that Databricks knows. A nil t stays nil.
func WithGrant(t *oauth2.Token, g claims.Grant) *oauth2.Token {
	if t == nil {
		return nil
	}
	scope, _ := t.Extra("scope").(string)
	return withGrant(t, g, scope)
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
	text := make([]byte, 0, 1<<10)
	write := func(s string) { // with its length, so that no two lists read alike
		text = strconv.AppendInt(text, int64(len(s)), 10)
		text = append(append(text, ':'), s...)
	}
	write(x.origin.String())
	write(strings.ToLower(x.cfg.AccountID))
	write(strings.ToLower(as.ClientID))
	write(as.AssumeGroup)
	write(joinScopes(as.Scopes))
	write(x.cfg.Audience)
	write(issuer)
	write(subject)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
