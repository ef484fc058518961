package exchange

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseAnswer(t *testing.T) {
	const token = "eyJraWQiOiJrMSJ9.eyJzdWIiOiJ4In0.c2ln"
	tests := []struct {
		name string
		body string
		want tokenResponse
	}{
		{"production", `{"access_token":"` + token + `","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","scope":"all-apis","token_type":"Bearer","expires_in":3599}`, tokenResponse{token, 3599 * time.Second, "all-apis"}},
		{"databricks CLI's test server", `{"access_token":"oauth-token","expires_in":"3600","scope":"all-apis","token_type":"Bearer"}`, tokenResponse{"oauth-token", time.Hour, "all-apis"}},
		{"least", `{"access_token":"x"}`, tokenResponse{accessToken: "x"}},
		{"space around", " \r\n\t{\"access_token\":\"x\"}\n", tokenResponse{accessToken: "x"}},
		{"type in lower case", `{"access_token":"x","token_type":"bearer"}`, tokenResponse{accessToken: "x"}},
		{"type in upper case", `{"access_token":"x","token_type":"BEARER"}`, tokenResponse{accessToken: "x"}},
		{"issued as a JWT", `{"access_token":"x","issued_token_type":"urn:ietf:params:oauth:token-type:jwt"}`, tokenResponse{accessToken: "x"}},
		{"nulls", `{"access_token":"x","token_type":null,"expires_in":null,"scope":null,"issued_token_type":null,"error":null,"error_code":null}`, tokenResponse{accessToken: "x"}},
		{"empty error", `{"access_token":"x","error":""}`, tokenResponse{accessToken: "x"}},
		{"lifetime with a fraction of zero", `{"access_token":"x","expires_in":3600.0}`, tokenResponse{"x", time.Hour, ""}},
		{"lifetime with an exponent", `{"access_token":"x","expires_in":3.6e3}`, tokenResponse{"x", time.Hour, ""}},
		{"lifetime as text with an exponent", `{"access_token":"x","expires_in":"36E+2"}`, tokenResponse{"x", time.Hour, ""}},
		{"lifetime of a second", `{"access_token":"x","expires_in":1}`, tokenResponse{"x", time.Second, ""}},
		{"lifetime of a year", `{"access_token":"x","expires_in":31536000}`, tokenResponse{"x", 24 * time.Hour, ""}},
		{"lifetime that no integer holds", `{"access_token":"x","expires_in":99999999999999999999999999}`, tokenResponse{"x", 24 * time.Hour, ""}},
		{"lifetime that no float holds", `{"access_token":"x","expires_in":1e99999}`, tokenResponse{"x", 24 * time.Hour, ""}},
		{"several scopes", `{"access_token":"x","scope":" sql  offline_access "}`, tokenResponse{"x", 0, "sql offline_access"}},
		{"scopes as a list", `{"access_token":"x","scope":["sql","iam.groups"]}`, tokenResponse{"x", 0, "sql iam.groups"}},
		{"no scope", `{"access_token":"x","scope":""}`, tokenResponse{accessToken: "x"}},
		{"empty list of scopes", `{"access_token":"x","scope":[]}`, tokenResponse{accessToken: "x"}},
		{"refresh token", `{"access_token":"x","refresh_token":"never kept","id_token":"nor this"}`, tokenResponse{accessToken: "x"}},
		{"names in another case", `{"access_token":"x","Access_Token":"y","EXPIRES_IN":1,"Error":"no"}`, tokenResponse{accessToken: "x"}},
		{"escaped token", `{"access_token":"\u0078\/y"}`, tokenResponse{accessToken: "x/y"}},
		{"unknown members", `{"access_token":"x","authorization_details":[{"type":"a"}],"n":1e400}`, tokenResponse{accessToken: "x"}},
		{"every sign a header takes", `{"access_token":"!#$%&'()*+,-./09:;<=>?@AZ[]^_` + "`" + `az{|}~\"\\"}`, tokenResponse{accessToken: "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~\"\\"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, contentType := range []string{"application/json", "text/plain", "text/html", ""} {
				got, err := parseAnswer(ask(t), reply(200, tt.body, "Content-Type", contentType))
				if err != nil {
					t.Fatalf("with %q: %v", contentType, err)
				}
				if got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
			}
		})
	}
}

// oddBodies come with status 200 and hold no usable token.
var oddBodies = []struct {
	name   string
	body   string
	kind   Kind
	reason string // part of the cause
}{
	{"nothing", "", KindBadResponse, "an empty body"},
	{"space", " \n", KindBadResponse, "an empty body"},
	{"empty object", `{}`, KindBadResponse, "no access_token"},
	{"null", `null`, KindBadResponse, "a text"},
	{"true", `true`, KindBadResponse, "a text"},
	{"number", `3600`, KindBadResponse, "a text"},
	{"text in quotes", `"eyJhbGciOiJub25lIn0"`, KindBadResponse, "a text"},
	{"list", `[{"access_token":"x"}]`, KindBadResponse, "another document"},
	{"plain text", `OK`, KindBadResponse, "a text"},
	{"the bare token", `eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.`, KindBadResponse, "a text"},
	{"form", `access_token=abcdefgh&token_type=Bearer&expires_in=3600`, KindBadResponse, "another document"},
	{"page", bodyPage, KindNotDatabricks, ""},
	{"page after a byte order mark", "\ufeff<html>", KindNotDatabricks, ""},
	{"XML", `<?xml version="1.0"?><error/>`, KindNotDatabricks, ""},
	{"byte order mark", "\ufeff" + `{"access_token":"x"}`, KindBadResponse, "not a JSON object"},
	{"UTF-16", "\xff\xfe{\x00}\x00", KindBadResponse, "another document"},
	{"invalid UTF-8", "{\"access_token\":\"x\xff\"}", KindBadResponse, "not valid UTF-8"},
	{"half a surrogate pair", `{"access_token":"\ud800"}`, KindBadResponse, "surrogate"},
	{"gzip", zipped(`{"access_token":"x"}`), KindBadResponse, "another document"},
	{"cut off", `{"access_token":"abcdefghijkl`, KindBadResponse, "ends where"},
	{"cut off after the token", `{"access_token":"abcdefghijkl","expires_in":36`, KindBadResponse, "ends where"},
	{"two objects", `{"access_token":"x"}{"access_token":"y"}`, KindBadResponse, "follows the object"},
	{"something after it", `{"access_token":"x"};`, KindBadResponse, "follows the object"},
	{"token twice", `{"access_token":"x","access_token":"y"}`, KindBadResponse, "stands twice"},
	{"token twice, escaped", `{"access_token":"x","\u0061ccess_token":"y"}`, KindBadResponse, "stands twice"},
	{"lifetime twice", `{"access_token":"x","expires_in":1,"expires_in":2}`, KindBadResponse, "stands twice"},
	{"single quotes", `{'access_token':'x'}`, KindBadResponse, "member name is due"},
	{"comma too many", `{"access_token":"x",}`, KindBadResponse, "member name is due"},
	{"comment", `{/**/"access_token":"x"}`, KindBadResponse, "member name is due"},
	{"deep", `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, KindBadResponse, "nested deeper"},
	{"wide", `{"a":[` + strings.Repeat("0,", 3000) + `0]}`, KindBadResponse, "more than 2000 values"},
	{"long", `{"a":"` + strings.Repeat("a", 64<<10) + `"}`, KindBadResponse, "the limit is 65536"},
	{"token in another case", `{"Access_Token":"x"}`, KindBadResponse, "no access_token"},
	{"token inside", `{"data":{"access_token":"x"}}`, KindBadResponse, "no access_token"},
	{"empty token", `{"access_token":""}`, KindBadResponse, "no access_token"},
	{"null token", `{"access_token":null}`, KindBadResponse, "no access_token"},
	{"token as a number", `{"access_token":1}`, KindBadResponse, "access_token is not a text"},
	{"token as a list", `{"access_token":["x"]}`, KindBadResponse, "access_token is not a text"},
	{"token with a newline", `{"access_token":"x\ny"}`, KindBadResponse, "no header takes"},
	{"token with a return", `{"access_token":"x\r\nSet-Cookie: a=b"}`, KindBadResponse, "no header takes"},
	{"token with a space", `{"access_token":"x y"}`, KindBadResponse, "no header takes"},
	{"token with a zero", `{"access_token":"x\u0000"}`, KindBadResponse, "no header takes"},
	{"token in another script", `{"access_token":"ключ"}`, KindBadResponse, "no header takes"},
	{"token too long", `{"access_token":"` + strings.Repeat("a", maxAccessToken+1) + `"}`, KindBadResponse, "more than 32768 bytes"},
	{"other type", `{"access_token":"x","token_type":"MAC"}`, KindBadResponse, `token_type is "MAC"`},
	{"bound to a key", `{"access_token":"x","token_type":"DPoP"}`, KindBadResponse, `token_type is "DPoP"`},
	{"not an access token", `{"access_token":"x","token_type":"N_A"}`, KindBadResponse, `token_type is "N_A"`},
	{"no type", `{"access_token":"x","token_type":""}`, KindBadResponse, "token_type"},
	{"odd type", `{"access_token":"x","token_type":"Bearer\r\nx"}`, KindBadResponse, `"something else"`},
	{"type as a number", `{"access_token":"x","token_type":1}`, KindBadResponse, "token_type is not a text"},
	{"issued a refresh token", `{"access_token":"x","issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token"}`, KindBadResponse, "not an access token"},
	{"issued an ID token", `{"access_token":"x","issued_token_type":"urn:ietf:params:oauth:token-type:id_token"}`, KindBadResponse, "not an access token"},
	{"issued as a list", `{"access_token":"x","issued_token_type":["a"]}`, KindBadResponse, "issued_token_type is not a text"},
	{"lifetime zero", `{"access_token":"x","expires_in":0}`, KindBadResponse, "not positive"},
	{"lifetime zero as text", `{"access_token":"x","expires_in":"0"}`, KindBadResponse, "not positive"},
	{"lifetime negative", `{"access_token":"x","expires_in":-1}`, KindBadResponse, "not positive"},
	{"lifetime almost zero", `{"access_token":"x","expires_in":1e-99999}`, KindBadResponse, "not positive"},
	{"lifetime minus infinity", `{"access_token":"x","expires_in":-1e99999}`, KindBadResponse, "not positive"},
	{"lifetime with a fraction", `{"access_token":"x","expires_in":3599.7}`, KindBadResponse, "whole number"},
	{"lifetime in words", `{"access_token":"x","expires_in":"1h"}`, KindBadResponse, "number of seconds"},
	{"lifetime not a number", `{"access_token":"x","expires_in":"NaN"}`, KindBadResponse, "number of seconds"},
	{"lifetime infinite", `{"access_token":"x","expires_in":"Inf"}`, KindBadResponse, "number of seconds"},
	{"lifetime in hexadecimal", `{"access_token":"x","expires_in":"0xe10"}`, KindBadResponse, "number of seconds"},
	{"lifetime with underscores", `{"access_token":"x","expires_in":"3_600"}`, KindBadResponse, "number of seconds"},
	{"lifetime empty", `{"access_token":"x","expires_in":""}`, KindBadResponse, "number of seconds"},
	{"lifetime true", `{"access_token":"x","expires_in":true}`, KindBadResponse, "number of seconds"},
	{"lifetime as an object", `{"access_token":"x","expires_in":{"s":1}}`, KindBadResponse, "number of seconds"},
	{"lifetime of many digits", `{"access_token":"x","expires_in":"` + strings.Repeat("9", 65) + `"}`, KindBadResponse, "number of seconds"},
	{"scope as a number", `{"access_token":"x","scope":1}`, KindBadResponse, "scope is neither"},
	{"scope as an object", `{"access_token":"x","scope":{}}`, KindBadResponse, "scope is neither"},
	{"scopes of numbers", `{"access_token":"x","scope":[1]}`, KindBadResponse, "scope is neither"},
	{"scopes with a space", `{"access_token":"x","scope":["a b"]}`, KindBadResponse, "not a scope"},
	{"scope in another script", `{"access_token":"x","scope":"всё"}`, KindBadResponse, "not a scope"},
	{"scopes without end", `{"access_token":"x","scope":"` + strings.Repeat("a ", 300) + `"}`, KindBadResponse, "more than 200 scopes"},
	{"error", `{"error":"invalid_client"}`, KindClient, ""},
	{"error beside a token", `{"access_token":"x","error":"invalid_scope"}`, KindScope, ""},
	{"Databricks' error beside a token", `{"access_token":"x","error_code":"TEMPORARILY_UNAVAILABLE"}`, KindUnavailable, ""},
	{"numeric error", `{"access_token":"x","error_code":500,"message":"no"}`, KindRequest, ""},
}

func TestParseAnswer_odd(t *testing.T) {
	if len(oddBodies) < 40 {
		t.Fatalf("only %d bodies", len(oddBodies))
	}
	for _, tt := range oddBodies {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseAnswer(ask(t), reply(200, tt.body, "Content-Type", "application/json"))
			if err == nil {
				t.Fatalf("took it: lifetime %v, scope %q", got.lifetime, got.scope)
			}
			if got != (tokenResponse{}) {
				t.Error("an error with a token")
			}
			if err.Kind != tt.kind || err.Hint == "" || err.Status != 200 {
				t.Errorf("kind %q, want %q; hint %q, status %d", err.Kind, tt.kind, err.Hint, err.Status)
			}
			if tt.reason == "" {
				return
			}
			if err.Err == nil || !strings.Contains(err.Err.Error(), tt.reason) {
				t.Errorf("cause %v, want %q", err.Err, tt.reason)
			}
		})
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

// FuzzAnswer: a token that is taken fits a header and has a life in (0, 24 h] or
// an unknown one; an error shows no 8 bytes of an access token or of the subject
// token. TOKEN and SUBJECT in a body stand for such tokens.
func FuzzAnswer(f *testing.F) {
	for _, tt := range oddBodies {
		f.Add(strings.ReplaceAll(tt.body, `"access_token":"x"`, `"access_token":"TOKEN"`))
	}
	f.Add(`{"access_token":"TOKEN","token_type":"Bearer","expires_in":3599,"scope":"all-apis"}`)
	f.Add(`{"access_token":"TOKEN","error":"TOKEN","error_description":"TOKEN SUBJECT","error_id":"SUBJECT"}`)
	f.Add(`{"access_token":"TOKEN","token_type":"TOKEN"}`)
	f.Add(`{"access_token":"TOKEN","issued_token_type":"SUBJECT"}`)
	f.Add(`{"access_token":"TOKEN","error_code":"x","message":"\u0054OKEN TOKEN"}`)
	f.Add(`{"TOKEN":1,"TOKEN":2,"access_token":"TOKEN"}`)
	q := ask(f)
	sum := sha256.Sum256([]byte("an access token"))
	token := hex.EncodeToString(sum[:])
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.NewReplacer("TOKEN", token, "SUBJECT", q.subject.Raw()).Replace(body)
		got, err := parseAnswer(q, reply(200, body))
		if err == nil {
			if got.accessToken == "" || strings.ContainsFunc(got.accessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("token %q", got.accessToken)
			}
			h := http.Header{"Authorization": {"Bearer " + got.accessToken}}
			if written := new(bytes.Buffer); h.Write(written) != nil || written.String() != "Authorization: Bearer "+got.accessToken+"\r\n" {
				t.Fatalf("header %q", written)
			}
			if got.lifetime < 0 || got.lifetime > 24*time.Hour || got.lifetime%time.Second != 0 {
				t.Fatalf("lifetime %v", got.lifetime)
			}
			for _, scope := range strings.Fields(got.scope) {
				if !isScope(scope) {
					t.Fatalf("scope %q", scope)
				}
			}
			return
		}
		if got != (tokenResponse{}) || kindTexts[err.Kind] == "" || err.Hint == "" {
			t.Fatalf("response %+v with error %v", got, err)
		}
		text := err.Error()
		if piece := sharedRun(text, q.subject.Raw()); piece != "" {
			t.Fatalf("shows %q of the subject token: %s", piece, text)
		}
		var members map[string]any
		if json.Unmarshal([]byte(body), &members) == nil && members["access_token"] == token {
			if piece := sharedRun(text, token); piece != "" {
				t.Fatalf("shows %q of the access token: %s", piece, text)
			}
		}
	})
}
