package exchangetest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func TestMetadata(t *testing.T) {
	w := start(t, oidctest.Config{Pipe: true}, nil)
	tests := []struct {
		base string
		want map[string]any
	}{
		{w.dbx.URL(), map[string]any{
			"host_type": "workspace", "account_id": account, "cloud": "AWS",
			"oidc_endpoint": "https://dbc-test.cloud.databricks.com/oidc",
			"token_federation_default_oidc_audiences": []any{"https://dbc-test.cloud.databricks.com/oidc/v1/token"},
		}},
		{w.dbx.AccountURL(), map[string]any{
			"host_type": "account", "account_id": nil, "workspace_id": nil,
			"oidc_endpoint": "https://accounts.cloud.databricks.com/oidc/accounts/{account_id}",
			"token_federation_default_oidc_audiences": []any{account},
		}},
		{w.dbx.UnifiedURL(), map[string]any{
			"host_type": "unified", "account_id": account, "workspace_id": nil,
			"oidc_endpoint": "https://acme.databricks.com/oidc/accounts/" + account,
			"token_federation_default_oidc_audiences": []any{account},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.base, func(t *testing.T) {
			a := w.call(http.MethodGet, tt.base+"/.well-known/databricks-config", "", "")
			if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
				t.Fatalf("got %d %s", a.status, a.text)
			}
			for name, want := range tt.want {
				if got := a.body[name]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: got %v, want %v", name, got, want)
				}
			}
		})
	}
	id := w.call(http.MethodGet, w.dbx.URL()+"/.well-known/databricks-config", "", "").str("workspace_id")
	if id == "" || id != w.me("").header.Get("X-Databricks-Org-Id") {
		t.Errorf("workspace_id %q differs from the header", id)
	}
}

func TestMetadata_changed(t *testing.T) {
	var change func(host string, document map[string]any) bool
	w := start(t, oidctest.Config{}, func(c *exchangetest.Config) {
		c.Metadata = func(host string, document map[string]any) bool { return change(host, document) }
	})
	get := func() answer {
		return w.call(http.MethodGet, w.dbx.URL()+"/.well-known/databricks-config", "", "")
	}
	change = func(string, map[string]any) bool { return false }
	if a := get(); a.status != http.StatusNotFound {
		t.Errorf("absent: got %d %s", a.status, a.text)
	}
	change = func(_ string, d map[string]any) bool { delete(d, "oidc_endpoint"); return true }
	if a := get(); a.body["oidc_endpoint"] != nil || a.str("host_type") != "workspace" {
		t.Errorf("missing: got %s", a.text)
	}
	change = func(host string, d map[string]any) bool {
		d["oidc_endpoint"] = "https://evil.example/oidc?for=" + host
		return true
	}
	if a := get(); a.str("oidc_endpoint") != "https://evil.example/oidc?for="+strings.TrimPrefix(w.dbx.URL(), "http://") {
		t.Errorf("foreign: got %s", a.text)
	}
}

func TestDiscovery(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	const path = "/.well-known/oauth-authorization-server"
	for issuer, found := range map[string]bool{
		w.dbx.URL() + "/oidc":                     true,
		w.dbx.URL() + "/oidc/accounts/" + account: false,
		w.dbx.URL():                  false,
		w.dbx.AccountURL() + "/oidc": false,
		w.dbx.AccountURL() + "/oidc/accounts/" + account:       true,
		w.dbx.AccountURL() + "/oidc/accounts/" + job:           false,
		w.dbx.UnifiedURL() + "/oidc/accounts/" + account:       true,
		w.dbx.UnifiedURL() + "/oidc/accounts/" + account + "/": false,
	} {
		a := w.call(http.MethodGet, issuer+path, "", "")
		if !found {
			if a.status != http.StatusNotFound {
				t.Errorf("%s: got %d", issuer, a.status)
			}
			continue
		}
		if a.status != http.StatusOK || a.str("issuer") != issuer || a.str("token_endpoint") != issuer+"/v1/token" {
			t.Errorf("%s: got %d %s", issuer, a.status, a.text)
		}
		if grants := fmt.Sprint(a.body["grant_types_supported"]); strings.Contains(grants, "token-exchange") {
			t.Errorf("token exchange is advertised, as Databricks never does: %s", grants)
		}
	}
}

// TestKeys verifies an access token with the published keys.
func TestKeys(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	token := w.exchange(nil)
	a := w.call(http.MethodGet, w.dbx.URL()+"/oidc/jwks.json", "", "")
	if strings.Contains(a.text, `"d":`) {
		t.Fatalf("the private key is published: %s", a.text)
	}
	keys, _ := a.body["keys"].([]any)
	if len(keys) != 1 {
		t.Fatalf("got %s", a.text)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON([]byte(strings.TrimSuffix(strings.TrimPrefix(a.text, `{"keys":[`), `]}`))); err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(key); err != nil || jws.Signatures[0].Header.KeyID != key.KeyID {
		t.Errorf("got %v, kid %q", err, key.KeyID)
	}
}
