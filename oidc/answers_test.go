package oidc_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// TestClientCredentials_answers is every odd answer of a token endpoint.
func TestClientCredentials_answers(t *testing.T) {
	good := compact(someHeader, somePayload, "s")
	for _, tt := range []struct {
		name  string
		fault oidctest.Fault
		want  string // parts of the error, separated by |; empty for success
		code  string
		temp  bool
		wait  time.Duration
	}{
		{name: "minimal", fault: oidctest.Fault{Body: `{"access_token":"` + good + `"}`}},
		{name: "as text", fault: oidctest.Fault{Header: http.Header{"Content-Type": {"text/plain"}}, Body: `{"access_token":"` + good + `"}`}},
		{name: "created", fault: oidctest.Fault{Status: 201, Body: `{"access_token":"` + good + `","id_token":null,"error":null}`}},
		{name: "drip", fault: oidctest.Fault{Drip: 10 * time.Millisecond, Body: `{"access_token":"` + good + `"}`}},
		{name: "slow", fault: oidctest.Fault{Delay: 9 * time.Second}},
		{name: "error with status 200", fault: oidctest.Fault{Body: `{"error":"invalid_scope"}`}, code: "invalid_scope", want: "Okta wants"},
		{name: "invalid client", fault: oidctest.Fault{Status: 401, Body: `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`}, code: "invalid_client", want: "AADSTS7000215|its ID is not the value"},
		{name: "unauthorized client", fault: oidctest.Fault{Status: 400, Body: `{"error":"unauthorized_client"}`}, code: "unauthorized_client", want: "allow this client"},
		{name: "unsupported grant", fault: oidctest.Fault{Status: 400, Body: `{"error":"unsupported_grant_type"}`}, code: "unsupported_grant_type", want: "does not offer"},
		{name: "invalid target", fault: oidctest.Fault{Status: 400, Body: `{"error":"invalid_target"}`}, code: "invalid_target", want: "AudienceParam"},
		{name: "access denied", fault: oidctest.Fault{Status: 403, Body: `{"error":"access_denied","error_description":"Client is not authorized to access resource server"}`}, code: "access_denied", want: "grant the client access"},
		{name: "unknown code", fault: oidctest.Fault{Status: 400, Body: `{"error":"computer_says_no","error_description":"no"}`}, code: "computer_says_no", want: "status 400: computer_says_no: no"},
		{name: "server error by code", fault: oidctest.Fault{Status: 400, Body: `{"error":"server_error"}`}, code: "server_error", temp: true, want: "server_error"},
		{name: "temporarily unavailable", fault: oidctest.Fault{Status: 400, Body: `{"error":"temporarily_unavailable"}`}, code: "temporarily_unavailable", temp: true, want: "unavailable"},
		{name: "rate limit", fault: oidctest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: `{}`}, temp: true, wait: 7 * time.Second, want: "rate of requests"},
		{name: "overloaded", fault: oidctest.Fault{Status: 503, Header: http.Header{"Retry-After": {"120"}}}, temp: true, wait: 2 * time.Minute, want: "status 503"},
		{name: "overloaded without a word", fault: oidctest.Fault{Status: 502, Body: "Bad Gateway"}, temp: true, want: "status 502"},
		{name: "gateway timeout as a page", fault: oidctest.Fault{Status: 504, Body: "<html>"}, temp: true, want: "status 504|web page"},
		{name: "not implemented", fault: oidctest.Fault{Status: 501}, want: "status 501"},
		{name: "empty 403", fault: oidctest.Fault{Status: 403}, want: "status 403|check the client ID and secret"},
		{name: "empty 401", fault: oidctest.Fault{Status: 401}, want: "status 401|check the client ID and secret"},
		{name: "not found", fault: oidctest.Fault{Status: 404, Body: `{"message":"no route"}`}, want: "status 404|check the token endpoint"},
		{name: "redirect", fault: oidctest.Fault{Status: 307, Header: http.Header{"Location": {"https://evil.example/token"}}}, want: "redirects are not followed"},
		{name: "redirect to a login page", fault: oidctest.Fault{Status: 302, Header: http.Header{"Location": {"/login"}}, Body: "<a>"}, want: "web page"},
		{name: "web page", fault: oidctest.Fault{Header: http.Header{"Content-Type": {"text/html"}}, Body: "<title>Sign in</title>"}, want: "web page|proxy"},
		{name: "web page without a type", fault: oidctest.Fault{Header: http.Header{"Content-Type": {""}}, Body: "\n<!doctype html>"}, want: "web page"},
		{name: "nothing", fault: oidctest.Fault{Status: 200}, want: "not a JSON object"},
		{name: "no content", fault: oidctest.Fault{Status: 204}, want: "not a JSON object"},
		{name: "null", fault: oidctest.Fault{Body: "null"}, want: "not a JSON object"},
		{name: "list", fault: oidctest.Fault{Body: "[]"}, want: "not a JSON object"},
		{name: "half", fault: oidctest.Fault{Body: `{"access_token":"` + good}, want: "not a JSON object"},
		{name: "two answers", fault: oidctest.Fault{Body: `{"access_token":"` + good + `"}{}`}, want: "not a JSON object"},
		{name: "form-encoded", fault: oidctest.Fault{Body: "access_token=" + good}, want: "not a JSON object"},
		{name: "empty object", fault: oidctest.Fault{Body: "{}"}, want: "no access token"},
		{name: "empty token", fault: oidctest.Fault{Body: `{"access_token":""}`}, want: "no access token"},
		{name: "null token", fault: oidctest.Fault{Body: `{"access_token":null}`}, want: "no access token"},
		{name: "another case", fault: oidctest.Fault{Body: `{"ACCESS_TOKEN":"` + good + `"}`}, want: "no access token"},
		{name: "token is a number", fault: oidctest.Fault{Body: `{"access_token":7}`}, want: "access_token is not a string"},
		{name: "token is a list", fault: oidctest.Fault{Body: `{"access_token":["a"]}`}, want: "access_token is not a string"},
		{name: "error is an object", fault: oidctest.Fault{Status: 400, Body: `{"error":{"code":7}}`}, want: "status 400"},
		{name: "opaque token", fault: oidctest.Fault{Body: `{"access_token":"0123456789abcdef"}`}, want: "opaque|Auth0"},
		{name: "encrypted token", fault: oidctest.Fault{Body: `{"access_token":"a.b.c.d.e"}`}, want: "encrypted"},
		{name: "token in two lines", fault: oidctest.Fault{Body: `{"access_token":"` + good[:9] + `\n` + good[9:] + `"}`}, want: "base64url"},
		{name: "payload with a twin", fault: oidctest.Fault{Body: `{"access_token":"` + compact(someHeader, `{"sub":"a","SUB":"b"}`, "s") + `"}`}, want: "SUB"},
		{name: "at the bound", fault: oidctest.Fault{Body: `{"access_token":"` + good + `"}`, Size: 64 << 10}},
		{name: "beyond the bound", fault: oidctest.Fault{Body: `{"access_token":"` + good + `"}`, Size: 64<<10 + 1}, want: "larger than 65536 bytes"},
		{name: "far beyond the bound", fault: oidctest.Fault{Size: 8 << 20}, want: "larger than 65536 bytes"},
		{name: "long description", fault: oidctest.Fault{Status: 400, Body: `{"error":"x","error_description":"` + strings.Repeat("long ", 1000) + `"}`}, code: "x", want: "long long"},
		{name: "control characters", fault: oidctest.Fault{Status: 400, Body: `{"error":"x","error_description":"a\u001b[31m\r\nb"}`}, code: "x", want: "a [31m  b"},
		{name: "connection dropped", fault: oidctest.Fault{Drop: true}, temp: true, want: "EOF"},
		{name: "no answer", fault: oidctest.Fault{Hang: true}, temp: true, want: "no whole answer within 10s"},
		{name: "an answer that never ends", fault: oidctest.Fault{Drip: time.Second, Body: strings.Repeat(" ", 100)}, temp: true, want: "no whole answer within 10s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				idp := newIDP(t, oidctest.Config{Pipe: true})
				idp.Fail(oidctest.Token, tt.fault)
				src := &oidc.ClientCredentials{TokenEndpoint: idp.URL(oidctest.Token) + "?tenant=not-for-logs", Auth: basic(), HTTPClient: idp.Client()}
				start := time.Now()
				token, err := src.Token(t.Context(), "")
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if tt.want == "" {
					if err != nil || token == nil {
						t.Errorf("got %v, %v", token, err)
					}
					return
				}
				if err == nil {
					t.Fatal("no error")
				}
				for part := range strings.SplitSeq(tt.want, "|") {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("got %q, want %q in it", err, part)
					}
				}
				if strings.Contains(err.Error(), "not-for-logs") || strings.ContainsAny(err.Error(), "\r\n\x1b") || len(err.Error()) > 2000 {
					t.Errorf("%q shows the query, or is more than a line", err)
				}
				e := asError(t, err)
				if e.Code != tt.code || e.Temporary() != tt.temp || e.RetryAfter() != tt.wait {
					t.Errorf("code %q, temporary %v, wait %v, want %q, %v, %v", e.Code, e.Temporary(), e.RetryAfter(), tt.code, tt.temp, tt.wait)
				}
			})
		})
	}
}

func TestClientCredentials_untrustedCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := (&oidc.ClientCredentials{TokenEndpoint: server.URL, Auth: basic()}).Token(t.Context(), "")
	e := asError(t, err)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || e.Temporary() || !strings.Contains(e.Hint, "certificate authority") {
		t.Errorf("got %v, temporary %v", err, e.Temporary())
	}
}

func TestClientCredentials_cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp := newIDP(t, oidctest.Config{Pipe: true})
		idp.Fail(oidctest.Token, oidctest.Fault{Hang: true})
		src := &oidc.ClientCredentials{Issuer: idp.Issuer(), Auth: basic(), HTTPClient: idp.Client()}
		leaving := errors.New("leaving")
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { leave(leaving) })
		start := time.Now()
		_, err := src.Token(ctx, "")
		if !errors.Is(err, leaving) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// echo answers with what it was sent, in many forms.
func echo(status int, forms ...func(secret string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent := string(body) + " " + r.Header.Get("Authorization") + " " + r.PostForm.Encode()
		for _, value := range r.PostForm {
			sent += " " + strings.Join(value, " ")
		}
		if id, secret, ok := r.BasicAuth(); ok {
			sent += " " + id + " " + secret
			if plain, err := url.QueryUnescape(secret); err == nil {
				sent += " " + plain
			}
		}
		for _, form := range forms {
			sent += " " + form(sent)
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "x" + sent, "error_description": sent, "error_uri": sent})
	})
}

// TestErrors_noSecret is the property that no error shows a secret or a token,
// also when the provider echoes them.
func TestErrors_noSecret(t *testing.T) {
	reverseHalves := func(s string) string { return s[len(s)/2:] + s[:len(s)/2] }
	base64ed := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, value := range []string{
		"a-client-secret-of-usual-length", "p ä%s+w/o=r&d: with signs", "~Q8.7mC-secret_entra", strings.Repeat("long", 40), "12345678",
	} {
		for _, status := range []int{200, 401} {
			for name, handler := range map[string]http.Handler{
				"echo":   echo(status),
				"halves": echo(status, reverseHalves),
				"base64": echo(status, base64ed),
				"upper":  echo(status, strings.ToUpper),
				"quoted": echo(status, func(s string) string { return fmt.Sprintf("%q", s) }),
				"body is text": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(status)
					_, _ = io.WriteString(w, r.PostForm.Encode())
				}),
				"as the token": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_ = json.NewEncoder(w).Encode(map[string]string{"access_token": r.PostForm.Encode() + value})
				}),
				"as a claim name": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(status)
					_, _ = fmt.Fprintf(w, `{"error":%q,"error":%q}`, value, value)
				}),
			} {
				idp := newIDP(t, oidctest.Config{})
				idp.Fail(oidctest.Token, oidctest.Fault{Times: -1, Handler: handler})
				for _, auth := range []oidc.ClientAuth{
					oidc.SecretBasic{ClientID: "id", Secret: secret(value)}, oidc.SecretPost{ClientID: "id", Secret: secret(value)}, asserting(value),
				} {
					src := &oidc.ClientCredentials{TokenEndpoint: idp.URL(oidctest.Token), Auth: auth, HTTPClient: idp.Client()}
					_, err := src.Token(t.Context(), "")
					if err == nil {
						t.Fatalf("%s %d %T: no error", name, status, auth)
					}
					encoded, _ := json.Marshal(err)
					for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), string(encoded)} {
						for _, form := range []string{value, url.QueryEscape(value), base64ed(value)} {
							if run := sharedRun(text, form); run != "" {
								t.Fatalf("%s %d %T: %.300q shows %q of %q", name, status, auth, text, run, form)
							}
						}
					}
				}
				_ = idp.Close()
			}
		}
	}
}

// asserting is a ClientAuth of a user's own.
type asserting string

func (a asserting) Apply(_ context.Context, _ string, form url.Values, h http.Header) error {
	form.Set("client_assertion", string(a))
	h.Set("X-Signature", string(a))
	return nil
}

// sharedRun returns 8 bytes of secret that stand in text, if there are any.
func sharedRun(text, secret string) string {
	for i := 0; i+8 <= len(secret); i++ {
		if run := secret[i : i+8]; strings.Contains(text, run) {
			return run
		}
	}
	return ""
}

func FuzzTokenAnswer(f *testing.F) {
	good := compact(someHeader, somePayload, "s")
	f.Add(200, "application/json", []byte(`{"access_token":"`+good+`","token_type":"Bearer","expires_in":3600}`))
	f.Add(400, "application/json", []byte(`{"error":"invalid_client","error_description":"wrong"}`))
	f.Add(200, "text/html", []byte(`<html>`))
	f.Add(200, "", []byte(`{"access_token":"a","access_token":"b","ACCESS_TOKEN":"c"}`))
	f.Add(503, "text/plain", []byte("upstream connect error"))
	f.Add(200, "application/json", []byte(`{"error":"","access_token":"`+good+`"}`))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		header := http.Header{"Content-Type": {contentType}}
		access, id, err := oidc.ReadTokenAnswer(status, header, body, "a-client-secret-of-usual-length")
		if err == nil {
			// What is accepted is a JSON object with that member and no error.
			var members map[string]any
			if json.Unmarshal(body, &members) != nil || status < 200 || status > 299 {
				t.Fatalf("accepted status %d, %q", status, body)
			}
			for name, got := range map[string]string{"access_token": access, "id_token": id} {
				if want, _ := members[name].(string); got != want {
					t.Fatalf("%s is %q, want %q", name, got, want)
				}
			}
			if code, _ := members["error"].(string); code != "" {
				t.Fatalf("accepted error %q", code)
			}
			return
		}
		var e *oidc.Error
		if !errors.As(err, &e) || e.Status != status {
			t.Fatalf("%v is not an *Error of status %d", err, status)
		}
		echoed := bytes.ReplaceAll(body, []byte("wrong"), []byte("a-client-secret-of-usual-length"))
		if _, _, err := oidc.ReadTokenAnswer(status, header, echoed, "a-client-secret-of-usual-length"); err != nil && sharedRun(err.Error(), "a-client-secret-of-usual-length") != "" {
			t.Fatalf("%q shows the secret", err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://idp.example","token_endpoint":"https://idp.example/token","jwks_uri":"https://idp.example/keys"}`))
	f.Add([]byte(`{"ISSUER":"https://evil.example","issuer":"https://idp.example"}`))
	f.Add([]byte(`{"issuer":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		issuer, endpoint, keys, err := oidc.ParseMetadata(data)
		if err != nil {
			return
		}
		var members map[string]any
		if json.Unmarshal(data, &members) != nil {
			t.Fatalf("accepted %q", data)
		}
		for name, got := range map[string]string{"issuer": issuer, "token_endpoint": endpoint, "jwks_uri": keys} {
			if want, _ := members[name].(string); got != want {
				t.Fatalf("%s is %q, want %q", name, got, want)
			}
		}
		if issuer == "" {
			t.Fatal("no issuer")
		}
	})
}
