package exchange

// Kind says what went wrong, in one word that programs can branch on. Its text
// is stable and fit for logs and metrics.
type Kind string

// The kinds of [Error]. Those marked temporary may pass without anybody
// changing anything; see [Error.Temporary].
const (
	// Before the network.

	// KindConfig: the configuration or the target is one that Databricks is
	// sure to refuse.
	KindConfig Kind = "config"
	// KindDenied: the policy, or the configuration, does not let the holder of
	// the subject token have the target.
	KindDenied Kind = "denied"
	// KindSource: the subject source gave no token. Temporary, unless the cause
	// says otherwise.
	KindSource Kind = "source"
	// KindSubject: the subject token itself cannot be used: malformed, too long,
	// signed with another algorithm than RS256 or ES256, or refused without a
	// better reason.
	KindSubject Kind = "subject"
	// KindSubjectExpired: the subject token has ended, by the server's clock.
	KindSubjectExpired Kind = "subject_expired"

	// The token endpoint refuses.

	// KindNoPolicy: no federation policy matches the subject token.
	KindNoPolicy Kind = "no_policy"
	// KindAudience: issuer and subject match a policy or the configuration, the
	// audience does not.
	KindAudience Kind = "audience"
	// KindClient: Databricks does not know the service principal, or does not
	// let it do this.
	KindClient Kind = "client"
	// KindScope: a scope is unknown or not assigned to the service principal.
	KindScope Kind = "scope"
	// KindGroup: the group to assume is refused.
	KindGroup Kind = "group"
	// KindPermission: the identity is known and the token good, but a permission
	// is missing. A new token does not help.
	KindPermission Kind = "permission"
	// KindLogin: a person has to log in again.
	KindLogin Kind = "login"
	// KindRequest: the server refuses the request for another reason.
	KindRequest Kind = "request"

	// The way to the token endpoint.

	// KindThrottled: too many requests. Temporary.
	KindThrottled Kind = "throttled"
	// KindUnavailable: no connection, no answer in time, or a server error.
	// Temporary.
	KindUnavailable Kind = "unavailable"
	// KindCanceled: the caller's context ended the call. Temporary: it says
	// nothing about the server.
	KindCanceled Kind = "canceled"
	// KindUntrusted: the TLS certificate of the host is not accepted.
	KindUntrusted Kind = "untrusted"
	// KindBlocked: an IP access list, a private link rule or a proxy stands in
	// the way.
	KindBlocked Kind = "blocked"
	// KindNotDatabricks: something else than a Databricks token endpoint
	// answered: a web page, a redirect, 404.
	KindNotDatabricks Kind = "not_databricks"

	// The answer.

	// KindBadResponse: the answer is not a token response.
	KindBadResponse Kind = "bad_response"
	// KindContradiction: the returned token is not the one that was asked for.
	KindContradiction Kind = "contradiction"
	// KindRefused: an API refuses the access token itself. See [Refusal].
	KindRefused Kind = "refused"
)

// kindTexts completes the sentence "exchange token: …".
var kindTexts = map[Kind]string{
	KindConfig:         "the configuration cannot work",
	KindDenied:         "the target is not allowed",
	KindSource:         "no subject token",
	KindSubject:        "the subject token cannot be used",
	KindSubjectExpired: "the subject token has expired",
	KindNoPolicy:       "no federation policy matches the subject token",
	KindAudience:       "the audience of the subject token is not accepted",
	KindClient:         "the service principal is not accepted",
	KindScope:          "the scope is not allowed",
	KindGroup:          "the group cannot be assumed",
	KindPermission:     "a permission is missing",
	KindLogin:          "a new login is needed",
	KindRequest:        "the server refuses the request",
	KindThrottled:      "too many requests",
	KindUnavailable:    "the server is not available",
	KindCanceled:       "the call was canceled",
	KindUntrusted:      "the server's certificate is not trusted",
	KindBlocked:        "access from this network is blocked",
	KindNotDatabricks:  "this is not a Databricks token endpoint",
	KindBadResponse:    "the answer is not a token response",
	KindContradiction:  "the returned token is not the one asked for",
	KindRefused:        "the access token is refused",
}

// temporary reports whether failures of this kind may pass by themselves.
func (k Kind) temporary() bool {
	switch k {
	case KindSource, KindThrottled, KindUnavailable, KindCanceled:
		return true
	}
	return false
}
