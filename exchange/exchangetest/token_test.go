package exchangetest_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func TestExchange(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	raw := w.subject(set{"exp": time.Now().Add(10 * time.Minute).Unix()})
	a := w.post(form(raw, nil))
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s; %s", a.status, a.text, w.reason())
	}
	for name, want := range map[string]string{
		"token_type": "Bearer", "scope": "all-apis", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
	} {
		if got := a.str(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if len(a.body) != 5 {
		t.Errorf("got members %v, want 5", a.body)
	}
	if n, isNumber := a.body["expires_in"].(float64); !isNumber || n < 598 || n > 600 {
		t.Errorf("expires_in: got %v, want the number 599 or 600", a.body["expires_in"])
	}
	if len(a.header.Get("X-Request-Id")) != 36 || a.header.Get("X-Databricks-Org-Id") == "" || a.header.Get("Date") == "" {
		t.Errorf("got header %v", a.header)
	}

	got := w.read(a.str("access_token"))
	want, subject := w.dbx.URL()+"/oidc", w.read(raw)
	if got.Issuer() != want || got.Subject() != job {
		t.Errorf("got iss %q, sub %q; want %q, %q", got.Issuer(), got.Subject(), want, job)
	}
	exp, _, _ := got.Time("exp")
	subjectExp, _, _ := subject.Time("exp")
	if !exp.Equal(subjectExp) {
		t.Errorf("exp: got %v, want the subject's %v", exp, subjectExp)
	}
	for _, name := range []string{"client_id", "scope", "jti", "aud"} {
		if values, ok, err := got.Strings(name); !ok || err != nil || values[0] == "" {
			t.Errorf("%s: got %q, %v", name, values, err)
		}
	}
	if me := w.me(a.str("access_token")); me.str("userName") != job {
		t.Errorf("Me: got %d %s", me.status, me.text)
	}
}

// TestExchange_refused holds that everything a verifier looks at is looked at.
// The answer is the recorded one, the log knows better.
func TestExchange_refused(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	foreign, err := oidctest.New(oidctest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if _, err := foreign.Rotate(); err != nil { // the first key of all is one
		t.Fatal(err)
	}
	sign := func(header, claims set) string {
		t.Helper()
		raw, err := w.idp.SignWith(header, claims)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	foreignToken, err := foreign.SignWith(map[string]any{"kid": w.idp.KeyID()}, map[string]any{"iss": w.idp.Issuer(), "sub": "the-job", "aud": "databricks"})
	if err != nil {
		t.Fatal(err)
	}
	good := set{"sub": "the-job", "aud": "databricks"}
	parts := strings.Split(w.subject(nil), ".")
	tests := []struct {
		name    string
		subject string
		change  map[string]string
		reason  string
		answer  string
	}{
		{"not a token", "x.y.z", nil, "malformed", "TOKEN_INVALID"},
		{"new line after the token", w.subject(nil) + "\n", nil, "white space", "TOKEN_INVALID"},
		{"payload of another", parts[0] + "." + strings.Split(w.subject(set{"x": 1}), ".")[1] + "." + parts[2], nil, "verifies the signature", "TOKEN_INVALID"},
		{"no signature", parts[0] + "." + parts[1] + ".AAAA", nil, "verifies the signature", "TOKEN_INVALID"},
		{"key of another issuer", foreignToken, nil, "verifies the signature", "TOKEN_INVALID"},
		{"unknown kid", sign(set{"kid": "nobody"}, good), nil, `no key "nobody"`, "TOKEN_INVALID"},
		{"alg none", sign(set{"alg": "none"}, good), nil, `"none" is neither`, "TOKEN_INVALID"},
		{"alg HS256", sign(set{"alg": "HS256"}, good), nil, `"HS256" is neither`, "TOKEN_INVALID"},
		{"alg PS256", sign(set{"alg": "PS256"}, good), nil, `"PS256" is neither`, "TOKEN_INVALID"},
		{"alg ES256 with an RSA key", sign(set{"alg": "ES256"}, good), nil, "verifies the signature", "TOKEN_INVALID"},
		{"critical header", sign(set{"crit": []string{"b64"}, "b64": false}, good), nil, "verifies the signature", "TOKEN_INVALID"},
		{"unknown critical header", sign(set{"crit": []string{"x"}, "x": 1}, good), nil, "verifies the signature", "TOKEN_INVALID"},
		{"other issuer", w.subject(set{"iss": w.idp.Issuer() + "/"}), nil, "wants issuer", "TOKEN_INVALID"},
		{"other subject", w.subject(set{"sub": "the-jobs"}), nil, "wants subject", "TOKEN_INVALID"},
		{"other audience", w.subject(set{"aud": "databricks2"}), nil, "wants audience", "TOKEN_AUDIENCE_INVALID (Token audience 'databricks2' invalid)"},
		{"no audience", w.subject(set{"aud": nil}), nil, "wants audience", "TOKEN_AUDIENCE_INVALID"},
		{"audience and subject", w.subject(set{"aud": "x", "sub": "x"}), nil, "wants audience", "TOKEN_INVALID"},
		{"default audience is the account", w.subject(set{"sub": "the-other"}), map[string]string{"client_id": other}, "wants audience", "TOKEN_AUDIENCE_INVALID"},
		{"expired", w.subject(set{"exp": ago(time.Second)}), nil, "it expires at", "TOKEN_INVALID"},
		{"no exp", w.subject(set{"exp": nil}), nil, "no exp", "TOKEN_INVALID"},
		{"exp is a string", w.subject(set{"exp": "2100000000"}), nil, "it is a string", "TOKEN_INVALID"},
		{"not yet valid", w.subject(set{"nbf": ago(-time.Hour)}), nil, "it is valid from", "TOKEN_INVALID"},
		{"nbf is a string", w.subject(set{"nbf": "x"}), nil, "it is a string", "TOKEN_INVALID"},
		{"client of another policy", w.subject(nil), map[string]string{"client_id": other}, "wants audience", "TOKEN_INVALID"},
		{"unknown client", w.subject(nil), map[string]string{"client_id": "3f0c2a1e-1111-4000-8000-00000000dead"}, "no service principal", "TOKEN_INVALID"},
		{"numeric ID of the client", w.subject(nil), map[string]string{"client_id": "3711048827441"}, "no service principal", "TOKEN_INVALID"},
		{"user as client", w.subject(nil), map[string]string{"client_id": ada}, "no service principal", "TOKEN_INVALID"},
		{"policy of a principal without client_id", w.subject(nil), map[string]string{"client_id": "-"}, "wants audience", "TOKEN_INVALID"},
		{"unknown user", w.subject(set{"aud": account, "email": "eve@acme.example"}), map[string]string{"client_id": "-"}, `no user or service principal "eve@acme.example"`, "TOKEN_INVALID"},
		{"user only in sub", w.subject(set{"aud": account, "sub": ada}), map[string]string{"client_id": "-"}, "subject", "TOKEN_INVALID"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := w.post(form(tt.subject, tt.change))
			if a.status != http.StatusBadRequest || a.str("error") != "invalid_grant" || len(a.str("error_id")) != 36 {
				t.Errorf("got %d %s", a.status, a.text)
			}
			wantContains(t, a.str("error_description"), tt.answer)
			wantContains(t, w.reason(), tt.reason)
		})
	}
}

func TestExchange_recordedText(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	a := w.post(form(w.subject(set{"sub": "x", "aud": []string{"databricks", "b"}}), nil))
	want := "Failed to process token: TOKEN_INVALID (Ensure a valid federation policy has been configured). " +
		"Valid federation policy for provided token: {issuer: '" + w.idp.Issuer() + "', subject: 'x', audience: 'databricks, b'}"
	if got := a.str("error_description"); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestExchange_identities(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	tests := []struct {
		name     string
		subject  string
		clientID string
		want     string
	}{
		{"service principal", w.subject(nil), job, job},
		{"one of several audiences", w.subject(set{"aud": []string{"x", "second"}}), job, job},
		{"account as default audience", w.subject(set{"sub": "the-other", "aud": account}), other, other},
		{"user of the account", w.subject(set{"aud": account, "email": ada}), "-", ada},
		{"service principal by its application ID", w.subject(set{"aud": account, "email": job}), "-", job},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scope := "sql"
			a := w.post(form(tt.subject, map[string]string{"client_id": tt.clientID, "scope": scope}))
			if a.status != http.StatusOK {
				t.Fatalf("got %d %s; %s", a.status, a.text, w.reason())
			}
			if got := w.read(a.str("access_token")).Subject(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := w.me(a.str("access_token")).str("userName"); got != tt.want {
				t.Errorf("Me: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExchange_principalChanges(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	person := map[string]string{"client_id": "-"}
	subject := w.subject(set{"aud": account, "email": ada})
	a := w.post(form(subject, person))
	if a.status != http.StatusOK {
		t.Fatal(a.text)
	}
	if err := w.dbx.Add(exchangetest.Principal{UserName: ada, Inactive: true}); err != nil {
		t.Fatal(err)
	}
	if again := w.post(form(subject, person)); again.status != http.StatusBadRequest {
		t.Errorf("inactive: got %d", again.status)
	}
	wantContains(t, w.reason(), "not active")
	if me := w.me(a.str("access_token")); me.status != http.StatusForbidden {
		t.Errorf("token of an inactive user: got %d", me.status)
	}
	if err := w.dbx.Add(exchangetest.Principal{UserName: ada}); err != nil {
		t.Fatal(err)
	}
	if me := w.me(a.str("access_token")); me.status != http.StatusOK {
		t.Errorf("active again: got %d", me.status)
	}
	token := w.exchange(nil)
	w.dbx.Remove(job)
	w.dbx.Remove("nobody")
	if me := w.me(token); me.status != http.StatusForbidden {
		t.Errorf("removed: got %d", me.status)
	}
	w.post(form(w.subject(nil), nil))
	wantContains(t, w.reason(), "no service principal")
	if err := w.dbx.Add(exchangetest.Principal{ApplicationID: job, ID: "3711048827441"}); err != nil {
		t.Fatal(err)
	}
	w.post(form(w.subject(nil), nil))
	wantContains(t, w.reason(), "there is no policy") // they went with it
}

func TestExchange_requests(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	send := func(change func(*http.Request), f url.Values) answer {
		t.Helper()
		req := request(t, http.MethodPost, w.dbx.URL()+"/oidc/v1/token", strings.NewReader(f.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		change(req)
		return w.do(req)
	}
	good := form(w.subject(nil), nil)
	twice := form(w.subject(nil), nil)
	twice.Add("scope", "sql")
	keep := func(*http.Request) {}
	tests := []struct {
		name   string
		change func(*http.Request)
		form   url.Values
		status int
		code   string
	}{
		{"as it should be", keep, good, 200, ""},
		{"charset", func(r *http.Request) {
			r.Header.Set("Content-Type", "Application/X-WWW-Form-urlencoded; charset=UTF-8")
		}, good, 200, ""},
		{"unknown parameters", keep, form(w.subject(nil), map[string]string{"audience": "x", "requested_token_type": "y"}), 200, ""},
		{"no scope", keep, form(w.subject(nil), map[string]string{"scope": "-"}), 200, ""},
		{"JSON", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, good, 400, "invalid_request"},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, good, 400, "invalid_request"},
		{"in the query only", func(r *http.Request) {
			r.URL.RawQuery = good.Encode()
			r.Body, r.ContentLength = http.NoBody, 0
		}, good, 400, "invalid_request"},
		{"broken form", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("a=%zz")), 5
		}, good, 400, "invalid_request"},
		{"parameter twice", keep, twice, 400, "invalid_request"},
		{"no grant type", keep, form(w.subject(nil), map[string]string{"grant_type": "-"}), 400, "invalid_request"},
		{"other grant", keep, form(w.subject(nil), map[string]string{"grant_type": "password"}), 400, "unsupported_grant_type"},
		{"refresh", keep, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r"}}, 400, "invalid_request"},
		{"no subject token", keep, form("", nil), 400, "invalid_request"},
		{"no subject token type", keep, form(w.subject(nil), map[string]string{"subject_token_type": "-"}), 400, "invalid_request"},
		{"access token type", keep, form(w.subject(nil), map[string]string{"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}), 400, "invalid_request"},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, good, 405, ""},
		{"account endpoint of a workspace", func(r *http.Request) { r.URL.Path = "/oidc/accounts/" + account + "/v1/token" }, good, 404, ""},
		{"other path", func(r *http.Request) { r.URL.Path = "/oidc/v2/v1/token" }, good, 404, ""},
		{"too large", keep, form(strings.Repeat("x", 300_000), nil), 413, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := send(tt.change, tt.form)
			if a.status != tt.status || a.str("error") != tt.code {
				t.Errorf("got %d %s, want %d %s", a.status, a.text, tt.status, tt.code)
			}
		})
	}
}

func TestExchange_chunked(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	// A reader of unknown length makes the client send chunks.
	body := io.MultiReader(strings.NewReader(form(w.subject(nil), nil).Encode()))
	req := request(t, http.MethodPost, w.dbx.URL()+"/oidc/v1/token", body)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a := w.do(req); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.text)
	}
	if got := w.dbx.Requests(exchangetest.Token); !got[0].Chunked {
		t.Error("it did not arrive in chunks")
	}
}

func TestExchange_scopesAndGroups(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	otherSubject := w.subject(set{"sub": "the-other", "aud": account})
	tests := []struct {
		name    string
		subject string
		change  map[string]string
		status  int
		code    string
		scope   string
		groups  []string // IDs that Me lists
	}{
		{"default scope", w.subject(nil), map[string]string{"scope": "-"}, 200, "", "all-apis", []string{analysts}},
		{"two scopes", w.subject(nil), map[string]string{"scope": "sql  files"}, 200, "", "sql files", []string{analysts}},
		{"allowed scope", otherSubject, map[string]string{"client_id": other, "scope": "sql"}, 200, "", "sql", nil},
		{"scope not allowed", otherSubject, map[string]string{"client_id": other, "scope": "sql all-apis"}, 403, "access_denied", "", nil},
		{"group of its own", w.subject(nil), map[string]string{"assume_group": analysts}, 200, "", "all-apis", []string{analysts}},
		{"group that it may assume", w.subject(nil), map[string]string{"assume_group": auditors}, 200, "", "all-apis", []string{auditors}},
		{"group of others", w.subject(nil), map[string]string{"assume_group": strange}, 403, "access_denied", "", nil},
		{"unknown group", w.subject(nil), map[string]string{"assume_group": "42"}, 403, "access_denied", "", nil},
		{"group by name", w.subject(nil), map[string]string{"assume_group": "analysts"}, 400, "invalid_request", "", nil},
		{"empty group", w.subject(nil), map[string]string{"assume_group": ""}, 400, "invalid_request", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := w.post(form(tt.subject, tt.change))
			if a.status != tt.status || a.str("error") != tt.code || a.str("scope") != tt.scope {
				t.Fatalf("got %d %s; %s", a.status, a.text, w.reason())
			}
			if tt.status != http.StatusOK {
				return
			}
			groups, _ := w.me(a.str("access_token")).body["groups"].([]any)
			if len(groups) != len(tt.groups) {
				t.Fatalf("got groups %v, want %v", groups, tt.groups)
			}
			for i, want := range tt.groups {
				if got := groups[i].(map[string]any)["value"]; got != want {
					t.Errorf("group %d: got %v, want %s", i, got, want)
				}
			}
		})
	}
}

func TestExchange_accountAndUnified(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	for _, base := range []string{w.dbx.AccountURL(), w.dbx.UnifiedURL()} {
		endpoint := base + "/oidc/accounts/" + account + "/v1/token"
		a := w.postTo(endpoint, form(w.subject(nil), nil))
		if a.status != http.StatusOK {
			t.Fatalf("got %d %s; %s", a.status, a.text, w.reason())
		}
		if got, want := w.read(a.str("access_token")).Issuer(), base+"/oidc/accounts/"+account; got != want {
			t.Errorf("iss: got %q, want %q", got, want)
		}
		if a := w.postTo(endpoint, form(w.subject(nil), map[string]string{"assume_group": analysts})); a.status != 400 || a.str("error") != "invalid_request" {
			t.Errorf("assume_group: got %d %s", a.status, a.text)
		}
		for _, path := range []string{"/oidc/v1/token", "/oidc/accounts/00000000-0000-4000-8000-000000000002/v1/token"} {
			if a := w.postTo(base+path, form(w.subject(nil), nil)); a.status != http.StatusNotFound {
				t.Errorf("%s: got %d", path, a.status)
			}
		}
	}
}

func TestClientCredentials(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	f := url.Values{"grant_type": {"client_credentials"}, "scope": {"all-apis"}}
	basic := func(id, secret string) answer {
		t.Helper()
		req := request(t, http.MethodPost, w.dbx.URL()+"/oidc/v1/token", strings.NewReader(f.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(id, secret)
		return w.do(req)
	}
	a := basic(job, "very-secret-value")
	if a.status != http.StatusOK || a.body["expires_in"].(float64) < 3598 || a.body["issued_token_type"] != nil {
		t.Errorf("got %d %s", a.status, a.text)
	}
	if got := w.me(a.str("access_token")).str("userName"); got != job {
		t.Errorf("Me: got %q", got)
	}
	for _, refused := range []answer{basic(job, "wrong"), basic(job, ""), basic(other, ""), basic("nobody", "very-secret-value")} {
		if refused.status != http.StatusUnauthorized || refused.str("error") != "invalid_client" || refused.str("error_description") != "Client authentication failed" {
			t.Errorf("got %d %s", refused.status, refused.text)
		}
	}
	f.Set("client_id", job)
	f.Set("client_secret", "very-secret-value")
	f.Set("assume_group", auditors)
	if a := w.post(f); a.status != http.StatusOK {
		t.Errorf("secret in the form: got %d %s", a.status, a.text)
	}
}

func TestExchange_lifetime(t *testing.T) {
	in := func(d time.Duration) set { return set{"exp": time.Now().Add(d).Unix()} }
	tests := []struct {
		name   string
		config exchangetest.Config
		claims set
		least  float64
		most   float64
		reason string
	}{
		{"subject's", exchangetest.Config{}, in(5 * time.Minute), 298, 300, ""},
		{"at most an hour", exchangetest.Config{}, in(24 * time.Hour), 3598, 3600, ""},
		{"at most MaxLifetime", exchangetest.Config{MaxLifetime: time.Minute}, in(24 * time.Hour), 58, 60, ""},
		{"server ahead", exchangetest.Config{Drift: 4 * time.Minute}, in(5 * time.Minute), 58, 60, ""},
		{"server far ahead", exchangetest.Config{Drift: 6 * time.Minute}, in(5 * time.Minute), 0, 0, "it expires at"},
		{"server behind", exchangetest.Config{Drift: -6 * time.Minute}, set{"nbf": ago(0)}, 0, 0, "it is valid from"},
		{"leeway for exp", exchangetest.Config{Leeway: time.Minute}, in(-30 * time.Second), 1, 1, ""},
		{"past the leeway", exchangetest.Config{Leeway: time.Minute}, in(-61 * time.Second), 0, 0, "it expires at"},
		{"leeway for nbf", exchangetest.Config{Leeway: time.Minute, Drift: -30 * time.Second}, set{"nbf": ago(0)}, 298, 330, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t, oidctest.Config{}, func(c *exchangetest.Config) {
				c.MaxLifetime, c.Drift, c.Leeway = tt.config.MaxLifetime, tt.config.Drift, tt.config.Leeway
			})
			a := w.post(form(w.subject(tt.claims), nil))
			wantContains(t, w.reason(), tt.reason)
			if tt.reason != "" {
				if a.status != http.StatusBadRequest {
					t.Errorf("got %d %s", a.status, a.text)
				}
				return
			}
			if got, _ := a.body["expires_in"].(float64); got < tt.least || got > tt.most {
				t.Errorf("got %d %s, want %v to %v", a.status, a.text, tt.least, tt.most)
			}
		})
	}
}

func TestExchange_drift(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	w.dbx.SetDrift(-time.Hour)
	a := w.me("")
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil || date.After(time.Now().Add(-59*time.Minute)) {
		t.Errorf("got Date %v, %v; want an hour ago", date, err)
	}
	if got := w.dbx.Requests()[0].Time; got.After(time.Now().Add(-59 * time.Minute)) {
		t.Errorf("got log time %v", got)
	}
}

func TestExchange_rateLimit(t *testing.T) {
	w := start(t, oidctest.Config{}, func(c *exchangetest.Config) { c.RateLimit = 2 })
	var throttled answer
	for range 5 { // three of them fall into one second
		if a := w.post(form(w.subject(nil), nil)); a.status != http.StatusOK {
			throttled = a
		}
	}
	if throttled.status != http.StatusTooManyRequests || throttled.header.Get("Retry-After") != "1" {
		t.Errorf("got %d %v", throttled.status, throttled.header)
	}
}

// TestExchange_keys walks through the ways in which a policy finds keys, and
// through a rotation.
func TestExchange_keys(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	resp, err := w.idp.Client().Get(w.idp.URL(oidctest.Keys))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	inline, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	add := func(p trust.Policy) {
		t.Helper()
		p.Issuer, p.Subject, p.Audiences = w.idp.Issuer(), "the-job", []string{"databricks"}
		if err := w.dbx.Add(exchangetest.Principal{ApplicationID: job, Policies: []trust.Policy{p}}); err != nil {
			t.Fatal(err)
		}
	}
	ok := func(want bool) {
		t.Helper()
		if a := w.post(form(w.subject(nil), nil)); (a.status == http.StatusOK) != want {
			t.Errorf("got %d %s; %s", a.status, a.text, w.reason())
		}
	}
	add(trust.Policy{JWKSJSON: string(inline)})
	before := w.idp.Count(oidctest.Keys)
	ok(true)
	if w.idp.Count(oidctest.Keys) != before || w.idp.Count(oidctest.Discovery) != 0 {
		t.Error("inline keys were fetched")
	}
	add(trust.Policy{JWKSURI: w.idp.URL(oidctest.Keys)})
	ok(true)
	ok(true) // kept
	if got := w.idp.Count(oidctest.Keys); got != before+1 || w.idp.Count(oidctest.Discovery) != 0 {
		t.Errorf("got %d fetches", got)
	}
	if _, err := w.idp.Rotate(); err != nil {
		t.Fatal(err)
	}
	ok(true) // an unknown kid is looked up
	if got := w.idp.Count(oidctest.Keys); got != before+2 {
		t.Errorf("got %d fetches", got)
	}
	add(trust.Policy{JWKSJSON: string(inline)})
	ok(false) // inline keys do not rotate
	add(trust.Policy{})
	w.idp.Fail(oidctest.Discovery, oidctest.Fault{Status: 503})
	ok(false)
	wantContains(t, w.reason(), "503")
	w.idp.Fail(oidctest.Discovery, oidctest.Fault{Body: `{"issuer":"https://other.example","jwks_uri":"https://other.example/keys"}`})
	ok(false)
	wantContains(t, w.reason(), `about issuer "https://other.example"`)
	w.idp.Fail(oidctest.Discovery, oidctest.Fault{Body: `<html>`}, oidctest.Fault{Body: `{"issuer":"` + w.idp.Issuer() + `","jwks_uri":"http://idp.example/keys"}`})
	ok(false)
	wantContains(t, w.reason(), "not JSON")
	ok(false)
	wantContains(t, w.reason(), "use https")
	w.idp.Fail(oidctest.Keys, oidctest.Fault{Body: `[]`}, oidctest.Fault{Status: 302, Header: http.Header{"Location": {"/x"}}}, oidctest.Fault{Drop: true, Times: 2}, // net/http tries a GET again
		oidctest.Fault{Size: 600 << 10})
	for _, want := range []string{"not JSON", "302", "EOF", "larger than"} {
		ok(false)
		wantContains(t, w.reason(), want)
	}
	ok(true)
}

func TestExchange_ES256(t *testing.T) {
	w := start(t, oidctest.Config{Algorithm: oidctest.ES256}, nil)
	w.exchange(nil)
}
