package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/brickfed/brickfed/internal/flight"
	"github.com/brickfed/brickfed/internal/httpx"
)

// How long host metadata is believed. A host hardly ever changes; a year-long
// process must still notice.
const (
	metadataLife    = 24 * time.Hour
	metadataRetry   = time.Minute // after a failure that may pass; doubles up to the next
	metadataPause   = time.Hour
	metadataTimeout = 5 * time.Second
	metadataLimit   = 64 << 10 // bytes
)

// place is where and how a host exchanges tokens.
type place struct {
	kind     hostKind
	account  string
	endpoint string
	audience string    // what the host would like subject tokens to have
	until    time.Time // ask again after this; zero: never
	failures int       // in a row, of asking
	guessed  bool      // the host could not be asked yet
}

// locator learns a host's place on first use and again when that is old.
type locator struct {
	origin  *url.URL
	account string // Config.AccountID
	client  *http.Client
	known   atomic.Pointer[place]
	flight  flight.Flight[*place]
}

// newLocator returns a locator that never asks if the endpoint is given.
func newLocator(origin *url.URL, account, endpoint string, client *http.Client) *locator {
	l := &locator{origin: origin, account: account, client: client}
	if endpoint != "" {
		p := &place{kind: endpointKind(origin, endpoint), account: account, endpoint: endpoint}
		p.audience = preferredAudience(p)
		l.known.Store(p)
	}
	return l
}

// place returns the host's place. It fails only if ctx ends or the host needs an
// account ID that nobody named.
func (l *locator) place(ctx context.Context) (*place, error) {
	old := l.known.Load()
	if old != nil && (old.until.IsZero() || time.Now().Before(old.until)) {
		return old, nil
	}
	p, err := l.flight.Do(ctx, metadataTimeout, func(ctx context.Context) (*place, error) {
		if p := l.known.Load(); p != old && p != nil {
			return p, nil // a flight ended between our look and this one
		}
		p, err := l.learn(ctx, old)
		if err == nil {
			l.known.Store(p)
		}
		return p, err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// expire makes the next use ask again, because nothing of Databricks was at the
// endpoint. If the host cannot say more then, the place stays.
func (l *locator) expire(p *place) {
	if p.until.IsZero() {
		return
	}
	due := *p
	due.until = time.Now()
	due.failures = max(p.failures-1, 0) // only asking at the right time counts
	l.known.CompareAndSwap(p, &due)
}

// learn asks the host. An answer that cannot be used is not an error: it leaves
// the old place, or the one by convention.
func (l *locator) learn(ctx context.Context, old *place) (*place, error) {
	m, passes := l.fetch(ctx)
	p, life := l.resolve(m), metadataLife
	if m == nil && old != nil {
		again := *old
		p = &again
	}
	if p.failures, p.guessed = 0, false; passes {
		if old != nil {
			p.failures = old.failures
		}
		life = min(metadataRetry<<p.failures, metadataPause)
		p.failures = min(p.failures+1, 10) // 2^10 minutes are past any pause
		p.guessed = old == nil || old.guessed
	}
	if p.kind != workspaceHost && p.account == "" {
		return nil, fmt.Errorf("%s serves an account: set AccountID", l.origin)
	}
	p.until = time.Now().Add(life)
	return p, nil
}

// resolve turns metadata, which may be nil, into a place.
func (l *locator) resolve(m *hostMetadata) *place {
	p := &place{kind: workspaceHost, account: l.account}
	if isAccountHost(l.origin) {
		p.kind = accountHost
	}
	var offered string
	if m != nil {
		if p.account == "" {
			p.account = m.account
		}
		if m.kind != "" && p.kind != accountHost {
			p.kind = m.kind
		}
		offered = strings.ReplaceAll(m.endpoint, "{account_id}", url.PathEscape(p.account))
		p.audience = m.audience
	}
	p.endpoint = deriveEndpoint(l.origin, p.kind, p.account)
	if u, err := httpx.ParseURL(offered); err == nil && u.RawQuery == "" {
		u = u.JoinPath("v1/token")
		if acceptable(l.origin, u, p.kind) {
			p.endpoint = u.String()
		}
	}
	if p.audience == "" {
		p.audience = preferredAudience(p)
	}
	return p
}

// preferredAudience is what a host without metadata of its own would like.
func preferredAudience(p *place) string {
	if p.kind == workspaceHost {
		return p.endpoint
	}
	return p.account
}

// hostMetadata is what /.well-known/databricks-config says.
type hostMetadata struct {
	kind     hostKind // empty if not said
	account  string
	endpoint string // oidc_endpoint
	audience string
}

// fetch returns nil for no usable metadata, and whether the reason may pass.
func (l *locator) fetch(ctx context.Context) (m *hostMetadata, passes bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.origin.String()+"/.well-known/databricks-config", nil)
	if err != nil {
		return nil, false
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, true
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout:
		return nil, true
	case resp.StatusCode != http.StatusOK:
		return nil, false // an older host, or one that does not tell
	}
	body, err := httpx.ReadBody(resp.Body, metadataLimit)
	if err != nil {
		return nil, true
	}
	m, err = parseMetadata(body)
	if err != nil {
		return nil, false // a page of something else
	}
	return m, false
}

func parseMetadata(body []byte) (*hostMetadata, error) {
	var members map[string]json.RawMessage // exact names, unlike a struct's fields
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(members[name], &s) // another type is as good as absent
		return strings.TrimSpace(s)
	}
	m := &hostMetadata{endpoint: text("oidc_endpoint"), account: text("account_id")}
	if !isUUID(m.account) {
		m.account = ""
	}
	switch strings.ToLower(text("host_type")) {
	case "workspace":
		m.kind = workspaceHost
	case "account":
		m.kind = accountHost
	case "unified":
		m.kind = unifiedHost
	}
	var audiences []string
	if err := json.Unmarshal(members["token_federation_default_oidc_audiences"], &audiences); err == nil && len(audiences) > 0 {
		m.audience = audiences[0]
	}
	return m, nil
}
