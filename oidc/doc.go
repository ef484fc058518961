// Package oidc gets tokens from identity providers, and verifies them.
//
//	source := oidc.First(
//		oidc.File(os.Getenv("TOKEN_FILE")),
//		&oidc.ClientCredentials{
//			Issuer: "https://idp.example",
//			Auth:   oidc.SecretBasic{ClientID: "job", Secret: oidc.SecretEnv("CLIENT_SECRET")},
//		},
//	)
//	token, err := source.Token(ctx, "databricks")
//
// # Sources
//
// A [Source] supplies a [*Token]. It reads or mints afresh at each call and
// caches nothing, because what comes out of an exchange is cached; where several
// exchanges may share one token, [Reuse] says so. [First] picks the source that
// the environment offers and stays with it, so that an outage never switches
// identity. [File] and [Env] read what somebody else put there;
// [ClientCredentials] asks a provider.
//
// # Audience
//
// The audience that a caller passes to a source is a wish. Kubernetes and files
// fixed it long before; Okta and Entra ID fix it in their configuration; Auth0
// wants it as a parameter. ClientCredentials says for each provider where it
// goes.
//
// # Secrets
//
// A [Token] and a [Secret] never print themselves, whatever the verb or encoder,
// and no error of this package quotes one, not even when a provider echoes it.
// [Token.Raw] is the only way to a token. A Secret is read at each use, so that
// it rotates without a restart.
//
// # Verifying
//
// [Verifier] checks a token of one issuer for others to rely on, and returns a
// [*Verified]. A type that decides for other people takes that, never a *Token.
//
// # Bounds
//
// Requests go to https addresses only (http on loopback), follow no redirects
// and take 10 seconds at most. Tokens, token files and token answers have at most
// 64 KiB, discovery documents 256 KiB, key sets 512 KiB.
package oidc
