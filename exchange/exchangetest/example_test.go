package exchangetest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// An identity provider and a Databricks account that trusts it, in one process.
// The exchange is done by hand here, to show what goes over the wire; package
// exchange does it for programs.
func Example() {
	const robot = "3f0c2a1e-1111-4000-8000-000000000001"

	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	dbx, err := exchangetest.New(exchangetest.Config{
		IdP:    idp.Client(),
		Groups: []exchangetest.Group{{ID: "884100000000017", Name: "analysts"}},
		Principals: []exchangetest.Principal{{
			ApplicationID: robot,
			Groups:        []string{"884100000000017"},
			Policies:      []trust.Policy{{Issuer: idp.Issuer(), Subject: "nightly-job", Audiences: []string{"databricks"}}},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dbx.Close()

	for _, subject := range []string{"nightly-job", "somebody-else"} {
		token, err := idp.Sign(map[string]any{"sub": subject, "aud": "databricks"})
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err := dbx.Client().PostForm(dbx.URL()+"/oidc/v1/token", url.Values{
			"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
			"subject_token":      {token},
			"client_id":          {robot},
			"scope":              {"all-apis"},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		var answer struct {
			TokenType string `json:"token_type"`
			Error     string `json:"error"`
		}
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		fmt.Println(subject, resp.StatusCode, answer.TokenType, answer.Error, err)
	}
	for _, r := range dbx.Requests(exchangetest.Token) {
		fmt.Printf("%s %s %d %s\n", r.Method, r.Path, r.Status, cmp.Or(r.Reason, "(no reason to refuse)"))
	}
	// Output:
	// nightly-job 200 Bearer  <nil>
	// somebody-else 400  invalid_grant <nil>
	// POST /oidc/v1/token 200 (no reason to refuse)
	// POST /oidc/v1/token 400 trust: match token: the policy wants subject "nightly-job", the token has "somebody-else"
}

// A test queues what goes wrong. Recorded has the answers that Databricks was
// seen to give.
func ExampleServer_Fail() {
	dbx, err := exchangetest.New(exchangetest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dbx.Close()
	dbx.Fail(exchangetest.Token, exchangetest.Recorded()["throttled"], exchangetest.Fault{Status: http.StatusBadGateway})
	for range 3 {
		resp, err := dbx.Client().PostForm(dbx.URL()+"/oidc/v1/token", url.Values{"grant_type": {"client_credentials"}})
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.Status)
	}
	// Output:
	// 400 Bad Request
	// 502 Bad Gateway
	// 401 Unauthorized
}
