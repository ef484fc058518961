// Package oidctest is an identity provider for tests and examples: discovery, a
// key set that rotates, a token endpoint for client credentials, and faults on
// demand.
//
//	idp, err := oidctest.New(oidctest.Config{})
//	if err != nil {
//		return err
//	}
//	defer idp.Close()
//	source := &oidc.ClientCredentials{
//		Issuer: idp.Issuer(),
//		Auth: oidc.SecretBasic{
//			ClientID: oidctest.ClientID,
//			Secret:   oidc.SecretFunc(func(context.Context) (string, error) { return oidctest.ClientSecret, nil }),
//		},
//		HTTPClient: idp.Client(),
//	}
//
// It needs no *testing.T, so that programs can show themselves without a
// provider of their own. Its tokens are really signed; [Server.Sign] mints any
// others, hostile ones included.
//
// # On a fake clock
//
// With Config.Pipe the provider serves over a network inside the process. Unlike
// a socket this counts as blocked in a testing/synctest bubble, so that hours of
// rotation and outage pass in no time. Call New inside the bubble and Close
// before it ends.
//
// # Keys
//
// The first RS256 key of every server in one process is the same, because making
// one takes long; [Server.Rotate] makes a fresh one. Keys with ES256 are always
// fresh.
package oidctest
