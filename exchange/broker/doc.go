// Package broker gets Databricks tokens for many people and workloads at once, in
// a service that has verified who they are: it maps the policy, keeps a token for
// each of them, and exchanges for a new one when it must.
//
//	b, err := broker.New(broker.Config{
//		Exchange: exchange.Config{
//			Host:     "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
//			Audience: "databricks",
//			Policy:   policy, // claims.Load(file, claims.Broker()), or a *claims.Live
//		},
//		Service: oidc.File("/var/run/secrets/databricks/token"),
//	})
//	…
//	who, err := verifier.Verify(ctx, token) // an *oidc.Verifier
//	…
//	client := &http.Client{Transport: &exchange.Transport{Host: host, Tokens: b.For(who)}}
//
// For one identity, the program's own, use package
// [github.com/brickfed/brickfed/exchange] with a cache, or
// [github.com/brickfed/brickfed/exchange/sdkauth].
//
// # Who decides
//
// Only what [github.com/brickfed/brickfed/oidc.Verifier] returns gets a token, and
// only while it is valid. The policy is the authority: load it with
// [claims.Broker], which refuses a policy that would believe a token meant for
// somebody else. It is mapped on every call, before the look into the cache, and
// again after each wait. With a [claims.Live], whoever the new policy does not
// name is refused from the moment Replace returned, although a token for them is
// still cached or on its way; whose target changes gets a token for the new one;
// and an edit that does not concern somebody costs no exchange for them.
//
// # Whose token is exchanged
//
// Without Config.Service each holder's own, the one that ends last of those they
// have shown: federation policies have to trust the holders, which those of an
// account do. A token that ends with the holder's own is not exchanged for again
// before the holder shows a fresh one.
//
// With Config.Service, the service's: the federation policy of a service principal
// trusts one exact subject, so the people who may use it come through a service
// that it trusts. Databricks then sees the service principal and not the person.
// Who it was stands in the grant ([exchange.GrantOf]), in the events of
// Exchange.OnExchange, and nowhere else.
//
// # Whose token is cached
//
// One for each host, target, issuer and subject, see [exchange.Exchanger.Key]: two
// people with the same role have two tokens, so that audit and revocation are per
// person. No token of the identity provider is in a key, and none of one holder is
// ever exchanged for another. Config.Cache bounds how many there are.
//
// # Failures
//
// While the identity provider or Databricks is away, good tokens are served down
// to their end, to whom the policy names. A policy that has to ask somebody else
// (a [claims.Resolver]) and cannot gives an error that is temporary, on each call:
// nobody gets a token on a decision that could not be made.
package broker
