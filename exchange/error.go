package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brickfed/brickfed/internal/redact"
	"github.com/brickfed/brickfed/oidc"
)

// Error is why there is no usable Databricks token, and what to change. Find it
// with [errors.As]. All its texts are bounded and free of tokens, also when a
// server echoes them. Issuer, Subject and Audience are in it because whoever
// writes the federation policy needs them; a subject may be personal data.
//
// An Error is not modified after it was returned, and so is safe for concurrent
// use.
type Error struct {
	Op          string        `json:"op,omitempty"`          // what was being done, such as "exchange token"
	Kind        Kind          `json:"kind"`                  // what went wrong
	Status      int           `json:"status,omitempty"`      // HTTP status; 0 without an answer
	Code        string        `json:"code,omitempty"`        // OAuth error (RFC 6749, section 5.2) or Databricks error_code
	Description string        `json:"description,omitempty"` // the server's words, redacted, at most 1 KiB
	ErrorID     string        `json:"error_id,omitempty"`    // Databricks error_id, for its support
	RequestID   string        `json:"request_id,omitempty"`  // x-request-id header, for Databricks support
	Wait        time.Duration `json:"wait,omitempty"`        // Retry-After, at most 10 minutes; 0 if not sent
	Hint        string        `json:"hint,omitempty"`        // what to change, and where
	Endpoint    string        `json:"endpoint,omitempty"`    // host that was asked or would have been
	ClientID    string        `json:"client_id,omitempty"`   // service principal asked for; empty for account-wide federation
	Issuer      string        `json:"iss,omitempty"`         // iss of the subject token, unverified
	Subject     string        `json:"sub,omitempty"`         // sub of the subject token, unverified
	Audience    []string      `json:"aud,omitempty"`         // aud of the subject token, unverified, at most 8
	Err         error         `json:"-"`                     // cause; may be nil
}

// Error implements error: what was done, what went wrong, what the server said
// and what to change, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("exchange: ")
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	what, known := kindTexts[e.Kind]
	if !known {
		what = string(e.Kind)
	}
	b.WriteString(what)
	if said := e.said(); said != "" {
		b.WriteString(" (" + said + ")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.causeText())
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// MarshalJSON implements json.Marshaler: the fields, with the text of the cause
// under the name cause.
func (e *Error) MarshalJSON() ([]byte, error) {
	type fields Error // without this method
	var cause string
	if e.Err != nil {
		cause = e.causeText()
	}
	return json.Marshal(struct {
		*fields
		Cause string `json:"cause,omitempty"`
	}{(*fields)(e), cause})
}

// causeText is the cause in one line: joined errors stand on lines of their own.
func (e *Error) causeText() string {
	return redact.Text(strings.ReplaceAll(e.Err.Error(), "\n", "; "))
}

// Temporary reports whether the same call may succeed later although nobody
// changes anything. For [KindSource] the source's error decides, if it has the
// methods Temporary and RetryAfter itself; that there is no such source, or that
// what it returned is no token, is not temporary.
func (e *Error) Temporary() bool {
	if cause, found := e.cause(); found {
		return cause.Temporary()
	}
	return e.Kind.temporary() && !errors.Is(e.Err, oidc.ErrUnavailable) && !errors.Is(e.Err, oidc.ErrMalformed)
}

// RetryAfter returns how long the token endpoint, or the source's own server,
// asked to wait: at most 10 minutes, and 0 if it did not ask.
func (e *Error) RetryAfter() time.Duration {
	if cause, found := e.cause(); found && e.Wait == 0 {
		return min(max(cause.RetryAfter(), 0), maxWait)
	}
	return e.Wait
}

// retryable is what a source's error may say about itself. One method would not
// do: the Temporary of net.Error has another meaning.
type retryable interface {
	Temporary() bool
	RetryAfter() time.Duration
}

func (e *Error) cause() (retryable, bool) {
	var cause retryable
	if e.Kind != KindSource || !errors.As(e.Err, &cause) {
		return nil, false
	}
	return cause, true
}

// addHint adds a sentence to the hint.
func (e *Error) addHint(hint string) {
	switch {
	case hint == "":
	case e.Hint == "":
		e.Hint = hint
	default:
		e.Hint += "; " + hint
	}
}

// said puts the server's words together.
func (e *Error) said() string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.Status))
	}
	code := e.Code
	if code == strconv.Itoa(e.Status) {
		code = "" // Databricks' numeric error_code says no more than the status
	}
	switch {
	case code != "" && e.Description != "":
		parts = append(parts, code+": "+e.Description)
	case code != "" || e.Description != "":
		parts = append(parts, code+e.Description)
	}
	if e.ErrorID != "" {
		parts = append(parts, "error id "+e.ErrorID)
	}
	if e.RequestID != "" {
		parts = append(parts, "request id "+e.RequestID)
	}
	return strings.Join(parts, ", ")
}
