package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/broker"
	"github.com/brickfed/brickfed/exchange/exchangetest"
)

// Whoever the policy no longer names is refused from the moment the replacement
// returned, though the token is cached, and in an outage too, when others go on
// with theirs.
func TestReplace_leaver(t *testing.T) {
	for _, outage := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			stays := gives("bob", principal(2))
			w.set(gives("ada", principal(1)), stays)
			b := w.serving()
			ada, bob := w.person("ada"), w.person("bob")
			first := get(t, b, ada, principal(1))
			get(t, b, bob, principal(2))
			w.dbx.SetOutage(outage)
			for range 3 {
				w.set(stays)
				before := len(w.dbx.Requests())
				for range 3 {
					token, err := b.Token(t.Context(), ada)
					failure := failureOf(t, token, err, exchange.KindDenied)
					if !errors.Is(failure, claims.ErrNoMatch) {
						t.Errorf("%v does not say why", failure)
					}
					get(t, b, bob, principal(2))
				}
				if after := len(w.dbx.Requests()); after != before {
					t.Errorf("%d requests for a leaver", after-before)
				}
				w.set(gives("ada", principal(1)), stays) // and back again
				if again := get(t, b, ada, principal(1)); again.AccessToken != first.AccessToken {
					t.Error("a token that was good all the time was exchanged for again")
				}
			}
			if n := w.exchanges(); n != 2 {
				t.Errorf("outage=%t: %d exchanges, want 2", outage, n)
			}
		})
	}
}

// A leaver who waits for the end of an outage hears of the decision, and the
// failure is not remembered against whoever comes back.
func TestReplace_leaverWaitingInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		b := w.serving()
		ada := w.person("ada")
		w.dbx.SetOutage(true)
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Delay: 5 * time.Second, Status: 503, Times: -1})
		var wg sync.WaitGroup
		wg.Go(func() {
			token, err := b.Token(t.Context(), ada)
			wantKind(t, token, err, exchange.KindDenied)
		})
		time.Sleep(time.Second)
		w.set()
		wg.Wait()
		w.dbx.Heal()
		time.Sleep(11 * time.Second) // the longest delay without a token
		w.set(gives("ada", principal(1)))
		get(t, b, ada, principal(1))
	})
}

// A flight that began before a replacement is not handed out to whom the policy
// no longer names, or names for another target; to the others it is.
func TestReplace_duringAFlight(t *testing.T) {
	const ada = "ada"
	tests := []struct {
		name      string
		rules     []claims.Rule
		want      claims.Target // zero: refused
		exchanges int
	}{
		{"ada left", nil, claims.Target{}, 1},
		{"ada has another role", []claims.Rule{gives(ada, principal(3))}, principal(3), 2},
		{"ada has a role of the same principal", []claims.Rule{gives(ada, claims.Target{ClientID: appID(1), AssumeGroup: groupID(1)})}, claims.Target{ClientID: appID(1), AssumeGroup: groupID(1)}, 2},
		{"ada has other scopes", []claims.Rule{gives(ada, claims.Target{ClientID: appID(1), Scopes: []string{"sql"}})}, principal(1), 2},
		{"the policy says the same", []claims.Rule{gives(ada, principal(1))}, principal(1), 1},
		{"somebody else came", []claims.Rule{gives(ada, principal(1)), gives("bob", principal(2))}, principal(1), 1},
		{"ada has another group besides", []claims.Rule{gives(ada, principal(1)), {
			Name: "all", When: map[string]claims.Matcher{"aud": {Any: []any{app}}}, Groups: []string{"everybody"},
		}}, principal(1), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.set(gives(ada, principal(1)))
				b, who := w.serving(), w.person(ada)
				w.slow(3 * time.Second)
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						token, err := b.Token(t.Context(), who)
						if !tt.want.Selects() {
							wantKind(t, token, err, exchange.KindDenied)
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						wantHolder(t, token, who, tt.want)
						want, _ := w.live.Map(t.Context(), who.Claims)
						if got, _ := exchange.GrantOf(token); fmt.Sprint(got) != fmt.Sprint(want) {
							t.Errorf("the grant is %+v, and now it is %+v", got, want)
						}
					})
				}
				time.Sleep(time.Second)
				w.set(tt.rules...)
				wg.Wait()
				if n := w.exchanges(); n != tt.exchanges {
					t.Errorf("%d exchanges, want %d", n, tt.exchanges)
				}
			})
		})
	}
}

// A background refresh that began before a replacement is not handed out either.
func TestReplace_duringARefresh(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		b := w.serving(quiet)
		get(t, b, w.person("ada"), principal(1))
		time.Sleep(41 * time.Minute)
		w.slow(3 * time.Second)
		ada := w.person("ada")
		get(t, b, ada, principal(1)) // begins the refresh
		synctest.Wait()
		w.set(gives("ada", principal(2)))
		get(t, b, ada, principal(2))
		time.Sleep(10 * time.Second)
		w.set()
		token, err := b.Token(t.Context(), ada)
		wantKind(t, token, err, exchange.KindDenied)
		if n := w.exchanges(); n != 3 {
			t.Errorf("%d exchanges, want 3", n)
		}
	})
}

// A policy that changes with every look is given up on, temporarily.
func TestReplace_restless(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		n := 0
		b := w.serving(func(c *broker.Config) {
			c.Exchange.Policy = mapperFunc(func(context.Context, *claims.Claims) (claims.Grant, error) {
				n++
				return claims.Grant{Target: principal(n % principals)}, nil
			})
		})
		token, err := b.Token(t.Context(), w.person("ada"))
		if failure := failureOf(t, token, err, exchange.KindUnavailable); !failure.Temporary() {
			t.Error("it says that it will not pass")
		}
		if got := w.exchanges(); got != 4 {
			t.Errorf("%d exchanges, want 4", got)
		}
	})
}

// An edit that does not concern somebody costs no exchange for them, and the
// grant that they see is the one of now.
func TestReplace_unrelatedEdit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)), gives("bob", principal(2)))
		b := w.serving()
		ada, bob := w.person("ada"), w.person("bob")
		first := get(t, b, ada, principal(1))
		get(t, b, bob, principal(2))
		renamed := gives("ada", claims.Target{ClientID: appID(1), Scopes: []string{"all-apis"}}) // the default, said
		renamed.Name = "another name"
		renamed.Groups = []string{"others", "engineers"}
		edits := [][]claims.Rule{
			{gives("ada", principal(1)), gives("bob", principal(3))},
			{gives("eve", principal(1)), gives("ada", principal(1))},
			{renamed},
			{gives("ada", principal(1))},
		}
		for i, rules := range edits {
			w.set(rules...)
			token := get(t, b, ada, principal(1))
			if token.AccessToken != first.AccessToken {
				t.Errorf("edit %d: another token", i)
			}
			if want, _ := w.live.Map(t.Context(), ada.Claims); fmt.Sprint(grantOf(t, token)) != fmt.Sprint(want) {
				t.Errorf("edit %d: the grant is %+v, and now it is %+v", i, grantOf(t, token), want)
			}
			if again := get(t, b, ada, principal(1)); again != token {
				t.Errorf("edit %d: a copy for a call in which nothing has changed", i)
			}
		}
		if grant := grantOf(t, first); !slices.Equal(grant.Rules, []string{"role of ada"}) {
			t.Errorf("a token that was handed out before was changed: %+v", grant)
		}
		if n := w.exchanges(); n != 2 {
			t.Errorf("%d exchanges, want 2", n)
		}
	})
}

func grantOf(t *testing.T, token *oauth2.Token) claims.Grant {
	t.Helper()
	grant, ok := exchange.GrantOf(token)
	if !ok {
		t.Error("a token without a grant")
	}
	return grant
}

// Fifty people with different targets, and each of them many times at once: nobody
// gets a token of somebody else, and each costs one exchange.
func TestBroker_Token_manyAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const people = 50
		var rules []claims.Rule
		target := func(n int) claims.Target {
			return claims.Target{ClientID: appID(n % principals), AssumeGroup: groupID(n / principals % groups)}
		}
		name := func(n int) string { return fmt.Sprintf("person-%d", n) }
		for n := range people {
			rules = append(rules, gives(name(n), target(n)))
		}
		w.set(rules...)
		b := w.serving()
		w.slow(time.Second)
		var mu sync.Mutex
		holders := map[string]string{} // access token → whose
		var wg sync.WaitGroup
		for n := range people {
			who := w.person(name(n))
			for range 5 {
				wg.Go(func() {
					token, err := b.Token(t.Context(), who)
					if err != nil {
						t.Error(err)
						return
					}
					wantHolder(t, token, who, target(n))
					mu.Lock()
					defer mu.Unlock()
					if owner := holders[token.AccessToken]; owner != "" && owner != name(n) {
						t.Errorf("%s got the token of %s", name(n), owner)
					}
					holders[token.AccessToken] = name(n)
				})
			}
		}
		wg.Wait()
		if n := w.exchanges(); n != people || len(holders) != people {
			t.Errorf("%d exchanges, %d tokens, want %d", n, len(holders), people)
		}
		for _, e := range w.events {
			for raw, owner := range holders {
				if fingerprint(raw) == e.Token && owner != e.Grant.Subject {
					t.Errorf("the token exchanged for %s was handed to %s", e.Grant.Subject, owner)
				}
			}
		}
	})
}
