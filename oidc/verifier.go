package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/internal/httpx"
	"github.com/brickfed/brickfed/internal/redact"
)

// ErrRefused is returned, wrapped, for a token that is not to be relied on. An
// error of [Verifier.Verify] or [KeySet.VerifySignature] without it says nothing
// about the token: whoever answers requests answers 401 to the first kind and
// 503 to the second.
var ErrRefused = errors.New("token refused")

// ErrExpired is returned, wrapped together with [ErrRefused], for a token whose
// signature and audience are good and whose time is over.
var ErrExpired = errors.New("token expired")

// leeway is how far the clocks of issuer and verifier may differ.
const leeway = 60 * time.Second

// Verified is a token whose signature, issuer, audience and time were checked,
// together with its claims. [Verifier.Verify] makes it. Whoever makes one
// otherwise vouches for the token.
type Verified struct {
	Token  *Token
	Claims *claims.Claims
}

// Verifier checks the tokens of one issuer. Use it by pointer; it is safe for
// concurrent use, and its fields must not change after the first use.
//
// A token is good if a key of the issuer signed it with RS256 or ES256, its iss
// is Issuer to the letter, its aud holds one of Audiences, it has a sub, it has
// an exp that is not over, and its nbf, if it has one, has come. Clocks may
// differ by 60 seconds. A token of another kind by its typ header, such as a
// logout token, is refused (RFC 8725, section 3.11); at+jwt (RFC 9068), JWT and
// no typ are fine.
//
// Keys are kept as [KeySet] says, and the issuer's metadata for an hour, or up to
// a day while it cannot be fetched again. An issuer whose metadata could not be
// fetched is left alone for 30 seconds.
type Verifier struct {
	// Issuer is the issuer URL that tokens have in iss. Required.
	Issuer string

	// Audiences are the values of aud that are accepted: one of them must be in
	// the token. Required, unless InsecureAnyAudience is set.
	Audiences []string

	// InsecureAnyAudience accepts tokens for anybody, also those that another
	// service got and passes on. Only a program that hands the token to somebody
	// who checks its audience may set it.
	InsecureAnyAudience bool

	// Keys are the issuer's keys. Optional: the default is the key set that the
	// issuer's metadata names, found by OpenID Connect Discovery 1.0 or RFC 8414.
	Keys *KeySet

	// HTTPClient fetches metadata and, unless Keys is set, keys. Its redirect
	// policy and cookies are not used. Optional; the default uses
	// http.DefaultTransport.
	HTTPClient *http.Client

	provider provider

	mu         sync.Mutex // guards discovered
	discovered *KeySet
}

// Verify checks a token. A token that is not to be relied on is an error that
// wraps [ErrRefused].
func (v *Verifier) Verify(ctx context.Context, t *Token) (*Verified, error) {
	if err := v.validate(); err != nil {
		return nil, err
	}
	if t == nil {
		return nil, refusal("there is none")
	}
	// What needs no key comes first: nobody makes us fetch keys for a token that
	// is not ours.
	if got := t.claims.Issuer(); got != v.Issuer {
		return nil, refusal("its issuer is %q, not %q", redact.Text(got), v.Issuer)
	}
	if err := checkType(t.header.Typ); err != nil {
		return nil, err
	}
	if err := checkHeader(t.header); err != nil {
		return nil, err
	}
	keys, err := v.keys(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := keys.verify(ctx, t.header, t.Raw()); err != nil {
		return nil, err
	}
	if err := v.judge(t, keys); err != nil {
		return nil, err
	}
	return &Verified{Token: t, Claims: t.claims}, nil
}

// validate reports everything that is wrong at once.
func (v *Verifier) validate() error {
	var problems []error
	if v.Issuer == "" {
		problems = append(problems, errors.New("oidc: Verifier: Issuer is required"))
	}
	if len(v.Audiences) == 0 && !v.InsecureAnyAudience {
		problems = append(problems, errors.New("oidc: Verifier: Audiences is required; a verifier that accepts tokens for anybody says InsecureAnyAudience"))
	}
	if slices.Contains(v.Audiences, "") {
		problems = append(problems, errors.New("oidc: Verifier: Audiences holds an empty string"))
	}
	return errors.Join(problems...)
}

// checkType refuses tokens that say they are something else. An unknown type
// that is not of the form x+jwt is taken for a decoration.
func checkType(typ string) error {
	kind := strings.TrimPrefix(strings.ToLower(typ), "application/")
	if strings.HasSuffix(kind, "+jwt") && kind != "at+jwt" {
		return refusal("its typ is %q, another kind of token", redact.Text(typ))
	}
	return nil
}

// keys returns the issuer's key set. It stays the same one, with what it knows,
// until the metadata names another address.
func (v *Verifier) keys(ctx context.Context) (*KeySet, error) {
	if v.Keys != nil {
		return v.Keys, nil
	}
	m, err := v.provider.get(ctx, v.HTTPClient, v.Issuer, fetchInterval)
	if err != nil {
		return nil, err
	}
	if _, err := httpx.ParseURL(m.KeySet); err != nil {
		return nil, fmt.Errorf("oidc: discovery: the key set in the metadata of %s is %w", v.Issuer, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.discovered == nil || v.discovered.URL != m.KeySet {
		v.discovered = &KeySet{URL: m.KeySet, HTTPClient: v.HTTPClient}
	}
	return v.discovered, nil
}

// judge checks what the claims say about audience, subject and time.
func (v *Verifier) judge(t *Token, keys *KeySet) error {
	audiences, _, err := t.claims.Strings("aud")
	if err != nil {
		return refusal("%w", err)
	}
	if !v.InsecureAnyAudience && !slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(v.Audiences, a) }) {
		return refusal("its aud is %s, not one of %q", redact.Text(fmt.Sprintf("%q", audiences)), v.Audiences)
	}
	if t.claims.Subject() == "" {
		return refusal("it has no sub")
	}
	now := time.Now()
	nbf, _, err := t.claims.Time("nbf")
	switch {
	case err != nil:
		return refusal("%w", err)
	case t.expiry.IsZero():
		return refusal("it has no exp")
	case !now.Before(t.expiry.Add(leeway)):
		e := refusal("%w %v ago; its signature is good", ErrExpired, now.Sub(t.expiry).Round(time.Second))
		e.Hint = keys.clock.Hint(now, "the issuer")
		return e
	case now.Add(leeway).Before(nbf):
		e := refusal("it is not valid for another %v; its signature is good", nbf.Sub(now).Round(time.Second))
		e.Hint = keys.clock.Hint(now, "the issuer")
		return e
	}
	return nil
}

// refusal makes the error of a token that is not to be relied on.
func refusal(format string, args ...any) *Error {
	return &Error{Op: "verify token", Err: fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)}
}
