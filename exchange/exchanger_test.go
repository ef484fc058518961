package exchange_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
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
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

const (
	appID   = "3f0c2a1e-1111-4000-8000-000000000001"
	groupID = "884100000000017"
	subject = "repo:acme/lakehouse:environment:prod"
	user    = "ada@acme.example"
)

// world is an identity provider and a Databricks account, both in the bubble.
type world struct {
	t      *testing.T
	idp    *oidctest.Server
	dbx    *exchangetest.Server
	minted int

	mu     sync.Mutex // guards events
	events []exchange.Event
}

func newWorld(t *testing.T, change ...func(*exchangetest.Config)) *world {
	t.Helper()
	idp, err := oidctest.New(oidctest.Config{Pipe: true, TokenLifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	cfg := exchangetest.Config{
		Pipe:   true,
		IdP:    idp.Client(),
		Groups: []exchangetest.Group{{ID: groupID, Name: "engineers"}},
		Principals: []exchangetest.Principal{
			{
				ApplicationID: appID, Groups: []string{groupID},
				Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: subject}},
			},
			{UserName: user},
		},
		Policies: []trust.Policy{{Issuer: idp.Issuer(), SubjectClaim: "email"}},
	}
	for _, c := range change {
		c(&cfg)
	}
	dbx, err := exchangetest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dbx.Close() })
	return &world{t: t, idp: idp, dbx: dbx}
}

// source mints a token on each call, for the audience asked for unless payload
// says another.
func (w *world) source(payload map[string]any) oidc.SourceFunc {
	return func(_ context.Context, audience string) (*oidc.Token, error) {
		w.minted++
		return w.token(payload, audience)
	}
}

func (w *world) token(payload map[string]any, audience string) (*oidc.Token, error) {
	all := map[string]any{"sub": subject, "aud": audience}
	for name, v := range payload {
		all[name] = v
	}
	raw, err := w.idp.Sign(all)
	if err != nil {
		return nil, err
	}
	return oidc.ParseToken(raw)
}

func (w *world) exchanger(change ...func(*exchange.Config)) *exchange.Exchanger {
	w.t.Helper()
	cfg := exchange.Config{
		Host:       w.dbx.URL(),
		ClientID:   appID,
		Audience:   w.dbx.AccountID(),
		Subject:    w.source(nil),
		HTTPClient: w.dbx.Client(),
		OnExchange: func(_ context.Context, e exchange.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	x, err := exchange.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

// works reports the status of an API call with the token.
func (w *world) works(token *oauth2.Token) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.dbx.URL()+"/api/2.0/preview/scim/v2/Me", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	token.SetAuthHeader(req)
	resp, err := w.dbx.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// bubble runs a test on a fake clock.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func wantKind(t *testing.T, err error, want exchange.Kind) {
	t.Helper()
	_ = failureOf(t, err, want)
}

func failureOf(t *testing.T, err error, want exchange.Kind) *exchange.Error {
	t.Helper()
	var failure *exchange.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an *exchange.Error", err)
	}
	if failure.Kind != want {
		t.Fatalf("kind %q, want %q: %v", failure.Kind, want, err)
	}
	return failure
}

func TestExchanger_Token_servicePrincipal(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) { c.Strict = true })
		token, err := x.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := w.works(token); got != http.StatusOK {
			t.Errorf("an API call with the token answers %d", got)
		}
		if left := time.Until(token.Expiry); left < 59*time.Minute || left > time.Hour {
			t.Errorf("the token has %v left, want about an hour", left)
		}
		if n := w.dbx.Count(exchangetest.Metadata) + w.dbx.Count(exchangetest.Token); n != 2 || w.dbx.Count(exchangetest.Discovery) != 0 {
			t.Errorf("%d requests for the first token, want 2", n)
		}
		form := w.dbx.Requests(exchangetest.Token)[0].Form
		want := map[string]string{
			"grant_type":         "urn:ietf:params:oauth:grant-type:token-exchange",
			"subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
			"scope":              "all-apis",
			"client_id":          appID,
		}
		for name, v := range want {
			if got := form.Get(name); got != v {
				t.Errorf("%s = %q, want %q", name, got, v)
			}
		}
		if len(form) != len(want)+1 { // and subject_token
			t.Errorf("the form has other parameters: %v", form)
		}
		grant, ok := exchange.GrantOf(token)
		if !ok || grant.Subject != subject || grant.Issuer != w.idp.Issuer() || grant.Target.ClientID != appID {
			t.Errorf("GrantOf = %+v, %t", grant, ok)
		}
		e := w.events[0]
		if len(w.events) != 1 || e.Err != nil || e.Attempt != 1 || e.Identity != exchange.Confirmed ||
			e.Scope != exchange.Confirmed || e.Token == "" || e.Subject == "" || e.RequestID == "" {
			t.Errorf("event %+v", e)
		}
	})
}

func TestExchanger_Token_accountWide(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) {
			c.ClientID, c.AccountWide = "", true
			c.Subject = w.source(map[string]any{"email": user})
		})
		token, err := x.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := w.works(token); got != http.StatusOK {
			t.Errorf("an API call with the token answers %d", got)
		}
		if form := w.dbx.Requests(exchangetest.Token)[0].Form; form.Has("client_id") {
			t.Error("client_id was sent; account-wide federation forbids it")
		}
	})
}

func TestExchanger_Token_hosts(t *testing.T) {
	tests := []struct {
		name     string
		host     func(*world) string
		account  bool
		wantPath string
	}{
		{"workspace", func(w *world) string { return w.dbx.URL() }, false, "/oidc/v1/token"},
		{"account", func(w *world) string { return w.dbx.AccountURL() }, true, "/oidc/accounts/%s/v1/token"},
		{"unified", func(w *world) string { return w.dbx.UnifiedURL() }, false, "/oidc/accounts/%s/v1/token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				x := w.exchanger(func(c *exchange.Config) {
					c.Host = tt.host(w)
					if tt.account {
						c.AccountID = w.dbx.AccountID()
					}
				})
				if _, err := x.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				want := strings.ReplaceAll(tt.wantPath, "%s", w.dbx.AccountID())
				if got := w.dbx.Requests(exchangetest.Token)[0].Path; got != want {
					t.Errorf("exchanged at %s, want %s", got, want)
				}
			})
		})
	}
}

// Without an explicit audience the host's preference is a wish: the workspace's
// token endpoint, or the account ID, whichever the metadata names.
func TestExchanger_Token_audienceWish(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var wished []string
		for _, host := range []string{w.dbx.URL(), w.dbx.UnifiedURL()} {
			x := w.exchanger(func(c *exchange.Config) {
				c.Host, c.Audience = host, ""
				c.Subject = oidc.SourceFunc(func(_ context.Context, audience string) (*oidc.Token, error) {
					wished = append(wished, audience)
					return w.token(nil, w.dbx.AccountID()) // cannot choose
				})
			})
			if _, err := x.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{w.dbx.URL() + "/oidc/v1/token", w.dbx.AccountID()}; !slices.Equal(wished, want) {
			t.Errorf("the source was asked for %q, want %q", wished, want)
		}
	})
}

func TestExchanger_Token_assumeGroup(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) { c.AssumeGroup = groupID })
		if _, err := x.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.dbx.Requests(exchangetest.Token)[0].Form.Get("assume_group"); got != groupID {
			t.Errorf("assume_group = %q, want %q", got, groupID)
		}
		x = w.exchanger(func(c *exchange.Config) { c.AssumeGroup, c.Host = groupID, w.dbx.UnifiedURL() })
		_, err := x.Token(t.Context())
		wantKind(t, err, exchange.KindConfig)
		if n := w.dbx.Count(exchangetest.Token); n != 1 {
			t.Errorf("%d exchanges; a unified host must not be asked to assume a group", n)
		}
	})
}

func TestExchanger_Token_refusedBeforeTheNetwork(t *testing.T) {
	tests := []struct {
		name    string
		payload map[string]any
		header  map[string]any
		want    exchange.Kind
		hint    string
	}{
		{"audience", map[string]any{"aud": "somebody-else"}, nil, exchange.KindAudience, "somebody-else"},
		{"no audience", map[string]any{"aud": nil}, nil, exchange.KindAudience, "Audience"},
		{"audience of another type", map[string]any{"aud": 7}, nil, exchange.KindAudience, "Audience"},
		{"alg PS256", nil, map[string]any{"alg": "PS256"}, exchange.KindSubject, "RS256"},
		{"alg none", nil, map[string]any{"alg": "none"}, exchange.KindSubject, "RS256"},
		{"alg in lower case", nil, map[string]any{"alg": "rs256"}, exchange.KindSubject, "RS256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				payload := map[string]any{"sub": subject, "aud": w.dbx.AccountID()}
				for k, v := range tt.payload {
					payload[k] = v
				}
				raw, err := w.idp.SignWith(tt.header, payload)
				if err != nil {
					t.Fatal(err)
				}
				x := w.exchanger(func(c *exchange.Config) {
					c.Subject = oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) { return oidc.ParseToken(raw) })
				})
				_, err = x.Token(t.Context())
				wantKind(t, err, tt.want)
				if !strings.Contains(err.Error(), tt.hint) {
					t.Errorf("%v\ndoes not say %q", err, tt.hint)
				}
				if n := w.dbx.Count(exchangetest.Token); n != 0 {
					t.Errorf("%d token requests, want none", n)
				}
			})
		})
	}
}

func TestExchanger_Token_retries(t *testing.T) {
	unavailable := exchangetest.Recorded()["unavailable"]
	throttled := exchangetest.Recorded()["throttled"]
	soon := exchangetest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3"}}, Body: "{}"}
	later := exchangetest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}}, Body: "{}"}
	tests := []struct {
		name     string
		faults   []exchangetest.Fault
		requests int
		minted   int
		want     exchange.Kind // empty: success
		least    time.Duration
		most     time.Duration
	}{
		{"503 once", []exchangetest.Fault{unavailable}, 2, 2, "", 0, 250 * time.Millisecond},
		{"503 twice", []exchangetest.Fault{unavailable, unavailable}, 3, 3, "", 0, 1250 * time.Millisecond},
		{"503 for ever", []exchangetest.Fault{{Times: -1, Status: unavailable.Status, Body: unavailable.Body}}, 3, 3, exchange.KindUnavailable, 0, 1250 * time.Millisecond},
		{"400 throttled", []exchangetest.Fault{throttled}, 2, 2, "", 0, 250 * time.Millisecond},
		{"500", []exchangetest.Fault{{Status: http.StatusInternalServerError}}, 2, 2, "", 0, 250 * time.Millisecond},
		{"dropped connection", []exchangetest.Fault{{Drop: true}}, 2, 2, "", 0, 250 * time.Millisecond},
		{"hanging", []exchangetest.Fault{{Hang: true}}, 2, 2, "", 8 * time.Second, 8250 * time.Millisecond},
		{"Retry-After 3", []exchangetest.Fault{soon}, 2, 2, "", 3 * time.Second, 3 * time.Second},
		{"Retry-After 60", []exchangetest.Fault{later}, 1, 1, exchange.KindThrottled, 0, 0},
		{"no policy", []exchangetest.Fault{exchangetest.Recorded()["no policy"]}, 1, 1, exchange.KindNoPolicy, 0, 0},
		{"login page", []exchangetest.Fault{exchangetest.Recorded()["login page"]}, 1, 1, exchange.KindNotDatabricks, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				x := w.exchanger()
				if _, err := x.SubjectKey(t.Context()); err != nil { // learns the metadata
					t.Fatal(err)
				}
				w.minted = 0
				w.dbx.Fail(exchangetest.Token, tt.faults...)
				began := time.Now()
				_, err := x.Token(t.Context())
				took := time.Since(began)
				if tt.want == "" && err != nil {
					t.Fatal(err)
				}
				if tt.want != "" {
					wantKind(t, err, tt.want)
				}
				if got := w.dbx.Count(exchangetest.Token); got != tt.requests {
					t.Errorf("%d requests, want %d", got, tt.requests)
				}
				if w.minted != tt.minted {
					t.Errorf("the source was asked %d times, want %d: a source that mints mints for each attempt", w.minted, tt.minted)
				}
				if took < tt.least || took > tt.most {
					t.Errorf("took %v, want %v to %v", took, tt.least, tt.most)
				}
				if len(w.events) != tt.requests {
					t.Errorf("%d events, want one per attempt", len(w.events))
				}
			})
		})
	}
}

// An answer past the bound is judged by its status: an outage stays temporary.
func TestExchanger_Token_hugeAnswers(t *testing.T) {
	for status, want := range map[int]exchange.Kind{
		http.StatusOK: exchange.KindBadResponse, http.StatusServiceUnavailable: exchange.KindUnavailable,
	} {
		bubble(t, func(t *testing.T, w *world) {
			w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Status: status, Body: `{"access_token":"x"}`, Size: 65 << 10, Times: -1})
			_, err := w.exchanger().TokenOnce(t.Context())
			wantKind(t, err, want)
			if !strings.Contains(err.Error(), "larger than 65536 bytes") {
				t.Errorf("%v does not name the bound", err)
			}
		})
	}
}

// The federation policy that the error prints is one that Databricks takes, and
// creating it helps.
func TestExchanger_Token_hintedPolicy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		other := w.source(map[string]any{"sub": `system:serviceaccount:ns:it's "odd"`})
		x := w.exchanger(func(c *exchange.Config) { c.Subject = other })
		_, err := x.Token(t.Context())
		wantKind(t, err, exchange.KindNoPolicy)
		_, command, _ := strings.Cut(err.Error(), "--json '")
		body, _, found := strings.Cut(command, "}'")
		var policy trust.Policy
		if !found || json.Unmarshal([]byte(body+"}"), &policy) != nil {
			t.Fatalf("no policy to paste in %v", err)
		}
		policy.AccountID, policy.ServicePrincipalID = w.dbx.AccountID(), "1"
		if err := policy.Validate(); err != nil {
			t.Errorf("the policy is not valid: %v", err)
		}
		token, err := other(t.Context(), w.dbx.AccountID())
		if err != nil {
			t.Fatal(err)
		}
		if err := trust.Match(policy, token.UnverifiedClaims()); err != nil {
			t.Errorf("the policy does not match the token that it is for: %v", err)
		}
	})
}

func TestExchanger_TokenOnce_oneAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger()
		w.dbx.SetOutage(true, exchangetest.Token)
		_, err := x.TokenOnce(t.Context())
		wantKind(t, err, exchange.KindUnavailable)
		if n := w.dbx.Count(exchangetest.Token); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
	})
}

// A file that was rotated between the read and the refusal gets one more try; a
// source that minted just now does not.
func TestExchanger_Token_rotatedSource(t *testing.T) {
	for _, rotates := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			source := &fileLike{w: w, rotates: rotates}
			x := w.exchanger(func(c *exchange.Config) { c.Subject = source })
			w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["no policy"])
			_, err := x.Token(t.Context())
			if rotates && err != nil {
				t.Errorf("the rotated token was not tried: %v", err)
			}
			if !rotates {
				wantKind(t, err, exchange.KindNoPolicy)
			}
			if n := w.dbx.Count(exchangetest.Token); n != 1 && !rotates || n > 2 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// fileLike holds one token until somebody replaces it.
type fileLike struct {
	w       *world
	rotates bool
	reads   int
	held    *oidc.Token
}

func (f *fileLike) Mints() bool { return false }

func (f *fileLike) Token(_ context.Context, audience string) (*oidc.Token, error) {
	f.reads++
	if f.held == nil || f.rotates && f.reads == 2 {
		var err error
		if f.held, err = f.w.token(nil, audience); err != nil {
			return nil, err
		}
	}
	return f.held, nil
}

func TestExchanger_Token_expiredByTheServersClock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		old, err := w.token(map[string]any{"exp": time.Now().Add(time.Minute).Unix()}, w.dbx.AccountID())
		if err != nil {
			t.Fatal(err)
		}
		held := old
		source := oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) { return held, nil })
		x := w.exchanger(func(c *exchange.Config) { c.Subject = heldSource{source} })
		time.Sleep(2 * time.Minute)
		// Nothing is known of the server's clock yet: the server decides.
		_, err = x.Token(t.Context())
		wantKind(t, err, exchange.KindSubjectExpired)
		if n := w.dbx.Count(exchangetest.Token); n != 1 {
			t.Fatalf("%d requests, want 1: without a sample the server is asked", n)
		}
		_, err = x.Token(t.Context())
		wantKind(t, err, exchange.KindSubjectExpired)
		if n := w.dbx.Count(exchangetest.Token); n != 1 {
			t.Errorf("%d requests, want no other: its clock is known now", n)
		}
		if !strings.Contains(err.Error(), "the mounted file") {
			t.Errorf("the error does not name the source: %v", err)
		}
	})
}

type heldSource struct{ oidc.Source }

func (heldSource) Mints() bool    { return false }
func (heldSource) String() string { return "the mounted file" }

// A machine whose clock is wrong keeps working, and its errors say so.
func TestExchanger_Token_clockDrift(t *testing.T) {
	for _, drift := range []time.Duration{-20 * time.Minute, 20 * time.Minute} {
		bubble(t, func(t *testing.T, w *world) {
			w.dbx.SetDrift(drift)
			w.idp.SetDrift(drift)
			x := w.exchanger()
			token, err := x.Token(t.Context())
			if err != nil {
				t.Fatalf("drift %v: %v %+v", drift, err, w.dbx.Requests(exchangetest.Token))
			}
			if left := time.Until(token.Expiry); left < 59*time.Minute || left > time.Hour+time.Second {
				t.Errorf("drift %v: the token has %v left by our clock, want an hour", drift, left)
			}
			w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["no policy"])
			_, err = x.Token(t.Context())
			if err == nil || !strings.Contains(err.Error(), "local clock is 20m") {
				t.Errorf("drift %v: the error does not mention the clock: %v", drift, err)
			}
		})
	}
}

func TestExchanger_Token_cancelled(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger()
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Hang: true, Times: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := x.Token(ctx)
		wantKind(t, err, exchange.KindCanceled)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v is not context.DeadlineExceeded", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v, want the caller's 1 s", took)
		}
	})
}

func TestExchanger_Token_noWaitBeyondTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger()
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Status: 429, Header: http.Header{"Retry-After": {"4"}}, Body: "{}"})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		_, err := x.Token(ctx)
		wantKind(t, err, exchange.KindThrottled)
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v; a wait that cannot end in time is no use", took)
		}
	})
}

func TestExchanger_metadata(t *testing.T) {
	tests := []struct {
		name     string
		metadata func(host string, document map[string]any) bool
		wantPath string
	}{
		{"absent", func(string, map[string]any) bool { return false }, "/oidc/v1/token"},
		{"no oidc_endpoint", func(_ string, d map[string]any) bool { delete(d, "oidc_endpoint"); return true }, "/oidc/v1/token"},
		{"foreign oidc_endpoint", func(_ string, d map[string]any) bool {
			d["oidc_endpoint"] = "https://evil.example/oidc"
			return true
		}, "/oidc/v1/token"},
		{"http oidc_endpoint", func(h string, d map[string]any) bool {
			d["oidc_endpoint"] = "http://" + h + "/oidc"
			return true
		}, "/oidc/v1/token"},
		{"the account's oidc_endpoint", func(_ string, d map[string]any) bool {
			d["oidc_endpoint"] = "https://accounts.cloud.databricks.com/oidc/accounts/" + d["account_id"].(string)
			return true
		}, "/oidc/v1/token"},
		{"names in another case", func(_ string, d map[string]any) bool {
			d["OIDC_ENDPOINT"] = "https://evil.example/oidc"
			return true
		}, "/oidc/v1/token"},
		{"other types", func(_ string, d map[string]any) bool {
			d["oidc_endpoint"], d["host_type"], d["token_federation_default_oidc_audiences"] = 7, []int{1}, "x"
			return true
		}, "/oidc/v1/token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(c *exchangetest.Config) { c.Metadata = tt.metadata })
				if _, err := w.exchanger().Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				if r := w.dbx.Requests(exchangetest.Token)[0]; r.Path != tt.wantPath || "https://"+r.Host != w.dbx.URL() {
					t.Errorf("exchanged at %s%s", r.Host, r.Path)
				}
			})
		})
	}
}

// Metadata is asked for once a day, by one request whatever the callers, and an
// outage of it changes nothing.
func TestExchanger_metadataLife(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		x := w.exchanger(func(c *exchange.Config) { c.Subject = heldSource{w.source(nil)} })
		exchangeAll := func() {
			t.Helper()
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					tok, err := w.token(nil, w.dbx.AccountID())
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := x.Exchange(t.Context(), tok, claims.Target{}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		exchangeAll()
		time.Sleep(23 * time.Hour)
		exchangeAll()
		if n := w.dbx.Count(exchangetest.Metadata); n != 1 {
			t.Errorf("%d metadata requests in 23 h, want 1", n)
		}
		time.Sleep(2 * time.Hour)
		w.dbx.SetOutage(true, exchangetest.Metadata)
		exchangeAll()
		exchangeAll()
		if n := w.dbx.Count(exchangetest.Metadata); n != 2 {
			t.Errorf("%d metadata requests, want 2: once more after a day, and a failure is remembered", n)
		}
	})
}

func TestExchanger_accountHostWithoutMetadataNeedsNoID(t *testing.T) {
	_, err := exchange.New(exchange.Config{Host: "https://accounts.cloud.databricks.com", ClientID: appID})
	wantKind(t, err, exchange.KindConfig)
	if !strings.Contains(err.Error(), "AccountID") {
		t.Errorf("%v does not name AccountID", err)
	}
}

// unsigned makes a token that only a client looks at.
func unsigned(t *testing.T, payload string) *oidc.Token {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	token, err := oidc.ParseToken(encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(payload)) + "." + encode([]byte("signature")))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
