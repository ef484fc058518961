package exchange_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
)

// A policy of package claims steers the exchange, its replacement counts from the
// next one on, and the grant survives a store.
func TestPolicy_ofClaims(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var live claims.Live
		replace := func(sub string, target claims.Target) {
			t.Helper()
			data, err := json.Marshal(claims.Config{Version: 1, Issuers: []claims.Issuer{{
				Issuer: w.idp.Issuer(),
				Rules: []claims.Rule{{
					Name: "job", When: map[string]claims.Matcher{"sub": {Any: []any{sub}}},
					Groups: []string{"engineers"}, Target: &target,
				}},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := live.Replace(data); err != nil {
				t.Fatal(err)
			}
		}
		x := w.deciding(&live)
		_, err := x.Token(t.Context())
		wantKind(t, err, exchange.KindDenied) // nothing is loaded yet
		replace(subject, claims.Target{ClientID: appID, AssumeGroup: groupID, Scopes: []string{"sql"}})
		token, err := x.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		form := w.dbx.Requests(exchangetest.Token)[0].Form
		if form.Get("client_id") != appID || form.Get("assume_group") != groupID || form.Get("scope") != "sql" {
			t.Errorf("form %v", form)
		}
		stored, err := json.Marshal(map[string]any{"brickfed": token.Extra("brickfed")})
		if err != nil {
			t.Fatal(err)
		}
		var extra map[string]any
		if err := json.Unmarshal(stored, &extra); err != nil {
			t.Fatal(err)
		}
		grant, ok := exchange.GrantOf((&oauth2.Token{AccessToken: token.AccessToken}).WithExtra(extra))
		if !ok || grant.Policy != live.Policy().ID() || grant.Target.Rule != "job" || !slices.Equal(grant.Groups, []string{"engineers"}) || grant.Subject != subject {
			t.Errorf("the grant after a store: %+v, %t", grant, ok)
		}
		replace("somebody else", claims.Target{ClientID: appID})
		sent := w.dbx.Count(exchangetest.Token)
		_, err = x.Token(t.Context())
		wantKind(t, err, exchange.KindDenied)
		if !errors.Is(err, claims.ErrNoMatch) || w.dbx.Count(exchangetest.Token) != sent {
			t.Errorf("after a replacement: %v, %d exchanges", err, w.dbx.Count(exchangetest.Token)-sent)
		}
	})
}
