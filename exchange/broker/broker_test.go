package broker_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/broker"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

func TestNew_refuses(t *testing.T) {
	source := oidc.Env("X")
	policy := mapperFunc(nil)
	tests := []struct {
		name string
		cfg  broker.Config
		want []string
	}{
		{"nothing", broker.Config{}, []string{"Host", "ClientID"}},
		{
			"a subject",
			broker.Config{Exchange: exchange.Config{Host: "h.databricks.com", Policy: policy, Subject: source}},
			[]string{"Exchange.Subject"},
		},
		{
			"a service for anybody",
			broker.Config{Exchange: exchange.Config{Host: "h.databricks.com", AccountWide: true}, Service: source},
			[]string{"Exchange.Policy"},
		},
		{
			"everything at once",
			broker.Config{Exchange: exchange.Config{Host: "http://h", Subject: source, ClientID: "7"}, Service: source},
			[]string{"Host", "ClientID", "Exchange.Subject", "Exchange.Policy"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := broker.New(tt.cfg)
			failure := failureOf(t, nil, err, exchange.KindConfig)
			for _, want := range tt.want {
				if !strings.Contains(failure.Error(), want) {
					t.Errorf("%v\ndoes not say %q", failure, want)
				}
			}
		})
	}
}

// A person's claims decide, the service's own token is exchanged.
func TestBroker_Token_service(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		target := claims.Target{ClientID: appID(1), AssumeGroup: groupID(2), Scopes: []string{"sql", "jobs"}}
		w.set(gives("ada", target))
		var own *oidc.Token
		b := w.serving(func(c *broker.Config) {
			c.Service = oidc.SourceFunc(func(ctx context.Context, audience string) (*oidc.Token, error) {
				var err error
				own, err = w.service(ctx, audience)
				return own, err
			})
		})
		ada := w.person("ada", map[string]any{"aud": app}) // of no use at Databricks
		token := get(t, b, ada, target)
		if got := w.works(token); got != http.StatusOK {
			t.Errorf("an API call with the token answers %d", got)
		}
		form := w.dbx.Requests(exchangetest.Token)[0].Form
		want := map[string]string{
			"client_id": appID(1), "assume_group": groupID(2), "scope": "jobs sql", "subject_token": own.Fingerprint(),
			"grant_type":         "urn:ietf:params:oauth:grant-type:token-exchange",
			"subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		}
		for name, value := range want {
			if got := form.Get(name); got != value {
				t.Errorf("%s = %q, want %q", name, got, value)
			}
		}
		if len(form) != len(want) {
			t.Errorf("the form has other parameters: %v", form)
		}
		grant, _ := exchange.GrantOf(token)
		if !slices.Equal(grant.Groups, []string{"engineers"}) || !slices.Equal(grant.Rules, []string{"role of ada"}) ||
			grant.Target.Rule != "role of ada" || grant.Policy != w.live.Policy().ID() {
			t.Errorf("grant %+v", grant)
		}
		if e := w.events[0]; e.Grant.Subject != "ada" || e.Grant.Issuer != w.idp.Issuer() || e.Subject != own.Fingerprint() || e.Err != nil {
			t.Errorf("event %+v", e)
		}
	})
}

// Each person's own token is exchanged, under the account's federation policies.
func TestBroker_Token_own(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", group(1)), gives("bob", group(2)))
		b := w.broker()
		ada, bob := w.person("ada"), w.person("bob")
		for range 3 {
			get(t, b, ada, group(1))
			get(t, b, bob, group(2))
		}
		requests := w.dbx.Requests(exchangetest.Token)
		if len(requests) != 2 {
			t.Fatalf("%d exchanges, want one for each", len(requests))
		}
		for i, who := range []*oidc.Verified{ada, bob} {
			if form := requests[i].Form; form.Get("subject_token") != who.Token.Fingerprint() || form.Has("client_id") {
				t.Errorf("form %v, want %s", form, who.Token)
			}
		}
	})
}

// Without a policy the federation policies tell people apart.
func TestBroker_Token_noPolicy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.broker(func(c *broker.Config) { c.Exchange.Policy, c.Exchange.AccountWide = nil, true })
		for _, name := range []string{"ada", "bob", "ada"} {
			get(t, b, w.person(name), claims.Target{})
		}
		if n := w.exchanges(); n != 2 {
			t.Errorf("%d exchanges, want 2", n)
		}
		token, err := b.Token(t.Context(), w.person("mallory"))
		wantKind(t, token, err, exchange.KindNoPolicy)
	})
}

// What a verifier would not have returned is refused before the network.
func TestBroker_Token_unverified(t *testing.T) {
	tests := []struct {
		name string
		who  func(w *world) *oidc.Verified
		want exchange.Kind // empty: accepted
	}{
		{"nobody", func(*world) *oidc.Verified { return nil }, exchange.KindSubject},
		{"nothing", func(*world) *oidc.Verified { return &oidc.Verified{} }, exchange.KindSubject},
		{"no claims", func(w *world) *oidc.Verified { return &oidc.Verified{Token: w.person("ada").Token} }, exchange.KindSubject},
		{"no token", func(w *world) *oidc.Verified { return &oidc.Verified{Claims: w.person("ada").Claims} }, exchange.KindSubject},
		{"an empty token", func(w *world) *oidc.Verified {
			return &oidc.Verified{Token: new(oidc.Token), Claims: w.person("ada").Claims}
		}, exchange.KindSubject},
		{"claims of another", func(w *world) *oidc.Verified {
			return &oidc.Verified{Token: w.person("ada").Token, Claims: w.person("bob").Claims}
		}, exchange.KindSubject},
		{"claims of another issuer", func(w *world) *oidc.Verified {
			who := w.person("ada")
			who.Claims = payload(w.t, `{"iss":"https://other.example","sub":"ada"}`)
			return who
		}, exchange.KindSubject},
		{"no subject", func(w *world) *oidc.Verified { return w.parsed(map[string]any{"aud": app}) }, exchange.KindSubject},
		{"no exp", func(w *world) *oidc.Verified {
			return w.parsed(map[string]any{"sub": "ada", "aud": app, "exp": nil})
		}, exchange.KindSubject},
		{"ended", func(w *world) *oidc.Verified {
			who := w.person("ada")
			time.Sleep(time.Hour + time.Minute)
			return who
		}, exchange.KindSubjectExpired},
		{"ended, within the leeway", func(w *world) *oidc.Verified {
			who := w.person("ada")
			time.Sleep(time.Hour + 59*time.Second)
			return who
		}, ""},
		{"more claims of the same person", func(w *world) *oidc.Verified {
			who := w.person("ada")
			who.Claims = payload(w.t, `{"iss":"`+w.idp.Issuer()+`","sub":"ada","aud":"the-app","roles":["x"]}`)
			return who
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.set(gives("ada", principal(1)), gives("bob", principal(2)))
				b := w.serving()
				token, err := b.Token(t.Context(), tt.who(w))
				if tt.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				if failure := failureOf(t, token, err, tt.want); failure.Temporary() {
					t.Error("it says it may pass")
				}
				if n := len(w.dbx.Requests()); n != 0 || w.minted != 0 {
					t.Errorf("%d requests and %d tokens of the service, want none", n, w.minted)
				}
			})
		})
	}
}

// parsed is a token that nobody verified.
func (w *world) parsed(p map[string]any) *oidc.Verified {
	w.t.Helper()
	token, err := w.sign(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return &oidc.Verified{Token: token, Claims: token.UnverifiedClaims()}
}

func payload(t testing.TB, text string) *claims.Claims {
	t.Helper()
	c, err := claims.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whom the policy refuses costs no request, and the error says whether it was a
// decision.
func TestBroker_Token_refused(t *testing.T) {
	asked := errors.New("the directory does not answer")
	rules := []claims.Rule{
		gives("ada", principal(1)),
		{Name: "groups only", When: map[string]claims.Matcher{"sub": {Any: []any{"groups"}}}, Groups: []string{"engineers"}},
		{Name: "contractors", When: map[string]claims.Matcher{"sub": {Any: []any{"con"}}}, Deny: "use the partner account"},
	}
	tests := []struct {
		name   string
		who    string
		mapper exchange.Mapper // nil: the live policy
		want   exchange.Kind
		cause  error
	}{
		{"nobody the policy knows", "mallory", nil, exchange.KindDenied, claims.ErrNoMatch},
		{"a deny rule", "con", nil, exchange.KindDenied, claims.ErrDenied},
		{"no target", "groups", nil, exchange.KindDenied, nil},
		{"no policy yet", "ada", new(claims.Live), exchange.KindDenied, claims.ErrDenied},
		{"a grant for somebody else", "ada", mapperFunc(func(_ context.Context, c *claims.Claims) (claims.Grant, error) {
			return claims.Grant{Issuer: c.Issuer(), Subject: "bob", Target: principal(1)}, nil
		}), exchange.KindDenied, nil},
		{"a target that cannot be", "ada", mapperFunc(func(context.Context, *claims.Claims) (claims.Grant, error) {
			return claims.Grant{Target: claims.Target{ClientID: "7001"}}, nil
		}), exchange.KindConfig, nil},
		{"an outage of what the policy asks", "ada", mapperFunc(func(context.Context, *claims.Claims) (claims.Grant, error) {
			return claims.Grant{}, temporary{asked}
		}), exchange.KindUnavailable, asked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.set(rules...)
				b := w.serving(func(c *broker.Config) {
					if tt.mapper != nil {
						c.Exchange.Policy = tt.mapper
					}
				})
				token, err := b.Token(t.Context(), w.person(tt.who))
				failure := failureOf(t, token, err, tt.want)
				if failure.Temporary() != (tt.want == exchange.KindUnavailable) {
					t.Errorf("Temporary() = %t", failure.Temporary())
				}
				if failure.Subject != tt.who || failure.Issuer != w.idp.Issuer() {
					t.Errorf("it is about %q of %q", failure.Subject, failure.Issuer)
				}
				var reason *claims.Error
				if tt.cause != nil && !errors.Is(err, tt.cause) || tt.mapper == nil && tt.cause != nil && !errors.As(err, &reason) {
					t.Errorf("%v does not wrap the policy's %v", err, tt.cause)
				}
				if n := len(w.dbx.Requests()); n != 0 {
					t.Errorf("%d requests, want none", n)
				}
			})
		})
	}
}

// temporary is an outage, with the time to wait.
type temporary struct{ error }

func (temporary) Temporary() bool           { return true }
func (temporary) RetryAfter() time.Duration { return 7 * time.Second }
func (e temporary) Unwrap() error           { return e.error }

// An outage of what the policy has to ask is not a decision: the caller hears how
// long to wait, and gets the cached token as soon as the policy can decide.
func TestBroker_Token_resolverOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		out := false
		b := w.serving(func(c *broker.Config) {
			c.Exchange.Policy = mapperFunc(func(ctx context.Context, c *claims.Claims) (claims.Grant, error) {
				if out {
					return claims.Grant{}, temporary{errors.New("away")}
				}
				return w.live.Map(ctx, c)
			})
		})
		ada := w.person("ada")
		get(t, b, ada, principal(1))
		out = true
		token, err := b.Token(t.Context(), ada)
		if failure := failureOf(t, token, err, exchange.KindUnavailable); failure.RetryAfter() != 7*time.Second {
			t.Errorf("RetryAfter = %v", failure.RetryAfter())
		}
		out = false
		get(t, b, ada, principal(1))
		if n := w.exchanges(); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
	})
}

// Whoever has to ask on behalf of the policy has as long as the caller has.
func TestBroker_Token_policyInTheCallersTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.serving(func(c *broker.Config) {
			c.Exchange.Policy = mapperFunc(func(ctx context.Context, _ *claims.Claims) (claims.Grant, error) {
				<-ctx.Done()
				return claims.Grant{}, context.Cause(ctx)
			})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		token, err := b.Token(ctx, w.person("ada"))
		wantKind(t, token, err, exchange.KindUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not say why", err)
		}
	})
}

// A hit takes no exchange and hands out the same token, mapped once.
func TestBroker_Token_hit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		mapped := 0
		b := w.serving(func(c *broker.Config) {
			c.Exchange.Policy = mapperFunc(func(ctx context.Context, c *claims.Claims) (claims.Grant, error) {
				mapped++
				return w.live.Map(ctx, c)
			})
		})
		ada := w.person("ada")
		first := get(t, b, ada, principal(1))
		if mapped != 2 {
			t.Errorf("mapped %d times for a call that waited, want before and after", mapped)
		}
		for range 10 {
			if again := get(t, b, ada, principal(1)); again != first {
				t.Error("a copy for a call in which nothing has changed")
			}
		}
		if mapped != 12 {
			t.Errorf("mapped %d times, want once for each hit", mapped)
		}
		if n := w.exchanges(); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
	})
}

// The expiry that a holder sees is not after the end of the verified token, and
// the next verified token moves it.
func TestBroker_Token_expiry(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		b := w.serving()
		lasting := func(d time.Duration) *oidc.Verified {
			return w.person("ada", map[string]any{"exp": time.Now().Add(d).Unix()})
		}
		short := lasting(5 * time.Minute)
		token := get(t, b, short, principal(1))
		if want := short.Token.Expiry().Add(time.Minute); !token.Expiry.Equal(want) || token.ExpiresIn != 0 {
			t.Errorf("ends at %v (%d s), want %v", token.Expiry, token.ExpiresIn, want)
		}
		long := get(t, b, lasting(3*time.Hour), principal(1))
		if left := time.Until(long.Expiry); left < 59*time.Minute || left > time.Hour {
			t.Errorf("it has %v left, want the hour of the exchange", left)
		}
		if token.AccessToken != long.AccessToken || w.exchanges() != 1 {
			t.Errorf("%d exchanges, want one for both", w.exchanges())
		}
	})
}

// A verified token that ends while its holder waits is of no use any more.
func TestBroker_Token_endsMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		b := w.serving()
		ada := w.person("ada")
		w.slow(7 * time.Second)
		time.Sleep(time.Hour + 55*time.Second)
		token, err := b.Token(t.Context(), ada)
		wantKind(t, token, err, exchange.KindSubjectExpired)
		get(t, b, w.person("ada"), principal(1))
		if n := w.exchanges(); n != 1 {
			t.Errorf("%d exchanges, want the one that was waited for", n)
		}
	})
}

// A caller leaves when its context ends; the flight goes on for the others.
func TestBroker_Token_canceled(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		b := w.serving()
		ada := w.person("ada")
		w.slow(3 * time.Second)
		cause := errors.New("the request was canceled")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			token, err := b.Token(ctx, ada)
			if token != nil || !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
				t.Errorf("got %v, %v; want the context's end", token, err)
			}
		})
		wg.Go(func() { get(t, b, ada, principal(1)) })
		synctest.Wait()
		cancel(cause)
		wg.Wait()
		if _, err := b.Token(ctx, ada); err != nil {
			t.Errorf("a hit needs no context: %v", err)
		}
		if _, err := b.Token(ctx, w.person("mallory")); err == nil {
			t.Error("a token for whom the policy does not name")
		}
		if n := w.exchanges(); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
	})
}

// Through a Transport: a token that Databricks refuses is replaced once, for its
// holder only.
func TestHolder_invalidate(t *testing.T) {
	for _, own := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			target, b := principal(1), w.serving()
			if own {
				target, b = group(1), w.broker()
			}
			w.set(gives("ada", target), gives("bob", target))
			ada, bob := w.person("ada"), w.person("bob")
			first, bobs := get(t, b, ada, target), get(t, b, bob, target)
			w.dbx.Revoke(first.AccessToken)
			client := &http.Client{Transport: &exchange.Transport{Host: w.dbx.URL(), Tokens: b.For(ada), Base: w.dbx.Client().Transport}}
			for range 3 {
				resp, err := client.Get(w.dbx.URL() + "/api/2.0/preview/scim/v2/Me")
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
			if again := get(t, b, ada, target); again.AccessToken == first.AccessToken {
				t.Error("the refused token came back")
			}
			if again := get(t, b, bob, target); again != bobs {
				t.Error("somebody else's token was dropped")
			}
			if n := w.exchanges(); n != 3 {
				t.Errorf("own=%t: %d exchanges, want 3", own, n)
			}
			b.Invalidate(nil)
			b.Invalidate(&oauth2.Token{AccessToken: "elsewhere"})
		})
	}
}

func TestBroker_Revoke(t *testing.T) {
	for _, own := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			target, b := principal(1), w.serving()
			if own {
				target, b = group(1), w.broker()
			}
			w.set(gives("ada", target), gives("bob", target))
			ada, bob := w.person("ada"), w.person("bob")
			first, bobs := get(t, b, ada, target), get(t, b, bob, target)
			b.Revoke(w.idp.Issuer(), "nobody")
			b.Revoke("https://other.example", "ada")
			if again := get(t, b, ada, target); again != first {
				t.Error("revoked with somebody else")
			}
			b.Revoke(w.idp.Issuer(), "ada")
			if again := get(t, b, ada, target); again.AccessToken == first.AccessToken {
				t.Error("a revoked token was handed out")
			}
			if again := get(t, b, bob, target); again != bobs {
				t.Error("somebody else's token was dropped")
			}
			if n := w.exchanges(); n != 3 {
				t.Errorf("own=%t: %d exchanges, want 3", own, n)
			}
		})
	}
}

// What was being fetched when Revoke was called is not handed out.
func TestBroker_Revoke_flightUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", principal(1)))
		b := w.serving()
		ada := w.person("ada")
		w.slow(3 * time.Second)
		var wg sync.WaitGroup
		var got [10]*oauth2.Token
		for i := range got {
			wg.Go(func() { got[i] = get(t, b, ada, principal(1)) })
		}
		time.Sleep(time.Second)
		revoked := time.Now()
		b.Revoke(w.idp.Issuer(), "ada")
		wg.Wait()
		if n := w.exchanges(); n != 2 {
			t.Errorf("%d exchanges, want the one that was revoked and another", n)
		}
		if len(w.events) != 2 || w.events[0].Token != "" || w.events[1].Err != nil {
			t.Errorf("events %+v; want one that was cut short and one that brought the token", w.events)
		}
		second := w.dbx.Requests(exchangetest.Token)[1]
		if second.Time.Before(revoked) {
			t.Errorf("the second exchange began %v before Revoke", revoked.Sub(second.Time))
		}
		for _, token := range got {
			if token.AccessToken != got[0].AccessToken {
				t.Error("those who waited got different tokens")
			}
		}
	})
}
