package exchangetest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func TestNew_refuses(t *testing.T) {
	good := trust.Policy{Issuer: "https://idp.example", Subject: "s"}
	tests := []struct {
		name string
		cfg  exchangetest.Config
		want []string
	}{
		{"negative", exchangetest.Config{Leeway: -1}, []string{"negative duration"}},
		{"account", exchangetest.Config{AccountID: "42"}, []string{`AccountID "42" is not a UUID`}},
		{"group", exchangetest.Config{Groups: []exchangetest.Group{{ID: "admins"}}}, []string{`ID "admins" is not a number`}},
		{"nobody", exchangetest.Config{Principals: []exchangetest.Principal{{}}}, []string{"set ApplicationID"}},
		{"both", exchangetest.Config{Principals: []exchangetest.Principal{{ApplicationID: job, UserName: ada}}}, []string{"set ApplicationID"}},
		{"no UUID", exchangetest.Config{Principals: []exchangetest.Principal{{ApplicationID: "3711048827441"}}}, []string{"not a UUID"}},
		{"user with policy", exchangetest.Config{Principals: []exchangetest.Principal{{UserName: ada, Policies: []trust.Policy{good}}}}, []string{"neither Secret nor Policies"}},
		{"ID", exchangetest.Config{Principals: []exchangetest.Principal{{UserName: ada, ID: "x"}}}, []string{`ID "x"`}},
		{"ID twice", exchangetest.Config{Principals: []exchangetest.Principal{{UserName: ada, ID: "7"}, {UserName: "b", ID: "7"}}}, []string{`belongs to "ada@acme.example"`}},
		{"unknown groups", exchangetest.Config{Principals: []exchangetest.Principal{{UserName: ada, Groups: []string{"1"}, Assumes: []string{"2"}}}}, []string{`group "1"`, `group "2"`}},
		{"everything at once", exchangetest.Config{
			MaxLifetime: -1, Groups: []exchangetest.Group{{}}, Principals: []exchangetest.Principal{{}},
			Policies: []trust.Policy{{}, {Issuer: "http://idp.example"}, {Issuer: "https://idp.example", ServicePrincipalID: "77"}},
		}, []string{"MaxLifetime", "add group", "add principal", "issuer: it is required", "use https", `no service principal with ID "77"`}},
		{"policy of an account", exchangetest.Config{Policies: []trust.Policy{good}}, []string{"an account policy takes all subjects"}},
		{"policy of another account", exchangetest.Config{Policies: []trust.Policy{{AccountID: other, Issuer: "https://idp.example"}}}, []string{"another account"}},
		{"policy without subject", exchangetest.Config{Principals: []exchangetest.Principal{{ApplicationID: job, Policies: []trust.Policy{{Issuer: "https://idp.example"}}}}}, []string{"subject: it is required"}},
		{"policy of another principal", exchangetest.Config{Principals: []exchangetest.Principal{{ApplicationID: job, Policies: []trust.Policy{{Issuer: "https://idp.example", Subject: "s", ServicePrincipalID: "1"}}}}}, []string{"another account or service principal"}},
		{"http on a host that only looks local", exchangetest.Config{Policies: []trust.Policy{{Issuer: "http://127.0.0.1.example"}}}, []string{"use https"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := exchangetest.New(tt.cfg)
			if err == nil {
				s.Close()
				t.Fatal("got no error")
			}
			for _, want := range append(tt.want, "exchangetest: ") {
				wantContains(t, err.Error(), want)
			}
		})
	}
}

func TestAddPolicy(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	p := trust.Policy{ServicePrincipalID: "3711048827441", Issuer: "https://new.example", Subject: "s", ID: "first"}
	if err := w.dbx.AddPolicy(p, p); err != nil { // the same again is the same
		t.Error(err)
	}
	p.Subject = "another"
	if err := w.dbx.AddPolicy(p); err == nil {
		t.Error("another policy took its ID")
	}
	for i := range 18 {
		p.ID, p.Subject = "", fmt.Sprint(i)
		if err := w.dbx.AddPolicy(p); err != nil {
			t.Fatal(err)
		}
	}
	p.Subject = "one too many"
	if err := w.dbx.AddPolicy(p); err == nil {
		t.Error("21 policies were taken")
	}
}

func TestAddGroup_renames(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	if err := w.dbx.AddGroup(exchangetest.Group{ID: analysts, Name: "renamed"}, exchangetest.Group{ID: "5"}); err != nil {
		t.Fatal(err)
	}
	wantContains(t, w.me(w.exchange(nil)).text, `"display":"renamed"`)
}

func TestServer_URLs(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	for _, u := range []string{w.dbx.URL(), w.dbx.AccountURL(), w.dbx.UnifiedURL()} {
		if !strings.HasPrefix(u, "http://127.0.0.1:") {
			t.Errorf("got %q", u)
		}
	}
	if got := w.dbx.AccountID(); got != account {
		t.Errorf("got %q", got)
	}
	p := start(t, oidctest.Config{Pipe: true}, nil)
	got := p.dbx.URL() + " " + p.dbx.AccountURL() + " " + p.dbx.UnifiedURL()
	if want := "https://dbc-test.cloud.databricks.com https://accounts.cloud.databricks.com https://acme.databricks.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestServer_workspacesOfOneAccount takes a token to another workspace, where it
// does not belong.
func TestServer_workspacesOfOneAccount(t *testing.T) {
	w := start(t, oidctest.Config{Pipe: true}, nil)
	const second = "https://adb-2.3.azuredatabricks.net"
	a := w.postTo(second+"/oidc/v1/token", form(w.subject(nil), nil))
	if a.status != http.StatusOK || w.read(a.str("access_token")).Issuer() != second+"/oidc" {
		t.Fatalf("got %d %s", a.status, a.text)
	}
	me := w.call(http.MethodGet, second+"/api/2.0/preview/scim/v2/Me", a.str("access_token"), "")
	if me.status != http.StatusOK || me.header.Get("X-Databricks-Org-Id") == w.me("").header.Get("X-Databricks-Org-Id") {
		t.Errorf("got %d, %v", me.status, me.header)
	}
	if got := w.me(a.str("access_token")); got.status != http.StatusUnauthorized || got.text != "Invalid Token" {
		t.Errorf("at the other workspace: got %d %s", got.status, got.text)
	}
	dod := w.call(http.MethodGet, "https://accounts-dod.cloud.databricks.us/.well-known/databricks-config", "", "")
	if dod.str("host_type") != "account" {
		t.Errorf("got %s", dod.text)
	}
}

// TestServer_asHandler serves over TLS, with somebody else's listener.
func TestServer_asHandler(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	ts := httptest.NewTLSServer(w.dbx)
	defer ts.Close()
	resp, err := ts.Client().PostForm(ts.URL+"/oidc/v1/token", form(w.subject(nil), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got %s; %s", resp.Status, w.reason())
	}
}

func TestServer_Close(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Hang: true})
	done := make(chan error)
	go func() {
		_, err := w.dbx.Client().PostForm(w.dbx.URL()+"/oidc/v1/token", form(w.subject(nil), nil))
		done <- err
	}()
	for w.dbx.Count(exchangetest.Token) == 0 {
		runtime.Gosched()
	}
	if err := w.dbx.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("the hanging request got an answer")
	}
	if err := w.dbx.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	recorder := httptest.NewRecorder()
	w.dbx.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("after Close: got %d", recorder.Code)
	}
}

// TestServer_onAFakeClock lives for three hours in no time.
func TestServer_onAFakeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, oidctest.Config{Pipe: true, TokenLifetime: time.Hour}, nil)
		token := w.exchange(nil)
		time.Sleep(59*time.Minute + 59*time.Second)
		if me := w.me(token); me.status != http.StatusOK {
			t.Errorf("a second before the end: got %d %s", me.status, me.text)
		}
		time.Sleep(time.Second)
		if me := w.me(token); me.status != http.StatusForbidden || me.header.Get("X-Databricks-Reason-Phrase") != "JWT has expired" {
			t.Errorf("at the end: got %d %s", me.status, me.text)
		}

		// A key that its issuer withdrew counts for five minutes at most.
		old := w.subject(nil)
		kid := w.idp.KeyID()
		if _, err := w.idp.Rotate(); err != nil {
			t.Fatal(err)
		}
		if a := w.post(form(old, nil)); a.status != http.StatusOK {
			t.Errorf("both keys published: got %s", w.reason())
		}
		w.idp.Withdraw(kid)
		time.Sleep(5 * time.Minute)
		if a := w.post(form(old, nil)); a.status != http.StatusBadRequest {
			t.Errorf("key withdrawn: got %d", a.status)
		}

		// While the issuer is away its keys count for an hour.
		w.exchange(nil)
		fresh := w.subject(set{"exp": time.Now().Add(3 * time.Hour).Unix()})
		w.idp.Fail(oidctest.Discovery, oidctest.Fault{Status: 503, Times: -1})
		time.Sleep(59 * time.Minute)
		if a := w.post(form(fresh, nil)); a.status != http.StatusOK {
			t.Errorf("issuer away: got %s", w.reason())
		}
		time.Sleep(2 * time.Minute)
		if a := w.post(form(fresh, nil)); a.status != http.StatusBadRequest {
			t.Errorf("issuer away for an hour: got %d", a.status)
		}

		// A request that hangs ends with its client.
		w.dbx.Fail(exchangetest.API, exchangetest.Fault{Hang: true})
		client := *w.dbx.Client()
		client.Timeout = time.Hour
		begun := time.Now()
		if resp, err := client.Do(request(t, http.MethodGet, w.dbx.URL()+"/api/2.0/x", nil)); err == nil {
			resp.Body.Close()
			t.Error("the hanging request got an answer")
		}
		if got := time.Since(begun); got != time.Hour {
			t.Errorf("it took %v, want the client's hour", got)
		}
		synctest.Wait()
		if got := w.dbx.Requests(exchangetest.API); got[len(got)-1].Status != 0 {
			t.Errorf("got status %d", got[len(got)-1].Status)
		}
	})
}

// TestServer_concurrently is for the race detector.
func TestServer_concurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, oidctest.Config{Pipe: true}, func(c *exchangetest.Config) { c.RateLimit = 1000 })
		tokens := make(chan string)
		for i := range 20 {
			go func() {
				for j := range 10 {
					a := w.post(form(w.subject(set{"n": i*10 + j}), nil))
					if me := w.me(a.str("access_token")); me.status != http.StatusOK {
						t.Errorf("got %d %s", me.status, me.text)
					}
					tokens <- a.str("access_token")
				}
			}()
		}
		seen := map[string]bool{}
		for range 200 {
			seen[<-tokens] = true
			w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Delay: time.Millisecond})
			_ = w.dbx.Add(exchangetest.Principal{UserName: fmt.Sprint(len(seen))})
			w.dbx.SetDrift(0)
			_ = w.dbx.Requests()
		}
		if len(seen) != 200 {
			t.Errorf("got %d different tokens, want 200", len(seen))
		}
	})
}

// TestServer_keepsNoCredential looks for tokens and secrets in everything that
// the server remembers and answers.
func TestServer_keepsNoCredential(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	subject := w.subject(nil)
	access := w.exchange(nil)
	const secret = "very-secret-value"
	w.post(form(subject, map[string]string{"client_secret": secret, "client_assertion": access}))
	w.post(form(subject, map[string]string{"custom_claim": subject})) // in the wrong place
	w.post(form(subject+"x", nil))                                    // refused
	w.call(http.MethodGet, w.dbx.URL()+"/api/2.0/x?access_token="+access, access, access)
	w.call(http.MethodGet, w.dbx.URL()+"/api/"+access, access, "")
	req := request(t, http.MethodPost, w.dbx.URL()+"/oidc/v1/token", strings.NewReader(form(subject, nil).Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(job, secret)
	req.AddCookie(&http.Cookie{Name: "session", Value: access})
	w.do(req)

	var out bytes.Buffer
	for _, r := range w.dbx.Requests() {
		fmt.Fprintf(&out, "%+v %#v\n", r, r)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("request", "r", r)
	}
	for name, credential := range map[string]string{"subject token": subject, "access token": access, "secret": secret} {
		for i := 0; i+12 <= len(credential); i++ {
			if piece := credential[i : i+12]; strings.Contains(out.String(), piece) && !strings.Contains(job, piece) {
				t.Fatalf("a piece of the %s is in the log: %q", name, piece)
			}
		}
	}
	parsed, err := oidc.ParseToken(subject)
	if err != nil {
		t.Fatal(err)
	}
	list := w.dbx.Requests(exchangetest.Token)
	if got := list[len(list)-1].Form.Get("subject_token"); got != parsed.Fingerprint() {
		t.Errorf("got subject_token %q, want the fingerprint %q", got, parsed.Fingerprint())
	}
}

func TestServer_log(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	f := form(w.subject(nil), map[string]string{"requested_token_type": "x", "audience": "y"})
	req := request(t, http.MethodPost, w.dbx.URL()+"/oidc/v1/token", strings.NewReader(f.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "me/1.0")
	w.do(req)
	w.me("")
	w.call(http.MethodGet, w.dbx.URL()+"/login", "", "")
	got := w.dbx.Requests(exchangetest.Token)
	if len(got) != 1 || len(w.dbx.Requests()) != 3 || w.dbx.Count(exchangetest.API) != 1 || w.dbx.Count(exchangetest.Other) != 1 {
		t.Fatalf("got %d requests: %+v", len(got), got)
	}
	r := got[0]
	if r.Method != "POST" || r.Path != "/oidc/v1/token" || r.Status != 200 || r.Reason != "" || r.Chunked ||
		"http://"+r.Host != w.dbx.URL() || r.Header.Get("User-Agent") != "me/1.0" || fmt.Sprint(r.Unknown) != "[audience requested_token_type]" ||
		r.Form.Get("client_id") != job || r.Form.Get("audience") != "y" {
		t.Errorf("got %+v", r)
	}
	r.Form.Set("client_id", "changed")
	r.Header.Set("User-Agent", "changed")
	if again := w.dbx.Requests(exchangetest.Token)[0]; again.Form.Get("client_id") != job || again.Header.Get("User-Agent") != "me/1.0" {
		t.Error("the log belongs to the caller, but the server's was changed")
	}
}

func TestServer_logIsBounded(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	w.dbx.FillLog(10_000)
	w.me("")
	w.me("")
	list := w.dbx.Requests()
	if len(list) != 10_000 || list[9_997].Endpoint != exchangetest.Other || list[9_998].Endpoint != exchangetest.API {
		t.Errorf("the log has %d entries, the last ones are %v and %v", len(list), list[9_998].Endpoint, list[9_999].Endpoint)
	}
	if got := w.dbx.Count(exchangetest.Other); got != 10_000 {
		t.Errorf("got count %d, want 10000", got)
	}
}
