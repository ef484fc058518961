package sdkauth

import (
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go/config"

	"github.com/brickfed/brickfed/exchange"
)

// recovery is a config's HTTPTransport. It sends requests through base, and those
// that a provider has signed through an exchange.Transport of that provider,
// which replaces a token that the host refuses, and puts the tags of the token's
// grant on them. The provider is found by the
// request, not by the transport: configs derived from one another share it.
type recovery struct{ base http.RoundTripper }

// signed says in a request's context who put the token on it.
type signed struct {
	by     *provider
	header string // the Authorization header
}

type signedKey struct{}

func (t *recovery) RoundTrip(req *http.Request) (*http.Response, error) {
	s, ok := req.Context().Value(signedKey{}).(*signed)
	if !ok || req.Header.Get("Authorization") != s.header {
		// Not ours, or not any more: net/http takes the header off when it follows a
		// redirect to another host, and a caller may have put another one on.
		return t.base.RoundTrip(req)
	}
	ours := exchange.Transport{Host: s.by.host, Tokens: s.by.tokens, Base: t.base}
	if s.by.tags != nil {
		both := &tagging{by: s.by, base: t.base}
		ours.Tokens, ours.Base = both, both
	}
	return ours.RoundTrip(req)
}

// CloseIdleConnections does what http.Client.CloseIdleConnections looks for.
func (t *recovery) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// SkipRetryOnIO says of the base what the SDK asks transports that are test
// fixtures: they want neither credentials nor retries.
func (t *recovery) SkipRetryOnIO() bool {
	f, ok := t.base.(interface{ SkipRetryOnIO() bool })
	return ok && f.SkipRetryOnIO()
}

// withRecovery returns the config's transport, wrapped if it is not yet.
func withRecovery(cfg *config.Config) http.RoundTripper {
	if t, ok := cfg.HTTPTransport.(*recovery); ok {
		return t
	}
	return &recovery{base: baseTransport(cfg)}
}

// baseTransport returns what the config's requests go through in the end.
func baseTransport(cfg *config.Config) http.RoundTripper {
	switch t, wrapped := cfg.HTTPTransport.(*recovery); {
	case wrapped:
		return t.base
	case cfg.HTTPTransport != nil:
		return cfg.HTTPTransport
	case cfg.InsecureSkipVerify:
		return unverifiedTransport()
	}
	return defaultTransport()
}

// The SDK's own transports are not exported. These have the same settings and,
// like them, are shared by all configs, so that a client costs no connections. But
// they bound a response's headers.
var (
	defaultTransport    = sync.OnceValue(newTransport)
	unverifiedTransport = sync.OnceValue(func() *http.Transport {
		t := newTransport()
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the user asked for it
		return t
	})
)

// maxHeaderBytes bounds the headers of a response. Databricks sends a few KiB;
// net/http alone would take up to 10 MiB into memory for each request, from any
// proxy on the way.
const maxHeaderBytes = 64 << 10

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   runtime.GOMAXPROCS(0) + 1,
		IdleConnTimeout:       3 * time.Minute,
		TLSHandshakeTimeout:   30 * time.Second,
		ExpectContinueTimeout: time.Second,

		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}
