// Package brickfed only documents the module; the rooms below it do the work.
//
// brickfed turns an identity provider's OIDC token into a short-lived
// Databricks token, keeps that token fresh, and plugs into the Databricks Go SDK:
// no long-lived secret, no token that dies in the middle of a training job, no
// failure without its cause.
//
//	w, err := sdkclient.Workspace(&databricks.Config{Host: host}, sdkauth.Strategy{
//		ClientID: "3f0c2a1e-1111-4000-8000-000000000001", // the service principal's application ID
//		Subject:  oidc.File("/var/run/secrets/databricks/token"),
//	})
//	if err != nil {
//		return err
//	}
//	me, err := w.CurrentUser.Me(ctx, iam.MeRequest{})
//
// # Where to find what
//
//   - [github.com/brickfed/brickfed/oidc] gets an identity provider's token, and
//     verifies one.
//   - [github.com/brickfed/brickfed/exchange] exchanges it for a Databricks token
//     (RFC 8693) and puts that on requests.
//   - [github.com/brickfed/brickfed/cache] keeps a token fresh for many callers.
//   - [github.com/brickfed/brickfed/claims] reads what a token says, strictly, and
//     decides by a policy what its holder may become. Its rooms
//     [github.com/brickfed/brickfed/claims/yamlpolicy] and
//     [github.com/brickfed/brickfed/claims/graph] read policies in YAML and complete
//     Entra ID's groups.
//   - [github.com/brickfed/brickfed/exchange/broker] does it for many people at once.
//   - [github.com/brickfed/brickfed/exchange/trust] checks federation policies
//     offline: which policy takes this token, and if none, why.
//   - [github.com/brickfed/brickfed/exchange/sdkauth] and
//     [github.com/brickfed/brickfed/exchange/sdkclient] are the plug into the
//     Databricks Go SDK.
//   - [github.com/brickfed/brickfed/oidc/oidctest] and
//     [github.com/brickfed/brickfed/exchange/exchangetest] are test kits: an
//     identity provider and a Databricks that run inside a test.
//
// Each room can be used alone. oidc, exchange, claims and cache never reach the
// Databricks SDK, so a service that only needs a token does not link it.
//
// # Compatibility
//
// The module asks for Go 1.25.0. A newer floor is a minor release and a line in
// the changelog. The Databricks SDK is required at the lowest version that has
// what is used (v0.177.0) and is tested against v0.182.0 as well.
//
// Until v1 a minor release may break the API, and the changelog says how. From
// then on: adding a method to an interface is a breaking change, adding a field
// to a config struct is not, so write config structs with field names.
package brickfed
