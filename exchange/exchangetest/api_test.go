package exchangetest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func TestAPI_credentials(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	elsewhere := start(t, oidctest.Config{}, nil)
	token, revoked := w.exchange(nil), w.exchange(nil)
	w.dbx.Revoke(revoked)
	w.dbx.Revoke("not a token")
	tests := []struct {
		name, header string
		status       int
		text, reason string
	}{
		{"good", "Bearer " + token, 200, job, ""},
		{"scheme in lower case", "bearer " + token, 200, job, ""},
		{"none", "", 401, `"error_code":401`, "no bearer token"},
		{"basic", "Basic dXNlcjpwYXNzd29yZA==", 401, "Credential was not sent", "no bearer token"},
		{"empty", "Bearer ", 401, "Credential was not sent", "no bearer token"},
		{"personal access token", "Bearer dapi0123456789abcdef", 403, `{"error_code":403,"message":"Invalid access token."}`, "not a signed token"},
		{"subject token", "Bearer " + w.subject(nil), 403, "Invalid access token.", "not a signed token"},
		{"of another account", "Bearer " + elsewhere.exchange(nil), 403, "Invalid access token.", "did not sign"},
		{"tampered", "Bearer " + token[:len(token)-4] + "AAAA", 403, "Invalid access token.", "did not sign"},
		{"revoked", "Bearer " + revoked, 403, "Invalid access token.", "revoked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := request(t, http.MethodGet, w.dbx.URL()+"/api/2.0/preview/scim/v2/Me", nil)
			if tt.header != "" {
				req.Header.Set("Authorization", tt.header)
			}
			a := w.do(req)
			if a.status != tt.status {
				t.Errorf("got %d, want %d", a.status, tt.status)
			}
			wantContains(t, a.text, tt.text)
			wantContains(t, w.reason(), tt.reason)
		})
	}
	w.dbx.RevokeAll()
	if a := w.me(token); a.status != http.StatusForbidden {
		t.Errorf("after RevokeAll: got %d", a.status)
	}
	if a := w.me(w.exchange(nil)); a.status != http.StatusOK {
		t.Errorf("a new token after RevokeAll: got %d", a.status)
	}
}

// TestAPI_refusals lets the server refuse a revoked token in each recorded way.
func TestAPI_refusals(t *testing.T) {
	for name, refusal := range exchangetest.Recorded() {
		if !strings.HasPrefix(name, "api ") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := start(t, oidctest.Config{}, func(c *exchangetest.Config) { c.Refusal = refusal })
			token := w.exchange(nil)
			if a := w.me(token); a.status != http.StatusOK {
				t.Errorf("a good token: got %d", a.status)
			}
			w.dbx.RevokeAll()
			a := w.me(token)
			if a.status != refusal.Status || a.text != refusal.Body {
				t.Errorf("got %d %s", a.status, a.text)
			}
			for header := range refusal.Header {
				if a.header.Get(header) != refusal.Header.Get(header) {
					t.Errorf("%s: got %q", header, a.header.Get(header))
				}
			}
		})
	}
}

func TestAPI_minRemaining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, oidctest.Config{Pipe: true, TokenLifetime: 5 * time.Minute}, func(c *exchangetest.Config) { c.MinRemaining = 30 * time.Second })
		token := w.exchange(nil)
		time.Sleep(5*time.Minute - 31*time.Second)
		if a := w.me(token); a.status != http.StatusOK {
			t.Errorf("31 s left: got %d %s", a.status, a.text)
		}
		time.Sleep(time.Second)
		if a := w.me(token); a.status != http.StatusBadRequest || a.text != "Token is expiring within 30 seconds. (token expired)" {
			t.Errorf("30 s left: got %d %s", a.status, a.text)
		}
	})
}

func TestAPI_paths(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	workspace := w.exchange(nil)
	at := func(base string) string {
		t.Helper()
		a := w.postTo(base+"/oidc/accounts/"+account+"/v1/token", form(w.subject(nil), nil))
		return a.str("access_token")
	}
	tests := []struct {
		method, url, token string
		status             int
	}{
		{"GET", w.dbx.URL() + "/api/2.0/preview/scim/v2/Me", workspace, 200},
		{"GET", w.dbx.URL() + "/api/2.0/preview/scim/v2/Me/", workspace, 200},
		{"POST", w.dbx.URL() + "/api/2.0/preview/scim/v2/Me", workspace, 404},
		{"GET", w.dbx.URL() + "/api/2.0/preview/scim/v2/Users", workspace, 404},
		{"GET", w.dbx.URL() + "/api/2.0/preview/scim/v2/Groups/" + analysts, workspace, 200},
		{"GET", w.dbx.URL() + "/api/2.0/preview/scim/v2/Groups/42", workspace, 404},
		{"GET", w.dbx.URL() + "/api/2.0/accounts/" + account + "/federationPolicies", workspace, 404},
		{"GET", w.dbx.URL() + "/api/2.1/jobs/list", workspace, 404},
		{"GET", w.dbx.URL() + "/api/2.0/sql/statements/x", workspace, 404},
		{"GET", w.dbx.AccountURL() + "/api/2.0/preview/scim/v2/Me", at(w.dbx.AccountURL()), 404},
		{"GET", w.dbx.AccountURL() + "/api/2.0/preview/scim/v2/Groups", at(w.dbx.AccountURL()), 404},
		{"GET", w.dbx.AccountURL() + "/api/2.0/accounts/" + account + "/scim/v2/Groups", at(w.dbx.AccountURL()), 200},
		{"GET", w.dbx.AccountURL() + "/api/2.0/accounts/" + account + "/scim/v2/Me", at(w.dbx.AccountURL()), 404},
		{"GET", w.dbx.AccountURL() + "/api/2.0/accounts/" + job + "/scim/v2/Groups", at(w.dbx.AccountURL()), 404},
		{"GET", w.dbx.UnifiedURL() + "/api/2.0/preview/scim/v2/Me", at(w.dbx.UnifiedURL()), 200},
		{"GET", w.dbx.UnifiedURL() + "/api/2.0/accounts/" + account + "/scim/v2/Groups", at(w.dbx.UnifiedURL()), 200},
		{"GET", w.dbx.UnifiedURL() + "/api/2.0/preview/scim/v2/Me", workspace, 401},
		{"GET", w.dbx.URL() + "/api/2.0/preview/scim/v2/Me", at(w.dbx.AccountURL()), 401},
	}
	for _, tt := range tests {
		if a := w.call(tt.method, tt.url, tt.token, ""); a.status != tt.status {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.url, a.status, a.text, tt.status)
		}
	}
}

func TestAPI_me(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	sp := w.me(w.exchange(nil)).body
	for name, want := range map[string]any{"id": "3711048827441", "userName": job, "displayName": "the job", "active": true} {
		if sp[name] != want {
			t.Errorf("%s: got %v, want %v", name, sp[name], want)
		}
	}
	if sp["emails"] != nil {
		t.Errorf("a service principal has e-mail addresses: %v", sp["emails"])
	}
	a := w.post(form(w.subject(set{"aud": account, "email": ada}), map[string]string{"client_id": "-"}))
	person := w.me(a.str("access_token"))
	wantContains(t, person.text, `"emails":[{"primary":true,"type":"work","value":"ada@acme.example"}]`)
	wantContains(t, person.text, `"groups":[{"$ref":"Groups/884100000000017","display":"analysts","type":"direct","value":"884100000000017"}]`)
}

func TestAPI_groups(t *testing.T) {
	w := start(t, oidctest.Config{}, func(c *exchangetest.Config) {
		for i := range 250 {
			c.Groups = append(c.Groups, exchangetest.Group{ID: fmt.Sprint(1000 + i)})
		}
	})
	token := w.exchange(nil)
	list := func(query string) (answer, int) {
		t.Helper()
		a := w.call(http.MethodGet, w.dbx.URL()+"/api/2.0/preview/scim/v2/Groups?"+query, token, "")
		resources, _ := a.body["Resources"].([]any)
		return a, len(resources)
	}
	tests := []struct {
		query  string
		status int
		n      int
		total  float64
	}{
		{"", 200, 100, 253},
		{"startIndex=101&count=100", 200, 100, 253},
		{"startIndex=201", 200, 53, 253},
		{"startIndex=254", 200, 0, 253},
		{"startIndex=9999", 200, 0, 253},
		{"startIndex=-5&count=1", 200, 1, 253},
		{"count=0", 200, 0, 253},
		{"count=-1", 200, 0, 253},
		{"count=1000", 200, 100, 253},
		{"filter=displayName+eq+%22analysts%22", 200, 1, 1},
		{"filter=DisplayName+EQ+%22nobody%22", 200, 0, 0},
		{"filter=displayName+co+%22a%22", 400, 0, 0},
		{"filter=displayName+eq+analysts", 400, 0, 0},
		{"filter=x", 400, 0, 0},
		{"startIndex=x", 400, 0, 0},
		{"count=x", 400, 0, 0},
	}
	for _, tt := range tests {
		a, n := list(tt.query)
		total, _ := a.body["totalResults"].(float64)
		if a.status != tt.status || n != tt.n || total != tt.total {
			t.Errorf("%q: got %d with %d of %v, want %d with %d of %v", tt.query, a.status, n, total, tt.status, tt.n, tt.total)
		}
	}
}

func TestAPI_statements(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	run := func(token, body string) answer {
		t.Helper()
		return w.call(http.MethodPost, w.dbx.URL()+"/api/2.0/sql/statements/", token, body)
	}
	for _, token := range []string{w.exchange(nil), w.exchange(map[string]string{"scope": "sql"})} {
		a := run(token, `{"statement":"select  CURRENT_USER() ;","warehouse_id":"w"}`)
		if a.status != http.StatusOK {
			t.Errorf("got %d", a.status)
		}
		wantContains(t, a.text, `"data_array":[["`+job+`"]]`)
		wantContains(t, a.text, `"state":"SUCCEEDED"`)
		wantContains(t, run(token, `{"statement":"SELECT 1"}`).text, `"state":"FAILED"`)
		if a := run(token, `select`); a.status != http.StatusBadRequest {
			t.Errorf("got %d", a.status)
		}
	}
	a := run(w.exchange(map[string]string{"scope": "clusters"}), `{}`)
	if a.status != http.StatusForbidden || a.str("error_code") != "PERMISSION_DENIED" {
		t.Errorf("without scope: got %d %s", a.status, a.text)
	}
}
