// Package exchangetest is a Databricks account for tests and examples: the token
// endpoint with its federation policies, the documents that lead to it, and a
// few APIs that take its access tokens.
//
//	idp, _ := oidctest.New(oidctest.Config{})
//	dbx, err := exchangetest.New(exchangetest.Config{
//		IdP: idp.Client(),
//		Principals: []exchangetest.Principal{{
//			ApplicationID: "3f0c2a1e-1111-4000-8000-000000000001",
//			Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: "job", Audiences: []string{"databricks"}}},
//		}},
//	})
//	if err != nil {
//		return err
//	}
//	defer dbx.Close()
//	// exchange.Config{Host: dbx.URL(), ClientID: "3f0c2a1e-…", …}
//
// It needs no *testing.T, so that programs can show themselves without a
// workspace of their own.
//
// # A verifier, not a mock
//
// A subject token is taken only if everything holds that Databricks asks for:
// RS256 or ES256, a signature by a key that its issuer publishes, issuer,
// audience and subject as a [trust.Policy] says to the letter, and a life that
// has begun and not ended. The client_id decides whose policies are searched.
// Access tokens are signed, end with the subject token, and are verified at each
// API call: they can expire, be revoked and belong to another host.
//
// Refusals have the bodies that people recorded of Databricks ([Recorded]),
// which seldom say why. [Server.Requests] does, in Request.Reason.
//
// # Hosts
//
// One server has three addresses: [Server.URL] of a workspace,
// [Server.AccountURL] of the account console, which serves the policy API, and
// [Server.UnifiedURL] of a host that is both. The Host header decides. Groups can
// be assumed at workspaces only.
//
// # On a fake clock
//
// With Config.Pipe the server listens inside the process, so that it works in a
// testing/synctest bubble. Call New inside the bubble and Close before it ends.
// Everything that talks to it needs the client of [Server.Client]; a bubble hangs
// on a real connection.
//
//	synctest.Test(t, func(t *testing.T) {
//		idp, err := oidctest.New(oidctest.Config{Pipe: true})
//		…
//		dbx, err := exchangetest.New(exchangetest.Config{Pipe: true, IdP: idp.Client(), …})
//		…
//		defer idp.Close()
//		defer dbx.Close()
//		x, err := exchange.New(exchange.Config{Host: dbx.URL(), HTTPClient: dbx.Client(), …})
//		…
//		dbx.SetOutage(true)
//		time.Sleep(40 * time.Minute) // passes at once
//		dbx.SetOutage(false)
//	})
//
// # What is known and what is not
//
// Paths, parameters and answers follow the Databricks documentation "OAuth token
// federation", databricks-sdk-go, and recordings in issues of the Databricks
// SDKs and drivers. Where nobody recorded anything (an unknown group, a malformed
// request, a policy ID used twice) the answer follows RFC 6749 or the style of
// the other APIs, and its text is ours. A client should not rely on it.
package exchangetest
