package trust

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
)

// checkJWKS checks an inline key set: RFC 7517, section 5, with keys for RS256
// and ES256, the only algorithms that Databricks takes.
func (v *violations) checkJWKS(text string) {
	const field = "jwks_json"
	if len(text) > maxJWKS {
		v.add(field, "", "shorten it to %d bytes, it has %d", maxJWKS, len(text))
		return
	}
	set, err := split([]byte(text))
	if err != nil {
		v.add(field, "", "use a JSON web key set: %v", err)
		return
	}
	var keys []json.RawMessage
	if err := json.Unmarshal(set["keys"], &keys); err != nil || len(keys) == 0 {
		v.add(field, "", `use a JSON web key set with at least one key: {"keys": [{"kty": …}]}`)
		return
	}
	if len(keys) > maxKeys {
		v.add(field, "", "remove keys: it has %d, and %d are allowed", len(keys), maxKeys)
	}
	var ids []string
	for i, raw := range keys {
		key, err := parseKey(raw)
		if err != nil {
			v.add(field+": key "+strconv.Itoa(i), "", "%v", err)
			continue
		}
		if slices.Contains(ids, key.ID) {
			v.add(field+": key "+strconv.Itoa(i), "", "give it a kid of its own: %s stands twice", quote(key.ID))
		}
		ids = append(ids, key.ID)
	}
}

// jwk holds the members of a public key that are judged. See RFC 7517,
// section 4, and RFC 7518, sections 6.2.1 and 6.3.1.
type jwk struct {
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	Modulus   string `json:"n"`
	Exponent  string `json:"e"`
}

// secretMembers are those of private and symmetric keys. See RFC 7518,
// sections 6.2.2, 6.3.2 and 6.4.1.
var secretMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// parseKey never puts a key's value into an error: it might be the private one.
func parseKey(raw json.RawMessage) (key jwk, err error) {
	parts, err := split(raw)
	if err != nil {
		return key, err
	}
	for _, name := range secretMembers {
		if _, found := parts[name]; found {
			return key, fmt.Errorf("it has the member %q of a secret key: remove it, and replace the key if this was ever published", name)
		}
	}
	for name, target := range map[string]*string{
		"kty": &key.Type, "kid": &key.ID, "use": &key.Use, "alg": &key.Algorithm,
		"crv": &key.Curve, "x": &key.X, "y": &key.Y, "n": &key.Modulus, "e": &key.Exponent,
	} {
		if value, found := parts[name]; found {
			var ok bool
			if *target, ok = unquote(value); !ok {
				return key, fmt.Errorf("its member %q is not a string", name)
			}
		}
	}
	if key.Use != "" && key.Use != "sig" {
		return key, fmt.Errorf("its use is %s: only keys for signatures belong here", quote(key.Use))
	}
	switch key.Type {
	case "RSA":
		return key, key.checkRSA()
	case "EC":
		return key, key.checkEC()
	}
	return key, fmt.Errorf("its kty is %s: use RSA or EC", quote(key.Type))
}

func (k *jwk) checkRSA() error {
	if k.Algorithm != "" && k.Algorithm != "RS256" {
		return fmt.Errorf("its alg is %s: Databricks takes RS256 and ES256", quote(k.Algorithm))
	}
	n, err := base64.RawURLEncoding.Strict().DecodeString(k.Modulus)
	if err != nil {
		return errors.New("its n is not base64url without padding")
	}
	e, err := base64.RawURLEncoding.Strict().DecodeString(k.Exponent)
	if err != nil {
		return errors.New("its e is not base64url without padding")
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	switch {
	case modulus.BitLen() < 2048:
		return fmt.Errorf("it has %d bits: use an RSA key of at least 2048", modulus.BitLen())
	case modulus.Bit(0) == 0:
		return errors.New("its n is even, so it is no RSA key")
	case exponent.BitLen() < 2 || exponent.BitLen() > 32 || exponent.Bit(0) == 0:
		return errors.New("its e is not an odd number of 2 to 32 bits, such as 65537 (AQAB)")
	}
	return nil
}

func (k *jwk) checkEC() error {
	if k.Curve != "P-256" || k.Algorithm != "" && k.Algorithm != "ES256" {
		return fmt.Errorf("its crv is %s and its alg %s: Databricks takes P-256 with ES256", quote(k.Curve), quote(k.Algorithm))
	}
	point := []byte{4} // uncompressed: SEC 1, section 2.3.3
	for _, coordinate := range []string{k.X, k.Y} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(coordinate)
		if err != nil || len(b) != 32 {
			return errors.New("its x and y are not 32 bytes each in base64url without padding")
		}
		point = append(point, b...)
	}
	if _, err := ecdh.P256().NewPublicKey(point); err != nil {
		return errors.New("its point does not lie on the curve P-256")
	}
	return nil
}
