package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/brickfed/brickfed/internal/httpx"
)

// result is one HTTP answer, read whole.
type result struct {
	status   int
	header   http.Header
	body     []byte
	sent     time.Time // when the request left
	received time.Time // when the header came
}

func (r *result) wait() time.Duration { return httpx.RetryAfter(r.header, r.received) }

// get fetches a document of at most limit bytes.
func get(ctx context.Context, client *http.Client, op, where string, limit int64) (*result, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, fmt.Errorf("oidc: %s: the address is not a URL", op)
	}
	req.Header.Set("Accept", "application/json")
	return send(client, req, op, limit)
}

// errSlow is a provider that takes too long.
var errSlow = fmt.Errorf("no whole answer within %v: %w", providerTimeout, context.DeadlineExceeded)

// withDeadline gives one request its time.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, providerTimeout, errSlow)
}

// send sends one request and reads its answer. It follows no redirect. secrets
// are what the request holds and no error may show.
func send(client *http.Client, req *http.Request, op string, limit int64, secrets ...string) (*result, error) {
	u := *req.URL
	u.RawQuery = ""
	where := u.String()
	sent := time.Now()
	res, err := httpx.NoRedirects(client).Do(req)
	if err != nil {
		return nil, transportError(req.Context(), op, where, err, secrets)
	}
	defer res.Body.Close()
	r := &result{status: res.StatusCode, header: res.Header, sent: sent, received: time.Now()}
	r.body, err = httpx.ReadBody(res.Body, limit)
	if err == nil {
		return r, nil
	}
	var tooLarge *httpx.TooLargeError
	if errors.As(err, &tooLarge) {
		return nil, &Error{Op: op, URL: where, Status: r.status, Wait: r.wait(), Err: err}
	}
	return nil, transportError(req.Context(), op, where, err, secrets)
}

// statusHint explains an answer that should have been a document or a token.
func statusHint(status int, check string) string {
	switch {
	case status >= 300 && status < 400:
		return "redirects are not followed; configure the address that it leads to"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "the provider wants authentication there; give HTTPClient a transport that adds it"
	case status == http.StatusNotFound:
		return check
	case status == http.StatusTooManyRequests:
		return "the provider limits the rate of requests"
	}
	return ""
}

// looksLikePage reports whether an answer is a web page.
func (r *result) looksLikePage() bool {
	return strings.Contains(strings.ToLower(r.header.Get("Content-Type")), "html") ||
		strings.HasPrefix(strings.TrimSpace(string(r.body)), "<")
}
