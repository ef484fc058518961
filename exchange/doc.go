// Package exchange turns an identity provider's OIDC token into a short-lived
// Databricks token, by OAuth 2.0 Token Exchange (RFC 8693) under a Databricks
// federation policy. No secret is stored anywhere.
//
//	x, err := exchange.New(exchange.Config{
//		Host:     "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
//		ClientID: "3f0c2a1e-1111-4000-8000-000000000001", // the service principal's application ID
//		Subject:  oidc.File("/var/run/secrets/databricks/token"),
//	})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: &exchange.Transport{
//		Host:   "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
//		Tokens: cache.New(x, cache.Options{}),
//	}}
//
// An [Exchanger] keeps nothing: put a cache of package
// [github.com/brickfed/brickfed/cache] around it. With the Databricks SDK use
// package [github.com/brickfed/brickfed/exchange/sdkauth], which does all of it.
//
// # Whose token
//
// A service principal's federation policy trusts one exact subject; set ClientID
// to that service principal's application ID. An account's federation policies
// trust all subjects of an issuer and name the Databricks user or service
// principal by a claim; set AccountWide. AssumeGroup replaces the identity's
// permissions by those of one group, and the server enforces it. A policy of
// package claims, or another [Mapper], chooses all of these from the token's
// claims. For many people at once there is package
// [github.com/brickfed/brickfed/exchange/broker].
//
// # Audience
//
// A federation policy without audiences expects the account ID, while a
// workspace prefers the URL of its token endpoint. Name the policy's audience in
// Config.Audience: then a source that can choose asks for it, and a token without
// it is refused before the network with a message that says so. Left empty, the
// host's preference is a wish and nothing is compared.
//
// # What is checked
//
// Before the network: what Databricks is sure to refuse. After it: that the
// returned token does not contradict the request in identity or scope, that it is
// not the identity provider's own token, and when it really ends. There is no
// fallback to the original token, ever; who wants to pass one through says so
// with [Direct].
//
// # Errors
//
// Every failure is an [*Error] with a [Kind] to branch on, what the server said,
// the ids that Databricks' support asks for, and a hint that says what to change.
// No error, event or log value holds a token, also when a server echoes one.
//
// # Network
//
// One POST per attempt, and one GET of the host's metadata on first use and once a
// day, or sooner if that failed or the endpoint is gone. The same HTTP client
// sends all of them, https only (loopback excepted). Redirects are not followed.
// A token goes to the host's own origin only; a unified host may name another one
// in Databricks' domains. Answers are bounded at 64 KiB.
package exchange
