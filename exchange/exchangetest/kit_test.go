package exchangetest_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// The people of most tests.
const (
	account  = "00000000-0000-4000-8000-000000000001"
	job      = "3f0c2a1e-1111-4000-8000-000000000001" // a service principal
	other    = "3f0c2a1e-1111-4000-8000-000000000002" // another one
	admin    = "3f0c2a1e-1111-4000-8000-0000000000ad"
	ada      = "ada@acme.example" // a user
	analysts = "884100000000017"  // group of job and ada
	auditors = "884100000000018"  // job may assume it
	strange  = "884100000000019"  // nobody is in it
)

// world is a provider and an account that trusts it.
type world struct {
	t   testing.TB
	idp *oidctest.Server
	dbx *exchangetest.Server
}

// start makes a world. Its server has the people above, unless change says
// otherwise.
func start(t testing.TB, idpConfig oidctest.Config, change func(*exchangetest.Config)) *world {
	t.Helper()
	idp, err := oidctest.New(idpConfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg := exchangetest.Config{
		IdP:    idp.Client(),
		Pipe:   idpConfig.Pipe,
		Groups: []exchangetest.Group{{ID: analysts, Name: "analysts"}, {ID: auditors, Name: "auditors"}, {ID: strange, Name: "strange"}},
		Principals: []exchangetest.Principal{
			{
				ApplicationID: job, ID: "3711048827441", DisplayName: "the job", Secret: "very-secret-value",
				Groups: []string{analysts}, Assumes: []string{auditors},
				Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: "the-job", Audiences: []string{"databricks", "second"}}},
			},
			{ApplicationID: other, Scopes: []string{"sql"}, Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: "the-other"}}},
			{ApplicationID: admin, Admin: true, Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: "the-admin"}}},
			{UserName: ada, Groups: []string{analysts}},
		},
		Policies: []trust.Policy{{Issuer: idp.Issuer(), SubjectClaim: "email"}},
	}
	if change != nil {
		change(&cfg)
	}
	dbx, err := exchangetest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dbx.Close(); err != nil {
			t.Error(err)
		}
		if err := idp.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t, idp, dbx}
}

// set is a list of claims; the job's by default.
type set map[string]any

// subject signs a token of the job with some claims replaced.
func (w *world) subject(replace set) string {
	w.t.Helper()
	all := set{"sub": "the-job", "aud": "databricks"}
	maps.Copy(all, replace)
	raw, err := w.idp.Sign(all)
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// form is the exchange of a subject token for the job.
func form(subject string, replace map[string]string) url.Values {
	f := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"subject_token":      {subject},
		"scope":              {"all-apis"},
		"client_id":          {job},
	}
	for name, value := range replace {
		if value == "-" {
			f.Del(name)
			continue
		}
		f.Set(name, value)
	}
	return f
}

// answer is what a test looks at.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any // nil if it is no JSON object
}

func (a answer) str(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (w *world) do(req *http.Request) answer {
	w.t.Helper()
	resp, err := w.dbx.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(data)}
	_ = json.Unmarshal(data, &a.body)
	return a
}

// post sends a token request to the workspace.
func (w *world) post(f url.Values) answer {
	w.t.Helper()
	return w.postTo(w.dbx.URL()+"/oidc/v1/token", f)
}

func (w *world) postTo(endpoint string, f url.Values) answer {
	w.t.Helper()
	req := request(w.t, http.MethodPost, endpoint, strings.NewReader(f.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(req)
}

// exchange returns an access token of the job's, narrowed by replace.
func (w *world) exchange(replace map[string]string) string {
	w.t.Helper()
	a := w.post(form(w.subject(nil), replace))
	if a.status != http.StatusOK {
		w.t.Fatalf("exchange: %d %s; %s", a.status, a.text, w.reason())
	}
	return a.str("access_token")
}

// call asks an API.
func (w *world) call(method, rawURL, token, body string) answer {
	w.t.Helper()
	req := request(w.t, method, rawURL, strings.NewReader(body))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return w.do(req)
}

func (w *world) me(token string) answer {
	w.t.Helper()
	return w.call(http.MethodGet, w.dbx.URL()+"/api/2.0/preview/scim/v2/Me", token, "")
}

// reason is what the log says of the last request.
func (w *world) reason() string {
	list := w.dbx.Requests()
	return list[len(list)-1].Reason
}

// read decodes an access token.
func (w *world) read(token string) *claims.Claims {
	w.t.Helper()
	parsed, err := oidc.ParseToken(token)
	if err != nil {
		w.t.Fatal(err)
	}
	return parsed.UnverifiedClaims()
}

func request(t testing.TB, method, rawURL string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, rawURL, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// wantContains is for texts that may grow.
func wantContains(t testing.TB, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("got %q, want … %s …", got, want)
	}
}

func ago(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
