package oidc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brickfed/brickfed/internal/redact"
)

// ErrUnavailable is returned, wrapped, by a [Source] whose environment is not
// here at all, such as an environment variable that nobody set. [First] goes on
// only on it. An outage is never ErrUnavailable.
var ErrUnavailable = errors.New("not available here")

// Error says why an identity provider's answer, or none, brought no token, no
// key or no metadata, or why a token is refused. Its texts are free of secrets
// and tokens, even if the provider echoed them.
type Error struct {
	// Op is what was being done: "discovery", "token request", "key request" or
	// "verify token".
	Op string

	// URL is where the request went, without its query.
	URL string

	// Status is the HTTP status of the answer, or 0 if there was none.
	Status int

	// Code is the error code that the provider sent, such as invalid_client.
	// See RFC 6749, section 5.2. Empty if it sent none.
	Code string

	// Description is what the provider said about it, at most 1 KiB.
	Description string

	// Hint tells a person what to change. It may be empty.
	Hint string

	// Wait is how long the provider asked to be left alone (Retry-After, RFC
	// 9110, section 10.2.3), at most a day. Zero if it did not ask.
	Wait time.Duration

	// Err is the cause if there is one besides the answer. Error shows 1 KiB of
	// its text at most.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oidc: %s", e.Op)
	if e.URL != "" {
		fmt.Fprintf(&b, " at %s", e.URL)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	for _, part := range []string{e.Code, e.Description} {
		if part != "" {
			fmt.Fprintf(&b, ": %s", part)
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", redact.Text(e.Err.Error()))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same request may succeed later although nobody
// changes anything: no answer came, the provider is overloaded, or it says so. A
// certificate that is not trusted is not temporary.
func (e *Error) Temporary() bool {
	switch {
	case e.Code == "temporarily_unavailable", e.Code == "server_error", e.Code == "slow_down":
		return true
	case e.Status == 0:
		var network *networkError
		return errors.As(e.Err, &network) && !network.untrusted
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented:
		return false
	}
	return e.Status >= 500
}

// RetryAfter returns Wait.
func (e *Error) RetryAfter() time.Duration { return e.Wait }

// networkError is a request that brought no whole answer.
type networkError struct {
	err       error
	untrusted bool // the certificate is why
}

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// transportError makes the error of a request that brought no whole answer. The
// URL that net/http puts in front may carry a query and is left out; cause keeps
// its identity, so that errors.Is finds a context's error. What a server sends
// instead of HTTP, up to 10 MB, stands in net/http's errors: none of the secrets
// gets out that way.
func transportError(ctx context.Context, op, where string, err error, secrets []string) *Error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	e := &Error{Op: op, URL: where}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		e.Hint = "give HTTPClient a transport that trusts the provider's certificate authority"
	}
	if cause := context.Cause(ctx); cause != nil {
		e.Err = &networkError{err: redact.Error(cause, secrets...)}
		return e
	}
	e.Err = &networkError{err: redact.Error(err, secrets...), untrusted: untrusted != nil}
	return e
}
