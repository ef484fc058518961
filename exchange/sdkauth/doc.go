// Package sdkauth plugs federated tokens into the Databricks SDK for Go.
//
//	strategy := sdkauth.Strategy{
//		Subject:  oidc.File("/var/run/secrets/databricks/token"),
//		ClientID: "3f0c2a1e-1111-4000-8000-000000000001",
//	}
//	cfg := &databricks.Config{Host: host}
//	if err := sdkauth.Apply((*config.Config)(cfg), strategy); err != nil {
//		return err
//	}
//	w, err := databricks.NewWorkspaceClient(cfg)
//
// Package [github.com/brickfed/brickfed/exchange/sdkclient] does both steps at
// once, at the price of linking all services of the SDK; this package links its
// configuration only.
//
// # Tokens
//
// The provider that the SDK gets keeps one [github.com/brickfed/brickfed/cache]
// per config: tokens are refreshed early and in the background, callers wait no
// longer than the context of their request, and an outage is bridged as long as
// the last token lives. Nothing runs while nobody asks. The first token is
// fetched by the first request, never by the constructor.
//
// Every exchange goes through the same transport as the config's own requests:
// its HTTPTransport if it has one, else one with the SDK's settings that honours
// InsecureSkipVerify and the proxy variables, and that refuses responses with more
// than 64 KiB of headers. The token endpoint follows from what the SDK has learned
// of the host, so a cold start costs one request more than the SDK's own, and a
// refresh exactly one.
//
// When the host refuses a token itself, as after a revocation, that token is
// dropped, and the request sent once more with another. A missing permission is
// not such a refusal. Requests whose body cannot be read again fail, and the next
// one has the new token. Tokens go to the config's own host only.
//
// # Identity context
//
// Databricks' audit log says which service principal or user a call was made as,
// and not which identity of the provider stands behind it. [Strategy.Tags] makes
// each call say so in its User-Agent, which the audit log and the query history
// keep, without naming anybody:
//
//	… auth/brickfed-oidc brickfed_subject/3s7r6zszfw5axrk2a6izxcib brickfed_rule/prod
//
// The parts are those of the grant under which the token on that very request was
// exchanged, also if the request is sent again with another token. They are put on
// by the config's HTTPTransport, so a request that is signed by
// Config.Authenticate and sent by another transport has none, and a redirect does
// not carry them to another host. Not tagged either are requests with a token that
// has no grant, such as one from a source of tokens that is not this module's, the
// exchange itself, and calls to model serving's data plane, which have tokens of
// their own. A token that a service exchanged on a person's behalf (see
// exchange.Exchanger.Exchange) has the service's grant: tag by the person's what
// is done for the person.
//
// Statements, jobs, clusters and MLflow runs take tags as well: package
// [github.com/brickfed/brickfed/exchange/sdkclient] puts them there.
//
// # Environment and profiles
//
// A config without Loaders of its own is filled as the SDK does it, first from
// environment variables, then from a profile, with these differences, because the
// environment may be meant for another program:
//
//   - Credentials and everything else that belongs to another authentication
//     method are not read: no personal access token, client secret, ARM_* or
//     GOOGLE_* variable, metadata service or token file. DATABRICKS_AUTH_TYPE is
//     ignored. DATABRICKS_CLIENT_ID counts if the strategy does not say for whom
//     the token is.
//   - Neither DATABRICKS_DEBUG_HEADERS nor debug_headers of a profile is read: with
//     it the SDK logs the bearer token of each request, at its level DEBUG. Only
//     the program's own Config.DebugHeaders has that effect.
//   - Config.Profile must name a profile that is there. The profile of
//     DATABRICKS_CONFIG_PROFILE must be there only if no host is set otherwise,
//     and is ignored if it is for another host.
//
// A config with Loaders of its own is filled by these, and what they put into
// the fields of other methods is not used either.
//
// # Audience
//
// A TokenAudience in the config's field, the environment or a profile is one to
// insist on: a subject token without it is refused before the network. The one
// that the SDK learns from the host's metadata is a wish to a source that can
// choose, as federation policies often want another.
//
// # Workspaces of an account
//
// A config made by config.Config.NewWithWorkspaceHost, or a client by
// GetWorkspaceClient, exchanges at the workspace with a token cache of its own.
//
// # Errors
//
// Errors name the fields of exchange.Config: its AssumeGroup is the SDK's GroupID,
// its Audience the TokenAudience.
//
// Mistakes in the strategy or the config are errors of [Apply] or of the client's
// constructor, all at once. A failed exchange is an *exchange.Error inside the
// error of the SDK's method; find it with errors.As.
package sdkauth
