package broker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/broker"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

const (
	app            = "the-app" // the audience of people's tokens
	serviceSubject = "the-service"
	principals     = 8 // service principals that trust the service
	groups         = 4 // groups that everybody may assume
)

func appID(n int) string   { return fmt.Sprintf("3f0c2a1e-1111-4000-8000-%012d", n) }
func groupID(n int) string { return fmt.Sprintf("8841000000000%02d", n) }

// world is an identity provider, a Databricks account and a policy, in a bubble.
type world struct {
	t        testing.TB
	idp      *oidctest.Server
	dbx      *exchangetest.Server
	verifier *oidc.Verifier
	live     claims.Live

	mu     sync.Mutex // guards what follows
	minted int        // tokens of the service
	events []exchange.Event
}

// bubble runs a test on a fake clock.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func newWorld(t testing.TB) *world {
	t.Helper()
	idp, err := oidctest.New(oidctest.Config{Pipe: true, Algorithm: oidctest.ES256, TokenLifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	cfg := exchangetest.Config{Pipe: true, IdP: idp.Client(), Policies: []trust.Policy{{Issuer: idp.Issuer()}}}
	var all []string
	for n := range groups {
		all = append(all, groupID(n))
		cfg.Groups = append(cfg.Groups, exchangetest.Group{ID: groupID(n)})
	}
	for n := range principals {
		cfg.Principals = append(cfg.Principals, exchangetest.Principal{
			ApplicationID: appID(n), Groups: all,
			Policies: []trust.Policy{{Issuer: idp.Issuer(), Subject: serviceSubject}},
		})
	}
	for _, name := range []string{"ada", "bob", "eve"} {
		cfg.Principals = append(cfg.Principals, exchangetest.Principal{UserName: name, Groups: all})
	}
	dbx, err := exchangetest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dbx.Close() })
	w := &world{t: t, idp: idp, dbx: dbx}
	w.verifier = &oidc.Verifier{Issuer: idp.Issuer(), Audiences: []string{app, dbx.AccountID()}, HTTPClient: idp.Client()}
	return w
}

// config is that of a broker by the live policy.
func (w *world) config() broker.Config {
	return broker.Config{Exchange: exchange.Config{
		Host:       w.dbx.URL(),
		Audience:   w.dbx.AccountID(),
		Policy:     &w.live,
		HTTPClient: w.dbx.Client(),
		OnExchange: func(_ context.Context, e exchange.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	}}
}

// serving is a broker that exchanges the service's own token.
func (w *world) serving(change ...func(*broker.Config)) *broker.Broker {
	return w.broker(append([]func(*broker.Config){func(c *broker.Config) { c.Service = oidc.SourceFunc(w.service) }}, change...)...)
}

// broker exchanges everybody's own token.
func (w *world) broker(change ...func(*broker.Config)) *broker.Broker {
	w.t.Helper()
	cfg := w.config()
	for _, c := range change {
		c(&cfg)
	}
	b, err := broker.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// service mints the service's own token.
func (w *world) service(_ context.Context, audience string) (*oidc.Token, error) {
	w.mu.Lock()
	w.minted++
	w.mu.Unlock()
	return w.sign(map[string]any{"sub": serviceSubject, "aud": audience})
}

func (w *world) sign(payload map[string]any) (*oidc.Token, error) {
	raw, err := w.idp.Sign(payload)
	if err != nil {
		return nil, err
	}
	return oidc.ParseToken(raw)
}

// person logs somebody in; the token is for the app and for Databricks.
func (w *world) person(name string, more ...map[string]any) *oidc.Verified {
	w.t.Helper()
	payload := map[string]any{"sub": name, "aud": []string{app, w.dbx.AccountID()}}
	for _, m := range more {
		maps.Copy(payload, m)
	}
	token, err := w.sign(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	who, err := w.verifier.Verify(w.t.Context(), token)
	if err != nil {
		w.t.Fatal(err)
	}
	return who
}

// set replaces the policy by one of these rules.
func (w *world) set(rules ...claims.Rule) {
	w.t.Helper()
	rules = append(rules, gives("nobody", principal(0))) // a policy has a rule at least
	data, err := json.Marshal(claims.Config{Version: 1, Issuers: []claims.Issuer{{
		Issuer:  w.idp.Issuer(),
		Require: map[string]claims.Matcher{"aud": {Any: []any{app}}},
		Rules:   rules,
	}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.live.Replace(data); err != nil {
		w.t.Fatal(err)
	}
}

// gives is a rule that gives one person a target.
func gives(name string, target claims.Target) claims.Rule {
	return claims.Rule{
		Name: "role of " + name, When: map[string]claims.Matcher{"sub": {Any: []any{name}}},
		Groups: []string{"engineers"}, Target: &target,
	}
}

// principal and group are targets of people and of account-wide federation.
func principal(n int) claims.Target { return claims.Target{ClientID: appID(n)} }
func group(n int) claims.Target     { return claims.Target{AssumeGroup: groupID(n)} }

// exchanges returns how many there were.
func (w *world) exchanges() int { return w.dbx.Count(exchangetest.Token) }

// slow makes every exchange take its time.
func (w *world) slow(d time.Duration) {
	w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Times: -1, Delay: d})
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

// get returns the token of somebody who must get one, for the target.
func get(t *testing.T, b *broker.Broker, who *oidc.Verified, want claims.Target) *oauth2.Token {
	t.Helper()
	token, err := b.Token(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	wantHolder(t, token, who, want)
	return token
}

// wantHolder compares what a token says of itself, and what Databricks says in
// it, with whom it was given to.
func wantHolder(t *testing.T, token *oauth2.Token, who *oidc.Verified, want claims.Target) {
	t.Helper()
	grant, ok := exchange.GrantOf(token)
	if !ok || grant.Issuer != who.Claims.Issuer() || grant.Subject != who.Claims.Subject() {
		t.Errorf("the token of %s says it is of %+v", who.Claims.Subject(), grant)
	}
	said := read(t, token)
	identity := want.ClientID
	if identity == "" {
		identity = who.Claims.Subject()
	}
	if said.Subject != identity || said.Group != want.AssumeGroup {
		t.Errorf("%s got a token of %s in group %q, want %s in %q", who.Claims.Subject(), said.Subject, said.Group, identity, want.AssumeGroup)
	}
}

// said is what Databricks says in an access token.
type said struct {
	Subject, Group string
}

func read(t *testing.T, token *oauth2.Token) said {
	t.Helper()
	parsed, err := oidc.ParseToken(token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	c := parsed.UnverifiedClaims()
	s := said{Subject: c.Subject()}
	if group, there, _ := c.Strings("assume_group"); there {
		s.Group = group[0]
	}
	return s
}

// wantKind checks that there is no token, and why.
func wantKind(t *testing.T, token *oauth2.Token, err error, want exchange.Kind) {
	t.Helper()
	_ = failureOf(t, token, err, want)
}

func failureOf(t *testing.T, token *oauth2.Token, err error, want exchange.Kind) *exchange.Error {
	t.Helper()
	var failure *exchange.Error
	if !errors.As(err, &failure) || token != nil {
		t.Fatalf("got %v, %v; want an *exchange.Error of kind %q", token, err, want)
	}
	if failure.Kind != want {
		t.Fatalf("kind %q, want %q: %v", failure.Kind, want, err)
	}
	return failure
}

type mapperFunc func(context.Context, *claims.Claims) (claims.Grant, error)

func (f mapperFunc) Map(ctx context.Context, c *claims.Claims) (claims.Grant, error) {
	return f(ctx, c)
}

// quiet lets no background refresh come early.
func quiet(c *broker.Config) { c.Cache.Rand = func() float64 { return 0 } }

var _ exchange.TokenSource = (*broker.Holder)(nil)

// fingerprint names a token as the events do.
func fingerprint(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return hex.EncodeToString(sum[:8])
}
