package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

// dated answers with a Date of its own.
func dated(offset time.Duration, status int, body string) exchangetest.Fault {
	return exchangetest.Fault{Status: status, Body: body, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Date", time.Now().Add(offset).UTC().Format(http.TimeFormat))
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	})}
}

// One answer with a wrong date, of a proxy or of Databricks itself, does not stop
// the exchange.
func TestExchanger_Token_oneWrongDate(t *testing.T) {
	const good = `{"access_token":"opaque","token_type":"Bearer","expires_in":600}`
	tests := []struct {
		name   string
		answer exchangetest.Fault
	}{
		{"a proxy's page", dated(2*time.Hour, http.StatusServiceUnavailable, "<html>")},
		{"Databricks' 503", dated(2*time.Hour, http.StatusServiceUnavailable, exchangetest.Recorded()["unavailable"].Body)},
		{"a success, ahead", dated(2*time.Hour, http.StatusOK, good)},
		{"a success, behind", dated(-2*time.Hour, http.StatusOK, good)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				x := w.exchanger(func(c *exchange.Config) {
					c.Subject = oidc.SourceFunc(func(_ context.Context, audience string) (*oidc.Token, error) {
						return w.token(map[string]any{"exp": time.Now().Add(10 * time.Minute).Unix()}, audience)
					})
				})
				tokens := cache.New(x, cache.Options{})
				failed := 0
				for n := range 3 * 60 {
					if n == 20 {
						w.dbx.Fail(exchangetest.Token, tt.answer)
					}
					if _, err := tokens.Token(t.Context()); err != nil {
						failed++
						t.Logf("minute %d: %v", n, err)
					}
					time.Sleep(time.Minute)
				}
				if failed != 0 {
					t.Errorf("%d calls failed in 3 h", failed)
				}
			})
		})
	}
}

// A front end whose clock is wrong in every answer cannot lock out good tokens:
// what it accepts disproves its date.
func TestExchanger_Token_alwaysWrongDate(t *testing.T) {
	const good = `{"access_token":"opaque","token_type":"Bearer","expires_in":600}`
	bubble(t, func(t *testing.T, w *world) {
		answer := dated(2*time.Hour, http.StatusOK, good)
		answer.Times = -1
		w.dbx.Fail(exchangetest.Token, answer)
		x := w.exchanger()
		for n := range 12 {
			if _, err := x.Token(t.Context()); err != nil {
				t.Errorf("call %d: %v", n, err)
			}
			time.Sleep(20 * time.Minute)
		}
	})
}

// A unified host whose token endpoint shows a page for once, while its metadata
// is away too, is not taken for a workspace.
func TestExchanger_metadataKeepsWhatItKnows(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) { c.Host = w.dbx.UnifiedURL() })
		if _, err := x.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.dbx.SetOutage(true, exchangetest.Metadata)
		w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["login page"])
		_, err := x.Token(t.Context())
		wantKind(t, err, exchange.KindNotDatabricks)
		if _, err := x.Token(t.Context()); err != nil {
			t.Errorf("the next exchange: %v", err)
		}
		for _, r := range w.dbx.Requests(exchangetest.Token) {
			if !strings.HasPrefix(r.Path, "/oidc/accounts/") {
				t.Errorf("exchanged at %s", r.Path)
			}
		}
	})
}

// A host that could not be asked at first is guessed, and that is no reason to
// give up on it.
func TestExchanger_metadataAwayAtFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) { c.Host, c.AccountID = w.dbx.UnifiedURL(), w.dbx.AccountID() })
		w.dbx.SetOutage(true, exchangetest.Metadata)
		_, err := x.TokenOnce(t.Context())
		failure := failureOf(t, err, exchange.KindUnavailable)
		if !failure.Temporary() || !strings.Contains(failure.Hint, "guessed") {
			t.Errorf("temporary %t, hint %q", failure.Temporary(), failure.Hint)
		}
		w.dbx.Heal()
		if _, err := x.TokenOnce(t.Context()); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

// A host that refuses to show its metadata is not asked at each refresh.
func TestExchanger_metadataRefused(t *testing.T) {
	for _, answer := range []exchangetest.Fault{
		{Status: http.StatusForbidden, Times: -1},
		{Status: http.StatusFound, Header: http.Header{"Location": {"/login"}}, Times: -1},
		{Status: http.StatusOK, Body: "<html>", Times: -1},
		{Status: http.StatusServiceUnavailable, Times: -1},
	} {
		bubble(t, func(t *testing.T, w *world) {
			w.dbx.Fail(exchangetest.Metadata, answer)
			tokens := cache.New(w.exchanger(), cache.Options{})
			for range 12 * 60 {
				if _, err := tokens.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			exchanges, asked := w.dbx.Count(exchangetest.Token), w.dbx.Count(exchangetest.Metadata)
			if answer.Status < 500 && asked != 1 || exchanges < 12 {
				t.Errorf("status %d: asked %d times in 12 h and %d exchanges, want once", answer.Status, asked, exchanges)
			}
		})
	}
}

// What a policy could not reach is an outage; what it decides is not.
func TestPolicy_outage(t *testing.T) {
	for name, cause := range map[string]error{
		"deadline":  fmt.Errorf("ask the directory: %w", context.DeadlineExceeded),
		"network":   &net.OpError{Op: "dial", Err: errors.New("refused")},
		"temporary": temporary{},
	} {
		bubble(t, func(t *testing.T, w *world) {
			asked := 0
			x := w.deciding(mapperFunc(func(context.Context, *claims.Claims) (claims.Grant, error) {
				if asked++; asked < 3 {
					return claims.Grant{}, cause
				}
				return claims.Grant{Target: claims.Target{ClientID: appID}}, nil
			}))
			if _, err := x.Token(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			asked = 0
			_, err := x.TokenOnce(t.Context())
			if failure := failureOf(t, err, exchange.KindUnavailable); !failure.Temporary() || !errors.Is(err, cause) {
				t.Errorf("%s: temporary %t, %v", name, failure.Temporary(), err)
			}
		})
	}
}

type temporary struct{}

func (temporary) Error() string   { return "the directory is busy" }
func (temporary) Temporary() bool { return true }

// A source that keeps a token is told when the token is refused.
func TestExchanger_Token_keptByTheSource(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) { c.Subject = oidc.Reuse(w.source(nil), time.Minute) })
		if _, err := x.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["no policy"])
		if _, err := x.Token(t.Context()); err != nil {
			t.Errorf("a new token was not tried: %v", err)
		}
		if w.minted != 2 {
			t.Errorf("minted %d tokens, want 2", w.minted)
		}
	})
}

// A refusal whose body drips does not hold up the caller.
func TestTransport_slowRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		client, _ := w.served()
		resp := w.get(client, mePath)
		_ = resp.Body.Close()
		answer := exchangetest.Fault{Status: http.StatusForbidden, Body: strings.Repeat("no ", 30), Drip: time.Second}
		w.dbx.Fail(exchangetest.API, answer)
		began := time.Now()
		resp = w.get(client, mePath)
		defer resp.Body.Close()
		if took := time.Since(began); took > 3*time.Second { // the header comes with the first byte
			t.Errorf("RoundTrip took %v of the 90 s that the body takes, want 3 s at most", took)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != answer.Body {
			t.Errorf("the body came as %q, %v", body, err)
		}
	})
}

// A body that panics is the transport's fault and does not end the process, and a
// closed one gives nothing more.
func TestRefusal_oddBodies(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(panicking{})}
	if _, refused := exchange.Refusal(resp); refused {
		t.Error("refused by a body that cannot be read")
	}
	if _, err := io.ReadAll(resp.Body); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("reading on: %v", err)
	}
	resp.Body = io.NopCloser(strings.NewReader("no"))
	_, _ = exchange.Refusal(resp)
	_ = resp.Body.Close()
	if n, err := resp.Body.Read(make([]byte, 8)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("reading after Close: %d bytes, %v", n, err)
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a secret") }

// A caller who closes such a body gets rid of the goroutine that reads it: else
// the bubble would not end.
func TestTransport_slowRefusalClosed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		client, _ := w.served()
		w.dbx.Fail(exchangetest.API, exchangetest.Fault{Status: http.StatusForbidden, Body: strings.Repeat("x", 90), Drip: time.Hour})
		resp := w.get(client, mePath)
		_ = resp.Body.Close()
		synctest.Wait()
	})
}

// net/http puts a broken status line into its error, megabytes of it.
func TestExchanger_Token_hugeStatusLine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, strings.Repeat("A1b2C3d4", 1<<18)+"\r\n\r\n") // 2 MiB
		_ = conn.Close()
	}))
	defer server.Close()
	x, err := exchange.New(exchange.Config{Host: server.URL, TokenEndpoint: server.URL + "/oidc/v1/token", ClientID: appID, Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	subject := unsigned(t, `{"aud":"a","sub":"s"}`)
	allocated := testing.AllocsPerRun(1, func() {
		_, err = x.Exchange(t.Context(), subject, claims.Target{})
	})
	if err == nil || len(err.Error()) > 4<<10 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	t.Logf("%.0f allocations", allocated)
}
