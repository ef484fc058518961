package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// An http.Client that calls one workspace as a service principal.
func Example() {
	idp, dbx := startExample()
	defer idp.Close()
	defer dbx.Close()

	x, err := exchange.New(exchange.Config{
		Host:     dbx.URL(),
		ClientID: appID, // the service principal's application ID
		Audience: dbx.AccountID(),
		Subject:  service(idp),
	})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &exchange.Transport{
		Host:   dbx.URL(),
		Tokens: cache.New(x, cache.Options{}),
	}}
	for range 3 {
		resp, err := client.Get(dbx.URL() + "/api/2.0/preview/scim/v2/Me")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resp.StatusCode)
		_ = resp.Body.Close()
	}
	fmt.Println("exchanges:", dbx.Count(exchangetest.Token))
	// Output:
	// 200
	// 200
	// 200
	// exchanges: 1
}

// Every failure says what to change.
func ExampleError_hint() {
	idp, dbx := startExample()
	defer idp.Close()
	defer dbx.Close()

	x, err := exchange.New(exchange.Config{
		Host:     dbx.URL(),
		ClientID: appID,
		Audience: "https://github.com/acme",
		Subject:  service(idp),
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = x.Token(context.Background())
	var failure *exchange.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Kind, failure.Temporary())
		fmt.Println(failure.Hint)
	}
	// Output:
	// audience false
	// have the identity provider issue it for that audience, or set Audience to what the federation policy accepts
}

// A server acts for many people. Their verified claims decide what they may
// become; the server's own token is exchanged, because the service principal's
// federation policy trusts the server and not each person. Tokens are kept by
// target, so that two people with the same role share one.
func ExampleExchanger_Exchange() {
	idp, dbx := startExample()
	defer idp.Close()
	defer dbx.Close()

	policy := roles{"engineers": {ClientID: appID, AssumeGroup: groupID}}
	x, err := exchange.New(exchange.Config{
		Host:     dbx.URL(),
		Policy:   policy,
		Audience: dbx.AccountID(),
	})
	if err != nil {
		log.Fatal(err)
	}
	verifier := &oidc.Verifier{Issuer: idp.Issuer(), Audiences: []string{"the-app"}}
	tokens := cache.NewKeyed[string](cache.Options{})

	call := func(ctx context.Context, person *oidc.Token) error {
		verified, err := verifier.Verify(ctx, person)
		if err != nil {
			return err
		}
		grant, err := policy.Map(ctx, verified.Claims)
		if err != nil {
			return err
		}
		key := x.Key(grant.Target, idp.Issuer(), serviceSubject)
		token, err := tokens.Token(ctx, key, func(ctx context.Context) (*oauth2.Token, error) {
			own, err := service(idp).Token(ctx, dbx.AccountID())
			if err != nil {
				return nil, err
			}
			return x.Exchange(ctx, own, grant.Target)
		})
		if err != nil {
			return err
		}
		given, _ := exchange.GrantOf(token)
		fmt.Printf("%s: %s in group %s\n", verified.Claims.Subject(), given.Target.ClientID, given.Target.AssumeGroup)
		return nil
	}
	for _, p := range []*oidc.Token{person(idp, "ada", "engineers"), person(idp, "bob", "guests")} {
		if err := call(context.Background(), p); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// ada: 3f0c2a1e-1111-4000-8000-000000000001 in group 884100000000017
	// bob belongs to no group that has a role
}

// A Databricks token that somebody else issued is passed on as it is.
func ExampleDirect() {
	idp, dbx := startExample()
	defer idp.Close()
	defer dbx.Close()

	client := &http.Client{Transport: &exchange.Transport{
		Host:   dbx.URL(),
		Tokens: cache.New(exchange.Direct{Subject: oidc.Env("DATABRICKS_APP_TOKEN")}, cache.Options{}),
	}}
	resp, err := client.Get(dbx.URL() + "/api/2.0/preview/scim/v2/Me")
	if err != nil {
		fmt.Println(errors.Is(err, oidc.ErrUnavailable))
		return
	}
	_ = resp.Body.Close()
	// Output: true
}

// roles maps the groups claim to targets.
type roles map[string]claims.Target

func (r roles) Map(_ context.Context, c *claims.Claims) (claims.Grant, error) {
	groups, _, err := c.Strings("groups")
	if err != nil {
		return claims.Grant{}, err
	}
	for _, group := range groups {
		if target, ok := r[group]; ok {
			return claims.Grant{Issuer: c.Issuer(), Subject: c.Subject(), Target: target}, nil
		}
	}
	return claims.Grant{}, fmt.Errorf("%s belongs to no group that has a role", c.Subject())
}

const serviceSubject = "the-service"

// startExample starts an identity provider and a workspace that trusts it.
func startExample() (*oidctest.Server, *exchangetest.Server) {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	dbx, err := exchangetest.New(exchangetest.Config{
		Groups: []exchangetest.Group{{ID: groupID}},
		Principals: []exchangetest.Principal{{
			ApplicationID: appID, Groups: []string{groupID},
			Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: serviceSubject}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	return idp, dbx
}

// service mints the service's own tokens.
func service(idp *oidctest.Server) oidc.Source {
	return oidc.SourceFunc(func(_ context.Context, audience string) (*oidc.Token, error) {
		if audience == "https://github.com/acme" {
			audience = "somebody-else" // a provider that is set up otherwise
		}
		raw, err := idp.Sign(map[string]any{"sub": serviceSubject, "aud": audience})
		if err != nil {
			return nil, err
		}
		return oidc.ParseToken(raw)
	})
}

// person logs somebody in to the app.
func person(idp *oidctest.Server, name, group string) *oidc.Token {
	raw, err := idp.Sign(map[string]any{"sub": name, "aud": "the-app", "groups": []string{group}})
	if err != nil {
		log.Fatal(err)
	}
	token, err := oidc.ParseToken(raw)
	if err != nil {
		log.Fatal(err)
	}
	return token
}
