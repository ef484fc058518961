package sdkauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/httpclient"
	"github.com/databricks/databricks-sdk-go/useragent"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
)

const tagSecret = "the-secret-of-all-programs"

func tagOptions(t testing.TB, extra ...string) claims.TagOptions {
	t.Helper()
	key, err := claims.NewTagKey([]byte(tagSecret))
	if err != nil {
		t.Fatal(err)
	}
	opts := claims.TagOptions{Key: key}
	for i := 0; i < len(extra); i += 2 {
		opts.Extra = map[string]string{extra[i]: extra[i+1]}
	}
	return opts
}

// agentOf returns what the User-Agent of an identity's calls ends in.
func agentOf(t testing.TB, g claims.Grant, opts claims.TagOptions) string {
	t.Helper()
	tags, err := g.Tags(opts)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := tags.UserAgent()
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// agents returns the User-Agent headers of what came in.
func (w *world) agents(only ...exchangetest.Endpoint) (agents []string) {
	for _, r := range w.dbx.Requests(only...) {
		agents = append(agents, r.Header.Get("User-Agent"))
	}
	return agents
}

// untouched fails the test if something other than an API call has tags.
func (w *world) untouched() {
	w.t.Helper()
	for _, agent := range w.agents(exchangetest.Token, exchangetest.Metadata, exchangetest.Discovery) {
		if strings.Contains(agent, "brickfed_") {
			w.t.Errorf("a request that is no API call says %q", agent)
		}
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	opts := tagOptions(t, "pipeline_run", "nightly/7")
	s := w.strategy()
	s.Tags = opts
	client := w.client(w.config(), s)
	want := agentOf(t, claims.Grant{Issuer: w.idp.Issuer(), Subject: "the-job", Target: claims.Target{ClientID: job}}, opts)
	for range 3 {
		w.mustBe(client, job)
	}
	agents := w.agents(exchangetest.API)
	for _, agent := range agents {
		sdk, own, found := strings.Cut(agent, " brickfed_subject/")
		if !found || "brickfed_subject/"+own != want || !strings.Contains(sdk, "databricks-sdk-go/") || !strings.Contains(sdk, " auth/brickfed-oidc") || !strings.Contains(sdk, " brickfed/") {
			t.Errorf("User-Agent %q, want one that ends in %q", agent, want)
		}
	}
	if len(agents) != 3 || !strings.Contains(want, "pipeline_run/nightly_7__") {
		t.Errorf("%d calls, %s", len(agents), want)
	}
	w.untouched()

	// Another identity has another pseudonym, the same one elsewhere the same.
	account := w.accountConfig()
	s = w.asAdmin()
	s.Tags = opts
	if err := w.listPolicies(w.client(account, s)); err != nil {
		t.Fatal(err)
	}
	workspace, err := account.NewWithWorkspaceHost(w.dbx.URL())
	if err != nil {
		t.Fatal(err)
	}
	w.mustBe(w.resolve(workspace), admin)
	want = agentOf(t, claims.Grant{Issuer: w.idp.Issuer(), Subject: "the-admin", Target: claims.Target{ClientID: admin}}, opts)
	for _, agent := range w.agents(exchangetest.API)[3:] {
		if !strings.HasSuffix(agent, " "+want) || strings.Count(agent, "brickfed_subject/") != 1 {
			t.Errorf("User-Agent %q, want one that ends in %q", agent, want)
		}
	}
	w.untouched()
}

// Nothing is added unless asked for, and nothing for tokens without a grant.
func TestTags_none(t *testing.T) {
	for name, strategy := range map[string]func(*world) sdkauth.Strategy{
		"not asked for": (*world).strategy,
		"no grant": func(w *world) sdkauth.Strategy {
			x, err := exchange.New(exchange.Config{Host: w.dbx.URL(), ClientID: job, Subject: w.source(), HTTPClient: w.dbx.Client()})
			if err != nil {
				w.t.Fatal(err)
			}
			return sdkauth.Strategy{Tags: tagOptions(w.t), Tokens: tokensFunc(func(ctx context.Context) (*oauth2.Token, error) {
				token, err := x.Token(ctx)
				if err != nil {
					return nil, err
				}
				return &oauth2.Token{AccessToken: token.AccessToken, Expiry: token.Expiry}, nil
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustBe(w.client(w.config(), strategy(w)), job)
			for _, agent := range w.agents() {
				if strings.Contains(agent, "brickfed_") {
					t.Errorf("User-Agent %q", agent)
				}
			}
		})
	}
}

type tokensFunc func(context.Context) (*oauth2.Token, error)

func (f tokensFunc) Token(ctx context.Context) (*oauth2.Token, error) { return f(ctx) }

// The tags are those of the grant of the token on that very request: after a
// refresh under another grant, and when a request is sent again.
func TestTags_followTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		var decisions atomic.Int32
		subject := w.source()
		become := func(sub string) {
			subject.mu.Lock()
			defer subject.mu.Unlock()
			subject.claims = map[string]any{"sub": sub, "aud": "databricks"}
		}
		s := sdkauth.Strategy{
			Subject: subject,
			Tags:    tagOptions(t),
			Policy: mapper(func(c *claims.Claims) (claims.Grant, error) {
				target := claims.Target{Rule: fmt.Sprintf("rule-%d", decisions.Add(1)), ClientID: map[string]string{"the-job": job, "the-admin": admin}[c.Subject()]}
				return claims.Grant{Issuer: c.Issuer(), Subject: c.Subject(), Target: target}, nil
			}),
		}
		client := w.client(w.config(), s)
		w.mustBe(client, job) // rule 1
		w.mustBe(client, job)
		become("the-admin")
		time.Sleep(hour)
		w.mustBe(client, admin) // rule 2, by a refresh
		become("the-job")
		w.dbx.RevokeAll()
		w.mustBe(client, job) // rule 2 is refused, rule 3 goes through
		w.mustBe(client, job)
		rule := regexp.MustCompile(` brickfed_subject/([a-z2-7]{24}) brickfed_rule/rule-(\d) brickfed_client_id/[-0-9a-f]{36}$`)
		var rules []string
		subjects := map[string]string{}
		for _, agent := range w.agents(exchangetest.API) {
			match := rule.FindStringSubmatch(agent)
			if match == nil || strings.Count(agent, "brickfed_rule/") != 1 {
				t.Fatalf("User-Agent %q", agent)
			}
			rules = append(rules, match[2])
			subjects[match[2]] = match[1]
		}
		if got := strings.Join(rules, " "); got != "1 1 2 2 3 3" {
			t.Errorf("rules %s", got)
		}
		if subjects["1"] == subjects["2"] || subjects["1"] != subjects["3"] {
			t.Errorf("pseudonyms %q", subjects)
		}
		w.untouched()
	})
}

// Tokens may carry their grant though they come from elsewhere, and two grants may
// share one access token.
func TestTags_sharedAccessToken(t *testing.T) {
	w := newWorld(t)
	x, err := exchange.New(exchange.Config{Host: w.dbx.URL(), ClientID: job, Subject: w.source(), HTTPClient: w.dbx.Client()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := x.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, person := range []string{"ada", "grace", "ada"} {
		own := token.WithExtra(map[string]any{"brickfed": `{"iss":"https://sso.acme.example","sub":"` + person + `","target":{}}`})
		opts := tagOptions(t)
		w.mustBe(w.client(w.config(), sdkauth.Strategy{Tags: opts, Tokens: always{own}}), job)
		want := agentOf(t, claims.Grant{Issuer: "https://sso.acme.example", Subject: person}, opts)
		if agents := w.agents(exchangetest.API); !strings.HasSuffix(agents[len(agents)-1], " "+want) {
			t.Errorf("%s's User-Agent is %q", person, agents[len(agents)-1])
		}
	}
}

// always is a cache that knows one token.
type always struct{ token *oauth2.Token }

func (a always) Token(context.Context) (*oauth2.Token, error) { return a.token, nil }
func (always) Invalidate(*oauth2.Token)                       {}

// A grant that is nobody's has no pseudonym. The request is not sent without.
func TestTags_fail(t *testing.T) {
	token := (&oauth2.Token{AccessToken: "x"}).WithExtra(map[string]any{"brickfed": `{"iss":"","sub":"ada","target":{}}`})
	s := sdkauth.Strategy{Tags: tagOptions(t), Tokens: always{token}}
	t.Run("error", func(t *testing.T) {
		w := newWorld(t)
		_, err := me(t.Context(), w.client(w.config(), s))
		if err == nil || !strings.Contains(err.Error(), "sdkauth: tag the request: claims: make tags: ") || strings.Contains(err.Error(), "ada") {
			t.Errorf("got error %v", err)
		}
		w.counts(map[exchangetest.Endpoint]int{exchangetest.API: 0})
	})
	t.Run("body", func(t *testing.T) {
		w := newWorld(t)
		cfg := w.config()
		w.client(cfg, s)
		body := &closing{Reader: strings.NewReader("x")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.dbx.URL()+meAPI, body)
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.Authenticate(req); err != nil {
			t.Fatal(err)
		}
		if resp, err := cfg.HTTPTransport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			t.Error("no error")
		}
		if !body.closed {
			t.Error("the body was left open")
		}
	})
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// By hand there is nobody to put them on.
func TestTags_byHand(t *testing.T) {
	w := newWorld(t)
	s := w.strategy()
	s.Tags = tagOptions(t)
	cfg := w.config()
	cfg.Credentials, cfg.AuthType = s, s.Name()
	if _, err := me(t.Context(), w.resolve(cfg)); err == nil || !strings.Contains(err.Error(), "use Apply") {
		t.Errorf("got error %v", err)
	}
	w.counts(map[exchangetest.Endpoint]int{exchangetest.Token: 0, exchangetest.API: 0})
}

// Neither another host nor the caller's own request gets to see them.
func TestTags_stay(t *testing.T) {
	w := newWorld(t)
	s := w.strategy()
	s.Tags = tagOptions(t)
	cfg := w.config()
	client := w.client(cfg, s)
	w.mustBe(client, job)
	w.wire.edit = func(req *http.Request) (*http.Response, error) {
		if req.URL.Host == "evil.example" {
			return answer(req, http.StatusOK, nil, "{}"), nil
		}
		return answer(req, http.StatusTemporaryRedirect, http.Header{"Location": {"https://evil.example/x"}}, ""), nil
	}
	_, _ = me(t.Context(), client)
	last := len(w.wire.hosts) - 1
	if w.wire.hosts[last] != "evil.example" {
		t.Fatalf("the redirect was not followed: %q", w.wire.hosts)
	}
	if agent := w.wire.auths[last].Get("User-Agent"); strings.Contains(agent, "brickfed_") {
		t.Errorf("another host was told %q", agent)
	}
	w.wire.edit = nil

	for _, agent := range []string{"", "my-program/1.0"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.dbx.URL()+meAPI, nil)
		if err != nil {
			t.Fatal(err)
		}
		if agent != "" {
			req.Header.Set("User-Agent", agent)
		}
		if err := cfg.Authenticate(req); err != nil {
			t.Fatal(err)
		}
		resp, err := cfg.HTTPTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := req.Header.Get("User-Agent"); got != agent {
			t.Errorf("the caller's header was changed to %q", got)
		}
		agents := w.agents(exchangetest.API)
		if got := agents[len(agents)-1]; !strings.HasPrefix(got, strings.TrimSpace(agent+" brickfed_subject/")) {
			t.Errorf("User-Agent %q", got)
		}
	}
}

// Many calls at once, all of them sent again with another token.
func TestTags_concurrently(t *testing.T) {
	w := newWorld(t)
	s := w.strategy()
	s.Tags = tagOptions(t)
	client := w.client(w.config(), s)
	w.mustBe(client, job)
	w.dbx.RevokeAll()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := me(useragent.InContext(t.Context(), "call", fmt.Sprint(i)), client); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, agent := range w.agents(exchangetest.API)[1:] {
		if strings.Count(agent, " brickfed_subject/") != 1 || strings.Count(agent, " call/") != 1 {
			t.Errorf("User-Agent %q", agent)
		}
	}
}

// Everything that can be wrong with the options is told before a client is made.
func TestTags_refused(t *testing.T) {
	w := newWorld(t)
	many := tagOptions(t)
	many.Extra = map[string]string{}
	for i := range 12 {
		many.Extra[fmt.Sprintf("k%d", i)] = "v"
	}
	readable := tagOptions(t)
	readable.Readable, readable.Extra = true, map[string]string{}
	for i := range 10 {
		readable.Extra[fmt.Sprintf("k%d", i)] = "v"
	}
	for name, test := range map[string]struct {
		options claims.TagOptions
		want    string
	}{
		"no key":               {claims.TagOptions{Extra: map[string]string{"team": "risk"}}, "TagOptions.Key"},
		"no key, readable":     {claims.TagOptions{Readable: true}, "TagOptions.Key"},
		"zero key":             {claims.TagOptions{Key: new(claims.TagKey)}, "TagOptions.Key"},
		"bad key":              {tagOptions(t, "run-id", "7"), `"run-id"`},
		"reserved key":         {tagOptions(t, "ClusterName", "7"), "reserved"},
		"too many":             {many, "17 are too many"},
		"too many if readable": {readable, "17 are too many"},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.strategy()
			s.Tags = test.options
			tokens := sdkauth.Strategy{Tokens: always{}, Tags: test.options}
			for _, err := range []error{
				sdkauth.Apply(w.config(), s),
				sdkauth.Apply(w.config(), tokens),
				second(s.Configure(t.Context(), w.config())),
				sdkauth.Apply(w.config(), sdkauth.Strategy{Tags: test.options}),
			} {
				if err == nil || !strings.Contains(err.Error(), "Strategy.Tags: ") || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got error %v", err)
				}
			}
		})
	}
	for i, options := range []claims.TagOptions{many, readable} {
		delete(options.Extra, "k0")
		s := w.strategy()
		s.Tags = options
		if err := sdkauth.Apply(w.config(), s); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Config.GetTokenSource hands out the grant as well, for what else takes tags.
func TestTags_grantOfTokenSource(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	w.client(cfg, w.strategy())
	token, err := cfg.GetTokenSource().Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := exchange.GrantOf(token); !ok || g.Subject != "the-job" || g.Target.ClientID != job {
		t.Errorf("grant %+v, %t", g, ok)
	}
}

func TestTags_secrecy(t *testing.T) {
	s := sdkauth.Strategy{Tags: tagOptions(t), Tokens: always{}}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d"} {
		fmt.Fprintf(&printed, verb, s)
		fmt.Fprintf(&printed, verb, s.Tags)
		fmt.Fprintf(&printed, verb, struct{ s sdkauth.Strategy }{s})
	}
	s.Tags.Extra = map[string]string{"a b": "x"}
	fmt.Fprint(&printed, sdkauth.Apply(&config.Config{}, s))
	for _, secret := range []string{tagSecret, fmt.Sprintf("%x", tagSecret), fmt.Sprintf("%v", []byte(tagSecret))} {
		if bytes.Contains(printed.Bytes(), []byte(secret)) {
			t.Errorf("%q was printed", secret)
		}
	}
}

// What a tagged call costs beside an untagged one.
func BenchmarkTags(b *testing.B) {
	for name, options := range map[string]claims.TagOptions{"without": {}, "with": tagOptions(b)} {
		b.Run(name, func(b *testing.B) {
			grant := `{"iss":"https://sso.acme.example","sub":"ada","target":{"rule":"prod","client_id":"` + job + `"}}`
			token := (&oauth2.Token{AccessToken: "x"}).WithExtra(map[string]any{"brickfed": grant})
			cfg := &config.Config{
				Host:                 "https://dbc-test.cloud.databricks.com",
				RateLimitPerSecond:   1 << 30,
				HTTPTransport:        transportFunc(func(req *http.Request) (*http.Response, error) { return answer(req, http.StatusOK, nil, "{}"), nil }),
				HostMetadataResolver: func(context.Context, string) (*config.HostMetadata, error) { return nil, errors.New("none") },
			}
			if err := sdkauth.Apply(cfg, sdkauth.Strategy{Tokens: always{token}, Tags: options}); err != nil {
				b.Fatal(err)
			}
			client, err := newClient(cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Do(b.Context(), http.MethodGet, meAPI, httpclient.WithResponseUnmarshal(&struct{}{})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
