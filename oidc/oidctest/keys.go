package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"
)

// RS256 and ES256 are the algorithms that the provider signs with. See RFC 7518,
// section 3.1.
const (
	RS256 = "RS256"
	ES256 = "ES256"
)

// key is one signing key.
type key struct {
	kid     string
	alg     string
	private crypto.Signer
}

// sharedRSA is the first RSA key of every server in this process: making one
// takes a good part of a second.
var sharedRSA = sync.OnceValues(func() (*key, error) { return newRSA() })

// firstKey returns the key that a new server starts with.
func firstKey(alg string) (*key, error) {
	if alg == RS256 {
		return sharedRSA()
	}
	return newKey(alg)
}

func newKey(alg string) (*key, error) {
	switch alg {
	case RS256:
		return newRSA()
	case ES256:
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("oidctest: make a key: %w", err)
		}
		return named(&key{alg: ES256, private: private}), nil
	}
	return nil, fmt.Errorf("oidctest: algorithm %q: use RS256 or ES256", alg)
}

func newRSA() (*key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("oidctest: make a key: %w", err)
	}
	return named(&key{alg: RS256, private: private}), nil
}

// named derives the key ID from the key, so that equal IDs mean equal keys.
func named(k *key) *key {
	data, _ := json.Marshal(k.members())
	sum := sha256.Sum256(data)
	k.kid = base64.RawURLEncoding.EncodeToString(sum[:9])
	return k
}

// jwk returns the public key as a JSON Web Key (RFC 7517, section 4).
func (k *key) jwk() map[string]any {
	m := k.members()
	m["kid"], m["alg"], m["use"] = k.kid, k.alg, "sig"
	return m
}

func (k *key) members() map[string]any {
	encode := base64.RawURLEncoding.EncodeToString
	if public, ok := k.private.Public().(*rsa.PublicKey); ok {
		return map[string]any{
			"kty": "RSA",
			"n":   encode(public.N.Bytes()),
			"e":   encode(big.NewInt(int64(public.E)).Bytes()),
		}
	}
	point, err := k.private.Public().(*ecdsa.PublicKey).Bytes() // 0x04, x, y
	if err != nil {
		panic("oidctest: a fresh P-256 key has no encoding: " + err.Error())
	}
	return map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
}

// sign returns the JWS signature of data (RFC 7518, sections 3.3 and 3.4).
func (k *key) sign(data []byte) ([]byte, error) {
	digest := sha256.Sum256(data)
	if private, ok := k.private.(*rsa.PrivateKey); ok {
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	}
	r, s, err := ecdsa.Sign(rand.Reader, k.private.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}
