package interop_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/oidc"
)

func TestVerifier(t *testing.T) {
	tests := []struct {
		name      string
		audiences []string
		any       bool
		want      string // in the refusal; empty: accepted
	}{
		{"first audience", []string{clientID}, false, ""},
		{"second audience", []string{"another", audience}, false, ""},
		{"any audience", nil, true, ""},
		{"other audience", []string{"another"}, false, "its aud is"},
		{"part of an audience", []string{"data"}, false, "its aud is"},
	}
	forms(t, setup{}, func(t *testing.T, p *provider) {
		tok := token(t, p.credentials())
		for _, tt := range tests {
			v := &oidc.Verifier{Issuer: p.issuer, Audiences: tt.audiences, InsecureAnyAudience: tt.any, HTTPClient: p.client}
			got, err := v.Verify(t.Context(), tok)
			switch {
			case tt.want != "":
				refused(t, tt.name, err, tt.want)
			case err != nil:
				t.Errorf("%s: %v", tt.name, err)
			case got.Claims.Subject() != clientID:
				t.Errorf("%s: got subject %q, want %q", tt.name, got.Claims.Subject(), clientID)
			}
		}
	})
}

func TestVerifier_forged(t *testing.T) {
	p, other := start(t, setup{}), start(t, setup{})
	v := newVerifier(p)
	tok := token(t, p.credentials())

	_, err := v.Verify(t.Context(), token(t, other.credentials()))
	refused(t, "another provider's token", err, "its issuer is")

	parts := strings.Split(tok.Raw(), ".")
	theirs := strings.Split(token(t, other.credentials()).Raw(), ".")
	for name, text := range map[string]string{
		"another provider's signature": parts[0] + "." + parts[1] + "." + theirs[2],
		"another token's header":       theirs[0] + "." + parts[1] + "." + parts[2],
	} {
		forged, err := oidc.ParseToken(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), forged)
		refused(t, name, err, "")
	}
}

// A new key is found 30 seconds after the last look at the latest, and the old
// one is gone with it; see [oidc.KeySet].
func TestVerifier_rotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{pipe: true})
		v := newVerifier(p)
		old := token(t, p.credentials())
		if _, err := v.Verify(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		if err := p.rotate(jose.ES256); err != nil {
			t.Fatal(err)
		}
		fresh := token(t, p.credentials())
		time.Sleep(30*time.Second - time.Nanosecond)
		_, err := v.Verify(t.Context(), fresh)
		refused(t, "within 30 s", err, "publishes no key")
		time.Sleep(time.Nanosecond)
		if _, err := v.Verify(t.Context(), fresh); err != nil {
			t.Errorf("after 30 s: %v", err)
		}
		_, err = v.Verify(t.Context(), old)
		refused(t, "the withdrawn key", err, "publishes no key")
		if got := p.count(keysPath); got != 2 {
			t.Errorf("got %d key requests, want 2", got)
		}
	})
}

// The keys last five minutes, because zitadel says nothing about it, and an hour
// more while the provider is away. After that a token is not refused: nobody
// knows.
func TestVerifier_outage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{pipe: true, lifetime: 2 * time.Hour})
		v := newVerifier(p)
		tok := token(t, p.credentials())
		if _, err := v.Verify(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		p.down.Store(true)
		for range 64 {
			time.Sleep(time.Minute)
			if _, err := v.Verify(t.Context(), tok); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		_, err := v.Verify(t.Context(), tok)
		var e *oidc.Error
		if !errors.As(err, &e) || errors.Is(err, oidc.ErrRefused) || !e.Temporary() {
			t.Errorf("after 66 minutes: got %v, want a temporary error that is no refusal", err)
		}
		p.down.Store(false)
		time.Sleep(30 * time.Second)
		if _, err := v.Verify(t.Context(), tok); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

func TestVerifier_expired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{pipe: true})
		v := newVerifier(p)
		tok := token(t, p.credentials())
		const leeway = time.Minute
		time.Sleep(time.Until(tok.Expiry().Add(leeway)) - time.Nanosecond)
		if _, err := v.Verify(t.Context(), tok); err != nil {
			t.Errorf("just before its end: %v", err)
		}
		time.Sleep(time.Nanosecond)
		_, err := v.Verify(t.Context(), tok)
		refused(t, "at its end", err, "")
		if !errors.Is(err, oidc.ErrExpired) {
			t.Errorf("at its end: got %v, want ErrExpired", err)
		}
	})
}

func newVerifier(p *provider) *oidc.Verifier {
	return &oidc.Verifier{Issuer: p.issuer, Audiences: []string{audience}, HTTPClient: p.client}
}

// refused checks that an error is a refusal, not a failure, and says what it
// should.
func refused(t *testing.T, what string, err error, text string) {
	t.Helper()
	if !errors.Is(err, oidc.ErrRefused) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %v, want a refusal with %q", what, err, text)
	}
}
