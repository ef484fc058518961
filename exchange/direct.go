package exchange

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/oidc"
)

// Direct passes an identity provider's token through without an exchange, on
// purpose: an Entra ID token for Azure Databricks, or a token that Databricks
// itself issued, as Databricks Apps hand it to an app. Nothing falls back to it
// by itself.
type Direct struct {
	// Subject supplies the token. Required. It must not keep tokens itself, as
	// oidc.Reuse does: a token that an API refuses would come back.
	Subject oidc.Source
	// Audience is what the source is asked for. Optional. Azure Databricks takes
	// Entra ID tokens for the application
	// 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d.
	Audience string
}

// Token returns the subject's token as it is, with its own expiry. A token
// without exp is taken to last 5 minutes from now, never for ever. A token that
// has expired is an [*Error] of kind [KindSubjectExpired].
func (d Direct) Token(ctx context.Context) (*oauth2.Token, error) {
	fail := func(kind Kind, err error) (*oauth2.Token, error) {
		return nil, &Error{Op: "pass token", Kind: kind, Err: err}
	}
	if d.Subject == nil {
		return fail(KindConfig, errors.New("Direct.Subject is required"))
	}
	now := time.Now()
	subject, err := d.Subject.Token(ctx, d.Audience)
	switch {
	case err != nil:
		return fail(KindSource, err)
	case subject == nil:
		return fail(KindSource, errors.New("the source returned neither a token nor an error"))
	}
	expiry := subject.Expiry()
	switch {
	case expiry.IsZero():
		expiry = now.Add(unknownLife)
	case !expiry.After(now):
		return fail(KindSubjectExpired, errors.New("it ended at "+expiry.Format(time.RFC3339)))
	}
	c := subject.UnverifiedClaims()
	token := &oauth2.Token{AccessToken: subject.Raw(), TokenType: "Bearer", Expiry: expiry}
	return withGrant(token, claims.Grant{Issuer: c.Issuer(), Subject: c.Subject()}, ""), nil
}
