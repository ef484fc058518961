package claims

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// evaluation is one mapping. Map and Explain run the same one; Explain gives it
// a recorder.
type evaluation struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call
	policy *Policy
	issuer *issuer
	claims *Claims
	record *recorder // nil for Map
	*room
}

// room is what an evaluation works in. Used ones are kept, empty, for the next.
type room struct {
	values   []values // one per claim of the issuer
	names    []nameSpan
	text     []byte // of names that templates gave
	captures [4 * maxWildcards]int
}

var rooms = sync.Pool{New: func() any { return new(room) }}

// maxRoom bounds what a kept room may hold, in names.
const maxRoom = 4096

func (r *room) enter(claims int) {
	r.values = slices.Grow(r.values[:0], claims)[:claims]
}

// leave forgets all values, which are personal data.
func (r *room) leave() {
	if cap(r.names) > maxRoom {
		return
	}
	clear(r.values)
	clear(r.names)
	clear(r.text)
	r.names, r.text = r.names[:0], r.text[:0]
	rooms.Put(r)
}

func (e *evaluation) run() (Grant, error) {
	if err := e.required(); err != nil {
		return Grant{}, err
	}
	for _, r := range e.issuer.deny {
		if err := e.denies(r); err != nil {
			return Grant{}, err
		}
	}
	grant := Grant{Policy: e.policy.id, Issuer: e.claims.Issuer(), Subject: e.claims.Subject()}
	var target *Target
	var first [8]string
	matched := first[:0]
	for _, r := range e.issuer.grant {
		ok, err := e.matches(r)
		if err != nil {
			return Grant{}, err
		}
		if !ok {
			continue
		}
		matched = append(matched, r.name)
		if target == nil {
			target = r.target
		}
		for _, name := range r.groups {
			e.names = append(e.names, nameSpan{literal: name})
		}
	}
	if len(matched) == 0 {
		r := e.issuer.other
		if r == nil {
			return Grant{}, e.noMatch()
		}
		e.record.byDefault(r)
		matched, target = append(matched, r.name), r.target
		for _, name := range r.groups {
			e.names = append(e.names, nameSpan{literal: name})
		}
	}
	grant.Rules = slices.Clone(matched)
	grant.Groups = e.groups()
	if target != nil {
		grant.Target = *target
		grant.Target.Scopes = slices.Clone(target.Scopes)
	}
	return grant, nil
}

func (e *evaluation) noMatch() error {
	return &Error{Kind: ErrNoMatch, Reason: "no rule of this issuer matches, and it has no default; Explain says which rule came near"}
}

// required holds the token to the issuer's require.
func (e *evaluation) required() error {
	e.record.begin("", "require")
	v, err := e.settle(e.issuer.require, nil, false)
	if err != nil {
		return e.failed("", v, err)
	}
	switch {
	case v.result == yes:
		return nil
	case v.result == no || v.doubt <= doubtType:
		reason := "it is not what the policy requires"
		switch v.doubt {
		case doubtAbsent:
			reason = "it is absent, and the policy requires it"
		case doubtType:
			reason = "it is of another JSON type than the policy requires"
		default:
		}
		return &Error{Kind: ErrDenied, Claim: v.claim, Reason: reason}
	}
	return e.doubtful("", v)
}

// denies returns an error if a deny rule is not definitely out of the question.
func (e *evaluation) denies(r *rule) error {
	e.record.begin(r.name, "deny")
	v, err := e.settle(r.when, nil, true)
	if err != nil {
		return e.failed(r.name, v, err)
	}
	switch v.result {
	case no:
		e.record.end("no", "")
		return nil
	case yes:
		e.record.end("denied", r.deny)
		return &Error{Kind: ErrDenied, Rule: r.name, Reason: r.deny}
	}
	why := e.why(v)
	e.record.end("denied", "it cannot be ruled out: "+why)
	return &Error{Kind: ErrDenied, Rule: r.name, Claim: v.claim, Reason: "the rule cannot be ruled out: " + why, cause: v.err}
}

// matches reports whether a rule gives what it has, and expands its templates.
func (e *evaluation) matches(r *rule) (bool, error) {
	e.record.begin(r.name, "")
	v, err := e.settle(r.when, r.lookup, false)
	if err != nil {
		return false, e.failed(r.name, v, err)
	}
	switch {
	case v.result == no || v.result == unknown && v.doubt <= doubtType:
		e.record.end("no", "")
		return false, nil
	case v.result == unknown:
		return false, e.doubtful(r.name, v)
	}
	if r.capture >= 0 && !e.expand(r) {
		e.record.end("no", "no value gives a valid group name")
		return false, nil
	}
	if r.lookup != nil {
		e.look(r.lookup)
	}
	e.record.matched(r)
	return true, nil
}

// settle judges matchers together, and asks the resolver if that can change
// anything.
func (e *evaluation) settle(when []matcher, lookup *table, deny bool) (verdict, error) {
	for range len(e.issuer.claims) + 1 {
		v := e.all(when, lookup)
		if v.result != unknown || !v.waiting || e.policy.options.resolver == nil || !deny && v.doubt <= doubtType {
			return v, nil
		}
		if err := e.resolve(when, lookup); err != nil {
			return v, err
		}
	}
	return verdict{}, errors.New("the resolver left a claim incomplete") // cannot happen: resolved claims are present
}

func (e *evaluation) all(when []matcher, lookup *table) verdict {
	out := verdict{result: yes}
	e.record.rewind()
	for i := range when {
		m := &when[i]
		result, d, err := e.match(m)
		e.record.matcher(m, result, e.explain(m, result, d))
		out.take(result, d, m.path, m.claim, err)
		if result == no && e.record == nil {
			return out
		}
	}
	if lookup != nil {
		result, d := e.found(lookup)
		e.record.lookup(lookup, result, e.explainLookup(lookup, result, d))
		out.take(result, d, lookup.path, lookup.claim, nil)
	}
	return out
}

// value reads a claim once.
func (e *evaluation) value(i int) *values {
	v := &e.values[i]
	if v.state == unread {
		*v = e.issuer.claims[i].read(e.claims)
	}
	return v
}

func (e *evaluation) match(m *matcher) (three, doubt, error) {
	v := e.value(m.claim)
	if v.state == incomplete {
		return unknown, doubtIncomplete, nil
	}
	switch m.op {
	case opPresent:
		if v.lost {
			return unknown, doubtMalformed, nil
		}
		there := v.state == malformedValue || v.len() > 0
		if there == m.want {
			return yes, certain, nil
		}
		return no, certain, nil
	case opPredicate:
		ok, err := m.predicate(e.claims)
		switch {
		case err != nil:
			return unknown, doubtPredicate, err
		case ok:
			return yes, certain, nil
		}
		return no, certain, nil
	}
	switch {
	case v.state == malformedValue:
		return unknown, doubtMalformed, nil
	case v.state == absent && m.op == opNone:
		return unknown, doubtNone, nil
	case v.state == absent:
		return unknown, doubtAbsent, nil
	}
	result, d := m.anyOf(v)
	return result, d, nil
}

// anyOf matches if one value does; none turns that around.
func (m *matcher) anyOf(v *values) (three, doubt) {
	outcome := no
	for i := range v.len() {
		switch m.one(v.at(i)) {
		case yes:
			if m.op == opNone {
				return no, certain
			}
			return yes, certain
		case unknown:
			outcome = unknown
		case no:
		}
	}
	switch {
	case outcome == unknown && m.op == opNone:
		return unknown, doubtNoneType
	case outcome == unknown:
		return unknown, doubtType
	case m.op == opNone:
		return yes, certain
	}
	return no, certain
}

// found reports whether a table has one of the claim's values.
func (e *evaluation) found(t *table) (three, doubt) {
	v := e.value(t.claim)
	switch v.state {
	case absent:
		return unknown, doubtAbsent
	case malformedValue:
		return unknown, doubtMalformed
	case incomplete:
		return unknown, doubtIncomplete
	}
	for i := range v.len() {
		text, ok := v.at(i).(string)
		if !ok {
			return unknown, doubtType
		}
		if t.groups[text] != nil {
			return yes, certain
		}
	}
	return no, certain
}

// resolve asks for the incomplete claims among those that a rule reads.
func (e *evaluation) resolve(when []matcher, lookup *table) error {
	for i := range when {
		if err := e.resolveClaim(when[i].claim); err != nil {
			return err
		}
	}
	if lookup != nil {
		return e.resolveClaim(lookup.claim)
	}
	return nil
}

func (e *evaluation) resolveClaim(i int) error {
	if e.values[i].state != incomplete {
		return nil
	}
	answer, err := e.policy.options.resolver.Resolve(e.ctx, e.claims, e.issuer.claims[i].path)
	if err != nil {
		return err
	}
	v, err := resolved(answer)
	if err == nil {
		e.values[i] = v
		e.record.resolved(e.issuer.claims[i].path, len(answer))
	}
	return err
}
