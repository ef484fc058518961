package interop_test

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/oidc"
)

// The payloads of the vectors are no claims. Here their keys sign whole tokens: a
// key that verifies a vector must do for oidc.Verifier, every other must not.
func TestVerifier_vectorKeys(t *testing.T) {
	// Keys that the Go library refuses before they can sign anything.
	unable := []string{
		"json_web_signature rfc7520 347", "json_web_signature rfc7520WithKeyOps 351", // P-521
		"json_web_key exponentOne 9", "json_web_key invalid_point 22", "json_web_key wrong_curve 23", "json_web_key wrong_kty 24",
	}
	for _, file := range []string{"json_web_signature", "json_web_key"} {
		for _, g := range readVectors(t, file) {
			name := fmt.Sprintf("%s %s %d", file, g.Comment, g.Vectors[0].ID)
			if g.Public == nil {
				continue // symmetric
			}
			issuer := serve(t, g.keySet())
			tok, err := g.sign(issuer)
			if slices.Contains(unable, name) != (err != nil) {
				t.Errorf("%s: sign: %v", name, err)
			}
			if err != nil {
				continue
			}
			v := &oidc.Verifier{Issuer: issuer, Audiences: []string{audience}}
			_, err = v.Verify(t.Context(), tok)
			switch {
			case !g.usable():
				refused(t, name, err, "cannot be used")
			case err != nil:
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// usable reports whether the group's key verifies a vector of RS256 or ES256.
func (g group) usable() bool {
	return slices.ContainsFunc(g.Vectors, func(v vector) bool {
		return v.Result == "valid" && (v.alg() == "RS256" || v.alg() == "ES256")
	})
}

// sign makes a token by the group's private key, by RS256 or ES256 whatever the
// key says it is for.
func (g group) sign(issuer string) (*oidc.Token, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(asSet(g.Private), &set); err != nil {
		return nil, err
	}
	key := jose.JSONWebKey{Key: set.Keys[0].Key, KeyID: set.Keys[0].KeyID}
	alg := jose.ES256
	if _, isRSA := key.Key.(*rsa.PrivateKey); isRSA {
		alg = jose.RS256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		return nil, err
	}
	payload := fmt.Appendf(nil, `{"iss":%q,"sub":"job","aud":%q,"exp":%d}`, issuer, audience, time.Now().Add(time.Hour).Unix())
	jws, err := signer.Sign(payload)
	if err != nil {
		return nil, err
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		return nil, err
	}
	return oidc.ParseToken(raw)
}

// Wycheproof's vectors about sets of keys are by HS256 too. What they ask is
// asked here about the RSA key that verifies vector 33.
func TestKeySet_company(t *testing.T) {
	groups := readVectors(t, "json_web_signature")
	secret, good, other := groups[0].Private, groups[2], groups[3].Public
	const kid, vector33 = "kid-rsa-sign", 0
	if v := good.Vectors[vector33]; v.ID != 33 || v.Result != "valid" {
		t.Fatal("the vectors have moved")
	}
	tests := []struct {
		name string
		keys []json.RawMessage
		want string // in the refusal; empty: accepted
	}{
		{"itself twice", []json.RawMessage{good.Public, good.Public}, ""},
		// Wycheproof wants such a set refused as a whole. But a key that cannot be
		// used takes nothing away from one that can, and it would be a provider's
		// slip that stops everybody.
		{"a secret", []json.RawMessage{secret, good.Public}, ""},
		{"another key of the same ID", []json.RawMessage{good.Public, renamed(t, other, kid)}, "two different keys"},
		{"its private part", []json.RawMessage{good.Private}, "private"},
	}
	for _, tt := range tests {
		set, err := json.Marshal(map[string]any{"keys": tt.keys})
		if err != nil {
			t.Fatal(err)
		}
		keys := &oidc.KeySet{URL: serve(t, set) + keysPath}
		_, err = keys.VerifySignature(t.Context(), good.Vectors[vector33].token())
		switch {
		case tt.want != "":
			refused(t, tt.name, err, tt.want)
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// renamed gives a key another ID.
func renamed(t *testing.T, key json.RawMessage, kid string) json.RawMessage {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(key, &members); err != nil {
		t.Fatal(err)
	}
	members["kid"] = kid
	data, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
