package interop_test

import (
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/brickfed/brickfed/internal/pipenet"
	"github.com/brickfed/brickfed/oidc"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the provider logs every route and refusal
	os.Exit(m.Run())
}

// setup says how the provider is started.
type setup struct {
	classic  bool          // zitadel's op.Provider, else its newer op.Server
	pipe     bool          // over net.Pipe, for bubbles, else on loopback
	lifetime time.Duration // of access tokens; default 10 min
	issuesID bool          // see store
}

// provider is a running OpenID provider.
type provider struct {
	*store
	issuer string
	client *http.Client // reaches it
	down   atomic.Bool  // drop every connection

	handler http.Handler
	mu      sync.Mutex     // guards counts
	counts  map[string]int // requests that came in, by path
}

// start starts a provider that ends with the test.
func start(t *testing.T, s setup) *provider {
	t.Helper()
	if s.lifetime == 0 {
		s.lifetime = 10 * time.Minute
	}
	p := &provider{counts: make(map[string]int)}
	p.store = &store{
		Storage:  new(storage.Storage),
		lifetime: s.lifetime,
		issuesID: s.issuesID,
	}
	if err := p.rotate(jose.RS256); err != nil {
		t.Fatal(err)
	}
	listener := p.listen(t, s.pipe)
	p.handler = newHandler(t, p.issuer, p.store, s.classic)
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
		p.client.CloseIdleConnections()
	})
	return p
}

func (p *provider) listen(t *testing.T, pipe bool) net.Listener {
	t.Helper()
	if pipe {
		l := pipenet.Listen()
		p.issuer, p.client = "https://idp.example", &http.Client{Transport: l.Transport()}
		return l
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.issuer, p.client = "http://"+l.Addr().String(), &http.Client{Transport: &http.Transport{}}
	return l
}

// newHandler makes the provider itself, in one of the two forms that zitadel has.
func newHandler(t *testing.T, issuer string, s *store, classic bool) http.Handler {
	t.Helper()
	config := &op.Config{AuthMethodPost: true}
	_, _ = rand.Read(config.CryptoKey[:]) // never fails
	var options []op.Option
	if strings.HasPrefix(issuer, "http://") {
		options = append(options, op.WithAllowInsecure())
	}
	p, err := op.NewProvider(config, s, op.StaticIssuer(issuer), options...)
	if err != nil {
		t.Fatal(err)
	}
	if classic {
		return p
	}
	server := idTokens{op.NewLegacyServer(p, *op.DefaultEndpoints)}
	return op.RegisterLegacyServer(server, op.AuthorizeCallbackHandler(p))
}

// ServeHTTP counts a request and hands it on, unless there is an outage.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.counts[r.URL.Path]++
	p.mu.Unlock()
	if p.down.Load() {
		panic(http.ErrAbortHandler) // closes the connection
	}
	p.handler.ServeHTTP(w, r)
}

// count returns how many requests to a path came in.
func (p *provider) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[path]
}

// Paths of zitadel.
const (
	discoveryPath = "/.well-known/openid-configuration"
	tokenPath     = "/oauth/token"
	keysPath      = "/keys"
)

// credentials returns a source of access tokens for the audience databricks.
func (p *provider) credentials() *oidc.ClientCredentials {
	return &oidc.ClientCredentials{
		Issuer:     p.issuer,
		Auth:       oidc.SecretBasic{ClientID: clientID, Secret: secret(clientSecret)},
		Scopes:     []string{audienceScope(audience)},
		HTTPClient: p.client,
	}
}

// audience is what the federation policies of the tests trust.
const audience = "databricks"

// token mints a token or ends the test.
func token(t *testing.T, s oidc.Source) *oidc.Token {
	t.Helper()
	tok, err := s.Token(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
