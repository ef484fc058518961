package exchange_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

// ada is a person's grant, decided on a token that is never sent.
var ada = claims.Grant{
	Policy: "p1", Issuer: "https://people.example", Subject: "ada", Rules: []string{"analysts"}, Groups: []string{"engineers"},
	Target: claims.Target{Rule: "analysts", ClientID: appID, AssumeGroup: groupID, Scopes: []string{"sql"}},
}

// The grant is the person's, the token that is posted the service's, minted anew
// for each attempt.
func TestExchangeFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var wishes []string
		var sent []*oidc.Token
		x := w.deciding(mapTo(claims.Target{}))
		w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["unavailable"])
		token, err := x.ExchangeFor(t.Context(), ada, oidc.SourceFunc(func(_ context.Context, audience string) (*oidc.Token, error) {
			wishes = append(wishes, audience)
			own, err := w.token(nil, audience)
			sent = append(sent, own)
			return own, err
		}))
		if err != nil {
			t.Fatal(err)
		}
		requests := w.dbx.Requests(exchangetest.Token)
		if len(requests) != 2 || len(sent) != 2 || wishes[0] != w.dbx.AccountID() {
			t.Fatalf("%d attempts, %d tokens, audiences %q", len(requests), len(sent), wishes)
		}
		for i, r := range requests {
			if r.Form.Get("subject_token") != sent[i].Fingerprint() || r.Form.Get("client_id") != appID || r.Form.Get("assume_group") != groupID || r.Form.Get("scope") != "sql" {
				t.Errorf("attempt %d: form %v", i, r.Form)
			}
		}
		if got, ok := exchange.GrantOf(token); !ok || !reflect.DeepEqual(got, ada) {
			t.Errorf("GrantOf = %+v, want the person's %+v", got, ada)
		}
		for _, e := range w.events {
			if !reflect.DeepEqual(e.Grant, ada) {
				t.Errorf("an event is about %+v", e.Grant)
			}
		}
		if len(w.events) != 2 || w.minted != 0 {
			t.Errorf("%d events; the configured Subject was asked %d times", len(w.events), w.minted)
		}
	})
}

// What goes beyond the grant is refused before the network, and before the source
// is asked; the event tells of it.
func TestExchangeFor_beyond(t *testing.T) {
	with := func(target claims.Target) claims.Grant {
		grant := ada
		grant.Target = target
		return grant
	}
	configured := func(c *exchange.Config) { c.AssumeGroup, c.Scopes = groupID, []string{"sql"} }
	deciding := func(c *exchange.Config) { c.ClientID, c.Policy = "", mapTo(claims.Target{}) }
	tests := []struct {
		name   string
		change func(*exchange.Config)
		grant  claims.Grant
		want   exchange.Kind
	}{
		{"no target", deciding, with(claims.Target{}), exchange.KindDenied},
		{"scopes alone", deciding, with(claims.Target{Scopes: []string{"sql"}}), exchange.KindDenied},
		{"odd client ID", deciding, with(claims.Target{ClientID: "7001"}), exchange.KindConfig},
		{"odd group", deciding, with(claims.Target{AssumeGroup: "engineers"}), exchange.KindConfig},
		{"another service principal", configured, with(claims.Target{ClientID: "3f0c2a1e-2222-4000-8000-000000000002"}), exchange.KindDenied},
		{"another group", configured, with(claims.Target{AssumeGroup: "18"}), exchange.KindDenied},
		{"another scope", configured, with(claims.Target{Scopes: []string{"jobs"}}), exchange.KindDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				x := w.exchanger(tt.change)
				asked := false
				_, err := x.ExchangeFor(t.Context(), tt.grant, oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) {
					asked = true
					return nil, errors.New("asked")
				}))
				wantKind(t, err, tt.want)
				own, err := w.token(nil, w.dbx.AccountID())
				if err != nil {
					t.Fatal(err)
				}
				_, err = x.Exchange(t.Context(), own, tt.grant.Target)
				wantKind(t, err, tt.want)
				if n := len(w.dbx.Requests()); n != 0 || asked {
					t.Errorf("%d requests, source asked: %t", n, asked)
				}
				if len(w.events) != 2 || w.events[0].Err == nil || w.events[0].Grant.Subject != "ada" {
					t.Errorf("events %+v", w.events)
				}
			})
		})
	}
}

// Without a policy, fields left empty take the configuration's, and the grant says
// so.
func TestExchangeFor_configured(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) { c.AssumeGroup = groupID })
		token, err := x.ExchangeFor(t.Context(), claims.Grant{Subject: "ada"}, w.source(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := exchange.GrantOf(token); got.Subject != "ada" || got.Target.ClientID != appID || got.Target.AssumeGroup != groupID {
			t.Errorf("GrantOf = %+v", got)
		}
		_, err = x.ExchangeFor(t.Context(), claims.Grant{Subject: "ada"}, nil)
		wantKind(t, err, exchange.KindConfig)
		_, err = x.ExchangeFor(t.Context(), claims.Grant{Subject: "ada"}, oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) {
			return nil, nil //nolint:nilnil // what a broken source does
		}))
		wantKind(t, err, exchange.KindSource)
	})
}

// keeper hands out its first token until that is refused.
type keeper struct{ tokens []*oidc.Token }

func (k *keeper) Token(context.Context, string) (*oidc.Token, error) { return k.tokens[0], nil }
func (k *keeper) Mints() bool                                        { return false }

func (k *keeper) Invalidate(refused *oidc.Token) {
	if len(k.tokens) > 1 && k.tokens[0].Raw() == refused.Raw() {
		k.tokens = k.tokens[1:]
	}
}

// A source that has another token when one is refused, for its audience too, is
// asked for that: the given source and not the configured Subject.
func TestExchangeFor_anotherToken(t *testing.T) {
	for _, audience := range []string{"somebody-else", ""} {
		bubble(t, func(t *testing.T, w *world) {
			good, err := w.token(nil, w.dbx.AccountID())
			if err != nil {
				t.Fatal(err)
			}
			payload := map[string]any{"jti": "another"}
			if audience != "" {
				payload["aud"] = audience
			} else {
				w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["no policy"])
			}
			bad, err := w.token(payload, w.dbx.AccountID())
			if err != nil {
				t.Fatal(err)
			}
			x := w.deciding(mapTo(claims.Target{}))
			if _, err := x.ExchangeFor(t.Context(), ada, &keeper{[]*oidc.Token{bad, good}}); err != nil {
				t.Errorf("audience %q: %v", audience, err)
			}
			if len(w.events) != 2 || w.events[1].Subject != good.Fingerprint() {
				t.Errorf("audience %q: events %+v", audience, w.events)
			}
			began := time.Now()
			if _, err := x.ExchangeFor(t.Context(), ada, &keeper{[]*oidc.Token{bad}}); audience != "" {
				wantKind(t, err, exchange.KindAudience)
			}
			if time.Since(began) > 0 {
				t.Error("it waited for a token that does not change")
			}
		})
	}
}

func TestExchanger_Map(t *testing.T) {
	person, err := claims.Parse([]byte(`{"iss":"https://people.example","sub":"ada"}`))
	if err != nil {
		t.Fatal(err)
	}
	target := claims.Target{ClientID: appID}
	says := func(grant claims.Grant, err error) mapperFunc {
		return func(context.Context, *claims.Claims) (claims.Grant, error) { return grant, err }
	}
	denied := &claims.Error{Kind: claims.ErrDenied, Reason: "contractors use the partner account"}
	tests := []struct {
		name string
		cfg  exchange.Config
		want claims.Target
		kind exchange.Kind // empty: granted
	}{
		{"configured", exchange.Config{ClientID: appID, AssumeGroup: "1"}, claims.Target{ClientID: appID, AssumeGroup: "1"}, ""},
		{"account-wide", exchange.Config{AccountWide: true}, claims.Target{}, ""},
		{"a policy", exchange.Config{Policy: says(claims.Grant{Issuer: "https://people.example", Subject: "ada", Target: target}, nil)}, target, ""},
		{"a policy that leaves the holder out", exchange.Config{Policy: says(claims.Grant{Target: target}, nil)}, target, ""},
		{"a grant for another subject", exchange.Config{Policy: says(claims.Grant{Issuer: "https://people.example", Subject: "eve", Target: target}, nil)}, claims.Target{}, exchange.KindDenied},
		{"a grant for another issuer", exchange.Config{Policy: says(claims.Grant{Issuer: "https://other.example", Subject: "ada", Target: target}, nil)}, claims.Target{}, exchange.KindDenied},
		{"no target", exchange.Config{Policy: says(claims.Grant{}, nil)}, claims.Target{}, exchange.KindDenied},
		{"odd target", exchange.Config{Policy: says(claims.Grant{Target: claims.Target{ClientID: "7001"}}, nil)}, claims.Target{}, exchange.KindConfig},
		{"denied", exchange.Config{Policy: says(claims.Grant{}, denied)}, claims.Target{}, exchange.KindDenied},
		{"an outage", exchange.Config{Policy: says(claims.Grant{}, context.DeadlineExceeded)}, claims.Target{}, exchange.KindUnavailable},
		{"a policy of claims that gives nothing", exchange.Config{Policy: new(claims.Live)}, claims.Target{}, exchange.KindDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Host = "h.databricks.com"
			x, err := exchange.New(tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			grant, err := x.Map(t.Context(), person)
			if tt.kind == "" {
				if err != nil || !reflect.DeepEqual(grant.Target, tt.want) || grant.Issuer != "https://people.example" || grant.Subject != "ada" {
					t.Errorf("got %+v, %v", grant, err)
				}
				return
			}
			failure := failureOf(t, err, tt.kind)
			if failure.Issuer != "https://people.example" || failure.Subject != "ada" {
				t.Errorf("it is about %q of %q", failure.Subject, failure.Issuer)
			}
			if tt.name == "denied" && !errors.Is(err, claims.ErrDenied) {
				t.Errorf("%v does not wrap the policy's reason", err)
			}
		})
	}
}

func TestWithGrant(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		token, err := w.exchanger().Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		old, _ := exchange.GrantOf(token)
		again := exchange.WithGrant(token, ada)
		if got, ok := exchange.GrantOf(again); !ok || !reflect.DeepEqual(got, ada) {
			t.Errorf("GrantOf = %+v, want %+v", got, ada)
		}
		if again.AccessToken != token.AccessToken || !again.Expiry.Equal(token.Expiry) || again.Extra("scope") != token.Extra("scope") {
			t.Errorf("something else than the grant has changed: %v", again.Extra("scope"))
		}
		if got, _ := exchange.GrantOf(token); !reflect.DeepEqual(got, old) {
			t.Errorf("the original says %+v now", got)
		}
	})
	if exchange.WithGrant(nil, ada) != nil {
		t.Error("something of nothing")
	}
	if got, ok := exchange.GrantOf(exchange.WithGrant(&oauth2.Token{AccessToken: "opaque"}, ada)); !ok || got.Subject != "ada" {
		t.Errorf("GrantOf of a token from elsewhere = %+v", got)
	}
}
