package claims

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of an [Error]. errors.Is finds them.
var (
	// ErrMalformed says that a payload, name or value is not what RFC 7519,
	// RFC 8259 or RFC 6901 ask for, or that a claim is of a type in which the
	// policy cannot read it.
	ErrMalformed = errors.New("malformed")

	// ErrIncomplete says that the token does not tell all that a rule must know:
	// groups left out or cut because there are too many, or a claim that is
	// absent though the rule says what it must not be.
	ErrIncomplete = errors.New("incomplete")

	// ErrDenied says that the issuer is unknown, a required claim does not match,
	// or a rule denies.
	ErrDenied = errors.New("denied")

	// ErrNoMatch says that no rule matched and there is no default.
	ErrNoMatch = errors.New("no match")

	// ErrPolicy says that a policy could not be loaded.
	ErrPolicy = errors.New("policy")
)

// Error says why a payload cannot be used, why a policy gives its holder
// nothing, or why a policy cannot be loaded. It never carries a claim's value.
type Error struct {
	Kind     error     // one of the five kinds
	Rule     string    // the rule that decided, if one did
	Claim    string    // the claim's name or pointer; empty for the payload as a whole
	Reason   string    // what a person should know
	Problems []Finding // everything that is wrong with a policy

	cause error // of a resolver or predicate
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "claims: %v", e.Kind)
	if e.Claim != "" {
		fmt.Fprintf(&b, " claim %.64q", e.Claim)
	}
	if e.Rule != "" {
		fmt.Fprintf(&b, " by rule %q", e.Rule)
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	for _, p := range e.Problems {
		b.WriteString("\n\t" + p.String())
	}
	return b.String()
}

// Unwrap returns the kind and, if a resolver or predicate was the cause, its
// error.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Kind, e.cause}
	}
	return []error{e.Kind}
}

// Finding is something to mend in a policy, and where.
type Finding struct {
	Path string // such as issuers[1].rules[3].when.ref; empty for the whole
	Text string
}

// String returns path and text.
func (f Finding) String() string {
	if f.Path == "" {
		return f.Text
	}
	return f.Path + ": " + f.Text
}
