package exchange

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/oidc"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

const (
	askedClient  = "3f0c2a1e-1111-4000-8000-000000000001"
	askedAccount = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	askedSubject = "repo:acme/lakehouse:environment:prod"
	askedIssuer  = "https://token.actions.githubusercontent.com"
)

// askedAt is when the questions of these tests are asked.
var askedAt = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// mint makes a token that nobody signed. A nil claim is left out.
func mint(t testing.TB, alg string, overrides map[string]any) *oidc.Token {
	t.Helper()
	payload := map[string]any{"iss": askedIssuer, "sub": askedSubject, "aud": askedAccount, "exp": askedAt.Add(5 * time.Minute).Unix()}
	for name, value := range overrides {
		if payload[name] = value; value == nil {
			delete(payload, name)
		}
	}
	parts := make([]string, 0, 3)
	for _, part := range []any{map[string]any{"alg": alg, "kid": "k1", "typ": "JWT"}, payload} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	parts = append(parts, base64.RawURLEncoding.EncodeToString([]byte("a signature nobody made, of some length")))
	token, err := oidc.ParseToken(strings.Join(parts, "."))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ask makes a question of a service principal at a workspace.
func ask(t testing.TB) question {
	return question{
		host:     "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
		kind:     workspaceHost,
		account:  askedAccount,
		endpoint: "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com/oidc/v1/token",
		audience: askedAccount,
		subject:  mint(t, "RS256", nil),
		target:   claims.Target{ClientID: askedClient},
		scope:    "all-apis",
	}
}

// reply makes an answer with headers given in pairs.
func reply(status int, body string, header ...string) answer {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return answer{status: status, header: h, body: []byte(body), sent: askedAt, received: askedAt.Add(time.Second)}
}

// Bodies as Databricks sends them; the sources are named where they are known.
const (
	bodyNoPolicy = `{"error":"invalid_grant","error_id":"5e0d0b6c-3d5e-4d0c-9d1b-0c8f1f6f7a11","error_description":"Failed to process token: TOKEN_INVALID (Ensure a valid federation policy has been configured). Valid federation policy for provided token: {issuer: 'https://token.actions.githubusercontent.com', subject: 'repo:acme/lakehouse:environment:prod', audience: 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'}"}`
	bodyAudience = `{"error":"invalid_grant","error_description":"Failed to process token: TOKEN_AUDIENCE_INVALID (Token audience 'https://kubernetes.default.svc' invalid)"}`
	bodyClient   = `{"error":"invalid_client","error_id":"faeb24cc-9c4b-4a8e-8a2c-1f1d7c1b2a3d","error_description":"Client authentication failed"}`                                                                                                                                                                                   // terraform-provider-databricks#3757
	bodySlow     = `{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}`                                                                                                                                                                                                                        // databricks-sdk-go#321
	bodyOutage   = `{"message":"The service at /oidc/v1/token is temporarily unavailable. Please try again later. [TraceId: -]","error_code":"TEMPORARILY_UNAVAILABLE"}`                                                                                                                                                               // databricks-sdk-go#1072
	bodyACL      = `{"error_code":"403","message":"Source IP address: 203.0.113.7 is blocked by Databricks IP ACL for workspace: 1234567890123456"}`                                                                                                                                                                                   // databricks-sdk-py#1210
	bodyScope    = `{"error":"access_denied","error_description":"The requested scope 'sql' is not assigned to the client"}`                                                                                                                                                                                                           //
	bodyLogin    = `{"error":"invalid_request","error_description":"Refresh token is invalid"}`                                                                                                                                                                                                                                        // databricks-sdk-go, credentials/u2m
	bodyIssuer   = `{"error":"invalid_grant","error_description":"Unable to load valid OpenID configuration for issuer"}`                                                                                                                                                                                                              //
	bodyPage     = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Databricks - Sign In</title></head><body><div id=\"login-page\"></div></body></html>"                                                                                                                                                                  //
	bodyNotFound = `{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'POST /oidc/v1/token'"}`                                                                                                                                                                                                                            //
	bodyGroup    = `{"error":"invalid_request","error_description":"The principal is not allowed to assume group 1234567890"}`                                                                                                                                                                                                         //
	bodyGrant    = `{"error":"unsupported_grant_type","error_description":"Grant type urn:ietf:params:oauth:grant-type:token-exchange is not supported"}`                                                                                                                                                                              //
	bodyNumber   = `{"error_code":403,"message":"Unauthorized network access to workspace: 1234567890123456"}`                                                                                                                                                                                                                         // databricks-sdk-go#1061
	bodyGateway  = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"                                                                                                                                                                            //
	bodyTrap     = `{"error":"invalid_grant","error_description":"Failed to process token: TOKEN_INVALID (Ensure a valid federation policy has been configured). Valid federation policy for provided token: {issuer: 'https://expired.example', subject: 'too many requests throttled refresh token scope expired', audience: 'x'}"}` //
)

type failureTest struct {
	name   string
	answer answer
	change func(*testing.T, *question)
	kind   Kind
	passes bool     // Temporary
	hints  []string // what the hint must name
}

func as(target claims.Target) func(*testing.T, *question) {
	return func(_ *testing.T, q *question) { q.target = target }
}

func with(alg string, overrides map[string]any) func(*testing.T, *question) {
	return func(t *testing.T, q *question) { q.subject = mint(t, alg, overrides) }
}

func onAccount(_ *testing.T, q *question) {
	q.kind, q.host = accountHost, "https://accounts.cloud.databricks.com"
	q.endpoint = q.host + "/oidc/accounts/" + askedAccount + "/v1/token"
}

var failureTests = []failureTest{
	{"no policy, service principal", reply(400, bodyNoPolicy, "X-Request-Id", "req-1"), nil, KindNoPolicy, false, []string{
		`issuer "` + askedIssuer + `"`, `subject "` + askedSubject + `"`, `audience "` + askedAccount + `"`,
		"policies of service principal \"" + askedClient + "\"", "service-principal-federation-policy create <numeric ID",
		`{"oidc_policy":{"issuer":"` + askedIssuer + `","audiences":["` + askedAccount + `"],"subject":"` + askedSubject + `"}}`,
		"1 to 2 minutes", "Free Edition",
	}},
	{"no policy, client_id missing", reply(400, bodyNoPolicy), as(claims.Target{}), KindNoPolicy, false, []string{
		"no client_id was sent", "set ClientID to the service principal's application ID (a UUID) instead of AccountWide",
		"databricks account federation-policy create --json", `"subject_claim":"sub"}}`,
	}},
	{"no policy, numeric client_id", reply(400, bodyNoPolicy), as(claims.Target{ClientID: "7182736455463728"}), KindNoPolicy, false, []string{
		"not its numeric ID",
	}},
	{"no policy, alg", reply(400, bodyNoPolicy), with("ES384", nil), KindSubject, false, []string{`"ES384"`, "RS256 and ES256 only"}},
	{"no policy, expired by the server's clock", reply(400, bodyNoPolicy, "Date", "Tue, 01 Sep 2026 12:06:00 GMT"), nil, KindSubjectExpired, false, []string{
		"exp is 2026-09-01T12:05:00Z", "answered at 2026-09-01T12:06:00Z", "for each exchange",
	}},
	{"no policy, expired in words", reply(400, `{"error":"invalid_grant","error_description":"Failed to process token: TOKEN_INVALID (token is expired)"}`), nil, KindSubjectExpired, false, []string{"read or mint"}},
	{"expired without TOKEN_INVALID", reply(400, `{"error":"invalid_grant","error_description":"The assertion has expired"}`), nil, KindSubjectExpired, false, []string{"read or mint"}},
	{"no policy, quoted words mean nothing", reply(400, bodyTrap), nil, KindNoPolicy, false, []string{"service-principal-federation-policy create"}},
	{"no policy, audience is not the default", reply(400, bodyNoPolicy), with("RS256", map[string]any{"aud": "databricks"}), KindNoPolicy, false, []string{
		"a policy without audiences accepts the account ID " + askedAccount + " only",
	}},
	{"no policy, Auth0", reply(400, bodyNoPolicy), with("RS256", map[string]any{"iss": "https://acme.eu.auth0.com/"}), KindNoPolicy, false, []string{"ends with a slash"}},
	{"no policy, Entra ID version 1", reply(400, bodyNoPolicy), with("RS256", map[string]any{"iss": "https://sts.windows.net/8b7c0000-0000-4000-8000-000000000000/"}), KindNoPolicy, false, []string{
		"version 1 token", "object ID of the service principal",
	}},
	{"no policy, Entra ID version 2", reply(400, bodyNoPolicy), with("RS256", map[string]any{"iss": "https://login.microsoftonline.com/8b7c0000-0000-4000-8000-000000000000/v2.0"}), KindNoPolicy, false, []string{
		"version 2 token", "sts.windows.net", "object ID",
	}},
	{"no policy, issuer in a cluster", reply(400, bodyNoPolicy), with("RS256", map[string]any{"iss": "https://kubernetes.default.svc.cluster.local"}), KindNoPolicy, false, []string{"jwks_json"}},
	{"no policy, issuer without https", reply(400, bodyNoPolicy), with("RS256", map[string]any{"iss": "http://keycloak:8080/realms/acme"}), KindNoPolicy, false, []string{"must be an https URL"}},
	{"no policy, bare token", reply(400, bodyNoPolicy), with("RS256", map[string]any{"iss": nil, "sub": nil, "aud": nil}), KindNoPolicy, false, []string{
		"without an iss claim", "without a sub claim", "without an aud claim",
	}},
	{"no policy, hard to quote", reply(400, bodyNoPolicy), with("RS256", map[string]any{"sub": "it's <\u202e>\U0001F9F1\U000E0001", "aud": []string{"a", askedAccount}}), KindNoPolicy, false, []string{
		`"subject":"it\u0027s <\u202e>` + "\U0001F9F1" + `\udb40\udc01"`,
	}},
	{"no policy, claims too long", reply(400, bodyNoPolicy), with("RS256", map[string]any{"sub": strings.Repeat("x", 2000)}), KindNoPolicy, false, []string{"searched", "…"}},
	{"audience", reply(400, bodyAudience), with("RS256", map[string]any{"aud": "https://kubernetes.default.svc"}), KindAudience, false, []string{
		"add its audience to the audiences of the federation policy", "set Audience", "refuses the default audience of Kubernetes",
	}},
	{"issuer cannot be read", reply(400, bodyIssuer), nil, KindNoPolicy, false, []string{askedIssuer + "/.well-known/openid-configuration", "jwks_json"}},
	{"client, 401", reply(401, bodyClient), nil, KindClient, false, []string{"application ID of a service principal of this account", "add the service principal to workspace dbc-a1b2c3d4-e5f6.cloud.databricks.com"}},
	{"client, 400", reply(400, bodyClient), as(claims.Target{}), KindClient, false, []string{"no client_id was sent", "set ClientID"}},
	{"client, numeric", reply(401, bodyClient), as(claims.Target{ClientID: "7182736455463728"}), KindClient, false, []string{"application ID (a UUID), not its numeric ID"}},
	{"unauthorized client", reply(400, `{"error":"unauthorized_client"}`), onAccount, KindClient, false, []string{"application ID"}},
	{"throttled with 400", reply(400, bodySlow), nil, KindThrottled, true, []string{"cache"}},
	{"throttled with 429", reply(429, "", "Retry-After", "7"), nil, KindThrottled, true, []string{"wait as long as the server asks"}},
	{"throttled, Databricks' code", reply(403, `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"x"}`), nil, KindThrottled, true, nil},
	{"outage", reply(503, bodyOutage, "X-Request-Id", "req-2", "Retry-After", "3600"), nil, KindUnavailable, true, []string{"status.databricks.com"}},
	{"outage with 200", reply(200, bodyOutage), nil, KindUnavailable, true, nil},
	{"server error in OAuth", reply(400, `{"error":"temporarily_unavailable"}`), nil, KindUnavailable, true, nil},
	{"bad gateway", reply(502, bodyGateway), nil, KindUnavailable, true, nil},
	{"internal server error", reply(500, "oops"), nil, KindUnavailable, true, nil},
	{"gateway timeout", reply(504, ""), nil, KindUnavailable, true, nil},
	{"request timeout", reply(408, ""), nil, KindUnavailable, true, nil},
	{"too early", reply(425, ""), nil, KindUnavailable, true, nil},
	{"IP access list", reply(403, bodyACL), nil, KindBlocked, false, []string{"IP access lists of dbc-a1b2c3d4-e5f6.cloud.databricks.com", "private link"}},
	{"IP access list, 400", reply(400, `{"message":"blocked"}`), nil, KindBlocked, false, []string{"IP access lists"}},
	{"IP access list, unknown", reply(403, `{"error":"unknown","error_description":"unknown"}`), nil, KindBlocked, false, []string{"IP access lists"}},
	{"network, numeric code", reply(403, bodyNumber), nil, KindBlocked, false, []string{"IP access lists"}},
	{"blocked, in words only", reply(403, "RBAC: access denied"), nil, KindBlocked, false, []string{"proxy or firewall"}},
	{"blocked, page", reply(403, "<html><title>Access Denied</title>"), nil, KindBlocked, false, []string{"proxy or firewall"}},
	{"proxy wants credentials", reply(407, "<html>"), nil, KindBlocked, false, []string{"HTTPS_PROXY"}},
	{"captive portal", reply(511, "<html>"), nil, KindBlocked, false, []string{"portal"}},
	{"scope", reply(403, bodyScope), nil, KindScope, false, []string{"set Scopes", `"all-apis"`}},
	{"scope, invalid", reply(400, `{"error":"invalid_scope"}`), nil, KindScope, false, []string{"set Scopes"}},
	{"access denied", reply(403, `{"error":"access_denied","error_description":"no"}`), nil, KindPermission, false, []string{"grant it in Databricks"}},
	{"group", reply(400, bodyGroup), as(claims.Target{ClientID: askedClient, AssumeGroup: "1234567890"}), KindGroup, false, []string{`group "1234567890"`, "roles/group.assumer"}},
	{"group, target", reply(400, `{"error":"invalid_target"}`), as(claims.Target{ClientID: askedClient, AssumeGroup: "1234567890"}), KindGroup, false, []string{"numeric ID of a group"}},
	{"group, account host", reply(400, bodyGroup), func(t *testing.T, q *question) {
		onAccount(t, q)
		q.target.AssumeGroup = "1234567890"
	}, KindGroup, false, []string{"only workspace hosts can assume a group"}},
	{"no policy, account unknown", reply(400, bodyNoPolicy), func(_ *testing.T, q *question) { q.account = "" }, KindNoPolicy, false, []string{"a policy without audiences accepts the account ID only"}},
	{"login", reply(400, bodyLogin), nil, KindLogin, false, []string{"log in again"}},
	{"subject", reply(400, `{"error":"invalid_grant","error_description":"jti was seen before"}`), nil, KindSubject, false, []string{"not used before"}},
	{"too large", reply(413, ""), nil, KindSubject, false, []string{"fewer claims"}},
	{"grant type", reply(400, bodyGrant), nil, KindRequest, false, []string{"leave TokenEndpoint empty"}},
	{"request", reply(400, `{"error":"invalid_request","error_description":"parameter x"}`), nil, KindRequest, false, []string{"error id"}},
	{"request, Databricks' code", reply(400, `{"error_code":"MALFORMED_REQUEST","message":"x"}`), nil, KindRequest, false, nil},
	{"request, other status", reply(409, ""), nil, KindRequest, false, nil},
	{"login page", reply(200, bodyPage), nil, KindNotDatabricks, false, []string{"a web page", "Host dbc-a1b2c3d4-e5f6.cloud.databricks.com", "private link"}},
	{"page, 401", reply(401, bodyPage), nil, KindNotDatabricks, false, []string{"a web page"}},
	{"not found", reply(404, bodyNotFound), nil, KindNotDatabricks, false, []string{"check that Host is a Databricks host", "TokenEndpoint"}},
	{"not found, account", reply(404, ""), onAccount, KindNotDatabricks, false, []string{"AccountID \"" + askedAccount + "\""}},
	{"method not allowed", reply(405, ""), nil, KindNotDatabricks, false, nil},
	{"not implemented", reply(501, ""), nil, KindNotDatabricks, false, nil},
	{"wants a login", reply(401, `{"error_code":401,"message":"Credential was not sent or was of an unsupported type for this API."}`), nil, KindNotDatabricks, false, []string{"exchanges tokens"}},
	{"redirect", reply(302, "", "Location", "https://login.example.com/oauth?secret=abc"), nil, KindNotDatabricks, false, []string{"redirects to login.example.com", "set Host"}},
	{"redirect that keeps the method", reply(307, "", "Location", "https://user:pass@other.example:8443/x"), nil, KindNotDatabricks, false, []string{"redirects to other.example,"}},
	{"redirect on the same host", reply(308, "", "Location", "/login.html"), nil, KindNotDatabricks, false, []string{"another path"}},
	{"redirect to nonsense", reply(302, "", "Location", "https://<script>/"), nil, KindNotDatabricks, false, nil},
	{"empty object", reply(200, `{}`), nil, KindBadResponse, false, []string{"proxy"}},
	{"created", reply(201, `{"access_token":"abc","token_type":"Bearer"}`), nil, KindBadResponse, false, nil},
	{"no content", reply(204, ""), nil, KindBadResponse, false, nil},
}

func TestFailures(t *testing.T) {
	var golden strings.Builder
	ran := 0
	for _, tt := range failureTests {
		t.Run(tt.name, func(t *testing.T) {
			q := ask(t)
			if tt.change != nil {
				tt.change(t, &q)
			}
			_, err := parseAnswer(q, tt.answer)
			if err == nil {
				t.Fatal("parseAnswer took it")
			}
			if err.Kind != tt.kind || err.Temporary() != tt.passes {
				t.Errorf("kind %q, temporary %t; want %q, %t: %v", err.Kind, err.Temporary(), tt.kind, tt.passes, err)
			}
			if err.Status != tt.answer.status || err.Op != "exchange token" || err.Endpoint == "" {
				t.Errorf("status %d, op %q, endpoint %q", err.Status, err.Op, err.Endpoint)
			}
			if err.Hint == "" {
				t.Error("no hint")
			}
			for _, want := range tt.hints {
				if !strings.Contains(err.Hint, want) {
					t.Errorf("the hint does not say %q: %s", want, err.Hint)
				}
			}
			if strings.Contains(err.Hint, "%!") || strings.Contains(err.Hint, ";;") {
				t.Errorf("the hint is badly put together: %s", err.Hint)
			}
			fmt.Fprintf(&golden, "-- %s\n%v\n\n", tt.name, err)
			ran++
		})
	}
	if ran == len(failureTests) { // not with a narrower -run
		compareGolden(t, "errors.golden", golden.String())
	}
}

// compareGolden compares with a file that people read when they change a hint.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what the code says; look at it and run the tests with -update\n%s", path, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

func TestFailureFields(t *testing.T) {
	q := ask(t)
	_, err := parseAnswer(q, reply(400, bodyNoPolicy, "X-Request-Id", "req-1", "Retry-After", "5"))
	if err.Code != "invalid_grant" || err.ErrorID != "5e0d0b6c-3d5e-4d0c-9d1b-0c8f1f6f7a11" || err.RequestID != "req-1" {
		t.Errorf("code %q, error id %q, request id %q", err.Code, err.ErrorID, err.RequestID)
	}
	if !strings.HasPrefix(err.Description, "Failed to process token: TOKEN_INVALID") {
		t.Errorf("description %q", err.Description)
	}
	if err.Issuer != askedIssuer || err.Subject != askedSubject || len(err.Audience) != 1 || err.Audience[0] != askedAccount || err.ClientID != askedClient {
		t.Errorf("facts %q %q %q %q", err.Issuer, err.Subject, err.Audience, err.ClientID)
	}
	if err.Wait != 5*time.Second || err.RetryAfter() != 5*time.Second {
		t.Errorf("wait %v", err.Wait)
	}
	if _, err := parseAnswer(q, reply(503, bodyOutage, "Retry-After", "3600")); err.Wait != 10*time.Minute || err.Code != "TEMPORARILY_UNAVAILABLE" {
		t.Errorf("wait %v, code %q", err.Wait, err.Code)
	}
	if _, err := parseAnswer(q, reply(403, bodyNumber)); err.Code != "403" || !strings.Contains(err.Description, "Unauthorized network access") {
		t.Errorf("code %q, description %q", err.Code, err.Description)
	}
	if _, err := parseAnswer(q, reply(200, bodyPage)); err.Description != "Databricks - Sign In" {
		t.Errorf("description %q", err.Description)
	}
	if _, err := parseAnswer(q, reply(403, `{"error":{"code":403,"status":"FORBIDDEN","message":"nested"}}`)); err.Code != "FORBIDDEN" || err.Description != "nested" {
		t.Errorf("code %q, description %q", err.Code, err.Description)
	}
}

// A question that got no further than its host has no subject and no endpoint.
func TestFailures_bareQuestion(t *testing.T) {
	for _, q := range []question{{}, {host: "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com"}} {
		for _, tt := range failureTests {
			_, err := parseAnswer(q, tt.answer)
			if err == nil || kindTexts[err.Kind] == "" || err.Hint == "" || strings.Contains(err.Error(), "%!") {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if err := networkFailure(q, io.EOF); err.Kind != KindUnavailable || err.Issuer != "" {
			t.Errorf("network: %+v", err)
		}
	}
}

func TestFactsAreBounded(t *testing.T) {
	q := ask(t)
	many := make([]string, 50)
	for i := range many {
		many[i] = strings.Repeat(fmt.Sprint(i%10), 5000/50)
	}
	q.subject = mint(t, "RS256", map[string]any{"iss": strings.Repeat("i", 5000), "sub": strings.Repeat("é", 5000), "aud": many})
	_, err := parseAnswer(q, reply(400, `{"error":"`+strings.Repeat("e", 5000)+`","error_id":"`+strings.Repeat("d", 5000)+`","error_description":"`+strings.Repeat("f ", 5000)+`"}`, "X-Request-Id", strings.Repeat("r", 5000)))
	const more = len("…")
	if len(err.Issuer) > maxClaim+more || len(err.Subject) > maxClaim+more || len(err.Audience) > maxAud {
		t.Errorf("facts of %d, %d bytes and %d audiences", len(err.Issuer), len(err.Subject), len(err.Audience))
	}
	if len(err.Code) > maxWord+more || len(err.ErrorID) > maxID+more || len(err.RequestID) > maxID+more || len(err.Description) > 1024+more {
		t.Errorf("words of %d, %d, %d, %d bytes", len(err.Code), len(err.ErrorID), len(err.RequestID), len(err.Description))
	}
	if n := len(err.Error()); n > 8<<10 {
		t.Errorf("the error has %d bytes", n)
	}
}

func TestRefuse(t *testing.T) {
	err := ask(t).refuse(KindSubject, "its alg is \"none\"; have the identity provider sign; or not; use RS256")
	if err.Err.Error() != `its alg is "none"; have the identity provider sign; or not` || err.Hint != "use RS256" {
		t.Errorf("cause %q, hint %q", err.Err, err.Hint)
	}
	if err := (question{}).refuse(KindConfig, "no"); err.Hint != "" || err.Err.Error() != "no" || err.Op != "exchange token" {
		t.Errorf("%+v", err)
	}
}

// FuzzFailure: whatever a server says, the error has a known kind and a hint,
// is bounded, prints in one line, and shows no 8 bytes of the subject token.
func FuzzFailure(f *testing.F) {
	for _, tt := range failureTests {
		f.Add(tt.answer.status, string(tt.answer.body), tt.answer.header.Get("Location"))
	}
	f.Add(400, `{"error":"SUBJECT","error_description":"SUBJECT","error_id":"SUBJECT"}`, "https://SUBJECT")
	f.Add(403, `<title>SUBJECT`, "https://x/SUBJECT")
	f.Add(502, "upstream SUBJECT", "SUBJECT")
	q := ask(f)
	raw := q.subject.Raw()
	f.Fuzz(func(t *testing.T, status int, body, header string) {
		if status == http.StatusOK {
			return // FuzzAnswer's
		}
		body, header = strings.ReplaceAll(body, "SUBJECT", raw), strings.ReplaceAll(header, "SUBJECT", raw)
		_, err := parseAnswer(q, reply(status, body, "Location", header, "X-Request-Id", header, "Retry-After", header))
		if err == nil || kindTexts[err.Kind] == "" || err.Hint == "" {
			t.Fatalf("error %v", err)
		}
		text := err.Error()
		if len(text) > 8<<10 || strings.ContainsAny(text, "\n\r\x00\x1b") {
			t.Fatalf("%d bytes: %q", len(text), text)
		}
		if piece := sharedRun(text, raw); piece != "" {
			t.Fatalf("shows %q of the subject token: %s", piece, text)
		}
	})
}

// sharedRun returns 8 bytes that stand in both, in any case.
func sharedRun(text, secret string) string {
	text, secret = strings.ToLower(text), strings.ToLower(secret)
	for i := 0; i+8 <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+8]) {
			return secret[i : i+8]
		}
	}
	return ""
}
