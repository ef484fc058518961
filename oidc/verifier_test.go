package oidc_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func verifier(idp *oidctest.Server) *oidc.Verifier {
	return &oidc.Verifier{Issuer: idp.Issuer(), Audiences: []string{"me", "also me"}, HTTPClient: idp.Client()}
}

// person are the claims of a usual token.
func person(pairs ...any) map[string]any {
	claims := map[string]any{"sub": "person", "aud": "me"}
	for i := 0; i < len(pairs); i += 2 {
		claims[pairs[i].(string)] = pairs[i+1]
	}
	return claims
}

func TestVerifier_verifies(t *testing.T) {
	for _, cfg := range []oidctest.Config{{}, {Algorithm: oidctest.ES256}, {Path: "/realms/acme"}, {OAuthOnly: true, Path: "/tenant"}} {
		idp := newIDP(t, cfg)
		v := verifier(idp)
		token := mustParse(t, sign(t, idp, nil, person("groups", []string{"a", "b"})))
		for range 3 {
			got, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			groups, _, err := got.Claims.Strings("groups")
			if err != nil || len(groups) != 2 || got.Token != token || got.Claims.Subject() != "person" {
				t.Errorf("got %v, groups %q, %v", got, groups, err)
			}
		}
		if n := idp.Count(oidctest.Keys); n != 1 {
			t.Errorf("%d key requests, want 1", n)
		}
	}
}

func TestVerifier_claims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp := newIDP(t, oidctest.Config{Pipe: true})
		v := verifier(idp)
		now := time.Now().Unix()
		for _, tt := range []struct {
			name   string
			claims map[string]any
			want   string // part of the error; empty if the token passes
		}{
			{"usual", person(), ""},
			{"one of several audiences", person("aud", []string{"them", "also me"}), ""},
			{"no nbf, iat and jti", person("iat", nil, "jti", nil), ""},
			{"expires in a second", person("exp", now+1), ""},
			{"expired within the leeway", person("exp", now-59), ""},
			{"expired", person("exp", now-60), "token expired 1m0s ago; its signature is good"},
			{"expired by a fraction", person("exp", float64(now)-60.5), "token expired"},
			{"expired long ago", person("exp", 1), "token expired"},
			{"exp is far away", person("exp", 253402300799), ""},
			{"exp is too large", person("exp", 1e300), "malformed"},
			{"exp is a text", person("exp", "2030"), "malformed"},
			{"no exp", person("exp", nil), "it has no exp"},
			{"exp is zero", person("exp", 0), "token expired"},
			{"nbf now", person("nbf", now), ""},
			{"nbf within the leeway", person("nbf", now+60), ""},
			{"nbf to come", person("nbf", now+61), "not valid for another 1m1s; its signature is good"},
			{"nbf is a text", person("nbf", "soon"), "nbf"},
			{"iat to come", person("iat", now+3600), ""},
			{"another audience", person("aud", "them"), `its aud is ["them"]`},
			{"audience with a prefix", person("aud", "me too"), "its aud is"},
			{"audience in another case", person("aud", "ME"), "its aud is"},
			{"empty audience", person("aud", ""), "its aud is"},
			{"no audience in the list", person("aud", []string{}), "its aud is []"},
			{"no audience", person("aud", nil), "its aud is []"},
			{"audience is a number", person("aud", 7), "aud"},
			{"audience is a mixed list", person("aud", []any{"me", 7}), "aud"},
			{"audience is an object", person("aud", map[string]any{"me": true}), "aud"},
			{"another issuer", person("iss", "https://evil.example"), `its issuer is "https://evil.example"`},
			{"issuer with a slash", person("iss", idp.Issuer()+"/"), "its issuer is"},
			{"issuer in another case", person("iss", strings.ToUpper(idp.Issuer())), "its issuer is"},
			{"no issuer", person("iss", nil), "its issuer is"},
			{"issuer is a list", person("iss", []string{idp.Issuer()}), "its issuer is"},
			{"no subject", person("sub", nil), "it has no sub"},
			{"empty subject", person("sub", ""), "it has no sub"},
			{"subject is a number", person("sub", 7), "it has no sub"},
			{"issuer under a folded name", person("iss", nil, "ISS", idp.Issuer()), "malformed"},
			{"audience under a folded name", person("aud", "them", "AUD", "me"), "malformed"},
		} {
			raw := sign(t, idp, nil, tt.claims)
			token, err := oidc.ParseToken(raw)
			var got *oidc.Verified
			if err == nil {
				got, err = v.Verify(t.Context(), token)
			}
			switch {
			case tt.want == "" && (err != nil || got == nil):
				t.Errorf("%s: refused: %v", tt.name, err)
			case tt.want != "" && (err == nil || got != nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%s: got %v, %v, want %q", tt.name, got, err, tt.want)
			case err != nil && !errors.Is(err, oidc.ErrRefused) && !errors.Is(err, oidc.ErrMalformed):
				t.Errorf("%s: %v is neither ErrRefused nor ErrMalformed", tt.name, err)
			case err != nil && errors.Is(err, oidc.ErrExpired) != strings.Contains(tt.want, "token expired"):
				t.Errorf("%s: ErrExpired is %v", tt.name, errors.Is(err, oidc.ErrExpired))
			case err != nil && commonRun(err.Error(), raw) != "":
				t.Errorf("%s: %q shows the token", tt.name, err)
			}
		}
	})
}

func TestVerifier_headers(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	v := verifier(idp)
	jwk := published(t, idp)[0]
	for _, tt := range []struct {
		name   string
		header map[string]any
		want   string
	}{
		{"usual", nil, ""},
		{"no typ", map[string]any{"typ": nil}, ""},
		{"access token", map[string]any{"typ": "at+jwt"}, ""},
		{"access token in full", map[string]any{"typ": "application/AT+JWT"}, ""},
		{"JOSE", map[string]any{"typ": "JOSE"}, ""},
		{"decoration", map[string]any{"typ": "example"}, ""},
		{"unknown parameters", map[string]any{"x5t": "?", "foo": map[string]any{"a": 1}}, ""},
		{"logout token", map[string]any{"typ": "logout+jwt"}, "another kind of token"},
		{"DPoP proof", map[string]any{"typ": "dpop+jwt"}, "another kind of token"},
		{"security event", map[string]any{"typ": "application/secevent+jwt"}, "another kind of token"},
		{"request object", map[string]any{"typ": "oauth-authz-req+JWT"}, "another kind of token"},
		{"introspection", map[string]any{"typ": "token-introspection+jwt"}, "another kind of token"},
		{"none", map[string]any{"alg": "none"}, `its algorithm is "none"`},
		{"None", map[string]any{"alg": "None"}, "its algorithm is"},
		{"lower case", map[string]any{"alg": "rs256"}, "its algorithm is"},
		{"HS256", map[string]any{"alg": "HS256"}, "its algorithm is"},
		{"PS256", map[string]any{"alg": "PS256"}, "its algorithm is"},
		{"RS512", map[string]any{"alg": "RS512"}, "its algorithm is"},
		{"ES384", map[string]any{"alg": "ES384"}, "its algorithm is"},
		{"EdDSA", map[string]any{"alg": "EdDSA"}, "its algorithm is"},
		{"the other algorithm", map[string]any{"alg": "ES256"}, "publishes no key"},
		{"another key", map[string]any{"kid": "another"}, "publishes no key"},
		{"endless key ID", map[string]any{"kid": strings.Repeat("k", 1025)}, "kid has more than"},
		{"critical extension", map[string]any{"crit": []string{"exp"}, "exp": 1}, "crit"},
		{"unencoded payload", map[string]any{"crit": []string{"b64"}, "b64": false}, "crit"},
		{"empty crit", map[string]any{"crit": []string{}}, "crit"},
		{"crit is null", map[string]any{"crit": json.RawMessage("null")}, "crit"},
		// Keys that a token brings along, or points to, are never used.
		{"own key, changed", map[string]any{"kid": "another", "jwk": jwk}, "publishes no key"},
		{"key address", map[string]any{"kid": "another", "jku": "https://evil.example/keys"}, "publishes no key"},
		{"certificate address", map[string]any{"kid": "another", "x5u": "https://evil.example/cert"}, "publishes no key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), mustParse(t, sign(t, idp, tt.header, person())))
			if tt.want == "" && (err != nil || got == nil) {
				t.Errorf("refused: %v", err)
			}
			if tt.want != "" && (got != nil || !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestVerifier_signatures(t *testing.T) {
	for _, alg := range []string{oidctest.RS256, oidctest.ES256} {
		idp := newIDP(t, oidctest.Config{Algorithm: alg})
		v := verifier(idp)
		raw := sign(t, idp, nil, person())
		part := strings.Split(raw, ".")
		signature, err := base64.RawURLEncoding.DecodeString(part[2])
		if err != nil {
			t.Fatal(err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		changed := func(i int) string {
			s := append([]byte(nil), signature...)
			s[i] ^= 1
			return part[0] + "." + part[1] + "." + encode(s)
		}
		admin, err := json.Marshal(person("iss", idp.Issuer(), "exp", time.Now().Add(time.Hour).Unix(), "sub", "admin"))
		if err != nil {
			t.Fatal(err)
		}
		for name, forged := range map[string]string{
			"first bit":         changed(0),
			"last bit":          changed(len(signature) - 1),
			"too long":          part[0] + "." + part[1] + "." + encode(append([]byte{0}, signature...)),
			"too short":         part[0] + "." + part[1] + "." + encode(signature[1:]),
			"zero":              part[0] + "." + part[1] + "." + encode(make([]byte, len(signature))),
			"another payload":   part[0] + "." + encode(admin) + "." + part[2],
			"public key as MAC": hs256(t, idp, admin),
		} {
			token, err := oidc.ParseToken(forged)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := v.Verify(t.Context(), token); got != nil || !errors.Is(err, oidc.ErrRefused) {
				t.Errorf("%s, %s: got %v, %v", alg, name, got, err)
			}
		}
	}
}

// hs256 signs with the public key as the secret of a MAC, the oldest trick.
func hs256(t *testing.T, idp *oidctest.Server, payload []byte) string {
	t.Helper()
	key := published(t, idp)[0]
	secret, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	header, err := json.Marshal(map[string]any{"alg": "HS256", "kid": key["kid"]})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestVerifier_validate(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	token := mustParse(t, sign(t, idp, nil, person("aud", nil)))
	_, err := (&oidc.Verifier{}).Verify(t.Context(), token)
	if err == nil || !strings.Contains(err.Error(), "Issuer is required") || !strings.Contains(err.Error(), "Audiences is required") {
		t.Errorf("the zero Verifier: %v", err)
	}
	_, err = (&oidc.Verifier{Issuer: idp.Issuer(), Audiences: []string{""}}).Verify(t.Context(), token)
	if err == nil || !strings.Contains(err.Error(), "empty string") {
		t.Errorf("an empty audience: %v", err)
	}
	if errors.Is(err, oidc.ErrRefused) {
		t.Error("a mistake in the configuration looks like a bad token")
	}
	anybody := &oidc.Verifier{Issuer: idp.Issuer(), InsecureAnyAudience: true, HTTPClient: idp.Client()}
	if _, err := anybody.Verify(t.Context(), token); err != nil {
		t.Errorf("any audience: %v", err)
	}
	if _, err := anybody.Verify(t.Context(), nil); !errors.Is(err, oidc.ErrRefused) {
		t.Errorf("no token: %v", err)
	}
}

func TestVerifier_foreignTokensFetchNothing(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	v := verifier(idp)
	for _, raw := range []string{
		sign(t, idp, nil, person("iss", "https://other.example")),
		sign(t, idp, map[string]any{"alg": "none"}, person()),
		sign(t, idp, map[string]any{"typ": "logout+jwt"}, person()),
		sign(t, idp, map[string]any{"crit": []string{"x"}}, person()),
	} {
		if _, err := v.Verify(t.Context(), mustParse(t, raw)); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("got %v", err)
		}
	}
	if got := idp.Requests(); len(got) != 0 {
		t.Errorf("%d requests, want none", len(got))
	}
}

func TestVerifier_givenKeys(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	for _, e := range []oidctest.Endpoint{oidctest.Discovery, oidctest.Metadata} { // as Kubernetes does it to strangers
		idp.Fail(e, oidctest.Fault{Times: -1, Status: 403})
	}
	v := verifier(idp)
	token := mustParse(t, sign(t, idp, nil, person()))
	_, err := v.Verify(t.Context(), token)
	if e := asError(t, err); e.Status != 403 || errors.Is(err, oidc.ErrRefused) || !strings.Contains(e.Hint, "wants authentication") {
		t.Errorf("without keys: %v", err)
	}
	v = verifier(idp)
	v.Keys = keySet(idp)
	before := idp.Count(oidctest.Discovery)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	if got := idp.Count(oidctest.Discovery); got != before {
		t.Error("it asked for metadata although it was given keys")
	}
}

func TestVerifier_metadata(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"no keys":       {`{"issuer":"https://idp.example"}`, "key set in the metadata"},
		"plain http":    {`{"issuer":"https://idp.example","jwks_uri":"http://idp.example/keys"}`, "use https"},
		"other issuer":  {`{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}`, "to the letter"},
		"not an answer": {`<html>`, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, idp *oidctest.Server) {
				idp.Fail(oidctest.Discovery, oidctest.Fault{Times: -1, Body: tt.body})
				idp.Fail(oidctest.Metadata, oidctest.Fault{Times: -1, Body: tt.body})
				_, err := verifier(idp).Verify(t.Context(), mustParse(t, sign(t, idp, nil, person())))
				if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, oidc.ErrRefused) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			})
		})
	}
}

func TestVerifier_keepsItsKeysWhenMetadataIsReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		v := verifier(idp)
		for range 5 {
			if _, err := v.Verify(t.Context(), mustParse(t, sign(t, idp, nil, person()))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			time.Sleep(61 * time.Minute)
		}
		if d, k := idp.Count(oidctest.Discovery), idp.Count(oidctest.Keys); d != 5 || k != 5 {
			t.Errorf("%d metadata and %d key requests, want 5 and 5", d, k)
		}
	})
}

func TestVerifier_tellsDriftFromABadSignature(t *testing.T) {
	for _, tt := range []struct {
		name   string
		drift  time.Duration // of the issuer's clock
		header http.Header   // on the key set
		claims map[string]any
		want   string
		hint   string
	}{
		{"local clock ahead", -10 * time.Minute, nil, person(), "token expired", "the local clock is 10m0s ahead of that of the issuer"},
		{"local clock behind", 10 * time.Minute, nil, person("nbf", 946684800+600), "not valid for another 10m0s", "the local clock is 10m1s behind that of the issuer"},
		{"clocks agree", 0, nil, person("exp", 946684800-600), "token expired", ""},
		{"key set out of a cache", -10 * time.Minute, http.Header{"Age": {"1"}}, person(), "token expired", ""},
		{"drift and a bad signature", -10 * time.Minute, nil, nil, "signature is not by", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, idp *oidctest.Server) {
				idp.SetDrift(tt.drift)
				idp.Fail(oidctest.Keys, oidctest.Fault{Times: -1, Header: tt.header})
				raw := sign(t, idp, nil, tt.claims)
				if tt.claims == nil {
					good := strings.Split(sign(t, idp, nil, person("sub", "another")), ".")
					forged := strings.Split(sign(t, idp, nil, person()), ".")
					raw = forged[0] + "." + forged[1] + "." + good[2]
				}
				_, err := verifier(idp).Verify(t.Context(), mustParse(t, raw))
				e := asError(t, err)
				if !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if tt.hint == "" && e.Hint != "" || !strings.Contains(e.Hint, tt.hint) {
					t.Errorf("the hint is %q, want %q", e.Hint, tt.hint)
				}
			})
		})
	}
}

func TestVerifier_outage(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		v := verifier(idp)
		idp.Fail(oidctest.Discovery, oidctest.Fault{Delay: time.Second, Status: 503}, oidctest.Fault{Hang: true})
		token := mustParse(t, sign(t, idp, nil, person()))
		fails := func(callers int) {
			t.Helper()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					_, err := v.Verify(t.Context(), token)
					if e := asError(t, err); errors.Is(err, oidc.ErrRefused) || !e.Temporary() {
						t.Errorf("an outage says of the token: %v", err)
					}
				})
			}
			wg.Wait()
		}
		fails(20)
		time.Sleep(28 * time.Second)
		fails(20) // without asking
		if got := idp.Count(oidctest.Discovery); got != 1 {
			t.Errorf("%d requests in half a minute, want 1", got)
		}
		time.Sleep(time.Second)
		fails(20)
		if got := idp.Count(oidctest.Discovery); got != 2 {
			t.Errorf("%d requests for 60 calls, want 2", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(30 * time.Second)
		if _, err := v.Verify(ctx, token); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

func BenchmarkVerifier(b *testing.B) {
	for _, alg := range []string{oidctest.RS256, oidctest.ES256} {
		b.Run(alg, func(b *testing.B) {
			idp := newIDP(b, oidctest.Config{Algorithm: alg})
			v := verifier(idp)
			token, err := oidc.ParseToken(sign(b, idp, nil, person()))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
