package exchangetest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// TestExchange_unfitKeys lets the issuer publish keys that verify the signature
// and must not be used.
func TestExchange_unfitKeys(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0") // to make a key that is too short
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		key    jose.JSONWebKey // published
		signer *rsa.PrivateKey
		taken  bool
	}{
		{"fit", jose.JSONWebKey{Key: private.Public(), KeyID: "k", Use: "sig"}, private, true},
		{"no use", jose.JSONWebKey{Key: private.Public(), KeyID: "k"}, private, true},
		{"encryption", jose.JSONWebKey{Key: private.Public(), KeyID: "k", Use: "enc"}, private, false},
		{"private", jose.JSONWebKey{Key: private, KeyID: "k", Use: "sig"}, private, false},
		{"short", jose.JSONWebKey{Key: short.Public(), KeyID: "k", Use: "sig"}, short, false},
		{"symmetric", jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: "k", Use: "sig"}, private, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t, oidctest.Config{}, nil)
			keySet, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{tt.key}})
			if err != nil {
				t.Fatal(err)
			}
			w.idp.Fail(oidctest.Keys, oidctest.Fault{Body: string(keySet), Times: -1})
			for _, kid := range []string{"k", ""} {
				signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: tt.signer, KeyID: kid}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				payload, err := json.Marshal(set{"iss": w.idp.Issuer(), "sub": "the-job", "aud": "databricks", "exp": time.Now().Add(time.Minute).Unix()})
				if err != nil {
					t.Fatal(err)
				}
				jws, err := signer.Sign(payload)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := jws.CompactSerialize()
				if err != nil {
					t.Fatal(err)
				}
				if a := w.post(form(raw, nil)); (a.status == http.StatusOK) != tt.taken {
					t.Errorf("kid %q: got %d; %s", kid, a.status, w.reason())
				}
			}
		})
	}
}

// TestServer_forgetsExpiredTokens issues tokens for nine hours.
func TestServer_forgetsExpiredTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, oidctest.Config{Pipe: true}, func(c *exchangetest.Config) { c.MaxLifetime = time.Minute })
		f := url.Values{"grant_type": {"client_credentials"}, "client_id": {job}, "client_secret": {"very-secret-value"}}
		first := w.post(f).str("access_token")
		for range 1100 {
			w.post(f)
			time.Sleep(30 * time.Second)
		}
		if got := w.dbx.InForce(); got > 500 {
			t.Errorf("%d tokens are remembered", got)
		}
		if me := w.me(first); me.header.Get("X-Databricks-Reason-Phrase") != "JWT has expired" {
			t.Errorf("a forgotten token: got %d %s", me.status, me.text)
		}
	})
}
