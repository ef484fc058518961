package exchangetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/claims"
)

// signer signs access tokens. ES256 because keys are made for each server, and
// that takes microseconds. It is safe for concurrent use.
type signer struct {
	signer jose.Signer
	public jose.JSONWebKey
}

func newSigner() (*signer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("exchangetest: make a key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: newUUID(), Algorithm: string(jose.ES256), Use: "sig"}
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("exchangetest: make a signer: %w", err)
	}
	return &signer{signer: js, public: key.Public()}, nil
}

func (s *signer) keySet() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.public}}
}

// accessToken is the payload of a Databricks access token. Group is not
// recorded of Databricks: it carries the assumed group to our own APIs.
type accessToken struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	ClientID string `json:"client_id,omitempty"` // of a service principal
	Audience string `json:"aud"`
	Scope    string `json:"scope"`
	Group    string `json:"assume_group,omitempty"`
	Expiry   int64  `json:"exp"`
	IssuedAt int64  `json:"iat"`
	ID       string `json:"jti"`
}

// issue signs a token and notes it as in force.
func (s *Server) issue(token accessToken) (string, error) {
	token.ID = newUUID()
	payload, err := json.Marshal(token)
	if err != nil {
		return "", err
	}
	jws, err := s.signer.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued[token.ID] = time.Unix(token.Expiry, 0)
	if len(s.issued)%1024 == 0 { // so that a long test does not grow for ever
		now := time.Now().Add(s.drift)
		maps.DeleteFunc(s.issued, func(_ string, exp time.Time) bool { return now.After(exp.Add(time.Hour)) })
	}
	return jws.CompactSerialize()
}

// Revoke ends one access token: the APIs refuse it from then on.
func (s *Server) Revoke(raw string) {
	token, err := s.parse(raw)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.issued, token.ID)
}

// RevokeAll ends every access token issued so far.
func (s *Server) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.issued)
}

// parse verifies the signature of an access token, and nothing else.
func (s *Server) parse(raw string) (*accessToken, error) {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, errors.New("it is not a signed token")
	}
	payload, err := jws.Verify(s.signer.public)
	if err != nil {
		return nil, errors.New("this server did not sign it")
	}
	var token accessToken
	if err := json.Unmarshal(payload, &token); err != nil {
		return nil, err
	}
	return &token, nil
}

// inForce says why a token that we signed is not accepted; nil if it is.
func (s *Server) inForce(token *accessToken, issuer string, now time.Time) (*Principal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	exp := time.Unix(token.Expiry, 0)
	_, there := s.issued[token.ID]
	p := s.byName(token.Subject)
	switch {
	case !now.Before(exp):
		return nil, errExpired
	case !there:
		return nil, errors.New("it was revoked")
	case token.Issuer != issuer:
		return nil, fmt.Errorf("%w: it is from %s", errForeign, token.Issuer)
	case p == nil || p.Inactive:
		return nil, errors.New("its holder was removed or is not active")
	case s.cfg.MinRemaining > 0 && exp.Sub(now) <= s.cfg.MinRemaining:
		return nil, errExpiring
	}
	return p, nil
}

// Reasons that have an answer of their own.
var (
	errNoToken  = errors.New("there is no bearer token")
	errExpired  = errors.New("it has expired")
	errExpiring = errors.New("it expires too soon")
	errForeign  = errors.New("it belongs to another host")
)

// expiry judges the life of a subject token, and says when the access token for
// it ends: with it, and after Config.MaxLifetime at the latest. A token that the
// leeway let through gives one for a second.
func (s *Server) expiry(subject *claims.Claims, now time.Time) (time.Time, error) {
	exp, ok, err := subject.Time("exp")
	if err != nil {
		return time.Time{}, err
	}
	if !ok {
		return time.Time{}, errors.New("it has no exp")
	}
	second := now.Add(time.Second) // expires_in cannot say less
	if second.After(exp.Add(s.cfg.Leeway)) {
		return time.Time{}, fmt.Errorf("it expires at %s, and it is %s", stamp(exp), stamp(now))
	}
	nbf, ok, err := subject.Time("nbf")
	if err != nil {
		return time.Time{}, err
	}
	if ok && now.Add(s.cfg.Leeway).Before(nbf) {
		return time.Time{}, fmt.Errorf("it is valid from %s, and it is %s", stamp(nbf), stamp(now))
	}
	if latest := now.Add(s.cfg.MaxLifetime); exp.After(latest) {
		exp = latest.Truncate(time.Second)
	}
	if exp.Before(second) {
		exp = second.Add(time.Second - 1).Truncate(time.Second)
	}
	return exp, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// bearer returns the token of an Authorization header (RFC 6750, section 2.1).
func bearer(header string) (string, error) {
	scheme, token, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	return token, nil
}
