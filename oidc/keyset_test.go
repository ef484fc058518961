package oidc_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
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

// replace makes a new key and withdraws the one that signed so far.
func replace(t testing.TB, idp *oidctest.Server) {
	t.Helper()
	old := idp.KeyID()
	rotate(t, idp)
	idp.Withdraw(old)
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
				replace(t, idp)
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

func TestKeySet_withoutUsableKeys(t *testing.T) {
	for name, body := range map[string]string{
		"empty":           `{"keys":[]}`,
		"nothing for us":  `{"keys":[{"kty":"oct","k":"AAAA","kid":"a"},{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}`,
		"a too short key": `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, idp *oidctest.Server) {
				keys := keySet(idp)
				raw := sign(t, idp, nil, nil)
				verify := func(raw string) error {
					_, err := keys.VerifySignature(t.Context(), raw)
					synctest.Wait() // for a fetch in the background
					return err
				}
				if err := verify(raw); err != nil {
					t.Fatal(err)
				}
				idp.Fail(oidctest.Keys, oidctest.Fault{Times: -1, Body: body})
				time.Sleep(31 * time.Second)
				// Whoever has an unknown key gets an outage, not a refusal, and does not
				// harm the others.
				err := verify(sign(t, idp, map[string]any{"kid": "unknown"}, nil))
				if e := asError(t, err); errors.Is(err, oidc.ErrRefused) || !strings.Contains(e.Error(), "no usable key") {
					t.Errorf("an unknown key: %v", err)
				}
				for range 69 {
					if err := verify(raw); err != nil {
						t.Fatalf("a known key: %v", err)
					}
					time.Sleep(time.Minute)
				}
				// As after an outage, the keys end at last. Then the set is an answer.
				time.Sleep(time.Minute)
				if err := verify(raw); err == nil {
					t.Error("the keys never end")
				}
				time.Sleep(31 * time.Second)
				if err := verify(raw); !errors.Is(err, oidc.ErrRefused) {
					t.Errorf("without keys: %v", err)
				}
				idp.Heal()
				time.Sleep(31 * time.Second)
				if err := verify(raw); err != nil {
					t.Errorf("healed: %v", err)
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
		replace(t, idp)
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
	// Without keys of our own, an empty set is an answer.
	idp := newIDP(t, oidctest.Config{})
	idp.Fail(oidctest.Keys, oidctest.Fault{Body: `{"keys":[]}`, Header: http.Header{"Content-Type": {"application/jwk-set+json"}}})
	if _, err := keySet(idp).VerifySignature(t.Context(), sign(t, idp, nil, nil)); !errors.Is(err, oidc.ErrRefused) {
		t.Errorf("an empty set: %v", err)
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
