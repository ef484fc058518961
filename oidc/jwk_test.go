package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// published returns the keys of a provider as it publishes them.
func published(t testing.TB, idp *oidctest.Server) []map[string]any {
	t.Helper()
	res, err := idp.Client().Get(idp.URL(oidctest.Keys))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

// publish makes the provider publish these keys instead of its own.
func publish(t testing.TB, idp *oidctest.Server, keys ...any) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	idp.Fail(oidctest.Keys, oidctest.Fault{Times: -1, Body: string(data)})
}

// with returns a copy of a key with other members; nil leaves one out.
func with(key map[string]any, pairs ...any) map[string]any {
	key = maps.Clone(key)
	for i := 0; i < len(pairs); i += 2 {
		key[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(key, pairs[i].(string))
		}
	}
	return key
}

func b64(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// TestKeySet_keys says of each kind of key whether it is used, with tokens that
// are really signed by the provider's key.
func TestKeySet_keys(t *testing.T) {
	for _, alg := range []string{oidctest.RS256, oidctest.ES256} {
		t.Run(alg, func(t *testing.T) {
			idp := newIDP(t, oidctest.Config{Algorithm: alg})
			rotate(t, idp) // another key of the same kind
			set := published(t, idp)
			key, good := set[1], sign(t, idp, nil, nil)
			other := with(set[0], "kid", key["kid"])
			point := map[string]string{oidctest.RS256: "n", oidctest.ES256: "x"}[alg]
			cases := []struct {
				name string
				keys []any
				want string // part of the error; empty if the token passes
			}{
				{"as published", []any{key}, ""},
				{"without alg and use", []any{with(key, "alg", nil, "use", nil)}, ""},
				{"for verifying", []any{with(key, "use", nil, "key_ops", []string{"verify"})}, ""},
				{"with members of other standards", []any{with(key, "x5c", []string{"broken"}, "x5t", "?", "exp", 1, "iat", "x")}, ""},
				{"beside keys that cannot be used", []any{1, "x", nil, []int{}, map[string]any{}, map[string]any{"kty": "oct", "k": "AAAA"}, key}, ""},
				{"twice", []any{key, key}, ""},
				{"beside a key of another type with its ID", []any{map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": key["kid"]}, key}, ""},
				{"for encryption", []any{with(key, "use", "enc")}, "its use is"},
				{"use in capitals", []any{with(key, "use", "SIG")}, "its use is"},
				{"use is a number", []any{with(key, "use", 1)}, "its use has the wrong type"},
				{"for wrapping", []any{with(key, "key_ops", []string{"wrapKey"})}, "key_ops"},
				{"for nothing", []any{with(key, "key_ops", []string{})}, "key_ops"},
				{"key_ops is a text", []any{with(key, "key_ops", "verify")}, "key_ops has the wrong type"},
				{"for another algorithm", []any{with(key, "alg", "PS256")}, "it is for algorithm"},
				{"for encryption by algorithm", []any{with(key, "alg", "RSA-OAEP")}, "it is for algorithm"},
				{"with its private part", []any{with(key, "d", "AAAA")}, "private part"},
				{"two different ones with that ID", []any{key, other}, "two different keys"},
				{"without kty", []any{with(key, "kty", nil)}, "its type is"},
				{"kty in another case", []any{with(key, "kty", strings.ToLower(key["kty"].(string)))}, "its type is"},
				{"no ID", []any{with(key, "kid", nil)}, "publishes no key"},
				{"ID in another case", []any{with(key, "kid", "X"+strings.ToUpper(key["kid"].(string)))}, "publishes no key"},
				{"ID with a space", []any{with(key, "kid", key["kid"].(string)+" ")}, "publishes no key"},
				{"another key", []any{other}, "signature is not by"},
				{"padding", []any{with(key, point, key[point].(string)+"=")}, "base64url"},
				{"standard alphabet", []any{with(key, point, "+"+key[point].(string)[1:])}, "base64url"},
				{"line break", []any{with(key, point, key[point].(string)+"\n")}, "base64url"},
				{"a part is missing", []any{with(key, point, nil)}, "cannot be used"},
			}
			for _, tt := range cases {
				t.Run(tt.name, func(t *testing.T) {
					idp.Heal()
					publish(t, idp, tt.keys...)
					_, err := keySet(idp).VerifySignature(t.Context(), good)
					if tt.want == "" && err != nil {
						t.Errorf("refused: %v", err)
					}
					if tt.want != "" && (!errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), tt.want)) {
						t.Errorf("got %v, want %q", err, tt.want)
					}
				})
			}
		})
	}
}

func TestKeySet_rsaKeys(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	key := published(t, idp)[0]
	good := sign(t, idp, nil, nil)
	huge := new(big.Int).Lsh(big.NewInt(1), 8192)
	even := new(big.Int).Lsh(big.NewInt(3), 2046)
	for _, tt := range []struct {
		name string
		key  map[string]any
		want string
	}{
		{"1024 bits", small(t, 1024), "it has 1024 bits"},
		{"8193 bits", with(key, "n", b64(huge.SetBit(huge, 0, 1))), "it has 8193 bits"},
		{"even modulus", with(key, "n", b64(even)), "even"},
		{"exponent 1", with(key, "e", "AQ"), "exponent"},
		{"exponent 2", with(key, "e", "Ag"), "exponent"},
		{"even exponent", with(key, "e", b64(big.NewInt(65538))), "exponent"},
		{"exponent of five bytes", with(key, "e", b64(new(big.Int).Lsh(big.NewInt(65537), 20))), "exponent is too large"},
		{"exponent 0", with(key, "e", ""), ""},
		{"ROCA", with(key, "n", b64(roca())), "CVE-2017-15361"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			idp.Heal()
			publish(t, idp, with(tt.key, "kid", key["kid"]))
			_, err := keySet(idp).VerifySignature(t.Context(), good)
			if !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), "cannot be used") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// small returns the published form of a fresh RSA key.
func small(t *testing.T, bits int) map[string]any {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"kty": "RSA", "n": b64(key.N), "e": b64(big.NewInt(int64(key.E)))}
}

// roca returns a number of 2048 bits with the shape of the faulty chip's moduli:
// a power of 65537 modulo the product of the small primes.
func roca() *big.Int {
	product := big.NewInt(1)
	for n := int64(3); n <= 167; n += 2 {
		if big.NewInt(n).ProbablyPrime(10) {
			product.Mul(product, big.NewInt(n))
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	for n.BitLen() < 2048 || n.Bit(0) == 0 {
		step := new(big.Int).Lsh(product, uint(max(0, 2047-product.BitLen())))
		if n.BitLen() >= 2048 {
			step = product
		}
		n.Add(n, step)
	}
	return n
}

func TestKeySet_ecKeys(t *testing.T) {
	idp := newIDP(t, oidctest.Config{Algorithm: oidctest.ES256})
	key := published(t, idp)[0]
	good := sign(t, idp, nil, nil)
	for _, tt := range []struct {
		name string
		key  map[string]any
		want string
	}{
		{"another curve by name", with(key, "crv", "P-384"), `its curve is "P-384"`},
		{"no curve", with(key, "crv", nil), "its curve is"},
		{"not on the curve", with(key, "y", key["x"]), "not a valid key"},
		{"zero", with(key, "x", b64(new(big.Int)), "y", b64(new(big.Int))), "not a valid key"},
		{"a coordinate too short", with(key, "x", "AAAA"), "not a valid key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			idp.Heal()
			publish(t, idp, tt.key)
			_, err := keySet(idp).VerifySignature(t.Context(), good)
			if !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzKeySet(f *testing.F) {
	idp := newIDP(f, oidctest.Config{})
	key, _ := json.Marshal(published(f, idp)[0])
	f.Add([]byte(`{"keys":[` + string(key) + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},null,1]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := oidc.ParseKeySet(data)
		if err != nil {
			if len(keys) != 0 {
				t.Fatal("an error and keys")
			}
			return
		}
		// What is kept can be used: the right type and size for its algorithm.
		for _, key := range keys {
			switch key := key.(type) {
			case *rsa.PublicKey:
				if bits := key.N.BitLen(); bits < 2048 || bits > 8192 || key.E < 3 || key.E%2 == 0 {
					t.Fatalf("an RSA key of %d bits with exponent %d", bits, key.E)
				}
			default:
				if name := fmt.Sprintf("%T", key); name != "*ecdsa.PublicKey" {
					t.Fatalf("a key of type %s", name)
				}
			}
		}
	})
}
