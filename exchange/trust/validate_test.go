package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/exchange/trust"
)

// valid returns a policy in order, of a service principal.
func valid() trust.Policy {
	return trust.Policy{
		AccountID: account, ServicePrincipalID: principal, ID: "gh-prod",
		Issuer: "https://token.actions.githubusercontent.com", Audiences: []string{"https://github.com/acme"},
		Subject: "repo:acme/lakehouse:environment:prod",
	}
}

func TestPolicy_Validate_ok(t *testing.T) {
	tests := map[string]func(*trust.Policy){
		"service principal":    func(*trust.Policy) {},
		"without address":      func(p *trust.Policy) { p.AccountID, p.ID = "", "" },
		"account policy":       func(p *trust.Policy) { p.ServicePrincipalID, p.Subject = "", "" },
		"default audience":     func(p *trust.Policy) { p.Audiences = nil },
		"ID of 2 characters":   func(p *trust.Policy) { p.ID = "a1" },
		"ID of 63 characters":  func(p *trust.Policy) { p.ID = strings.Repeat("-", 63) },
		"upper-case account":   func(p *trust.Policy) { p.AccountID = strings.ToUpper(account) },
		"largest principal":    func(p *trust.Policy) { p.ServicePrincipalID = "9223372036854775807" },
		"issuer with path":     func(p *trust.Policy) { p.Issuer = "https://login.microsoftonline.com/" + application + "/v2.0" },
		"issuer with slash":    func(p *trust.Policy) { p.Issuer = "https://acme.eu.auth0.com/" },
		"issuer with port":     func(p *trust.Policy) { p.Issuer = "https://idp.example.com:8443" },
		"public IP":            func(p *trust.Policy) { p.Issuer = "https://203.0.113.7" },
		"subject with braces":  func(p *trust.Policy) { p.Subject = "{6e7f8091}:{7f8091a2}" },
		"subject with a space": func(p *trust.Policy) { p.Subject = "organization:acme:project:Data Platform" },
		"claim with dots":      func(p *trust.Policy) { p.SubjectClaim = "oidc.circleci.com/project-id" },
		"claim that is a URL":  func(p *trust.Policy) { p.SubjectClaim = "https://acme.example/uid" },
		"longest subject":      func(p *trust.Policy) { p.Subject = strings.Repeat("s", 4096) },
		"key set by URL":       func(p *trust.Policy) { p.JWKSURI = "https://keys.example.com/jwks.json?tenant=1" },
		"private issuer, own keys": func(p *trust.Policy) {
			p.Issuer, p.JWKSJSON = "https://kubernetes.default.svc.cluster.local", keySet(ecKey(t, "a"))
		},
		"five keys": func(p *trust.Policy) {
			p.JWKSJSON = keySet(ecKey(t, "a"), ecKey(t, "b"), ecKey(t, "c"), ecKey(t, "d"), rsaKey(t, "e", 2048))
		},
		"key with more members": func(p *trust.Policy) {
			p.JWKSJSON = keySet(strings.Replace(ecKey(t, "a"), "{", `{"use":"sig","alg":"ES256","x5t":"x","key_ops":["verify"],`, 1))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			p := valid()
			change(&p)
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPolicy_Validate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*trust.Policy)
		want   string
	}{
		{"account is a workspace ID", func(p *trust.Policy) { p.AccountID = "7474645022384917" }, `account_id "7474645022384917": that looks like the ID of a workspace`},
		{"account is a name", func(p *trust.Policy) { p.AccountID = "acme" }, `account_id "acme": use the account's ID, a UUID`},
		{"application ID", func(p *trust.Policy) { p.ServicePrincipalID = application }, "that is an application ID, which is the client_id of the exchange; use the numeric ID"},
		{"principal is a name", func(p *trust.Policy) { p.ServicePrincipalID = "etl" }, `service_principal_id "etl": use the numeric ID`},
		{"principal is zero", func(p *trust.Policy) { p.ServicePrincipalID = "0" }, "use the numeric ID"},
		{"principal with sign", func(p *trust.Policy) { p.ServicePrincipalID = "+7" }, "use the numeric ID"},
		{"principal beyond 64 bits", func(p *trust.Policy) { p.ServicePrincipalID = "9223372036854775808" }, "use the numeric ID"},

		{"ID too short", func(p *trust.Policy) { p.ID = "a" }, `policy_id "a": use 2 to 63 characters of 0-9, a-z and hyphen; it has 1`},
		{"ID too long", func(p *trust.Policy) { p.ID = strings.Repeat("a", 64) }, "it has 64"},
		{"ID in upper case", func(p *trust.Policy) { p.ID = "GH-prod" }, `policy_id "GH-prod": use 2 to 63`},
		{"ID with underscore", func(p *trust.Policy) { p.ID = "gh_prod" }, "policy_id"},
		{"ID with slash", func(p *trust.Policy) { p.ID = "gh/prod" }, "policy_id"},
		{"ID with line break", func(p *trust.Policy) { p.ID = "gh-prod\n" }, "policy_id"},

		{"description too long", func(p *trust.Policy) { p.Description = strings.Repeat("é", 2049) }, "shorten it to 4096 bytes, it has 4098"},

		{"no issuer", func(p *trust.Policy) { p.Issuer = "" }, "issuer: it is required"},
		{"issuer by http", func(p *trust.Policy) { p.Issuer = "http://idp.example.com" }, `issuer "http://idp.example.com": use https`},
		{"issuer by HTTPS", func(p *trust.Policy) { p.Issuer = "HTTPS://idp.example.com" }, "use https, in lower case"},
		{"issuer without scheme", func(p *trust.Policy) { p.Issuer = "accounts.google.com" }, "use a URL such as"},
		{"issuer without host", func(p *trust.Policy) { p.Issuer = "https:///realms/data" }, "use a URL such as"},
		{"issuer with port alone", func(p *trust.Policy) { p.Issuer = "https://:443" }, "use a URL such as"},
		{"opaque issuer", func(p *trust.Policy) { p.Issuer = "https:idp.example.com" }, "use a URL such as"},
		{"issuer no URL", func(p *trust.Policy) { p.Issuer = "https://idp.example.com:x" }, "use a URL such as"},
		{"issuer with user", func(p *trust.Policy) { p.Issuer = "https://me:secret@idp.example.com" }, "remove the user information"},
		{"issuer with query", func(p *trust.Policy) { p.Issuer = "https://idp.example.com?a=b" }, "remove the query"},
		{"issuer with empty query", func(p *trust.Policy) { p.Issuer = "https://idp.example.com?" }, "remove the query"},
		{"issuer with fragment", func(p *trust.Policy) { p.Issuer = "https://idp.example.com#x" }, "remove the fragment"},
		{"issuer with empty fragment", func(p *trust.Policy) { p.Issuer = "https://idp.example.com#" }, "remove the fragment"},
		{"issuer with space", func(p *trust.Policy) { p.Issuer = " https://idp.example.com" }, "remove the white space"},
		{"issuer with line break", func(p *trust.Policy) { p.Issuer = "https://idp.example.com\n" }, "remove the control characters"},
		{"issuer with placeholder", func(p *trust.Policy) { p.Issuer = "https://login.microsoftonline.com/{tenantid}/v2.0" }, "fill in the placeholder"},
		{"issuer with wildcard", func(p *trust.Policy) { p.Issuer = "https://*.example.com" }, "fill in the placeholder"},
		{"discovery document", func(p *trust.Policy) { p.Issuer = "https://idp.example.com/.well-known/openid-configuration" }, "that is the discovery document"},
		{"Entra without tenant", func(p *trust.Policy) { p.Issuer = "https://login.microsoftonline.com/common/v2.0" }, `put the tenant's ID in place of "common"`},
		{"issuer not UTF-8", func(p *trust.Policy) { p.Issuer = "https://idp.example.com/\xff" }, "it is not UTF-8"},
		{"issuer too long", func(p *trust.Policy) { p.Issuer = "https://idp.example.com/" + strings.Repeat("x", 4096) }, "shorten it to 4096 bytes, it has 4120"},

		{"issuer in a cluster", func(p *trust.Policy) { p.Issuer = "https://kubernetes.default.svc" }, "Databricks cannot reach this host to read the keys: set jwks_json"},
		{"issuer on loopback", func(p *trust.Policy) { p.Issuer = "https://127.0.0.1:8443" }, "cannot reach this host"},
		{"issuer on IPv6 loopback", func(p *trust.Policy) { p.Issuer = "https://[::1]" }, "cannot reach this host"},
		{"issuer on a private IP", func(p *trust.Policy) { p.Issuer = "https://10.1.2.3" }, "cannot reach this host"},
		{"issuer localhost", func(p *trust.Policy) { p.Issuer = "https://localhost" }, "cannot reach this host"},
		{"issuer in a private domain", func(p *trust.Policy) { p.Issuer = "https://idp.Corp.INTERNAL." }, "cannot reach this host"},

		{"empty audience", func(p *trust.Policy) { p.Audiences = []string{"a", ""} }, "audiences[1]: it is empty"},
		{"audience twice", func(p *trust.Policy) { p.Audiences = []string{"a", "b", "a"} }, `audiences[2] "a": remove it, it stands at 0 already`},
		{"audience with space", func(p *trust.Policy) { p.Audiences = []string{"a "} }, `audiences[0] "a ": remove the white space around it`},
		{"audience with wildcard", func(p *trust.Policy) { p.Audiences = []string{"https://*"} }, "there are no wildcards"},
		{"audience too long", func(p *trust.Policy) { p.Audiences = []string{strings.Repeat("a", 4097)} }, "shorten it"},

		{"service principal without subject", func(p *trust.Policy) { p.Subject = "" }, "subject: it is required in the policy of a service principal"},
		{"account policy with subject", func(p *trust.Policy) { p.ServicePrincipalID = "" }, "an account policy takes all subjects: remove it, or set service_principal_id"},
		{"subject with wildcard", func(p *trust.Policy) { p.Subject = "repo:acme/*:ref:refs/heads/main" }, "there are no wildcards"},
		{"subject with space", func(p *trust.Policy) { p.Subject += "\u00a0" }, "remove the white space around it"},
		{"subject with line break", func(p *trust.Policy) { p.Subject += "\n" }, "remove the control characters"},
		{"subject too long", func(p *trust.Policy) { p.Subject = strings.Repeat("s", 4097) }, "shorten it to 4096 bytes, it has 4097"},
		{"subject claim is a pointer", func(p *trust.Policy) { p.SubjectClaim = "/realm_access/roles" }, "it is no path"},
		{"subject claim with wildcard", func(p *trust.Policy) { p.SubjectClaim = "*" }, "there are no wildcards"},
		{"subject claim with space", func(p *trust.Policy) { p.SubjectClaim = "sub " }, "remove the white space"},

		{"key set's URL by http", func(p *trust.Policy) { p.JWKSURI = "http://keys.example.com" }, `jwks_uri "http://keys.example.com": use https`},
		{"key set's URL relative", func(p *trust.Policy) { p.JWKSURI = "/jwks.json" }, "jwks_uri"},
		{"key set's URL with user", func(p *trust.Policy) { p.JWKSURI = "https://a@keys.example.com" }, "remove the user information"},
		{"key set's URL private", func(p *trust.Policy) { p.JWKSURI = "https://keys.local/jwks.json" }, "set jwks_json instead"},
		{"two key sets", func(p *trust.Policy) {
			p.JWKSURI, p.JWKSJSON = "https://keys.example.com", keySet(ecKey(t, "a"))
		}, "remove it or jwks_json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := valid()
			tt.change(&p)
			wantOneError(t, p.Validate(), tt.want)
		})
	}
}

func TestPolicy_Validate_keys(t *testing.T) {
	rsa2048, ec := rsaKey(t, "r", 2048), ecKey(t, "e")
	change := func(key, from, to string) string {
		changed := strings.Replace(key, from, to, 1)
		if changed == key {
			t.Fatalf("%s is not in the key", from)
		}
		return keySet(changed)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		jwks string
		want string
	}{
		{"not JSON", `keys`, "use a JSON web key set"},
		{"list", `[]`, "use a JSON web key set"},
		{"half", `{"keys":[`, "use a JSON web key set"},
		{"two documents", keySet(ec) + `{}`, "something follows the object"},
		{"keys twice", `{"keys":[],"keys":[]}`, `member "keys" stands twice`},
		{"without keys", `{}`, "with at least one key"},
		{"keys null", `{"keys":null}`, "with at least one key"},
		{"no key", `{"keys":[]}`, "with at least one key"},
		{"one key, no set", ec, "with at least one key"},
		{"six keys", keySet(ecKey(t, "1"), ecKey(t, "2"), ecKey(t, "3"), ecKey(t, "4"), ecKey(t, "5"), ecKey(t, "6")), "it has 6, and 5 are allowed"},
		{"too long", keySet(ec) + strings.Repeat(" ", 64<<10), "shorten it to 65536 bytes"},
		{"same kid", keySet(ec, rsaKey(t, "e", 2048)), `jwks_json: key 1: give it a kid of its own: "e" stands twice`},
		{"two without kid", keySet(ecKey(t, ""), ecKey(t, "")), `key 1: give it a kid of its own`},
		{"key is text", keySet(`"MIIB"`), "key 0: it is not a JSON object"},
		{"symmetric", keySet(`{"kty":"oct","k":"c2VjcmV0"}`), `key 0: it has the member "k" of a secret key`},
		{"private EC key", change(ec, `{`, `{"d":"c2VjcmV0",`), `it has the member "d" of a secret key`},
		{"private RSA key", change(rsa2048, `{`, `{"q":"c2VjcmV0",`), `it has the member "q" of a secret key`},
		{"Ed25519", keySet(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`), `its kty is "OKP": use RSA or EC`},
		{"kty in lower case", change(rsa2048, `"RSA"`, `"rsa"`), `its kty is "rsa"`},
		{"kty missing", change(rsa2048, `"kty":"RSA",`, ``), `its kty is ""`},
		{"for encryption", change(rsa2048, `{`, `{"use":"enc",`), `its use is "enc"`},
		{"number as kid", change(rsa2048, `"kid":"r"`, `"kid":1`), `its member "kid" is not a string`},
		{"member twice", change(rsa2048, `{`, `{"kty":"EC",`), `member "kty" stands twice`},
		{"RS512", change(rsa2048, `{`, `{"alg":"RS512",`), `its alg is "RS512": Databricks takes RS256 and ES256`},
		{"1024 bits", keySet(rsaModulus("r", new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(1)))), "it has 1024 bits: use an RSA key of at least 2048"},
		{"even modulus", keySet(rsaModulus("r", new(big.Int).Lsh(big.NewInt(1), 2047))), "its n is even"},
		{"no modulus", keySet(`{"kty":"RSA","e":"AQAB"}`), "it has 0 bits"},
		{"padded modulus", change(rsa2048, `"n":"`, `"n":"=`), "its n is not base64url"},
		{"padded exponent", change(rsa2048, `"AQAB"`, `"AQAB="`), "its e is not base64url"},
		{"exponent 1", change(rsa2048, `"AQAB"`, `"AQ"`), "its e is not an odd number"},
		{"exponent 65536", change(rsa2048, `"AQAB"`, `"AQAA"`), "its e is not an odd number"},
		{"exponent too large", change(rsa2048, `"AQAB"`, `"AQAAAAE"`), "its e is not an odd number"},
		{"P-384", keySet(ecJWK(t, &p384.PublicKey, "p", "P-384")), `its crv is "P-384"`},
		{"ES256K", change(ec, `"P-256"`, `"secp256k1"`), `its crv is "secp256k1"`},
		{"alg against curve", change(ec, `{`, `{"alg":"RS256",`), `its crv is "P-256" and its alg "RS256"`},
		{"no y", change(ec, `"y":"`, `"z":"`), "its x and y are not 32 bytes"},
		{"short x", change(ec, `"x":"`, `"x":"AA","unused":"`), "its x and y are not 32 bytes"},
		{"not on the curve", change(ec, `"x":"`, `"x":"`+strings.Repeat("A", 43)+`","unused":"`), "its point does not lie on the curve"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := valid()
			p.JWKSJSON = tt.jwks
			err := p.Validate()
			wantOneError(t, err, tt.want)
			if err != nil && strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("error %q shows a secret key", err)
			}
		})
	}
}

func TestPolicy_Validate_allAtOnce(t *testing.T) {
	p := trust.Policy{
		AccountID: "1", ServicePrincipalID: application, ID: "X", Issuer: "http://u@idp.example.com?#",
		Audiences: []string{""}, SubjectClaim: "/a", JWKSURI: "ftp://x.example", JWKSJSON: "{}",
		Description: "\x00",
	}
	err := p.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`trust: validate policy "X": `, "account_id", "service_principal_id", "policy_id", "description",
		"use https", "remove the user", "remove the query", "remove the fragment",
		"audiences[0]", "subject: it is required", "subject_claim", "jwks_uri \"ftp", "jwks_json: use a JSON", "remove it or jwks_json",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
}

func TestPolicy_Validate_bounded(t *testing.T) {
	p := valid()
	huge := strings.Repeat("é", 1<<20)
	p.AccountID, p.ServicePrincipalID, p.ID, p.Issuer, p.Subject, p.SubjectClaim, p.Description = huge, huge, huge, huge, huge, huge, huge
	p.JWKSURI, p.JWKSJSON, p.Audiences = huge, huge, []string{huge}
	if err := p.Validate(); err == nil || len(err.Error()) > 8<<10 {
		t.Errorf("the error has %d bytes", len(fmt.Sprint(err)))
	}
}

// wantOneError wants exactly one violation, which says want.
func wantOneError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
	if n := strings.Count(err.Error(), "\n"); n != 0 {
		t.Errorf("%d errors too many: %q", n, err)
	}
}

func keySet(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func rsaKey(t *testing.T, kid string, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return rsaModulus(kid, key.N)
}

func rsaModulus(kid string, n *big.Int) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":"AQAB"}`, kid, b64(n.Bytes()))
}

func ecKey(t *testing.T, kid string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ecJWK(t, &key.PublicKey, kid, "P-256")
}

func ecJWK(t *testing.T, key *ecdsa.PublicKey, kid, curve string) string {
	t.Helper()
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := len(point) / 2
	x, y := point[1:half+1], point[half+1:]
	return fmt.Sprintf(`{"kty":"EC","crv":%q,"kid":%q,"x":%q,"y":%q}`, curve, kid, b64(x), b64(y))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
