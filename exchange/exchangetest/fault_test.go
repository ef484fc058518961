package exchangetest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// TestRecorded holds the answers that clients are made to recognise.
func TestRecorded(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string // part of it
	}{
		{"no policy", 400, "TOKEN_INVALID (Ensure a valid federation policy has been configured)"},
		{"audience", 400, "TOKEN_AUDIENCE_INVALID (Token audience 'some-audience' invalid)"},
		{"invalid client", 401, `"error":"invalid_client"`},
		{"invalid client 400", 400, `"error_description":"Client authentication failed"`},
		{"throttled", 400, `{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}`},
		{"too many requests", 429, ""},
		{"unavailable", 503, `{"message":"The service at /oidc/v1/token is temporarily unavailable. Please try again later. [TraceId: -]","error_code":"TEMPORARILY_UNAVAILABLE"}`},
		{"bad gateway", 502, "<html>"},
		{"ip access list", 403, "blocked by Databricks IP ACL"},
		{"scope", 403, `"error":"access_denied"`},
		{"refresh token", 400, `{"error":"invalid_request","error_description":"Refresh token is invalid"}`},
		{"login page", 200, "<!doctype html>"},
		{"empty", 200, "{}"},
		{"not found", 404, ""},
		{"issuer", 400, "Unable to load valid OpenID configuration for issuer"},
		{"api invalid access token", 403, `{"error_code":403,"message":"Invalid access token."}`},
		{"api jwt expired", 403, `{"error_code":403,"message":"JWT has expired"}`},
		{"api invalid token", 401, "Invalid Token"},
		{"api invalid access token page", 403, "<title>Error 403 Invalid access token.</title>"},
		{"api expiring", 400, "Token is expiring within 30 seconds. (token expired)"},
		{"api expired exception", 400, "ExpiredJwtException"},
		{"api no credential", 401, "Credential was not sent"},
		{"api permission denied", 403, `"error_code":"PERMISSION_DENIED"`},
	}
	all := exchangetest.Recorded()
	if len(all) != len(tests) {
		t.Errorf("got %d answers, want %d", len(all), len(tests))
	}
	w := start(t, oidctest.Config{}, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fault := all[tt.name]
			if fault.Status != tt.status || !strings.Contains(fault.Body, tt.body) {
				t.Errorf("got %d %s", fault.Status, fault.Body)
			}
			if strings.HasPrefix(fault.Body, "{") && !json.Valid([]byte(fault.Body)) {
				t.Errorf("it is not JSON: %s", fault.Body)
			}
			w.dbx.Fail(exchangetest.Token, fault)
			if a := w.post(form("x", nil)); a.status != tt.status || a.text != fault.Body {
				t.Errorf("served: got %d %s", a.status, a.text)
			}
		})
	}
	all["api jwt expired"].Header.Set("X-Databricks-Reason-Phrase", "changed")
	if got := exchangetest.Recorded()["api jwt expired"].Header.Get("X-Databricks-Reason-Phrase"); got != "JWT has expired" {
		t.Errorf("the map belongs to the caller, but got %q", got)
	}
}

func TestFail_queue(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	status := func() int { return w.post(form(w.subject(nil), nil)).status }
	w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Status: 500, Times: 2}, exchangetest.Fault{Status: 502})
	w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Status: 429, Times: -1})
	for i, want := range []int{500, 500, 502, 429, 429, 429} {
		if got := status(); got != want {
			t.Errorf("request %d: got %d, want %d", i, got, want)
		}
	}
	if a := w.me(""); a.status != http.StatusUnauthorized {
		t.Errorf("another endpoint: got %d", a.status)
	}
	w.dbx.Heal()
	if got := status(); got != http.StatusOK {
		t.Errorf("healed: got %d", got)
	}
}

func TestSetOutage(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	token := w.exchange(nil)
	w.dbx.SetOutage(true)
	a := w.post(form(w.subject(nil), nil))
	if a.status != http.StatusServiceUnavailable || a.text != exchangetest.Recorded()["unavailable"].Body {
		t.Errorf("got %d %s", a.status, a.text)
	}
	for _, path := range []string{"/.well-known/databricks-config", "/oidc/.well-known/oauth-authorization-server"} {
		if a := w.call(http.MethodGet, w.dbx.URL()+path, "", ""); a.status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d", path, a.status)
		}
	}
	if a := w.me(token); a.status != http.StatusOK {
		t.Errorf("the APIs broke too: got %d", a.status)
	}
	w.dbx.SetOutage(true, exchangetest.API)
	if a := w.me(token); a.status != http.StatusServiceUnavailable {
		t.Errorf("API: got %d", a.status)
	}
	w.dbx.SetOutage(false)
	w.exchange(nil)
	w.dbx.Heal()
	if a := w.me(token); a.status != http.StatusOK {
		t.Errorf("healed: got %d", a.status)
	}
}

func TestFault_answers(t *testing.T) {
	w := start(t, oidctest.Config{}, nil)
	client := *w.dbx.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	subject := w.subject(nil)
	send := func(f exchangetest.Fault) (*http.Response, string, error) {
		t.Helper()
		w.dbx.Fail(exchangetest.Token, f)
		resp, err := client.PostForm(w.dbx.URL()+"/oidc/v1/token", form(subject, nil))
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return resp, string(data), err
	}
	tests := []struct {
		name  string
		fault exchangetest.Fault
		check func(resp *http.Response, body string) bool
	}{
		{"nothing", exchangetest.Fault{}, func(r *http.Response, body string) bool {
			return r.StatusCode == 200 && strings.Contains(body, "access_token")
		}},
		{"redirect", exchangetest.Fault{Status: 307, Header: http.Header{"Location": {"https://evil.example/token"}}}, func(r *http.Response, _ string) bool {
			return r.StatusCode == 307 && r.Header.Get("Location") == "https://evil.example/token"
		}},
		{"body alone", exchangetest.Fault{Body: `["odd"]`}, func(r *http.Response, body string) bool {
			return r.StatusCode == 200 && body == `["odd"]` && r.Header.Get("Content-Type") == "application/json"
		}},
		{"content type", exchangetest.Fault{Body: "a=b", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, func(r *http.Response, _ string) bool {
			return r.Header.Get("Content-Type") == "application/x-www-form-urlencoded"
		}},
		{"large", exchangetest.Fault{Body: "{", Size: 3 << 20}, func(_ *http.Response, body string) bool {
			return len(body) == 3<<20 && body[0] == '{'
		}},
		{"header on the own answer", exchangetest.Fault{Header: http.Header{"Date": {"Mon, 02 Jan 2006 15:04:05 GMT"}, "Age": {"7"}}}, func(r *http.Response, body string) bool {
			return r.Header.Get("Date") == "Mon, 02 Jan 2006 15:04:05 GMT" && r.Header.Get("Age") == "7" && strings.Contains(body, "access_token")
		}},
		{"no Date", exchangetest.Fault{Header: http.Header{"Date": nil}}, func(r *http.Response, _ string) bool {
			return len(r.Header["Date"]) == 0
		}},
		{"chunked", exchangetest.Fault{Chunked: true}, func(r *http.Response, body string) bool {
			return r.ContentLength < 0 && json.Valid([]byte(body))
		}},
		{"chunked body", exchangetest.Fault{Chunked: true, Status: 400, Body: "{}"}, func(r *http.Response, body string) bool {
			return r.ContentLength < 0 && body == "{}" && r.StatusCode == 400
		}},
		{"echo", exchangetest.Fault{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"bad `+r.PostFormValue("subject_token")+`"}`)
		})}, func(r *http.Response, body string) bool {
			return r.StatusCode == 400 && strings.Contains(body, "bad "+subject)
		}},
		{"handler without status", exchangetest.Fault{Header: http.Header{"X": {"y"}}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, bytes.NewReader([]byte("text")))
		})}, func(r *http.Response, body string) bool {
			return r.StatusCode == 200 && body == "text" && r.Header.Get("X") == "y"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, err := send(tt.fault)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(resp, body) {
				t.Errorf("got %s %v %.200s", resp.Status, resp.Header, body)
			}
		})
	}
	if _, _, err := send(exchangetest.Fault{Drop: true}); err == nil {
		t.Error("a dropped connection gave an answer")
	}
	if got := w.dbx.Requests(exchangetest.Token); got[len(got)-1].Status != 0 {
		t.Errorf("dropped: the log has status %d", got[len(got)-1].Status)
	}
}

// TestFault_time has the faults that take time, on a fake clock.
func TestFault_time(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, oidctest.Config{Pipe: true}, nil)
		client := *w.dbx.Client()
		client.Timeout = time.Minute
		send := func(f exchangetest.Fault) (string, time.Duration, error) {
			t.Helper()
			w.dbx.Fail(exchangetest.API, f)
			begun := time.Now()
			resp, err := client.Get(w.dbx.URL() + "/api/2.0/x")
			if err != nil {
				return "", time.Since(begun), err
			}
			defer resp.Body.Close()
			data, err := io.ReadAll(resp.Body)
			return string(data), time.Since(begun), err
		}
		if body, took, err := send(exchangetest.Fault{Delay: 7 * time.Second}); err != nil || took != 7*time.Second || !strings.Contains(body, "Credential") {
			t.Errorf("delay: got %q after %v, %v", body, took, err)
		}
		if body, took, err := send(exchangetest.Fault{Body: "12345", Drip: time.Second}); err != nil || took != 5*time.Second || body != "12345" {
			t.Errorf("drip: got %q after %v, %v", body, took, err)
		}
		if _, took, err := send(exchangetest.Fault{Body: "x", Size: 1000, Drip: time.Second}); err == nil || took != time.Minute {
			t.Errorf("long drip: got %v after %v", err, took)
		}
		if _, took, err := send(exchangetest.Fault{Hang: true}); err == nil || took != time.Minute {
			t.Errorf("hang: got %v after %v", err, took)
		}
		if _, took, err := send(exchangetest.Fault{Delay: time.Hour, Status: 500}); err == nil || took != time.Minute {
			t.Errorf("long delay: got %v after %v", err, took)
		}
		if _, took, err := send(exchangetest.Fault{Drop: true, Delay: time.Second, Times: 2}); err == nil || took > 2*time.Second {
			t.Errorf("drop: got %v after %v", err, took)
		}
	})
}
