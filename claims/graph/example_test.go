package graph_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/graph"
)

// A person is in so many groups that the token leaves them out.
func Example() {
	// In place of Microsoft Graph.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		_, _ = io.WriteString(w, `{"value": ["5e2f9c83-1a7b-4d6e-b0c9-3f4a5b6c7d82", "0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071"]}`)
	}))
	defer server.Close()

	groups, err := graph.New(graph.Config{
		Tenant:   "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607",
		Endpoint: server.URL, // left out, it is https://graph.microsoft.com
		Token: func(context.Context) (string, error) {
			return "access-token-for-graph", nil // from a source behind a cache
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := claims.Load([]byte(`{
		"version": 1,
		"issuers": [{
			"issuer": "https://login.microsoftonline.com/3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607/v2.0",
			"require": {"aud": "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f"},
			"rules": [{
				"name": "people",
				"lookup": {"claim": "groups", "table": {"0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071": ["data-engineers"]}}
			}]
		}]
	}`), claims.WithResolver(groups))
	if err != nil {
		fmt.Println(err)
		return
	}

	token, err := claims.Parse([]byte(`{
		"iss": "https://login.microsoftonline.com/3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607/v2.0",
		"aud": "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f",
		"sub": "mK3pTq9VxLr7Yb0JwzNcUeHs6aFg2iTdKpXeM4Y1oZQ",
		"tid": "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607",
		"oid": "c9a4e7b2-8d15-4f36-a0b7-61c2d3e4f590",
		"_claim_names": {"groups": "src1"},
		"_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/never/followed"}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	grant, err := policy.Map(context.Background(), token)
	fmt.Println(grant.Groups, err)
	// Output:
	// POST /v1.0/users/c9a4e7b2-8d15-4f36-a0b7-61c2d3e4f590/getMemberGroups
	// [data-engineers] <nil>
}
