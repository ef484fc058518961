// Package interop runs brickfed against software and test vectors that its
// authors did not write. It is a module of its own, is never published, and holds
// nothing but tests:
//
//	cd internal/interop && go test ./...
//
// It needs nothing but Go modules, listens on loopback only, and never sleeps for
// real.
//
// # An OpenID provider
//
// github.com/zitadel/oidc is a certified OpenID provider as a library. The tests
// start one, in both of the forms that it has (its classic one and its newer
// Server), with a storage that knows one client and issues access tokens as JWT.
// In front of a fake Databricks (package exchangetest, whose verification of
// tokens is independent of package oidc) they prove that
//
//   - the whole way works over sockets: discovery, client credentials, exchange,
//     CurrentUser.Me of the real Databricks SDK, a refused token replaced, an
//     outage of the provider;
//   - both methods of client authentication work with a secret full of special
//     characters, ID tokens are chosen on purpose, and what the provider refuses
//     becomes a typed error with a hint and without the secret;
//   - a new key, also one of another algorithm, is noticed by the exchange at once
//     and by oidc.Verifier within its 30 seconds, and the withdrawn one is gone with
//     it;
//   - a job of an hour, on a fake clock, loses no call through a key rotation and
//     an outage of the provider.
//
// # Test vectors
//
// Project Wycheproof's vectors for JSON Web Signatures and Keys are run through
// oidc.KeySet, which fetches their keys from a server. No vector that is invalid
// may pass. A valid one that is refused must be so on purpose: decisions lists each
// reason, and the tests fail on a disagreement without a reason as well as on a
// reason without a disagreement. The keys of the vectors also sign whole tokens,
// which oidc.Verifier judges.
package interop
