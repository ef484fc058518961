package exchange

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/oidc"
)

func TestKinds(t *testing.T) {
	temporary := map[Kind]bool{
		KindConfig: false, KindDenied: false, KindSource: true, KindSubject: false, KindSubjectExpired: false,
		KindNoPolicy: false, KindAudience: false, KindClient: false, KindScope: false, KindGroup: false,
		KindPermission: false, KindLogin: false, KindRequest: false, KindThrottled: true, KindUnavailable: true,
		KindCanceled: true, KindUntrusted: false, KindBlocked: false, KindNotDatabricks: false,
		KindBadResponse: false, KindContradiction: false, KindRefused: false,
	}
	for kind, want := range temporary {
		e := &Error{Op: "exchange token", Kind: kind}
		if e.Temporary() != want {
			t.Errorf("%s: Temporary = %t", kind, !want)
		}
		if text := e.Error(); strings.Contains(text, string(kind)) && !strings.Contains(string(kind), "config") && kindTexts[kind] == "" {
			t.Errorf("%s has no words: %s", kind, text)
		}
	}
	if len(kindTexts) != len(temporary) {
		t.Errorf("%d kinds have words, %d are tested", len(kindTexts), len(temporary))
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		name string
		err  Error
		want string
	}{
		{"zero", Error{}, "exchange: "},
		{"unknown kind", Error{Op: "map claims", Kind: "odd"}, "exchange: map claims: odd"},
		{
			"cause and hint",
			Error{Op: "check configuration", Kind: KindConfig, Err: errors.Join(errors.New("Host: it is required"), errors.New("ClientID: it is short")), Hint: "set both"},
			"exchange: check configuration: the configuration cannot work: Host: it is required; ClientID: it is short; set both",
		},
		{
			"everything",
			Error{Op: "exchange token", Kind: KindRequest, Status: 400, Code: "invalid_request", Description: "no", ErrorID: "e-1", RequestID: "r-1"},
			"exchange: exchange token: the server refuses the request (HTTP 400, invalid_request: no, error id e-1, request id r-1)",
		},
		{
			"code that repeats the status",
			Error{Op: "use token", Kind: KindRefused, Status: 403, Code: "403", Description: "Invalid access token."},
			"exchange: use token: the access token is refused (HTTP 403, Invalid access token.)",
		},
		{
			"a cause with a token in it",
			Error{Op: "exchange token", Kind: KindSource, Err: errors.New("got eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln")},
			"exchange: exchange token: no subject token: got [redacted]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// sourceError is what a source of somebody else may return.
type sourceError struct {
	temporary bool
	wait      time.Duration
}

func (e *sourceError) Error() string             { return "the provider says no" }
func (e *sourceError) Temporary() bool           { return e.temporary }
func (e *sourceError) RetryAfter() time.Duration { return e.wait }

func TestErrorOfSource(t *testing.T) {
	tests := []struct {
		name      string
		cause     error
		temporary bool
		wait      time.Duration
	}{
		{"no cause", nil, true, 0},
		{"unknown cause", errors.New("no"), true, 0},
		{"not here", fmt.Errorf("env: %w", oidc.ErrUnavailable), false, 0},
		{"permanent", fmt.Errorf("source: %w", &sourceError{}), false, 0},
		{"passing", &sourceError{temporary: true, wait: time.Minute}, true, time.Minute},
		{"passing, asks for too much", &sourceError{temporary: true, wait: time.Hour}, true, 10 * time.Minute},
		{"passing, asks for less than nothing", &sourceError{temporary: true, wait: -time.Hour}, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &Error{Kind: KindSource, Err: tt.cause}
			if e.Temporary() != tt.temporary || e.RetryAfter() != tt.wait {
				t.Errorf("temporary %t, wait %v; want %t, %v", e.Temporary(), e.RetryAfter(), tt.temporary, tt.wait)
			}
			if tt.cause != nil && !errors.Is(e, tt.cause) {
				t.Error("the cause is lost")
			}
		})
	}
	// A cause that says of itself that it passes does not change other kinds.
	if e := (&Error{Kind: KindUntrusted, Err: &sourceError{temporary: true, wait: time.Hour}}); e.Temporary() || e.RetryAfter() != 0 {
		t.Error("the cause of another kind was asked")
	}
}

// echoes are the ways in which a server may write down what it was sent.
var echoes = []struct {
	name  string
	write func(string) string
}{
	{"as it is", func(s string) string { return s }},
	{"its first part", func(s string) string { return strings.Split(s, ".")[0] }},
	{"its last part", func(s string) string { return s[strings.LastIndex(s, ".")+1:] }},
	{"a third", func(s string) string { return s[len(s)/3 : len(s)*2/3] }},
	{"in pieces", func(s string) string { return s[:30] + " ... " + s[30:60] + " ... " + s[60:] }},
	{"in groups of six", func(s string) string {
		var groups []string
		for ; len(s) > 6; s = s[6:] {
			groups = append(groups, s[:6])
		}
		return strings.Join(append(groups, s), " ")
	}},
	{"upper case", strings.ToUpper},
	{"lower case", strings.ToLower},
	{"percent-encoded", func(s string) string { return eachByte(s, "%%%02X") }},
	{"percent-encoded twice", func(s string) string { return eachByte(s, "%%25%02x") }},
	{"JSON escapes", func(s string) string { return eachByte(s, `\\u%04x`) }},
	{"HTML references", func(s string) string { return eachByte(s, "&#x%x;") }},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
	{"base64 inside", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(":" + s + ";")) }},
	{"hexadecimal", func(s string) string { return hex.EncodeToString([]byte(s)) }},
}

// eachByte writes JSON text: a backslash in the format stands twice.
func eachByte(s, format string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// fields are the places in which a server may put it. %s is the echo, TOKEN the
// access token.
var fields = []struct {
	name   string
	status int
	body   string
	header string
}{
	{"error", 400, `{"error":"%s"}`, ""},
	{"error_description", 400, `{"error":"invalid_grant","error_description":"bad %s here"}`, ""},
	{"error_id", 400, `{"error":"invalid_client","error_id":"%s"}`, ""},
	{"error_uri", 400, `{"error":"invalid_client","error_uri":"https://x/%s"}`, ""},
	{"error_code", 403, `{"error_code":"%s"}`, ""},
	{"message", 403, `{"error_code":403,"message":"bad %s here"}`, ""},
	{"nested", 502, `{"error":{"status":"%s","message":"%s"}}`, ""},
	{"plain text", 403, "denied: %s", ""},
	{"title", 403, "<html><title>%s</title>", ""},
	{"page", 200, "<html><body>%s</body>", ""},
	{"broken JSON", 400, `{"error":"x","error_description":"%s`, ""},
	{"form", 400, "error=%s&error_description=%s", ""},
	{"location", 302, "", "Location: https://%s.example/%s?%s"},
	{"request id", 500, "", "X-Request-Id: %s"},
	{"retry-after", 429, "", "Retry-After: %s"},
	{"token_type", 200, `{"access_token":"TOKEN","token_type":"%s"}`, ""},
	{"issued_token_type", 200, `{"access_token":"TOKEN","issued_token_type":"%s"}`, ""},
	{"scope", 200, `{"access_token":"TOKEN","scope":"é%s"}`, ""},
	{"expires_in", 200, `{"access_token":"TOKEN","expires_in":"%s"}`, ""},
	{"member name", 200, `{"access_token":"TOKEN","%s":1,"%s":2}`, ""},
	{"error beside a token", 200, `{"access_token":"TOKEN","error":"x %s","error_description":"TOKEN %s","error_id":"%s"}`, ""},
	{"message beside a token", 200, `{"refresh_token":"TOKEN","error_code":"%s","message":"TOKEN %s"}`, ""},
}

// TestErrorHidesTokens: whatever a server echoes, wherever, however it is
// printed, no 8 bytes of the subject token or of the access token come out.
func TestErrorHidesTokens(t *testing.T) {
	q := ask(t)
	const token = "dkea-Zq7xV1mP0sN4bT8wLc2RjY6uHf3Gi9Eo5Ka-hW8v_r2D-y6JzQpXb5.Xw3"
	for _, secret := range []string{q.subject.Raw(), token} {
		for _, field := range fields {
			if secret == token && !strings.Contains(field.body, "TOKEN") {
				continue // nobody knows an access token that is not there
			}
			for _, echo := range echoes {
				echoed := echo.write(secret)
				body := strings.NewReplacer("%s", echoed, "TOKEN", token).Replace(field.body)
				a := reply(field.status, body)
				if name, value, found := strings.Cut(field.header, ": "); found {
					a.header.Set(name, strings.ReplaceAll(value, "%s", echoed))
				}
				_, err := parseAnswer(q, a)
				if err == nil {
					t.Fatalf("%s, %s: no error", field.name, echo.name)
				}
				for form, text := range printed(err) {
					for _, hidden := range []string{secret, echoed, strings.ReplaceAll(echoed, `\\`, `\`)} {
						if piece := sharedRun(text, hidden); piece != "" {
							t.Errorf("%s in %s, printed with %s, shows %q: %s", echo.name, field.name, form, piece, text)
						}
					}
				}
			}
		}
	}
}

// printed is an error in every way in which programs print errors.
func printed(err *Error) map[string]string {
	forms := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		forms[verb] = fmt.Sprintf(verb, err)
		forms["value "+verb] = fmt.Sprintf(verb, *err)
		forms["cause "+verb] = fmt.Sprintf(verb, errors.Unwrap(err))
		forms["wrapped "+verb] = fmt.Sprintf(verb, fmt.Errorf("call: %w", err))
	}
	data, _ := json.Marshal(err)
	forms["JSON"] = string(data)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Error("failed", "err", err, "value", *err)
	slog.New(slog.NewJSONHandler(&log, nil)).Error("failed", "err", err, "value", *err, "cause", err.Err)
	forms["slog"] = log.String()
	return forms
}

// bodyError is what a transport for debugging may return.
type bodyError struct{ Body string }

func (e bodyError) Error() string { return "dump: " + e.Body }
func (e bodyError) Is(target error) bool {
	return target == http.ErrHandlerTimeout || target == context.DeadlineExceeded
}

func TestCauseHidesTokens(t *testing.T) {
	q := ask(t)
	for _, echo := range echoes {
		dump := bodyError{Body: echo.write(q.subject.Raw())}
		err := networkFailure(q, fmt.Errorf("round trip: %w", dump))
		for form, text := range printed(err) {
			if piece := sharedRun(text, dump.Body); piece != "" {
				t.Errorf("%s, printed with %s, shows %q: %s", echo.name, form, piece, text)
			}
		}
		if !errors.Is(err, http.ErrHandlerTimeout) {
			t.Error("errors.Is does not find what the cause is")
		}
		var raw bodyError
		if errors.As(err, &raw) {
			t.Error("errors.As hands out the cause")
		}
	}
	clean := errors.New("round trip: nothing secret")
	if err := networkFailure(q, clean); !errors.Is(err, clean) || err.Err != clean { //nolint:errorlint // the very error, not one around it
		t.Errorf("a clean cause was replaced by %v", err.Err)
	}
}

func TestErrorJSON(t *testing.T) {
	_, err := parseAnswer(ask(t), reply(429, `{"error":"slow_down"}`, "Retry-After", "2", "X-Request-Id", "r"))
	data, jerr := json.Marshal(err)
	if jerr != nil {
		t.Fatal(jerr)
	}
	var back Error
	if jerr := json.Unmarshal(data, &back); jerr != nil {
		t.Fatal(jerr)
	}
	if back.Kind != KindThrottled || back.Status != 429 || back.Code != "slow_down" || back.Wait != 2*time.Second || back.Hint != err.Hint || back.Issuer != askedIssuer {
		t.Errorf("back came %+v", back)
	}
}
