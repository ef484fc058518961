package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/brickfed/brickfed/internal/flight"
	"github.com/brickfed/brickfed/internal/httpx"
	"github.com/brickfed/brickfed/internal/redact"
)

const (
	maxMetadata     = 256 << 10        // bytes of a discovery document; known ones have 1 to 10 KiB
	metadataMaxAge  = time.Hour        // then it is fetched again
	metadataStale   = 24 * time.Hour   // how long it serves if that fails
	metadataBackoff = 30 * time.Second // between two attempts while an old one serves
	providerTimeout = 10 * time.Second // one request to a provider
)

// metadata is the part of a provider's discovery document that is used. See
// OpenID Connect Discovery 1.0, section 3, and RFC 8414, section 2.
type metadata struct {
	Issuer        string
	TokenEndpoint string
	KeySet        string // jwks_uri
}

// provider finds the metadata of one issuer and keeps it. The zero provider is
// ready; it must always be asked for the same issuer.
type provider struct {
	flight flight.Flight[*metadata]

	mu      sync.Mutex // guards what follows; never held across a request
	known   *metadata
	fetched time.Time // when known came
	tried   time.Time // when the last request began
	failed  error     // of the last request, nil after a success
}

// get returns the metadata of issuer. A document older than an hour serves up to
// a day while it is fetched again, which nobody waits for. Without one, an error
// younger than pause is returned again instead of asking.
func (p *provider) get(ctx context.Context, client *http.Client, issuer string, pause time.Duration) (*metadata, error) {
	m, old, err := p.look(pause)
	fetch := func(ctx context.Context) (*metadata, error) {
		if m, old, err := p.look(pause); !old && (m != nil || err != nil) {
			return m, err // somebody was faster
		}
		return p.fetch(ctx, client, issuer)
	}
	switch {
	case m == nil && err == nil:
		// Two documents may have to be asked for, one after the other.
		return p.flight.Do(ctx, 2*providerTimeout, fetch)
	case old:
		go func() { _, _ = p.flight.Do(context.Background(), 2*providerTimeout, fetch) }()
	}
	return m, err
}

// look returns what is known without asking, if anything is. old is true if it
// is time to ask again in the background.
func (p *provider) look(pause time.Duration) (m *metadata, old bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	age, tried := since(p.fetched), since(p.tried)
	switch {
	case p.known != nil && age < metadataMaxAge:
		return p.known, false, nil
	case p.known != nil && age < metadataStale:
		return p.known, tried >= metadataBackoff, nil
	case p.failed != nil && tried < pause:
		return nil, false, p.failed
	}
	return nil, false, nil
}

// fetch runs in one goroutine at a time.
func (p *provider) fetch(ctx context.Context, client *http.Client, issuer string) (*metadata, error) {
	began := time.Now()
	p.mu.Lock()
	p.tried = began
	p.mu.Unlock()
	m, err := discover(ctx, client, issuer)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed = err; err == nil {
		p.known, p.fetched = m, began
	}
	return m, err
}

// discover asks where OpenID Connect puts the document and then, if there is
// none, where RFC 8414 puts it.
func discover(ctx context.Context, client *http.Client, issuer string) (*metadata, error) {
	u, err := httpx.ParseURL(issuer)
	if err != nil {
		return nil, fmt.Errorf("oidc: discovery: the issuer is %w", err)
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, errors.New("oidc: discovery: the issuer is a URL with a query")
	}
	m, first := fetchMetadata(ctx, client, issuer, openIDDocument(u))
	if first == nil {
		return m, nil
	}
	if !isMissing(first) {
		return nil, first
	}
	m, second := fetchMetadata(ctx, client, issuer, oauthDocument(u))
	if second != nil && isMissing(second) {
		return nil, first // the place that most people mean
	}
	return m, second
}

// openIDDocument is the place of OpenID Connect Discovery 1.0, section 4.
func openIDDocument(issuer *url.URL) string {
	return strings.TrimSuffix(issuer.String(), "/") + "/.well-known/openid-configuration"
}

// oauthDocument is the place of RFC 8414, section 3: between host and path.
func oauthDocument(issuer *url.URL) string {
	u := *issuer
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	u.Path, u.RawPath = "", ""
	return u.String() + "/.well-known/oauth-authorization-server" + path
}

// errNoMetadata is a document that is something else.
var errNoMetadata = errors.New("the answer is not a JSON object")

// isMissing reports whether the provider has no document at that place. A site
// that answers every path with a web page has none either.
func isMissing(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status >= 400 && e.Status < 500 && !e.Temporary() || errors.Is(e, errNoMetadata)
}

func fetchMetadata(ctx context.Context, client *http.Client, issuer, where string) (*metadata, error) {
	const op = "discovery"
	res, err := get(ctx, client, op, where, maxMetadata)
	if err != nil {
		return nil, err
	}
	e := &Error{Op: op, URL: where, Status: res.status, Wait: res.wait()}
	if res.status != http.StatusOK {
		e.Hint = statusHint(res.status, "check the issuer")
		return nil, e
	}
	m, err := parseMetadata(res.body)
	if err != nil {
		e.Err = err
		return nil, e
	}
	if m.Issuer != issuer {
		e.Err = fmt.Errorf("the document is of issuer %q, not %q", redact.Text(m.Issuer), issuer)
		e.Hint = "an issuer must match to the letter; configure the one that the document names if you trust it"
		return nil, e
	}
	return m, nil
}

// parseMetadata reads a discovery document. Members are matched to the letter.
func parseMetadata(data []byte) (*metadata, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, errNoMetadata
	}
	var m metadata
	for name, field := range map[string]*string{
		"issuer": &m.Issuer, "token_endpoint": &m.TokenEndpoint, "jwks_uri": &m.KeySet,
	} {
		value, there := members[name]
		if !there || string(value) == "null" {
			continue
		}
		if json.Unmarshal(value, field) != nil {
			return nil, fmt.Errorf("its %s is not a string", name)
		}
	}
	if m.Issuer == "" {
		return nil, errors.New("it names no issuer")
	}
	return &m, nil
}
