package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/internal/redact"
)

// Bounds of what a published key may be.
const (
	maxKeys    = 100  // keys in one set; Entra publishes about ten
	minRSABits = 2048 // RFC 7518, section 3.3
	maxRSABits = 8192 // a larger one makes each verification an attack
)

// publicKey is one key that verifies one algorithm.
type publicKey struct {
	kid string
	alg string
	key crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
}

// keyring is one key set, reduced to what may be used.
type keyring struct {
	keys []publicKey
	// refused says of unusable keys why they are, by kid.
	refused map[string]string
}

// candidates returns the keys that may have signed. A token without kid may be
// of any key that has its algorithm.
func (r *keyring) candidates(h header) []publicKey {
	var found []publicKey
	for _, k := range r.keys {
		if k.alg == h.Alg && (h.Kid == "" || k.kid == h.Kid) {
			found = append(found, k)
		}
	}
	return found
}

// parseKeySet reads a JSON Web Key Set (RFC 7517, section 5). A key that cannot
// be used does not spoil the others: providers publish keys for many purposes.
func parseKeySet(data []byte) (*keyring, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, errors.New("the answer is not a JSON object")
	}
	var list []json.RawMessage
	if raw, there := members["keys"]; !there || json.Unmarshal(raw, &list) != nil || list == nil {
		return nil, errors.New("the answer has no list of keys")
	}
	if len(list) > maxKeys {
		return nil, fmt.Errorf("the answer has more than %d keys", maxKeys)
	}
	ring := &keyring{refused: make(map[string]string)}
	for _, raw := range list {
		k, err := parseKey(raw)
		if err != nil {
			ring.refused[k.kid] = err.Error()
			continue
		}
		ring.keys = append(ring.keys, k)
	}
	ring.dropAmbiguous()
	return ring, nil
}

// dropAmbiguous refuses different keys with the same ID and algorithm: which of
// them signed would be a matter of luck. Keys of different types may share an ID
// (RFC 7517, section 4.5).
func (r *keyring) dropAmbiguous() {
	twice := make(map[string]bool)
	var unique []publicKey
	for _, k := range r.keys {
		i := slices.IndexFunc(unique, func(u publicKey) bool { return u.kid == k.kid && u.alg == k.alg })
		switch {
		case i < 0 || k.kid == "":
			unique = append(unique, k)
		case !sameKey(unique[i].key, k.key):
			twice[k.kid+"\x00"+k.alg] = true
			r.refused[k.kid] = "the set has two different keys with that ID"
		}
	}
	r.keys = slices.DeleteFunc(unique, func(k publicKey) bool { return twice[k.kid+"\x00"+k.alg] })
}

func sameKey(a, b crypto.PublicKey) bool {
	one, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && one.Equal(b)
}

// jwk are the members of a JSON Web Key that are looked at.
type jwk struct {
	Kty, Kid, Alg, Use, Crv string
	N, E, X, Y              string
	KeyOps                  []string
	private                 bool
}

// parseKey reads one key. The ID is returned in any case if it can be read.
func parseKey(raw json.RawMessage) (publicKey, error) {
	m, err := parseMembers(raw)
	k := publicKey{kid: m.Kid}
	if err != nil {
		return k, err
	}
	if k.alg, err = m.algorithm(); err != nil {
		return k, err
	}
	// The parts are decoded strictly before go-jose does it less strictly.
	for name, text := range map[string]string{"n": m.N, "e": m.E, "x": m.X, "y": m.Y} {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || strings.ContainsAny(text, "\r\n") {
			return k, fmt.Errorf("its %s is not base64url without padding", name)
		}
	}
	if len(m.E) > 6 { // 4 bytes; go-jose would cut off more
		return k, errors.New("its exponent is too large")
	}
	var decoded jose.JSONWebKey
	if err := decoded.UnmarshalJSON(m.bare()); err != nil {
		return k, errors.New("it is not a valid key")
	}
	k.key = decoded.Key
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return k, checkRSA(key)
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return k, errors.New("its curve is not P-256")
		}
		return k, nil
	}
	return k, errors.New("it is not a public key")
}

// parseMembers reads the members to the letter.
func parseMembers(raw json.RawMessage) (m jwk, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return m, errors.New("it is not a JSON object")
	}
	for _, field := range []struct {
		name string
		to   any
	}{
		{"kid", &m.Kid},
		{"kty", &m.Kty},
		{"alg", &m.Alg},
		{"use", &m.Use},
		{"crv", &m.Crv},
		{"key_ops", &m.KeyOps},
		{"n", &m.N},
		{"e", &m.E},
		{"x", &m.X},
		{"y", &m.Y},
	} {
		if value, there := members[field.name]; there && json.Unmarshal(value, field.to) != nil {
			return m, fmt.Errorf("its %s has the wrong type", field.name)
		}
	}
	_, m.private = members["d"]
	return m, nil
}

// bare returns the key without the members that do not matter: a certificate
// that cannot be read is no reason to refuse a key.
func (m jwk) bare() []byte {
	members := map[string]string{"kty": m.Kty, "n": m.N, "e": m.E}
	if m.Kty == "EC" {
		members = map[string]string{"kty": m.Kty, "crv": m.Crv, "x": m.X, "y": m.Y}
	}
	data, err := json.Marshal(members)
	if err != nil {
		return nil // strings always encode
	}
	return data
}

// algorithm says which of the two algorithms the key is for, if for any. See RFC
// 7517, sections 4.2 to 4.4.
func (m jwk) algorithm() (string, error) {
	var alg string
	switch {
	case m.private:
		return "", errors.New("its private part is published")
	case m.Kty == "RSA":
		alg = string(jose.RS256)
	case m.Kty == "EC" && m.Crv == "P-256":
		alg = string(jose.ES256)
	case m.Kty == "EC":
		return "", fmt.Errorf("its curve is %q, not P-256", redact.Text(m.Crv))
	default:
		return "", fmt.Errorf("its type is %q, neither RSA nor EC", redact.Text(m.Kty))
	}
	switch {
	case m.Alg != "" && m.Alg != alg:
		return "", fmt.Errorf("it is for algorithm %q, not %s", redact.Text(m.Alg), alg)
	case m.Use != "" && m.Use != "sig":
		return "", fmt.Errorf("its use is %q, not sig", redact.Text(m.Use))
	case m.KeyOps != nil && !slices.Contains(m.KeyOps, "verify"):
		return "", errors.New("its key_ops do not include verify")
	}
	return alg, nil
}

func checkRSA(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case bits < minRSABits:
		return fmt.Errorf("it has %d bits; RS256 wants %d at least", bits, minRSABits)
	case bits > maxRSABits:
		return fmt.Errorf("it has %d bits; %d are accepted at most", bits, maxRSABits)
	case key.N.Bit(0) == 0:
		return errors.New("its modulus is even")
	case key.E < 3 || key.E%2 == 0:
		return errors.New("its exponent is not an odd number above 1")
	case isROCA(key.N):
		return errors.New("it was made by a faulty chip (CVE-2017-15361, ROCA) and can be factored")
	}
	return nil
}

// rocaPrimes are the primes whose remainders betray a modulus of the faulty
// generator.
var rocaPrimes = [...]int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73,
	79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// isROCA reports whether the modulus has the shape of CVE-2017-15361: its
// remainder by every small prime is a power of 65537. A sound key has it with a
// chance of about one in 2^28. See Nemec et al., "The Return of Coppersmith's
// Attack", CCS 2017.
func isROCA(n *big.Int) bool {
	rest := new(big.Int)
	for _, p := range rocaPrimes {
		if !isPowerOf65537(rest.Mod(n, big.NewInt(p)).Int64(), p) {
			return false
		}
	}
	return true
}

func isPowerOf65537(r, p int64) bool {
	for power := int64(1); ; {
		if power == r {
			return true
		}
		if power = power * 65537 % p; power == 1 {
			return false
		}
	}
}
