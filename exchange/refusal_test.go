package exchange_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/brickfed/brickfed/exchange"
)

const accessToken = "dkea-Zq7xV1mP0sN4bT8wLc2RjY6uHf3Gi9Eo5Ka-hW8v_r2D-y6JzQpXb5.Xw3"

// answered makes an API's answer to a request with accessToken; headers stand in
// pairs.
func answered(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{
		StatusCode: status,
		Header:     h,
		Body:       io.NopCloser(strings.NewReader(body)),
		Request: &http.Request{
			URL:    &url.URL{Scheme: "https", Host: "dbc-a1b2c3d4-e5f6.cloud.databricks.com", Path: "/api/2.0/clusters/list"},
			Header: http.Header{"Authorization": {"Bearer " + accessToken}},
		},
	}
}

func TestRefusal(t *testing.T) {
	const (
		refused    = exchange.KindRefused
		permission = exchange.KindPermission
		blocked    = exchange.KindBlocked
		scope      = exchange.KindScope
	)
	tests := []struct {
		name   string
		status int
		body   string
		header []string
		kind   exchange.Kind // empty for no error
		hint   string
	}{
		{"401", 401, "", nil, refused, "get a new token"},
		{"401 with a body", 401, `{"error_code":"401","message":"Credential was not sent or was of an unsupported type for this API."}`, nil, refused, "get a new token"},
		{"401, plain text", 401, "Invalid Token", nil, refused, "exchanged at the host that is called now"},
		{"401, other scheme", 401, "", []string{"WWW-Authenticate", `Basic realm="x"`}, refused, "get a new token"},
		// n8n#34147, databricks-sdk-go#1061: error_code is a number.
		{"403, numeric code", 403, `{"error_code":403,"message":"Invalid access token."}`, nil, refused, "same account"},
		{"403, code as text", 403, `{"error_code":"403","message":"Invalid access token. [ReqId: 5e0d0b6c]"}`, nil, refused, "same account"},
		{"403, a SQL endpoint's header alone", 403, "", []string{"X-Thriftserver-Error-Message", "Invalid access token."}, refused, "get a new token"},
		{"403, JWT has expired", 403, `{"error_code":403,"message":"JWT has expired"}`, []string{"X-Databricks-Reason-Phrase", "JWT has expired"}, refused, "ended by the server's clock"},
		{"403, only the header", 403, "", []string{"X-Databricks-Reason-Phrase", "JWT has expired"}, refused, "NTP"},
		{"400, only the header", 400, "", []string{"X-Databricks-Reason-Phrase", "JWT has expired"}, refused, "NTP"},
		{"403, plain text", 403, "Invalid Token", nil, refused, "get a new token"},
		{"403, plain text and newline", 403, "Invalid Token\r\n", nil, refused, "get a new token"},
		// terraform-provider-databricks#66
		{"403, page", 403, "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=utf-8\"/>\n<title>Error 403 Invalid access token.</title>\n</head>\n<body><h2>HTTP ERROR 403</h2>\n<p>Problem accessing /api/2.0/clusters/list. Reason:\n<pre>    Invalid access token.</pre></p>\n</body>\n</html>\n", nil, refused, "get a new token"},
		{"400, ends soon", 400, `{"error_code":"400","message":"Token is expiring within 30 seconds. (token expired)"}`, nil, refused, "MinRemaining at 40 seconds"},
		{"401, ends soon", 401, "Token is expiring within 30 seconds. (token expired)", nil, refused, "MinRemaining"},
		{"403, ends soon", 403, "Token is expiring within 30 seconds. (token expired)", nil, refused, "MinRemaining"},
		// splunk-integration#55
		{"400, exception", 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"ExpiredJwtException: JWT expired at 2026-09-01T12:00:00Z"}`, nil, refused, "NTP"},
		{"400, exception in words", 400, "io.jsonwebtoken.ExpiredJwtException", nil, refused, "NTP"},
		{"403, token expired", 403, `{"message":"Token expired"}`, nil, refused, "NTP"},
		{"403, unauthenticated", 403, `{"error_code":"UNAUTHENTICATED","message":"x"}`, nil, refused, "get a new token"},
		// RFC 6750, section 3.1
		{"403, challenge", 403, "", []string{"WWW-Authenticate", `Bearer realm="databricks", error="invalid_token", error_description="x"`}, refused, "get a new token"},
		{"400, challenge", 400, "", []string{"WWW-Authenticate", `Bearer error=invalid_token`}, refused, "get a new token"},
		{"403, second challenge", 403, "", []string{"WWW-Authenticate", "Negotiate", "WWW-Authenticate", `Bearer error="invalid_token"`}, refused, "get a new token"},
		{"403, scope", 403, "", []string{"WWW-Authenticate", `Bearer error="insufficient_scope", scope="sql"`}, scope, "in Scopes"},
		{"403, permission", 403, `{"error_code":"PERMISSION_DENIED","message":"User does not have USE CATALOG on Catalog 'main'."}`, nil, permission, "grant the identity the permission"},
		{"403, permission that speaks of tokens", 403, `{"error_code":"PERMISSION_DENIED","message":"Invalid access token. JWT has expired. Invalid Token"}`, nil, permission, "a new one would not help"},
		{"403, permission against a challenge", 403, `{"error_code":"PERMISSION_DENIED"}`, []string{"WWW-Authenticate", `Bearer error="invalid_token"`, "X-Databricks-Reason-Phrase", "JWT has expired"}, permission, "grant"},
		{"403, permission that quotes", 403, `{"error_code":403,"message":"No permission on table 'invalid token'"}`, nil, permission, "grant"},
		{"403, details mean nothing", 403, `{"error_code":"FORBIDDEN","message":"no","details":[{"value":"Invalid access token"}]}`, nil, permission, "grant"},
		{"403, not in the workspace", 403, `{"error_code":403,"message":"This API is disabled for users without the workspace-access entitlement."}`, nil, permission, "add it to the workspace"},
		{"403, nothing", 403, "", nil, permission, "grant"},
		{"403, IP access list", 403, `{"error_code":"403","message":"Source IP address: 203.0.113.7 is blocked by Databricks IP ACL for workspace: 1234567890123456"}`, nil, blocked, "IP access lists"},
		{"403, network", 403, `{"error_code":403,"message":"Unauthorized network access to workspace: 1234567890123456"}`, nil, blocked, "private link"},
		{"400, a user's mistake", 400, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid token: page_token is invalid, token expired"}`, nil, "", ""},
		{"400, invalid token", 400, "Invalid Token", nil, "", ""},
		{"400, nothing", 400, "", nil, "", ""},
		{"200", 200, "Invalid Token", []string{"X-Databricks-Reason-Phrase", "JWT has expired"}, "", ""},
		{"404", 404, `{"message":"Invalid access token."}`, nil, "", ""},
		{"429", 429, "Invalid Token", nil, "", ""},
		{"500", 500, "Invalid Token", nil, "", ""},
		{"302", 302, "", nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := answered(tt.status, tt.body, tt.header...)
			err, got := exchange.Refusal(resp)
			if got != (tt.kind == refused) {
				t.Errorf("refused %t", got)
			}
			switch {
			case tt.kind == "":
				if err != nil {
					t.Errorf("error %v", err)
				}
			case err == nil:
				t.Error("no error")
			case err.Kind != tt.kind || !strings.Contains(err.Hint, tt.hint) || err.Status != tt.status || err.Op != "use token" || err.Endpoint != resp.Request.URL.Host:
				t.Errorf("kind %q, hint %q, status %d, endpoint %q: want %q, %q", err.Kind, err.Hint, err.Status, err.Endpoint, tt.kind, tt.hint)
			case err.Temporary():
				t.Error("temporary")
			}
			if body, err := io.ReadAll(resp.Body); string(body) != tt.body || err != nil {
				t.Errorf("the caller reads %q, %v", body, err)
			}
		})
	}
}

func TestRefusal_fields(t *testing.T) {
	err, refused := exchange.Refusal(answered(401, `{"error_code":"401","message":"no"}`, "X-Request-Id", "r-1", "Retry-After", "3"))
	if !refused || err.Code != "401" || err.Description != "no" || err.RequestID != "r-1" || err.Wait != 3*time.Second {
		t.Errorf("%t, %+v", refused, err)
	}
	err, _ = exchange.Refusal(answered(403, "", "X-Databricks-Reason-Phrase", "JWT has expired", "WWW-Authenticate", `Bearer error="invalid_token"`))
	if err.Code != "invalid_token" || err.Description != "JWT has expired" {
		t.Errorf("%+v", err)
	}
	if err, refused := exchange.Refusal(nil); err != nil || refused {
		t.Error("nil is refused")
	}
	if err, refused := exchange.Refusal(&http.Response{StatusCode: 401}); err == nil || !refused {
		t.Error("an answer without body, header and request is not refused")
	}
}

// TestRefusal_echo: the token that the request carried is not in the error.
func TestRefusal_echo(t *testing.T) {
	for _, echo := range []string{accessToken, strings.ToUpper(accessToken), accessToken[10:40], url.QueryEscape(accessToken), strings.Join(strings.Split(accessToken, ""), " ")} {
		for _, resp := range []*http.Response{
			answered(401, `{"error_code":"`+echo+`","message":"bad `+echo+`"}`, "X-Request-Id", echo),
			answered(403, "Invalid Token "+echo),
			answered(403, "<title>Invalid Token "+echo+"</title>"),
			answered(403, "", "X-Databricks-Reason-Phrase", "JWT has expired: "+echo),
		} {
			err, _ := exchange.Refusal(resp)
			text := strings.ToLower(fmt.Sprintf("%v %+v %#v %q", err, *err, err, err))
			for i := 0; i+8 <= len(echo); i++ {
				if piece := strings.ToLower(echo[i : i+8]); strings.Contains(text, piece) {
					t.Errorf("shows %q: %s", piece, text)
					break
				}
			}
		}
	}
}

// body counts how it is used.
type body struct {
	io.Reader
	read   int
	closed int
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *body) Close() error {
	b.closed++
	return nil
}

// onceBroken ends with an error the first time and as if whole after that.
type onceBroken struct{ err error }

func (o *onceBroken) Read([]byte) (int, error) {
	err := o.err
	o.err = io.EOF
	return 0, err
}

func TestRefusal_body(t *testing.T) {
	broken := errors.New("connection lost")
	long := bytes.Repeat([]byte("x"), 300<<10)
	tests := []struct {
		name string
		data []byte
		end  error
	}{
		{"empty", nil, nil},
		{"short", []byte("Invalid Token"), nil},
		{"just below the limit", long[:64<<10-1], nil},
		{"as long as the limit", long[:64<<10], nil},
		{"just above the limit", long[:64<<10+1], nil},
		{"long", long, nil},
		{"broken at once", nil, broken},
		{"broken early", []byte("Invalid"), broken},
		{"broken late", long, broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r io.Reader = bytes.NewReader(tt.data)
			if tt.end != nil {
				r = io.MultiReader(r, &onceBroken{tt.end})
			}
			b := &body{Reader: iotest.OneByteReader(r)}
			resp := answered(403, "")
			resp.Body = b
			for range 2 { // a second look sees the same
				_, _ = exchange.Refusal(resp)
			}
			if b.closed != 0 || b.read > 64<<10 {
				t.Errorf("read %d bytes, closed %d times", b.read, b.closed)
			}
			got, err := io.ReadAll(resp.Body)
			if !bytes.Equal(got, tt.data) || !errors.Is(err, tt.end) || (err == nil) != (tt.end == nil) {
				t.Errorf("the caller reads %d bytes and %v, want %d and %v", len(got), err, len(tt.data), tt.end)
			}
			if resp.Body.Close(); b.closed != 1 {
				t.Errorf("closed %d times", b.closed)
			}
		})
	}
}

func TestRefusal_untouched(t *testing.T) {
	for _, status := range []int{200, 204, 206, 301, 404, 409, 429, 500, 503} {
		resp := answered(status, "")
		b := &body{Reader: strings.NewReader("Invalid Token")}
		resp.Body = b
		if _, refused := exchange.Refusal(resp); refused || b.read != 0 || resp.Body != io.ReadCloser(b) {
			t.Errorf("status %d: refused %t, read %d bytes", status, refused, b.read)
		}
	}
}

// FuzzRefusal: the body comes back whole, PERMISSION_DENIED never is a refused
// token, and nothing but 400, 401 and 403 is looked at.
func FuzzRefusal(f *testing.F) {
	f.Add(403, `{"error_code":"PERMISSION_DENIED","message":"Invalid access token."}`, "JWT has expired", `Bearer error="invalid_token"`)
	f.Add(403, `{"error_code":403,"message":"Invalid access token."}`, "", "")
	f.Add(401, "Invalid Token", "", "")
	f.Add(400, "<html>", "x", `Bearer error=`)
	f.Fuzz(func(t *testing.T, status int, body, reason, challenge string) {
		resp := answered(status, body, "X-Databricks-Reason-Phrase", reason, "WWW-Authenticate", challenge)
		err, refused := exchange.Refusal(resp)
		if got, rerr := io.ReadAll(resp.Body); string(got) != body || rerr != nil {
			t.Fatalf("the caller reads %q, %v", got, rerr)
		}
		switch {
		case status != 400 && status != 401 && status != 403:
			if err != nil || refused {
				t.Fatalf("status %d: %v", status, err)
			}
			return
		case refused != (err != nil && err.Kind == exchange.KindRefused):
			t.Fatalf("refused %t with %v", refused, err)
		case status == 401 && !refused:
			t.Fatal("401 is not refused")
		case status == 403 && err == nil:
			t.Fatal("403 without an error")
		case err == nil:
			return
		}
		if status != 401 && err.Code == "PERMISSION_DENIED" && refused {
			t.Fatal("a missing permission is a refused token")
		}
		if err.Hint == "" || len(err.Error()) > 4<<10 || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Fatalf("%d bytes, hint %q", len(err.Error()), err.Hint)
		}
	})
}

func ExampleRefusal() {
	resp := &http.Response{
		StatusCode: http.StatusForbidden,
		Body:       io.NopCloser(strings.NewReader(`{"error_code":403,"message":"JWT has expired"}`)),
	}
	err, refused := exchange.Refusal(resp)
	fmt.Println(refused, err.Kind, err.Description)

	body, _ := io.ReadAll(resp.Body) // still whole
	fmt.Println(string(body))
	// Output:
	// true refused JWT has expired
	// {"error_code":403,"message":"JWT has expired"}
}

func ExampleError() {
	_, err := exchange.New(exchange.Config{Host: "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com"})
	var e *exchange.Error
	if errors.As(err, &e) {
		fmt.Println(e.Kind, e.Temporary())
	}
	// Output: config false
}
