package sdkauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/oidc"
)

// The tests of this file are named after defects of the SDK's own OIDC
// strategies, which were reproduced with v0.175.0 and again with v0.182.0.

const (
	tokenCall = "POST /oidc/v1/token"
	hour      = time.Hour
)

// B1: the second exchange of the SDK goes through http.DefaultClient.
func TestB01_sameTransportOnRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		for i := range 3 {
			w.mustBe(client, job)
			if got, want := w.wire.count(tokenCall), i+1; got != want {
				t.Fatalf("%d exchanges went through Config.HTTPTransport, want %d", got, want)
			}
			time.Sleep(hour) // the token has ended
		}
		for _, r := range w.tokenRequests() {
			if got := r.Header.Get("User-Agent"); !strings.HasPrefix(got, "brickfed") {
				t.Errorf("User-Agent %q", got)
			}
		}
	})
}

// B2: a token file that ends in a newline, as echo writes it.
func TestB02_newlineInTokenFile(t *testing.T) {
	w := newWorld(t)
	raw, err := w.idp.Sign(w.source().claims)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(raw+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.strategy()
	s.Subject = oidc.File(file)
	w.mustBe(w.client(w.config(), s), job)
}

// B3: the SDK does not retry its first exchange.
func TestB03_firstExchangeIsRetried(t *testing.T) {
	recorded := exchangetest.Recorded()
	busy := recorded["too many requests"]
	busy.Header = http.Header{"Retry-After": {"1"}}
	for name, fault := range map[string]exchangetest.Fault{
		"503": recorded["unavailable"], "429": busy, "400 throttled": recorded["throttled"],
		"502": recorded["bad gateway"], "500": {Status: 500, Body: "{}"}, "connection dropped": {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.close()
				client := w.client(w.config(), w.strategy())
				w.dbx.Fail(exchangetest.Token, fault)
				w.mustBe(client, job)
				w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 2})
			})
		})
	}
}

// B4: the SDK's errors cannot be told apart, and differ from the first exchange
// to the second.
func TestB04_typedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		for _, when := range []string{"first exchange", "refresh"} {
			w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["invalid client"])
			_, err := me(t.Context(), client)
			var e *exchange.Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: no *exchange.Error in %v", when, err)
			}
			if e.Kind != exchange.KindClient || e.Status != 401 || e.Code != "invalid_client" || e.ErrorID == "" || e.RequestID == "" || e.Hint == "" {
				t.Errorf("%s: %+v", when, e)
			}
			time.Sleep(time.Minute) // the failure is forgotten
			w.mustBe(client, job)
			time.Sleep(2 * hour) // the token has ended
		}
	})
}

// B5: without AuthType, the SDK hides the cause behind "cannot configure default
// credentials", after two token requests.
func TestB05_causeIsTold(t *testing.T) {
	w := newWorld(t)
	s := w.strategy()
	subject := w.source()
	subject.claims["sub"] = "somebody-else"
	s.Subject = subject
	_, err := me(t.Context(), w.client(w.config(), s))
	var e *exchange.Error
	if !errors.As(err, &e) || e.Kind != exchange.KindNoPolicy || e.Subject != "somebody-else" {
		t.Fatalf("got error %v", err)
	}
	for _, part := range []string{"TOKEN_INVALID", "federation policy", "somebody-else"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not speak of %q: %v", part, err)
		}
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1})
}

// B6: "more than one authorization method configured: file-oidc and oauth".
func TestB06_clientIDBesideTokenFile(t *testing.T) {
	w := newWorld(t)
	t.Setenv("DATABRICKS_OIDC_TOKEN_FILEPATH", "/stale/token")
	t.Setenv("DATABRICKS_OIDC_TOKEN_ENV", "SOME_TOKEN")
	cfg := w.config()
	cfg.ClientID = job
	w.mustBe(w.client(cfg, sdkauth.Strategy{Subject: w.source()}), job)
}

// B7: "unknown host type: UNIFIED_HOST" without oidc_endpoint.
func TestB07_unifiedHostWithoutEndpoint(t *testing.T) {
	for _, named := range []bool{true, false} {
		w := newWorld(t, func(c *exchangetest.Config) {
			c.Metadata = func(_ string, document map[string]any) bool {
				if !named {
					delete(document, "oidc_endpoint")
				}
				return true
			}
		})
		cfg := w.config()
		cfg.Host = w.dbx.UnifiedURL()
		w.mustBe(w.client(cfg, w.strategy()), job)
		for _, r := range w.tokenRequests() {
			if want := "/oidc/accounts/" + w.dbx.AccountID() + "/v1/token"; r.Path != want {
				t.Errorf("exchange at %s, want %s", r.Path, want)
			}
		}
	}
}

// B8: a name that is not fit for a User-Agent panics at the first request.
func TestB08_name(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	w.mustBe(w.client(cfg, w.strategy()), job)
	if got, want := cfg.AuthType, (sdkauth.Strategy{}).Name(); got != want {
		t.Errorf("AuthType is %q, want %q", got, want)
	}
	agent := w.dbx.Requests(exchangetest.API)[0].Header.Get("User-Agent")
	for _, part := range []string{" auth/brickfed-oidc", " brickfed/devel"} {
		if !strings.Contains(agent, part) {
			t.Errorf("the User-Agent %q has no %q", agent, part)
		}
	}
}

// B9: the background refresh of the SDK's cache dies with its caller's context.
func TestB09_refreshOutlivesCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		w.mustBe(client, job)
		time.Sleep(45 * time.Minute) // early refresh is due
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Delay: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := me(ctx, client); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 2})
		time.Sleep(20 * time.Minute) // only the new token is still good
		w.mustBe(client, job)
		w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 2})
	})
}

// B10: a caller with a deadline of 100 ms waited 1.45 s.
func TestB10_deadlineOfWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		cfg := w.config()
		client := w.client(cfg, w.strategy())
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Delay: 1450 * time.Millisecond})
		var waiters sync.WaitGroup
		for range 3 {
			waiters.Go(func() {
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				defer cancel()
				_, err := me(ctx, client)
				if got := time.Since(start); got != 30*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("returned after %v with %v", got, err)
				}
			})
		}
		waiters.Wait()
		time.Sleep(2 * time.Second) // the flight went on for whoever comes next
		w.mustBe(client, job)
		w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1})
	})
}

// B11: a token that the API refuses is used again and again.
func TestB11_refusedTokenIsReplaced(t *testing.T) {
	for _, name := range []string{
		"api invalid access token", "api jwt expired", "api invalid token", "api invalid access token page", "api expiring", "api expired exception",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *exchangetest.Config) { c.Refusal = exchangetest.Recorded()[name] })
			client := w.client(w.config(), w.strategy())
			w.mustBe(client, job)
			w.dbx.RevokeAll()
			w.mustBe(client, job)
			w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 2, exchangetest.API: 3})
		})
	}
}

// B12: an audience with special characters is sent raw.
func TestB12_audienceIsPassedOnAsItIs(t *testing.T) {
	const audience = "https://a.example/b?c=d&e=f#g h"
	w := newWorld(t)
	cfg := w.config()
	cfg.TokenAudience = audience
	subject := w.source()
	subject.claims["aud"] = audience
	_, err := me(t.Context(), w.client(cfg, sdkauth.Strategy{Subject: subject, ClientID: job}))
	if err == nil { // the policy wants another one
		t.Fatal("no error")
	}
	if got := subject.asked(); len(got) == 0 || got[0] != audience {
		t.Errorf("the source was asked for %q, want %q", got, audience)
	}
}

// B13: a missing expires_in means for ever, a negative one an exchange per call.
func TestB13_lifetime(t *testing.T) {
	text := func(life string) exchangetest.Fault {
		return exchangetest.Fault{Body: fmt.Sprintf(`{"access_token":"opaque-token","token_type":"Bearer"%s}`, life)}
	}
	t.Run("missing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.close()
			cfg := w.config()
			w.client(cfg, w.strategy())
			w.dbx.Fail(exchangetest.Token, text(""))
			first := mustToken(t, cfg)
			if left := time.Until(first.Expiry); left <= 0 || left > 2*hour {
				t.Errorf("it lives %v", left)
			}
			time.Sleep(2 * hour)
			if second := mustToken(t, cfg); second.AccessToken == first.AccessToken {
				t.Error("the token is used for ever")
			}
		})
	})
	for name, life := range map[string]string{"negative": `,"expires_in":-1`, "zero": `,"expires_in":0`, "fraction": `,"expires_in":3599.7`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.close()
				cfg := w.config()
				client := w.client(cfg, w.strategy())
				w.dbx.Fail(exchangetest.Token, text(life))
				for range 10 {
					_, err := me(t.Context(), client)
					var e *exchange.Error
					if !errors.As(err, &e) || e.Kind != exchange.KindBadResponse {
						t.Fatalf("got error %v", err)
					}
				}
				w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1})
			})
		})
	}
}

// B14: the ID token is taken once and dies.
func TestB14_freshSubjectTokenPerExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		seen := map[string]bool{}
		for range 3 {
			w.mustBe(client, job)
			time.Sleep(hour)
		}
		for _, r := range w.tokenRequests() {
			seen[r.Form.Get("subject_token")] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d different subject tokens in 3 exchanges", len(seen))
		}
	})
}

// B15: the discovery document is fetched for every exchange.
func TestB15_noDiscoveryPerExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		client := w.client(w.config(), w.strategy())
		for range 5 {
			w.mustBe(client, job)
			time.Sleep(hour)
		}
		w.counts(map[exchangetest.Endpoint]int{exchangetest.Metadata: 1, exchangetest.Discovery: 0, exchangetest.Token: 5})
	})
}

// B16: a nil token is handed out as (nil, nil), and callers crash.
func TestB16_nilToken(t *testing.T) {
	for name, s := range map[string]sdkauth.Strategy{
		"subject": {ClientID: job, Subject: oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) { return nil, nil })},
		"tokens":  {Tokens: cache.SourceFunc(func(context.Context) (*oauth2.Token, error) { return nil, nil })},
		"own cache": {Tokens: invalidator{cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
			return nil, nil
		})}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.close()
				cfg := w.config()
				client := w.client(cfg, s)
				if _, err := me(t.Context(), client); err == nil {
					t.Error("a request without a token: no error")
				}
				if token, err := cfg.GetTokenSource().Token(t.Context()); err == nil {
					t.Errorf("token %v: no error", token)
				}
				w.counts(map[exchangetest.Endpoint]int{exchangetest.API: 0})
			})
		})
	}
}

// invalidator is somebody's own cache.
type invalidator struct{ cache.SourceFunc }

func (invalidator) Invalidate(*oauth2.Token) {}

// B17: after an error each waiter calls the endpoint in turn.
func TestB17_oneFlightForAllWaiters(t *testing.T) {
	for name, wantError := range map[string]bool{"failure": true, "success": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.close()
				cfg := w.config()
				w.client(cfg, w.strategy())
				fault := exchangetest.Fault{}
				if wantError {
					fault = exchangetest.Recorded()["no policy"]
				}
				fault.Delay = time.Second
				w.dbx.Fail(exchangetest.Token, fault)
				var callers sync.WaitGroup
				for range 50 {
					callers.Go(func() {
						_, err := cfg.GetTokenSource().Token(t.Context())
						if (err != nil) != wantError {
							t.Errorf("got error %v", err)
						}
					})
				}
				callers.Wait()
				w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 1})
			})
		})
	}
}

// B18: a token is handed out up to its last second, though Azure Databricks
// refuses one with 30 seconds or less.
func TestB18_noTokenAboutToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *exchangetest.Config) {
			c.MinRemaining = 30 * time.Second
			c.MaxLifetime = 5 * time.Minute
		})
		defer w.close()
		client := w.client(w.config(), w.strategy())
		for range 1800 {
			w.mustBe(client, job)
			time.Sleep(time.Second)
		}
		for _, r := range w.dbx.Requests(exchangetest.API) {
			if r.Status != http.StatusOK {
				t.Fatalf("status %d: %s", r.Status, r.Reason)
			}
		}
		if n := w.dbx.Count(exchangetest.Token); n > 16 {
			t.Errorf("%d exchanges in six lifetimes", n)
		}
	})
}

func mustToken(t *testing.T, cfg *config.Config) *oauth2.Token {
	t.Helper()
	token, err := cfg.GetTokenSource().Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}
