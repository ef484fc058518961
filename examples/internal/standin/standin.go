// Package standin gives the examples something to talk to: an identity provider
// and a Databricks account on loopback, made from the module's own test kits.
package standin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// ClientID is the application ID of the one service principal.
const ClientID = "3f0c2a1e-1111-4000-8000-000000000001"

// Standin is the pair, running. Close it when done.
type Standin struct {
	IdP        *oidctest.Server
	Databricks *exchangetest.Server
}

// Start starts both. Databricks trusts the provider's one client, as the service
// principal ClientID, and lets tokens live for the given time.
func Start(lifetime time.Duration) (*Standin, error) {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		return nil, fmt.Errorf("start the identity provider: %w", err)
	}
	dbx, err := exchangetest.New(exchangetest.Config{
		IdP:         idp.Client(),
		MaxLifetime: lifetime,
		Principals: []exchangetest.Principal{{
			ApplicationID: ClientID,
			DisplayName:   "nightly training job",
			Policies: []trust.Policy{{
				Issuer:    idp.Issuer(),
				Subject:   oidctest.ClientID,
				Audiences: []string{oidctest.DefaultAudience},
			}},
		}},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the Databricks stand-in: %w", err), idp.Close())
	}
	return &Standin{IdP: idp, Databricks: dbx}, nil
}

// Source mints the provider's tokens by client credentials, as a service would.
func (s *Standin) Source() oidc.Source {
	return &oidc.ClientCredentials{
		Issuer: s.IdP.Issuer(),
		Auth: oidc.SecretBasic{
			ClientID: oidctest.ClientID,
			Secret:   oidc.SecretFunc(func(context.Context) (string, error) { return oidctest.ClientSecret, nil }),
		},
	}
}

// Close stops both.
func (s *Standin) Close() error {
	http.DefaultTransport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
	return errors.Join(s.Databricks.Close(), s.IdP.Close())
}
