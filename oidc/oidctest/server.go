package oidctest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brickfed/brickfed/internal/pipenet"
)

// The client that a provider without [Config.Clients] knows.
const (
	ClientID     = "oidctest-client"
	ClientSecret = "oidctest-client-secret"
)

// DefaultAudience is the aud claim of access tokens when neither the request nor
// the client says another.
const DefaultAudience = "oidctest-audience"

// Client is a client registered with the provider. By client credentials it gets
// a token whose sub and client_id are its ID and whose aud is what the request
// asks for by resource (RFC 8707), by audience, or by a scope that ends in
// /.default; an openid scope brings an ID token too.
type Client struct {
	// ID is the client ID. Required.
	ID string

	// Secrets are accepted, each of them: two while a secret rotates. A client
	// without a secret is a public one.
	Secrets []string

	// Audience is the aud claim of its access tokens if a request asks for no
	// other. Default: DefaultAudience.
	Audience string

	// Claims are added to its tokens and replace the provider's own. A nil value
	// removes a claim.
	Claims map[string]any
}

// Config says what kind of provider New starts. The zero Config is a usual one.
type Config struct {
	// Path is the path of the issuer URL, such as /realms/acme. It starts with a
	// slash if it is not empty. Default: none.
	Path string

	// Pipe serves over a network inside the process instead of a loopback socket.
	// The issuer is https://idp.example then, and only the client of
	// [Server.Client] reaches it. In a testing/synctest bubble it must be set,
	// and New must be called inside the bubble.
	Pipe bool

	// Algorithm signs tokens: RS256 or ES256. Default: RS256.
	Algorithm string

	// Clients are the registered clients. Default: one with ClientID and
	// ClientSecret.
	Clients []Client

	// TokenLifetime is how long tokens live, in whole seconds. Default: 5 minutes.
	TokenLifetime time.Duration

	// Opaque makes access tokens that are no JWTs.
	Opaque bool

	// OAuthOnly serves metadata where RFC 8414 puts it and not where OpenID
	// Connect does.
	OAuthOnly bool
}

// Server is an identity provider. Make one with [New]. All methods are safe for
// concurrent use.
type Server struct {
	cfg    Config
	base   string // scheme and host
	issuer string
	http   *http.Server
	client *http.Client
	closed chan struct{}
	once   sync.Once
	served sync.WaitGroup

	mu       sync.Mutex // guards what follows
	keys     []*key     // the key set, oldest first
	signing  *key
	clients  []Client
	drift    time.Duration
	faults   map[Endpoint][]*Fault
	requests []*Request       // the last of them
	counts   map[Endpoint]int // of all
}

// New starts a provider. Close it when it is not needed any more.
func New(cfg Config) (*Server, error) {
	if cfg.Algorithm == "" {
		cfg.Algorithm = RS256
	}
	if cfg.TokenLifetime <= 0 {
		cfg.TokenLifetime = 5 * time.Minute
	}
	if cfg.Path != "" && !strings.HasPrefix(cfg.Path, "/") {
		return nil, fmt.Errorf("oidctest: Path is %q; it must start with a slash", cfg.Path)
	}
	if len(cfg.Clients) == 0 {
		cfg.Clients = []Client{{ID: ClientID, Secrets: []string{ClientSecret}}}
	}
	k, err := firstKey(cfg.Algorithm)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		closed:  make(chan struct{}),
		keys:    []*key{k},
		signing: k,
		clients: slices.Clone(cfg.Clients),
		faults:  make(map[Endpoint][]*Fault),
		counts:  make(map[Endpoint]int),
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) listen() error {
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // connections are dropped on purpose
	}
	var listener net.Listener
	transport := &http.Transport{}
	if s.cfg.Pipe {
		pipe := pipenet.Listen()
		listener, transport, s.base = pipe, pipe.Transport(), "https://idp.example"
	} else {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("oidctest: listen: %w", err)
		}
		s.base = "http://" + listener.Addr().String()
	}
	s.issuer = s.base + s.cfg.Path
	s.client = &http.Client{Transport: transport}
	s.served.Go(func() { _ = s.http.Serve(listener) })
	return nil
}

// Close stops the provider: requests under way fail. It returns when nothing of
// it runs any more. A second call does nothing.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		err = s.http.Close()
		s.client.CloseIdleConnections()
		s.served.Wait()
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Issuer returns the issuer URL.
func (s *Server) Issuer() string { return s.issuer }

// URL returns the URL of an endpoint.
func (s *Server) URL(e Endpoint) string {
	switch e {
	case Discovery:
		return strings.TrimSuffix(s.issuer, "/") + "/.well-known/openid-configuration"
	case Metadata:
		return s.base + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(s.cfg.Path, "/")
	}
	return strings.TrimSuffix(s.issuer, "/") + "/" + string(e)
}

// Client returns an HTTP client that reaches the provider. It belongs to the
// server: Close closes its idle connections.
func (s *Server) Client() *http.Client { return s.client }

// SetSecrets replaces the secrets of a registered client.
func (s *Server) SetSecrets(clientID string, secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.clients {
		if s.clients[i].ID == clientID {
			s.clients[i].Secrets = slices.Clone(secrets)
		}
	}
}

// SetDrift makes the provider's clock run ahead of the local one by d, or behind
// it if d is negative: in its Date headers and in its tokens.
func (s *Server) SetDrift(d time.Duration) {
	s.mu.Lock()
	s.drift = d
	s.mu.Unlock()
}

// KeyID returns the ID of the key that signs.
func (s *Server) KeyID() string { return s.signer().kid }

// Rotate makes a new key, which signs from now on, and returns its ID. The older
// keys stay in the key set.
func (s *Server) Rotate() (kid string, err error) {
	k, err := newKey(s.cfg.Algorithm)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, k)
	s.signing = k
	return k.kid, nil
}

// Withdraw takes a key out of the key set. The key that signs goes on signing
// even then.
func (s *Server) Withdraw(kid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = slices.DeleteFunc(s.keys, func(k *key) bool { return k.kid == kid })
}

// now returns the provider's time.
func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.drift)
}

func (s *Server) signer() *key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signing
}

// Request is what the provider saw of one request. It holds no body and no
// credentials.
type Request struct {
	Endpoint Endpoint
	Time     time.Time // by the local clock
	Method   string
	Path     string
	Form     url.Values // of a token request, without client_secret and client_assertion
	Status   int        // of the answer; 0 if there was none, or not yet
}

// Requests returns what came in so far, oldest first, at most the last 10,000.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make([]Request, len(s.requests))
	for i, r := range s.requests {
		requests[i] = *r
	}
	return requests
}

// Count returns how many requests an endpoint got so far.
func (s *Server) Count(e Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[e]
}
