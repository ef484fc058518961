package oidctest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
)

// Sign returns a token with these claims, signed by the current key. iss, iat,
// exp and jti are added unless claims has them; a nil value leaves the claim
// out.
func (s *Server) Sign(claims map[string]any) (string, error) {
	return s.SignWith(nil, claims)
}

// SignWith is Sign with header parameters that replace the usual alg, kid and
// typ; a nil value leaves the parameter out. The signature is made as ever, so
// that a header may lie: tokens with alg none, or with somebody else's kid, are
// made like this.
func (s *Server) SignWith(header, claims map[string]any) (string, error) {
	now := s.now()
	all := map[string]any{
		"iss": s.issuer,
		"iat": now.Unix(),
		"exp": now.Add(s.cfg.TokenLifetime).Unix(),
		"jti": rand.Text(),
	}
	overlay(all, claims)
	payload, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("oidctest: sign: claims: %w", err)
	}
	return s.SignPayload(header, payload)
}

// SignPayload signs any payload, JSON or not, under a header as SignWith makes
// it.
func (s *Server) SignPayload(header map[string]any, payload []byte) (string, error) {
	k := s.signer()
	all := map[string]any{"alg": k.alg, "kid": k.kid, "typ": "JWT"}
	overlay(all, header)
	head, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("oidctest: sign: header: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode(head) + "." + encode(payload)
	signature, err := k.sign([]byte(text))
	if err != nil {
		return "", fmt.Errorf("oidctest: sign: %w", err)
	}
	return text + "." + encode(signature), nil
}

func overlay(dst, src map[string]any) {
	maps.Copy(dst, src)
	maps.DeleteFunc(dst, func(_ string, v any) bool { return v == nil })
}
