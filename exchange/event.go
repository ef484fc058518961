package exchange

import (
	"time"

	"github.com/brickfed/brickfed/claims"
)

// Event describes one attempt to exchange a token and its outcome. It holds
// fingerprints of tokens (the first 16 hexadecimal digits of their SHA-256),
// never tokens, and may be logged or stored; the grant's subject may be personal
// data. In JSON, durations are nanoseconds.
type Event struct {
	Time     time.Time     `json:"time"`     // when the attempt began
	Duration time.Duration `json:"duration"` // until its outcome
	Attempt  int           `json:"attempt"`  // 1 for the first of one call

	Endpoint string       `json:"endpoint,omitempty"` // URL of the token endpoint, once known
	Grant    claims.Grant `json:"grant"`              // who may become whom, as far as decided
	Subject  string       `json:"subject,omitempty"`  // fingerprint of the subject token

	Token       string        `json:"token,omitempty"`        // fingerprint of the returned token
	Expiry      time.Time     `json:"expiry,omitzero"`        // end of the returned token, by the local clock
	Identity    Certainty     `json:"identity,omitempty"`     // is the returned token's identity the one asked for
	Scope       Certainty     `json:"scope,omitempty"`        // are its scopes the ones asked for
	RequestID   string        `json:"request_id,omitempty"`   // x-request-id, to find the attempt in Databricks' audit log
	ClockOffset time.Duration `json:"clock_offset,omitempty"` // token endpoint's clock minus the local one, to half a second; 0 if unknown

	Err *Error `json:"error,omitempty"` // nil for success
}

// Certainty says whether a fact about a returned token could be checked.
type Certainty string

// A contradicted fact is an error of kind [KindContradiction], so there are two.
const (
	Confirmed Certainty = "confirmed"
	Unknown   Certainty = "unknown"
)
