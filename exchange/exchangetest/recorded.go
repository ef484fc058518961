package exchangetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
)

// Recorded returns answers that people have seen Databricks give, by name, to
// be queued with [Server.Fail] or set as Config.Refusal. The map belongs to the
// caller. Names that start with "api " are refusals of an access token or of
// its holder by the APIs; the others are answers of the token endpoint:
//
//	no policy          400 invalid_grant, TOKEN_INVALID
//	audience           400 invalid_grant, TOKEN_AUDIENCE_INVALID
//	invalid client     401 invalid_client
//	invalid client 400 400 invalid_client
//	throttled          400 invalid_request, "Temporarily throttled"
//	too many requests  429 with Retry-After: 7
//	unavailable        503, not in the form of OAuth (databricks-sdk-go#1072)
//	bad gateway        502 with a web page of a proxy
//	ip access list     403, not in the form of OAuth (databricks-sdk-py#1210)
//	scope              403 access_denied
//	refresh token      400 invalid_request, "Refresh token is invalid"
//	login page         200 with a web page
//	empty              200 with {}
//	not found          404
//	issuer             400, when a policy is written whose issuer cannot be read
//
//	api invalid access token       403 with a number as error_code (databricks-sdk-go#1061)
//	api jwt expired                403 with X-Databricks-Reason-Phrase
//	api invalid token              401, plain text
//	api invalid access token page  403, web page
//	api expiring                   400, Azure: 30 seconds or less left
//	api expired exception          400, ExpiredJwtException
//	api no credential              401
//	api permission denied          403, the token is good
func Recorded() map[string]Fault {
	all := maps.Clone(recorded)
	for name, fault := range all {
		fault.Header = fault.Header.Clone()
		all[name] = fault
	}
	return all
}

const tokenInvalid = "Failed to process token: TOKEN_INVALID (Ensure a valid federation policy has been configured). " +
	"Valid federation policy for provided token: {issuer: '%s', subject: '%s', audience: '%s'}"

// recorded must not be changed.
var recorded = map[string]Fault{
	"no policy": oauthError(http.StatusBadRequest, "invalid_grant",
		fmt.Sprintf(tokenInvalid, "https://idp.example", "some-subject", "some-audience")),
	"audience": oauthError(http.StatusBadRequest, "invalid_grant",
		"Failed to process token: TOKEN_AUDIENCE_INVALID (Token audience 'some-audience' invalid)"),
	"invalid client":     oauthError(http.StatusUnauthorized, "invalid_client", "Client authentication failed"),
	"invalid client 400": oauthError(http.StatusBadRequest, "invalid_client", "Client authentication failed"),
	"throttled": {
		Status: http.StatusBadRequest,
		Body:   `{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}`,
	},
	"too many requests": {
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {"7"}},
		Body:   `{"error_code":"RESOURCE_EXHAUSTED","message":"Too many requests. Please wait before sending more."}`,
	},
	"unavailable": unavailable("/oidc/v1/token"),
	"bad gateway": {
		Status: http.StatusBadGateway,
		Body:   "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
	},
	"ip access list": {
		Status: http.StatusForbidden,
		Body:   `{"error_code":"PERMISSION_DENIED","message":"Source IP address: 203.0.113.7 is blocked by Databricks IP ACL for workspace: 7100000000001"}`,
	},
	"scope": oauthError(http.StatusForbidden, "access_denied", "The requested scope is not assigned to the client"),
	"refresh token": {
		Status: http.StatusBadRequest,
		Body:   `{"error":"invalid_request","error_description":"Refresh token is invalid"}`,
	},
	"login page": {
		Status: http.StatusOK,
		Body:   "<!doctype html><html><head><title>Databricks - Sign In</title></head><body><div id=\"login-page\"></div></body></html>",
	},
	"empty":     {Status: http.StatusOK, Body: `{}`},
	"not found": {Status: http.StatusNotFound, Body: "Not Found"},
	"issuer":    apiError(http.StatusBadRequest, `"INVALID_PARAMETER_VALUE"`, "Unable to load valid OpenID configuration for issuer https://idp.example"),

	"api invalid access token": apiError(http.StatusForbidden, "403", "Invalid access token."),
	"api jwt expired": {
		Status: http.StatusForbidden,
		Header: http.Header{"X-Databricks-Reason-Phrase": {"JWT has expired"}},
		Body:   `{"error_code":403,"message":"JWT has expired"}`,
	},
	"api invalid token": {Status: http.StatusUnauthorized, Body: "Invalid Token"},
	"api invalid access token page": {
		Status: http.StatusForbidden,
		Body: "<html><head><title>Error 403 Invalid access token.</title></head>" +
			"<body><h2>HTTP ERROR 403</h2><p>Problem accessing /api. Reason:<pre>    Invalid access token.</pre></p></body></html>",
	},
	"api expiring": {
		Status: http.StatusBadRequest,
		Body:   "Token is expiring within 30 seconds. (token expired)",
	},
	"api expired exception": apiError(http.StatusBadRequest, "400", "io.jsonwebtoken.ExpiredJwtException: JWT expired"),
	"api no credential": apiError(http.StatusUnauthorized, "401",
		"Credential was not sent or was of an unsupported type for this API."),
	"api permission denied": apiError(http.StatusForbidden, `"PERMISSION_DENIED"`, "User does not have permission to do this."),
}

// oauthError is the form of RFC 6749, section 5.2, with Databricks' error_id.
func oauthError(status int, code, description string) Fault {
	return Fault{
		Status: status,
		Body:   fmt.Sprintf(`{"error":%s,"error_id":%s,"error_description":%s}`, quote(code), quote(newUUID()), quote(description)),
	}
}

// apiError is the form of the Databricks APIs. The code is raw JSON, because it
// is a number in some answers.
func apiError(status int, code, message string) Fault {
	return Fault{Status: status, Body: fmt.Sprintf(`{"error_code":%s,"message":%s}`, code, quote(message))}
}

// unavailable is the recorded answer of an outage.
func unavailable(path string) Fault {
	return Fault{
		Status: http.StatusServiceUnavailable,
		Body: fmt.Sprintf(`{"message":%s,"error_code":"TEMPORARILY_UNAVAILABLE"}`,
			quote("The service at "+path+" is temporarily unavailable. Please try again later. [TraceId: -]")),
	}
}

// quote writes a JSON string.
func quote(s string) string {
	data, _ := json.Marshal(s) // a string always marshals
	return string(data)
}
