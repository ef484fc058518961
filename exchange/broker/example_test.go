package broker_test

import (
	"context"
	"fmt"
	"log"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/broker"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// People on a role's service principal: the decision is taken on a person's
// verified token, and the exchange is made with the service's own, because the
// service principal's federation policy trusts one exact subject.
func Example_peopleOnServicePrincipals() {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer idp.Close()
	dbx, err := exchangetest.New(exchangetest.Config{
		Groups: []exchangetest.Group{{ID: groupID(1)}},
		Principals: []exchangetest.Principal{{
			ApplicationID: appID(1), Groups: []string{groupID(1)},
			Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: serviceSubject}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dbx.Close()

	policy, err := claims.New(claims.Config{Version: 1, Issuers: []claims.Issuer{{
		Issuer:  idp.Issuer(),
		Require: map[string]claims.Matcher{"aud": {Any: []any{app}}},
		Rules: []claims.Rule{{
			Name:   "analysts",
			When:   map[string]claims.Matcher{"groups": {Any: []any{"data-analysts"}}},
			Groups: []string{"analysts"},
			Target: &claims.Target{ClientID: appID(1), AssumeGroup: groupID(1)},
		}},
	}}}, claims.Broker())
	if err != nil {
		log.Fatal(err)
	}
	b, err := broker.New(broker.Config{
		Exchange: exchange.Config{Host: dbx.URL(), Audience: dbx.AccountID(), Policy: policy},
		Service: oidc.SourceFunc(func(_ context.Context, audience string) (*oidc.Token, error) {
			return signed(idp, map[string]any{"sub": serviceSubject, "aud": audience})
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	verifier := &oidc.Verifier{Issuer: idp.Issuer(), Audiences: []string{app}}

	ctx := context.Background()
	for _, person := range []map[string]any{
		{"sub": "ada", "aud": app, "groups": []string{"data-analysts"}},
		{"sub": "eve", "aud": app, "groups": []string{"visitors"}},
	} {
		token, err := signed(idp, person)
		if err != nil {
			log.Fatal(err)
		}
		who, err := verifier.Verify(ctx, token)
		if err != nil {
			log.Fatal(err)
		}
		dbxToken, err := b.Token(ctx, who)
		if err != nil {
			fmt.Println(err)
			continue
		}
		grant, _ := exchange.GrantOf(dbxToken)
		fmt.Println(grant.Subject, "acts as", grant.Target.ClientID, "by rule", grant.Target.Rule)
	}
	// Output:
	// ada acts as 3f0c2a1e-1111-4000-8000-000000000001 by rule analysts
	// exchange: map claims: the target is not allowed: claims: no match: no rule of this issuer matches, and it has no default; Explain says which rule came near
}

func signed(idp *oidctest.Server, payload map[string]any) (*oidc.Token, error) {
	raw, err := idp.Sign(payload)
	if err != nil {
		return nil, err
	}
	return oidc.ParseToken(raw)
}
