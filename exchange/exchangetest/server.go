package exchangetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/internal/pipenet"
)

// Config says what a [Server] knows. The zero Config is a Databricks account
// without anybody in it.
type Config struct {
	// AccountID is the ID of the account that the hosts belong to. Optional;
	// default 00000000-0000-4000-8000-000000000001.
	AccountID string

	// Pipe makes the server listen inside the process, over net.Pipe, under
	// https names of Databricks. Only [Server.Client] reaches it, and it can live
	// in a testing/synctest bubble. Optional; by default it listens on loopback
	// TCP with http.
	Pipe bool

	// WorkspaceHost is the name of the workspace in [Server.URL]. Optional, for
	// Pipe only; default dbc-test.cloud.databricks.com.
	WorkspaceHost string

	// Groups, Principals and Policies are there from the start. Policies are
	// those of the account; a service principal carries its own. Optional; more
	// can be added later.
	Groups     []Group
	Principals []Principal
	Policies   []trust.Policy

	// IdP fetches the discovery documents and keys of token issuers. Optional;
	// default a client of its own that reaches the network.
	IdP *http.Client

	// MaxLifetime bounds the life of access tokens. The exp of the subject token
	// bounds it too. Optional; default 1 h, as Databricks'.
	MaxLifetime time.Duration

	// Leeway is the clock drift that is tolerated in the exp and nbf of subject
	// tokens. Optional; default 0, because Databricks documents none.
	Leeway time.Duration

	// Drift is how far the server's clock runs ahead of the process's; it shows
	// in the Date header and in every judgement. Optional; may be negative.
	Drift time.Duration

	// MinRemaining refuses access tokens that have no more than this left, at the
	// APIs. Optional; default 0. Azure Databricks wants 30 s.
	MinRemaining time.Duration

	// RateLimit is how many token requests are served in each second of the
	// server's clock; more get 429 with Retry-After: 1. Optional; default no limit.
	RateLimit int

	// PolicyDelay is how long a policy created over HTTP takes to be seen at the
	// token endpoint. Optional; default 0. Databricks takes 1 to 2 minutes.
	PolicyDelay time.Duration

	// Metadata may change the document that a host publishes under
	// /.well-known/databricks-config, for example delete or replace its
	// oidc_endpoint. If it returns false, the host answers 404. Optional. It is
	// called concurrently, with a document of its own.
	Metadata func(host string, document map[string]any) bool

	// Refusal is how the APIs refuse every bad access token. Optional; by default
	// the answer fits the reason. See [Recorded] for answers of Databricks.
	Refusal Fault
}

// Server is a Databricks account in one process: a workspace host, an account
// host and a unified host. Make one with [New]. It is safe for concurrent use.
type Server struct {
	cfg    Config
	scheme string
	hosts  map[hostKind]string // host and port
	server *http.Server
	client *http.Client
	stop   context.CancelFunc // ends the context of every request
	serve  sync.WaitGroup     // goroutines that accept
	calls  sync.WaitGroup     // requests under way
	signer *signer
	keys   keyCache

	mu         sync.Mutex // guards what follows; never held across I/O
	closed     bool
	drift      time.Duration
	principals []*Principal
	groups     []Group
	policies   []*policy
	lastID     int
	issued     map[string]time.Time // jti of each access token in force → its exp
	window     rateWindow
	faults     map[Endpoint][]Fault
	outage     map[Endpoint]bool
	requests   []*Request
	counts     map[Endpoint]int
}

// New starts a server. Close it after use. A Config that could not be is
// refused, with everything that is wrong with it.
func New(cfg Config) (*Server, error) {
	s := &Server{
		cfg:    withDefaults(cfg),
		drift:  cfg.Drift,
		issued: make(map[string]time.Time),
		faults: make(map[Endpoint][]Fault),
		outage: make(map[Endpoint]bool),
		counts: make(map[Endpoint]int),
	}
	if err := s.fill(); err != nil {
		return nil, err
	}
	var err error
	if s.signer, err = newSigner(); err != nil {
		return nil, err
	}
	s.keys.open(s.cfg.IdP)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.server = &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	if err := s.listen(); err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}

// Close ends every connection, waits for the requests under way and frees the
// ports. Calling it twice does no harm.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	err := s.server.Close()
	s.serve.Wait()
	s.calls.Wait()
	s.client.CloseIdleConnections()
	s.keys.close()
	return err
}

// URL returns the address of the workspace, such as http://127.0.0.1:40123, or
// https://dbc-test.cloud.databricks.com for a pipe. Every other host name that
// leads here is a workspace of the same account too: http://localhost with the
// same port, and with a pipe any https name.
func (s *Server) URL() string { return s.scheme + "://" + s.hosts[workspaceHost] }

// AccountURL returns the address of the account console's host, for a pipe
// https://accounts.cloud.databricks.com.
func (s *Server) AccountURL() string { return s.scheme + "://" + s.hosts[accountHost] }

// UnifiedURL returns the address of the host that serves account and workspaces
// together, for a pipe https://acme.databricks.com.
func (s *Server) UnifiedURL() string { return s.scheme + "://" + s.hosts[unifiedHost] }

// AccountID returns the ID of the account.
func (s *Server) AccountID() string { return s.cfg.AccountID }

// Client returns a client that reaches the server. With a pipe it is the only
// one that does, and it reaches nothing else. It is always the same one.
func (s *Server) Client() *http.Client { return s.client }

// SetDrift makes the server's clock run ahead of the process's by d, or behind
// it if d is negative; see Config.Drift.
func (s *Server) SetDrift(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drift = d
}

// Now returns the server's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.drift)
}

func withDefaults(cfg Config) Config {
	if cfg.AccountID == "" {
		cfg.AccountID = "00000000-0000-4000-8000-000000000001"
	}
	if cfg.WorkspaceHost == "" {
		cfg.WorkspaceHost = "dbc-test.cloud.databricks.com"
	}
	if cfg.MaxLifetime == 0 {
		cfg.MaxLifetime = time.Hour
	}
	return cfg
}

// fill moves what the Config names into the server.
func (s *Server) fill() error {
	var errs []error
	if s.cfg.MaxLifetime < time.Second || s.cfg.Leeway < 0 || s.cfg.MinRemaining < 0 || s.cfg.RateLimit < 0 || s.cfg.PolicyDelay < 0 {
		errs = append(errs, errors.New("a negative duration or limit, or a MaxLifetime under 1 s"))
	}
	if !uuidForm.MatchString(s.cfg.AccountID) {
		errs = append(errs, fmt.Errorf("the AccountID %q is not a UUID in lower case", s.cfg.AccountID))
	}
	errs = append(errs, s.AddGroup(s.cfg.Groups...), s.Add(s.cfg.Principals...), s.AddPolicy(s.cfg.Policies...))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("exchangetest: new server: %w", err)
	}
	return nil
}

func (s *Server) listen() error {
	if s.cfg.Pipe {
		l := pipenet.Listen()
		s.scheme = "https"
		s.hosts = map[hostKind]string{
			workspaceHost: s.cfg.WorkspaceHost,
			accountHost:   "accounts.cloud.databricks.com",
			unifiedHost:   "acme.databricks.com",
		}
		s.client = &http.Client{Transport: l.Transport()}
		s.accept(l)
		return nil
	}
	s.scheme = "http"
	s.hosts = make(map[hostKind]string)
	s.client = &http.Client{Transport: &http.Transport{}}
	var listeners []net.Listener
	for _, kind := range []hostKind{workspaceHost, accountHost, unifiedHost} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return fmt.Errorf("exchangetest: listen: %w", err)
		}
		s.hosts[kind] = l.Addr().String()
		listeners = append(listeners, l)
	}
	for _, l := range listeners {
		s.accept(l)
	}
	return nil
}

func (s *Server) accept(l net.Listener) {
	s.serve.Go(func() { _ = s.server.Serve(l) }) // ends with http.ErrServerClosed
}
