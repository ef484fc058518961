package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// A key set may be used with go-oidc's verifier too.
var _ gooidc.KeySet = (*oidc.KeySet)(nil)

func sign(t testing.TB, idp *oidctest.Server, header, claims map[string]any) string {
	t.Helper()
	raw, err := idp.SignWith(header, claims)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func rotate(t testing.TB, idp *oidctest.Server) (kid string) {
	t.Helper()
	kid, err := idp.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	return kid
}

func keySet(idp *oidctest.Server) *oidc.KeySet {
	return &oidc.KeySet{URL: idp.URL(oidctest.Keys), HTTPClient: idp.Client()}
}

// bubble runs a test with a provider that serves over a pipe. ES256 keys are
// quickly made.
func bubble(t *testing.T, test func(t *testing.T, idp *oidctest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, newIDP(t, oidctest.Config{Pipe: true, Algorithm: oidctest.ES256}))
	})
}

func TestKeySet_verifies(t *testing.T) {
	for _, alg := range []string{oidctest.RS256, oidctest.ES256} {
		idp := newIDP(t, oidctest.Config{Algorithm: alg})
		keys := keySet(idp)
		for name, payload := range map[string]string{"claims": `{"sub":"a"}`, "a text": "hello", "nothing": ""} {
			raw, err := idp.SignPayload(nil, []byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			got, err := keys.VerifySignature(t.Context(), raw)
			if err != nil || string(got) != payload {
				t.Errorf("%s, %s: got %q, %v", alg, name, got, err)
			}
		}
		if got := idp.Count(oidctest.Keys); got != 1 {
			t.Errorf("%d fetches, want 1", got)
		}
	}
}

func TestKeySet_withGoOIDC(t *testing.T) {
	idp := newIDP(t, oidctest.Config{})
	verifier := gooidc.NewVerifier(idp.Issuer(), keySet(idp), &gooidc.Config{ClientID: "me"})
	if _, err := verifier.Verify(t.Context(), sign(t, idp, nil, map[string]any{"aud": "me", "sub": "a"})); err != nil {
		t.Error(err)
	}
	forged := sign(t, idp, map[string]any{"kid": "other"}, map[string]any{"aud": "me", "sub": "a"})
	if _, err := verifier.Verify(t.Context(), forged); err == nil {
		t.Error("a token with an unknown key passed")
	}
}

func TestKeySet_badTokensDoNotFetch(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		keys := keySet(idp)
		good := sign(t, idp, nil, map[string]any{"sub": "a"})
		if _, err := keys.VerifySignature(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(good, ".")
		for i := range 100 {
			payload := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"sub":"%d"}`, i))
			_, err := keys.VerifySignature(t.Context(), parts[0]+"."+payload+"."+parts[2])
			if !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), "signature is not by") {
				t.Fatalf("a bad signature: %v", err)
			}
		}
		time.Sleep(time.Minute) // a fetch would be allowed
		if _, err := keys.VerifySignature(t.Context(), parts[0]+".e30."+parts[2]); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("a bad signature: %v", err)
		}
		if got := idp.Count(oidctest.Keys); got != 1 {
			t.Errorf("%d fetches because of bad signatures, want 1 in all", got)
		}
	})
}

func TestKeySet_unknownKeysFetchOnceInHalfAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		keys := keySet(idp)
		start := time.Now()
		for i := range 600 { // ten a second for a minute
			raw := sign(t, idp, map[string]any{"kid": fmt.Sprint("made-up-", i)}, map[string]any{"sub": "a"})
			if _, err := keys.VerifySignature(t.Context(), raw); !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), "publishes no key") {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got, want := idp.Count(oidctest.Keys), 2; got != want || time.Since(start) != time.Minute {
			t.Errorf("%d fetches in %v, want %d in a minute", got, time.Since(start), want)
		}
		// Whoever has a good token is not bothered.
		if _, err := keys.VerifySignature(t.Context(), sign(t, idp, nil, nil)); err != nil {
			t.Error(err)
		}
	})
}

func TestKeySet_rotation(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		keys := keySet(idp)
		verify := func() error {
			_, err := keys.VerifySignature(t.Context(), sign(t, idp, nil, nil))
			return err
		}
		if err := verify(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		rotate(t, idp)
		if err := verify(); err != nil {
			t.Errorf("a new key is not found at once: %v", err)
		}
		rotate(t, idp)
		if err := verify(); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("within half a minute: %v", err)
		}
		time.Sleep(30 * time.Second)
		if err := verify(); err != nil {
			t.Errorf("after half a minute: %v", err)
		}
		if got := idp.Count(oidctest.Keys); got != 3 {
			t.Errorf("%d fetches, want 3", got)
		}
	})
}

func TestKeySet_firstCallersShareOneFetch(t *testing.T) {
	for _, fault := range []oidctest.Fault{{Delay: time.Second}, {Delay: time.Second, Status: 503, Header: http.Header{"Retry-After": {"45"}}}} {
		bubble(t, func(t *testing.T, idp *oidctest.Server) {
			idp.Fail(oidctest.Keys, fault)
			keys := keySet(idp)
			raw := sign(t, idp, nil, nil)
			start := time.Now()
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					_, err := keys.VerifySignature(t.Context(), raw)
					if (err == nil) != (fault.Status == 0) || errors.Is(err, oidc.ErrRefused) {
						t.Errorf("got %v", err)
					}
				})
			}
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				defer cancel()
				if _, err := keys.VerifySignature(ctx, raw); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Millisecond {
					t.Errorf("the hurried caller got %v after %v", err, time.Since(start))
				}
			})
			wg.Wait()
			if got := idp.Count(oidctest.Keys); got != 1 || time.Since(start) != time.Second {
				t.Errorf("%d fetches in %v, want 1 in a second", got, time.Since(start))
			}
			if fault.Status == 0 {
				return
			}
			// The failure is remembered as long as the provider asks.
			for range 44 {
				_, err := keys.VerifySignature(t.Context(), raw)
				if e := asError(t, err); e.Status != 503 || !e.Temporary() || e.RetryAfter() != 45*time.Second {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			if got := idp.Count(oidctest.Keys); got != 1 {
				t.Errorf("%d fetches within the time to wait, want 1", got)
			}
			time.Sleep(time.Second)
			if _, err := keys.VerifySignature(t.Context(), raw); err != nil {
				t.Errorf("after the time to wait: %v", err)
			}
		})
	}
}

func TestKeySet_lifetime(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header http.Header
		life   time.Duration
	}{
		{"nothing said", http.Header{"Cache-Control": {"private"}}, 5 * time.Minute},
		{"no-store", http.Header{"Cache-Control": {"no-store, max-age=3000"}}, 5 * time.Minute},
		{"no-cache", http.Header{"Cache-Control": {"No-Cache"}}, 5 * time.Minute},
		{"a minute", http.Header{"Cache-Control": {"max-age=60"}}, 5 * time.Minute},
		{"ten minutes", http.Header{"Cache-Control": {"public, max-age=600"}}, 10 * time.Minute},
		{"quoted", http.Header{"Cache-Control": {`Max-Age="600"`}}, 10 * time.Minute},
		{"two headers", http.Header{"Cache-Control": {"public", "max-age=600"}}, 10 * time.Minute},
		{"partly over", http.Header{"Cache-Control": {"max-age=1200"}, "Age": {"600"}}, 10 * time.Minute},
		{"a day", http.Header{"Cache-Control": {"max-age=86400"}}, time.Hour},
		{"nonsense", http.Header{"Cache-Control": {"max-age=-5"}}, 5 * time.Minute},
		{"too large a number", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, 5 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, idp *oidctest.Server) {
				idp.Fail(oidctest.Keys, oidctest.Fault{Times: -1, Header: tt.header})
				keys := keySet(idp)
				raw := sign(t, idp, nil, nil)
				verify := func() {
					if _, err := keys.VerifySignature(t.Context(), raw); err != nil {
						t.Error(err)
					}
					synctest.Wait() // for a fetch in the background
				}
				verify()
				time.Sleep(tt.life*4/5 - time.Second)
				verify()
				if got := idp.Count(oidctest.Keys); got != 1 {
					t.Errorf("%d fetches before the keys are old", got)
				}
				time.Sleep(tt.life/5 + 2*time.Second)
				verify()
				if got := idp.Count(oidctest.Keys); got != 2 {
					t.Errorf("%d fetches after the keys' life, want 2", got)
				}
			})
		})
	}
}

func TestKeySet_withdrawnKey(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  *oidctest.Fault // after the withdrawal
		allows time.Duration   // how long the key is good for at most
	}{
		{"provider is there", nil, 10 * time.Minute},
		{"provider is away", &oidctest.Fault{Times: -1, Drop: true}, 70 * time.Minute},
		{"provider is overloaded", &oidctest.Fault{Times: -1, Status: 503}, 70 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, idp *oidctest.Server) {
				keys := keySet(idp)
				raw := sign(t, idp, nil, nil)
				if _, err := keys.VerifySignature(t.Context(), raw); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				idp.Withdraw(idp.KeyID())
				if tt.fault != nil {
					idp.Fail(oidctest.Keys, *tt.fault)
				}
				last := time.Duration(0)
				for time.Since(start) < 3*time.Hour {
					time.Sleep(10 * time.Second)
					if _, err := keys.VerifySignature(t.Context(), raw); err == nil {
						last = time.Since(start)
					} else if refused := errors.Is(err, oidc.ErrRefused); refused != (tt.fault == nil) {
						t.Fatalf("after %v: %v", time.Since(start), err)
					}
				}
				if last >= tt.allows || last < tt.allows*7/10 {
					t.Errorf("the key was good for %v, want up to %v", last, tt.allows)
				}
				if got, most := idp.Count(oidctest.Keys), 1+3*60*2; got > most {
					t.Errorf("%d fetches in three hours, want %d at most", got, most)
				}
			})
		})
	}
}

func TestKeySet_idleThenOld(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		keys := keySet(idp)
		raw := sign(t, idp, nil, nil)
		if _, err := keys.VerifySignature(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
		idp.Withdraw(idp.KeyID())
		time.Sleep(11 * time.Minute) // nobody asked meanwhile
		if _, err := keys.VerifySignature(t.Context(), raw); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("a withdrawn key after its life: %v", err)
		}
	})
}

func TestKeySet_slowProviderIsNotFelt(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		keys := keySet(idp)
		raw := sign(t, idp, nil, nil)
		if _, err := keys.VerifySignature(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
		idp.Fail(oidctest.Keys, oidctest.Fault{Times: -1, Hang: true})
		start := time.Now()
		var slowest time.Duration
		for time.Since(start) < 69*time.Minute {
			before := time.Now()
			if _, err := keys.VerifySignature(t.Context(), raw); err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			slowest = max(slowest, time.Since(before))
			time.Sleep(time.Second)
		}
		if slowest != 0 {
			t.Errorf("a caller waited %v", slowest)
		}
		time.Sleep(time.Minute)
		_, err := keys.VerifySignature(t.Context(), raw)
		if e := asError(t, err); errors.Is(err, oidc.ErrRefused) || !e.Temporary() {
			t.Errorf("in the end: %v", err)
		}
		time.Sleep(11 * time.Second) // let the last fetch end
	})
}

func TestKeySet_answers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		url   string // instead of the provider's
		fault oidctest.Fault
		want  string
		temp  bool
	}{
		{name: "no address", url: "-", want: "not an absolute URL"},
		{name: "plain http", url: "http://idp.example/keys", want: "use https"},
		{name: "server error", fault: oidctest.Fault{Status: 500}, want: "status 500", temp: true},
		{name: "rate limit", fault: oidctest.Fault{Status: 429}, want: "rate of requests", temp: true},
		{name: "not found", fault: oidctest.Fault{Status: 404}, want: "check the address"},
		{name: "forbidden", fault: oidctest.Fault{Status: 403}, want: "wants authentication"},
		{name: "redirect", fault: oidctest.Fault{Status: 302, Header: http.Header{"Location": {"https://evil.example/"}}}, want: "redirects are not followed"},
		{name: "web page", fault: oidctest.Fault{Body: "<html>"}, want: "not a JSON object"},
		{name: "nothing", fault: oidctest.Fault{Status: 200}, want: "not a JSON object"},
		{name: "null", fault: oidctest.Fault{Body: "null"}, want: "not a JSON object"},
		{name: "no keys", fault: oidctest.Fault{Body: `{}`}, want: "no list of keys"},
		{name: "keys is null", fault: oidctest.Fault{Body: `{"keys":null}`}, want: "no list of keys"},
		{name: "keys is an object", fault: oidctest.Fault{Body: `{"keys":{}}`}, want: "no list of keys"},
		{name: "keys in another case", fault: oidctest.Fault{Body: `{"KEYS":[]}`}, want: "no list of keys"},
		{name: "too many keys", fault: oidctest.Fault{Body: `{"keys":[` + strings.Repeat("{},", 100) + `{}]}`}, want: "more than 100 keys"},
		{name: "too large", fault: oidctest.Fault{Body: `{"keys":[]}`, Size: 512<<10 + 1}, want: "larger than 524288 bytes"},
		{name: "dropped", fault: oidctest.Fault{Drop: true}, want: "EOF", temp: true},
		{name: "hanging", fault: oidctest.Fault{Hang: true}, want: "deadline exceeded", temp: true},
		{name: "endless", fault: oidctest.Fault{Drip: time.Second, Body: strings.Repeat(" ", 100)}, want: "deadline exceeded", temp: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, idp *oidctest.Server) {
				keys := keySet(idp)
				if tt.url != "" {
					keys.URL = strings.Trim(tt.url, "-")
				}
				idp.Fail(oidctest.Keys, tt.fault)
				start := time.Now()
				_, err := keys.VerifySignature(t.Context(), sign(t, idp, nil, nil))
				if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, oidc.ErrRefused) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if tt.url == "" {
					if got := asError(t, err).Temporary(); got != tt.temp {
						t.Errorf("temporary: %v, want %v", got, tt.temp)
					}
				}
			})
		})
	}
	// An empty set is an answer: all keys are withdrawn.
	idp := newIDP(t, oidctest.Config{})
	idp.Fail(oidctest.Keys, oidctest.Fault{Body: `{"keys":[]}`, Header: http.Header{"Content-Type": {"application/jwk-set+json"}}})
	if _, err := keySet(idp).VerifySignature(t.Context(), sign(t, idp, nil, nil)); !errors.Is(err, oidc.ErrRefused) {
		t.Errorf("an empty set: %v", err)
	}
}

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

func TestKeySet_withoutKeyID(t *testing.T) {
	bubble(t, func(t *testing.T, idp *oidctest.Server) {
		keys := keySet(idp)
		bare := func() string { return sign(t, idp, map[string]any{"kid": nil}, nil) }
		rotate(t, idp)
		if _, err := keys.VerifySignature(t.Context(), bare()); err != nil {
			t.Errorf("one of two keys: %v", err)
		}
		time.Sleep(time.Minute)
		rotate(t, idp)
		if _, err := keys.VerifySignature(t.Context(), bare()); err != nil {
			t.Errorf("a newer key: %v", err)
		}
		parts := strings.Split(bare(), ".")
		for range 10 {
			if _, err := keys.VerifySignature(t.Context(), parts[0]+".e30."+parts[2]); !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), "names no key") {
				t.Errorf("a bad signature: %v", err)
			}
		}
		if got := idp.Count(oidctest.Keys); got != 2 {
			t.Errorf("%d fetches, want 2", got)
		}
	})
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
