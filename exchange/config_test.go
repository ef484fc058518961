package exchange_test

import (
	"context"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
)

const accountID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

type mapperFunc func(context.Context, *claims.Claims) (claims.Grant, error)

func (f mapperFunc) Map(ctx context.Context, c *claims.Claims) (claims.Grant, error) {
	return f(ctx, c)
}

func TestNew_refused(t *testing.T) {
	const ws, account = "https://h.databricks.com", "https://accounts.cloud.databricks.com"
	policy := mapperFunc(func(context.Context, *claims.Claims) (claims.Grant, error) { return claims.Grant{}, nil })
	tests := []struct {
		name string
		cfg  exchange.Config
		want []string // all of them at once
	}{
		{"empty", exchange.Config{}, []string{"Host", "ClientID"}},
		{"neither", exchange.Config{Host: ws}, []string{"application ID", "AccountWide"}},
		{"both", exchange.Config{Host: ws, ClientID: appID, AccountWide: true}, []string{"set one of them"}},
		{"numeric ID", exchange.Config{Host: ws, ClientID: "7001"}, []string{"numeric ID", "application ID, a UUID"}},
		{"no UUID", exchange.Config{Host: ws, ClientID: "my-principal"}, []string{"not a UUID"}},
		{"braces", exchange.Config{Host: ws, ClientID: "{" + appID + "}"}, []string{"not a UUID"}},
		{"group name", exchange.Config{Host: ws, ClientID: appID, AssumeGroup: "engineers"}, []string{"numeric group ID"}},
		{"group on account host", exchange.Config{Host: account, AccountID: accountID, ClientID: appID, AssumeGroup: "17"}, []string{"workspace"}},
		{"account host without ID", exchange.Config{Host: account, ClientID: appID}, []string{"AccountID"}},
		{"odd account ID", exchange.Config{Host: ws, ClientID: appID, AccountID: "ac123"}, []string{"AccountID", "UUID"}},
		{"two scopes in one", exchange.Config{Host: ws, ClientID: appID, Scopes: []string{"sql jobs"}}, []string{"one scope per element"}},
		{"empty scope", exchange.Config{Host: ws, ClientID: appID, Scopes: []string{""}}, []string{"Scopes"}},
		{"scope with a line break", exchange.Config{Host: ws, ClientID: appID, Scopes: []string{"sql\n"}}, []string{"Scopes"}},
		{"policy and identity", exchange.Config{Host: ws, ClientID: appID, Policy: policy}, []string{"Policy"}},
		{"policy and group", exchange.Config{Host: ws, AssumeGroup: "17", Policy: policy}, []string{"Policy"}},
		{"policy and scopes", exchange.Config{Host: ws, Scopes: []string{"sql"}, Policy: policy}, []string{"Policy"}},
		{"policy and account-wide", exchange.Config{Host: ws, AccountWide: true, Policy: policy}, []string{"Policy"}},
		{"foreign endpoint", exchange.Config{Host: ws, ClientID: appID, TokenEndpoint: "https://evil.example/oidc/v1/token"}, []string{"TokenEndpoint", "own host only"}},
		{"http endpoint", exchange.Config{Host: ws, ClientID: appID, TokenEndpoint: "http://h.databricks.com/oidc/v1/token"}, []string{"TokenEndpoint", "https"}},
		{"workspace endpoint on account host", exchange.Config{Host: account, AccountID: accountID, ClientID: appID, TokenEndpoint: account + "/oidc/v1/token"}, []string{"TokenEndpoint", accountID}},
		{"everything at once", exchange.Config{Host: "http://h.databricks.com", AccountID: "x", ClientID: "7", AssumeGroup: "g", Scopes: []string{" "}}, []string{"Host", "AccountID", "ClientID", "AssumeGroup", "Scopes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := exchange.New(tt.cfg)
			wantKind(t, err, exchange.KindConfig)
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

func TestNew_accepted(t *testing.T) {
	const ws = "https://h.databricks.com"
	policy := mapperFunc(func(context.Context, *claims.Claims) (claims.Grant, error) { return claims.Grant{}, nil })
	for name, cfg := range map[string]exchange.Config{
		"service principal": {Host: ws, ClientID: appID},
		"upper case UUID":   {Host: ws, ClientID: strings.ToUpper(appID)},
		"account-wide":      {Host: ws, AccountWide: true},
		"group":             {Host: ws, ClientID: appID, AssumeGroup: groupID, Scopes: []string{"sql", "jobs", "sql"}},
		"policy":            {Host: ws, Policy: policy},
		"account":           {Host: "accounts-dod.cloud.databricks.us", AccountID: accountID, ClientID: appID},
		"own endpoint":      {Host: ws, ClientID: appID, TokenEndpoint: ws + ":443/oidc/v1/token"},
	} {
		if _, err := exchange.New(cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
