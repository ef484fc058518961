package exchangetest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// policyWorld is a world with an account admin logged in.
type policyWorld struct {
	*world
	token string
	base  string
}

func startPolicies(t testing.TB, idpConfig oidctest.Config, change func(*exchangetest.Config)) *policyWorld {
	t.Helper()
	w := start(t, idpConfig, change)
	p := &policyWorld{world: w, base: w.dbx.AccountURL() + "/api/2.0/accounts/" + account}
	p.token = p.login("the-admin", admin, nil)
	return p
}

func (w *policyWorld) login(subject, clientID string, more map[string]string) string {
	w.t.Helper()
	f := form(w.subject(set{"sub": subject, "aud": []string{account, "databricks"}, "exp": time.Now().Add(time.Hour).Unix()}), more)
	f.Set("client_id", clientID)
	a := w.postTo(w.dbx.AccountURL()+"/oidc/accounts/"+account+"/v1/token", f)
	if a.status != http.StatusOK {
		w.t.Fatalf("login: %d %s; %s", a.status, a.text, w.reason())
	}
	return a.str("access_token")
}

// ask calls the policy API; body may be nil.
func (w *policyWorld) ask(method, path string, body any) answer {
	w.t.Helper()
	text, isText := body.(string)
	if body != nil && !isText {
		data, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(data)
	}
	return w.call(method, w.base+path, w.token, text)
}

const jobPolicies = "/servicePrincipals/3711048827441/federationPolicies"

func TestPolicyAPI_lifeOfAPolicy(t *testing.T) {
	w := startPolicies(t, oidctest.Config{}, nil)
	rule := map[string]any{"issuer": w.idp.Issuer(), "subject": "new-job", "audiences": []string{"new-audience"}}
	subject := w.subject(set{"sub": "new-job", "aud": "new-audience"})
	exchange := func() int { return w.post(form(subject, nil)).status }
	if got := exchange(); got != http.StatusBadRequest {
		t.Errorf("before: got %d", got)
	}

	created := w.ask("POST", jobPolicies+"?policy_id=new-one", map[string]any{"description": "d", "oidc_policy": rule})
	if created.status != http.StatusOK {
		t.Fatalf("create: got %d %s", created.status, created.text)
	}
	for name, want := range map[string]string{
		"policy_id": "new-one", "description": "d",
		"name": "accounts/" + account + "/servicePrincipals/3711048827441/federationPolicies/new-one",
	} {
		if got := created.str(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	wantContains(t, created.text, `"service_principal_id":3711048827441`)
	if _, err := time.Parse(time.RFC3339, created.str("create_time")); err != nil || len(created.str("uid")) != 36 {
		t.Errorf("got %s", created.text)
	}
	var p trust.Policy
	if err := json.Unmarshal([]byte(created.text), &p); err != nil || p.ID != "new-one" || p.Subject != "new-job" {
		t.Errorf("package trust reads %+v, %v", p, err)
	}
	if got := exchange(); got != http.StatusOK {
		t.Errorf("created: got %d; %s", got, w.reason())
	}
	if got := w.ask("GET", jobPolicies+"/new-one", nil); got.text != created.text {
		t.Errorf("get: got %s, want %s", got.text, created.text)
	}

	updated := w.ask("PATCH", jobPolicies+"/new-one?update_mask=oidc_policy.audiences", `{"oidc_policy":{"audiences":["other"]},"description":"ignored"}`)
	if updated.status != http.StatusOK || updated.str("description") != "d" || updated.str("uid") != created.str("uid") {
		t.Errorf("update: got %d %s", updated.status, updated.text)
	}
	if got := exchange(); got != http.StatusBadRequest {
		t.Errorf("audience changed: got %d", got)
	}
	wantContains(t, w.reason(), `wants audience "`)

	if got := w.ask("DELETE", jobPolicies+"/new-one", nil); got.status != http.StatusOK || got.text != "{}" {
		t.Errorf("delete: got %d %s", got.status, got.text)
	}
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		if got := w.ask(method, jobPolicies+"/new-one", `{}`); got.status != http.StatusNotFound {
			t.Errorf("%s after delete: got %d", method, got.status)
		}
	}
}

func TestPolicyAPI_account(t *testing.T) {
	w := startPolicies(t, oidctest.Config{}, nil)
	a := w.ask("POST", "/federationPolicies", trust.Policy{Issuer: w.idp.Issuer(), SubjectClaim: "preferred_username", Audiences: []string{"people"}})
	if a.status != http.StatusOK || len(a.str("policy_id")) != 36 || a.body["service_principal_id"] != nil {
		t.Fatalf("got %d %s", a.status, a.text)
	}
	subject := w.subject(set{"aud": "people", "preferred_username": ada})
	if got := w.post(form(subject, map[string]string{"client_id": "-"})); got.status != http.StatusOK {
		t.Errorf("got %d; %s", got.status, w.reason())
	}
}

func TestPolicyAPI_list(t *testing.T) {
	w := startPolicies(t, oidctest.Config{}, nil)
	for _, id := range []string{"aa", "bb", "cc"} {
		p := trust.Policy{ServicePrincipalID: "3711048827441", ID: id, Issuer: w.idp.Issuer(), Subject: id}
		if err := w.dbx.AddPolicy(p); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for query := "?page_size=3"; query != ""; {
		a := w.ask("GET", jobPolicies+query, nil)
		list, _ := a.body["policies"].([]any)
		if len(list) > 3 || a.status != http.StatusOK {
			t.Fatalf("got %d %s", a.status, a.text)
		}
		for _, p := range list {
			ids = append(ids, p.(map[string]any)["policy_id"].(string))
		}
		if query = ""; a.str("next_page_token") != "" {
			query = "?page_size=3&page_token=" + url.QueryEscape(a.str("next_page_token"))
		}
	}
	if got := strings.Join(ids[1:], " "); len(ids) != 4 || got != "aa bb cc" {
		t.Errorf("got %q", ids)
	}
	if a := w.ask("GET", jobPolicies+"?page_size=0", nil); strings.Count(a.text, `"policy_id"`) != 4 {
		t.Errorf("default page size: got %s", a.text)
	}
	for _, query := range []string{"?page_size=x", "?page_size=-1", "?page_token=x", "?page_token=99"} {
		if a := w.ask("GET", jobPolicies+query, nil); a.status != http.StatusBadRequest {
			t.Errorf("%s: got %d", query, a.status)
		}
	}
}

func TestPolicyAPI_refusals(t *testing.T) {
	w := startPolicies(t, oidctest.Config{}, nil)
	good := trust.Policy{Issuer: w.idp.Issuer(), Subject: "s", Audiences: []string{"a"}}
	with := func(change func(*trust.Policy)) trust.Policy {
		p := good
		change(&p)
		return p
	}
	if a := w.ask("POST", jobPolicies+"?policy_id=taken", good); a.status != http.StatusOK {
		t.Fatal(a.text)
	}
	tests := []struct {
		name, method, path string
		body               any
		status             int
		want               string
	}{
		{"the same again", "POST", jobPolicies, good, 200, `"policy_id":"taken"`},
		{"the same again by ID", "POST", jobPolicies + "?policy_id=taken", good, 200, `"policy_id":"taken"`},
		{"another with the ID", "POST", jobPolicies + "?policy_id=taken", with(func(p *trust.Policy) { p.Subject = "t" }), 409, "ALREADY_EXISTS"},
		{"ID too short", "POST", jobPolicies + "?policy_id=x", good, 400, "Must contain only 0-9, a-z, and hyphen"},
		{"ID in upper case", "POST", jobPolicies + "?policy_id=Taken", good, 400, "Must contain only 0-9, a-z, and hyphen"},
		{"no issuer", "POST", jobPolicies, with(func(p *trust.Policy) { p.Issuer = "" }), 400, "INVALID_PARAMETER_VALUE"},
		{"issuer that nobody serves", "POST", jobPolicies, with(func(p *trust.Policy) { p.Issuer += "/nobody" }), 400, "Unable to load valid OpenID configuration for issuer " + w.idp.Issuer() + "/nobody"},
		{"such an issuer with keys", "POST", jobPolicies, with(func(p *trust.Policy) {
			p.Issuer, p.JWKSURI = "https://nobody.example", "https://nobody.example/keys"
		}), 200, "nobody.example"},
		{"no subject", "POST", jobPolicies, with(func(p *trust.Policy) { p.Subject = "" }), 400, "subject: it is required"},
		{"wildcard", "POST", jobPolicies, with(func(p *trust.Policy) { p.Subject = "s*" }), 400, "no wildcards"},
		{"subject for the account", "POST", "/federationPolicies", good, 400, "an account policy takes all subjects"},
		{"unknown member", "POST", jobPolicies, `{"oidc_policy":{"issuer":"https://x.example","subjekt":"s"}}`, 400, "subjekt"},
		{"no JSON", "POST", jobPolicies, `{`, 400, "INVALID_PARAMETER_VALUE"},
		{"unknown principal", "POST", "/servicePrincipals/42/federationPolicies", good, 404, "Invalid service principal id"},
		{"application ID", "GET", "/servicePrincipals/" + job + "/federationPolicies", nil, 404, "Invalid service principal id"},
		{"unknown policy", "GET", jobPolicies + "/nobody", nil, 404, "NOT_FOUND"},
		{"unknown method", "PUT", jobPolicies + "/taken", good, 404, "ENDPOINT_NOT_FOUND"},
		{"unknown method on all", "DELETE", jobPolicies, nil, 404, "ENDPOINT_NOT_FOUND"},
		{"too deep", "GET", jobPolicies + "/a/b", nil, 404, "ENDPOINT_NOT_FOUND"},
		{"other API", "GET", "/workspaces", nil, 404, "ENDPOINT_NOT_FOUND"},

		{"update to nothing", "PATCH", jobPolicies + "/taken?update_mask=*", `{}`, 400, "issuer: it is required"},
		{"update, unknown field", "PATCH", jobPolicies + "/taken?update_mask=name", `{"name":"x"}`, 400, "unknown field name"},
		{"update, member twice", "PATCH", jobPolicies + "/taken", `{"description":"a","description":"b"}`, 400, "not a JSON object"},
		{"update, wrong type", "PATCH", jobPolicies + "/taken", `{"description":7}`, 400, "description"},
		{"update, rule of wrong type", "PATCH", jobPolicies + "/taken", `{"oidc_policy":7}`, 400, "INVALID_PARAMETER_VALUE"},
		{"update to a twin", "PATCH", jobPolicies + "/taken", map[string]any{"oidc_policy": map[string]any{
			"issuer": w.idp.Issuer(), "subject": "the-job", "audiences": []string{"second", "databricks"},
		}}, 400, "says the same"},
		{"update, unreadable issuer", "PATCH", jobPolicies + "/taken?update_mask=oidc_policy.issuer", `{"oidc_policy":{"issuer":"` + w.idp.Issuer() + `/x"}}`, 400, "Unable to load"},
		{"update the description", "PATCH", jobPolicies + "/taken", `{"description":"new"}`, 200, `"description":"new"`},
		{"update two fields", "PATCH", jobPolicies + "/taken?update_mask=description,oidc_policy.audiences", `{}`, 200, `"oidc_policy":{"issuer":"` + w.idp.Issuer() + `","subject":"s"}`},
		{"update the rule", "PATCH", jobPolicies + "/taken", map[string]any{"oidc_policy": map[string]any{"issuer": w.idp.Issuer(), "subject": "z"}}, 200, `"subject":"z"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := w.ask(tt.method, tt.path, tt.body)
			if a.status != tt.status {
				t.Errorf("got %d, want %d", a.status, tt.status)
			}
			if !strings.Contains(a.text, tt.want) && !strings.Contains(a.str("message"), tt.want) {
				t.Errorf("got %s, want … %s …", a.text, tt.want)
			}
		})
	}
}

func TestPolicyAPI_limit(t *testing.T) {
	w := startPolicies(t, oidctest.Config{}, nil)
	for i := range 25 {
		a := w.ask("POST", jobPolicies, trust.Policy{Issuer: w.idp.Issuer(), Subject: strings.Repeat("s", i+1)})
		if want := i < 19; (a.status == http.StatusOK) != want { // one was there
			t.Errorf("policy %d: got %d %s", i+2, a.status, a.text)
		}
	}
}

func TestPolicyAPI_admins(t *testing.T) {
	w := startPolicies(t, oidctest.Config{}, nil)
	if a := w.ask("GET", "/federationPolicies", nil); a.status != http.StatusOK {
		t.Errorf("admin: got %d", a.status)
	}
	w.token = w.login("the-admin", admin, map[string]string{"scope": "authentication"})
	if a := w.ask("GET", "/federationPolicies", nil); a.status != http.StatusOK {
		t.Errorf("admin with the scope: got %d", a.status)
	}
	w.token = w.login("the-admin", admin, map[string]string{"scope": "sql"})
	if a := w.ask("GET", "/federationPolicies", nil); a.status != http.StatusForbidden {
		t.Errorf("admin without the scope: got %d", a.status)
	}
	w.token = w.login("the-job", job, nil)
	if a := w.ask("GET", "/federationPolicies", nil); a.status != http.StatusForbidden || a.str("error_code") != "PERMISSION_DENIED" {
		t.Errorf("somebody else: got %d %s", a.status, a.text)
	}
}

func TestPolicyAPI_delay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startPolicies(t, oidctest.Config{Pipe: true}, func(c *exchangetest.Config) { c.PolicyDelay = 90 * time.Second })
		p := trust.Policy{Issuer: w.idp.Issuer(), Subject: "late", Audiences: []string{"a"}}
		if a := w.ask("POST", jobPolicies, p); a.status != http.StatusOK {
			t.Fatalf("got %d %s", a.status, a.text)
		}
		subject := w.subject(set{"sub": "late", "aud": "a"})
		time.Sleep(89 * time.Second)
		if a := w.post(form(subject, nil)); a.status != http.StatusBadRequest {
			t.Errorf("after 89 s: got %d", a.status)
		}
		time.Sleep(time.Second)
		if a := w.post(form(subject, nil)); a.status != http.StatusOK {
			t.Errorf("after 90 s: got %d; %s", a.status, w.reason())
		}
	})
}
