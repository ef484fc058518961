package claims

import "fmt"

// doubt says why a matcher cannot tell. The order is that of precedence: the
// first settles that a rule which gives something does not match.
type doubt int

const (
	certain doubt = iota
	doubtAbsent
	doubtType
	doubtMalformed
	doubtNone
	doubtNoneType
	doubtPredicate
	doubtIncomplete
)

// verdict is the outcome of several matchers together.
type verdict struct {
	result  three
	doubt   doubt
	claim   string // the one that decided
	index   int    // among the issuer's claims
	err     error  // of a predicate
	waiting bool   // an incomplete claim is among them
}

// take combines one more matcher into the verdict.
func (v *verdict) take(result three, d doubt, claim string, index int, err error) {
	v.waiting = v.waiting || d == doubtIncomplete
	switch {
	case v.result == no || result == yes:
	case result == no:
		*v = verdict{result: no, claim: claim, index: index}
	case v.result == yes || d < v.doubt:
		v.result, v.doubt, v.claim, v.index, v.err = unknown, d, claim, index, err
	}
}

// failed is the error of a resolver that could not tell.
func (e *evaluation) failed(rule string, v verdict, err error) error {
	e.record.end("unknown", "the resolver could not tell")
	return &Error{Kind: ErrIncomplete, Rule: rule, Claim: v.claim, Reason: e.why(v) + ", and the resolver could not tell", cause: err}
}

// doubtful is the error of a mapping that cannot go on.
func (e *evaluation) doubtful(rule string, v verdict) error {
	kind, why := ErrIncomplete, e.why(v)
	switch v.doubt {
	case doubtMalformed, doubtNoneType:
		kind = ErrMalformed
	case doubtIncomplete:
		if e.policy.options.resolver == nil {
			why += "; give the policy a resolver (WithResolver), or have the provider send fewer groups"
		}
	default:
	}
	e.record.end("unknown", why)
	return &Error{Kind: kind, Rule: rule, Claim: v.claim, Reason: why, cause: v.err}
}

// why says what is in doubt, without a value.
func (e *evaluation) why(v verdict) string {
	switch v.doubt {
	case doubtAbsent:
		return "it is absent"
	case doubtType:
		return "it is of another JSON type than the policy compares it with"
	case doubtNone:
		return "it is absent, and the rule must know what it is not"
	case doubtNoneType:
		return "it is of another JSON type than the values that the rule excludes"
	case doubtPredicate:
		return "the predicate could not tell"
	case doubtMalformed, doubtIncomplete:
		return e.values[v.index].why
	}
	return fmt.Sprint("doubt ", int(v.doubt)) // cannot happen
}
