package claims

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Trace tells a person how a policy came to its decision. Printed, it shows no
// claim value unless [WithValues] asked for that: only the claims' names and what
// the policy says.
type Trace struct {
	Grant Grant  // what Map returns
	Err   error  // what Map returns
	Steps []Step // in the order of the decision

	head string
}

// Step is one line of a [Trace].
type Step struct {
	Rule   string // empty for the issuer's require
	Claim  string // empty for the rule as a whole
	Result string // matched, no, unknown, denied, nearly, dropped, resolved or, for all that an issuer requires, require
	Why    string
}

// TraceOption changes what [Policy.Explain] shows.
type TraceOption func(*recorder)

// WithValues shows claim values in the trace. They are personal data.
func WithValues() TraceOption { return func(r *recorder) { r.values = true } }

// String returns the text for people, one line per step.
func (t Trace) String() string {
	var b strings.Builder
	b.WriteString(t.head + "\n")
	for _, s := range t.Steps {
		switch {
		case s.Claim != "":
			fmt.Fprintf(&b, "           %-8s %s", s.Result, s.Claim)
		case s.Rule == "":
			b.WriteString("require")
		default:
			fmt.Fprintf(&b, "%-8s %s", s.Result, s.Rule)
		}
		if s.Why != "" {
			b.WriteString(": " + s.Why)
		}
		b.WriteByte('\n')
	}
	if t.Err != nil {
		return b.String() + "result   " + t.Err.Error() + "\n"
	}
	b.WriteString("result   " + t.Grant.Target.describe() + "\n")
	return b.String()
}

// Format implements fmt.Formatter for every verb, so that no claim value is
// printed by mistake.
func (t Trace) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, t.String()) }

// LogValue implements slog.LogValuer like [Trace.String].
func (t Trace) LogValue() slog.Value { return slog.StringValue(t.String()) }

func (t Target) describe() string {
	if !t.Selects() {
		return "groups only; without a target the exchange is refused"
	}
	parts := []string{}
	if t.ClientID != "" {
		parts = append(parts, "client_id "+t.ClientID)
	}
	if t.AssumeGroup != "" {
		parts = append(parts, "assume_group "+t.AssumeGroup)
	}
	if len(t.Scopes) > 0 {
		parts = append(parts, "scopes "+strings.Join(t.Scopes, " "))
	}
	return fmt.Sprintf("target of %s: %s", t.Rule, strings.Join(parts, ", "))
}

// recorder collects the steps of one evaluation. A nil one records nothing.
type recorder struct {
	values bool
	steps  []Step
	rule   string
	start  int // of the rule's own step
	body   int // of its matchers' steps
	fired  []string
}

// begin opens a rule, or the require.
func (r *recorder) begin(rule, what string) {
	if r == nil {
		return
	}
	r.rule, r.start = rule, len(r.steps)
	r.steps = append(r.steps, Step{Rule: rule, Result: "matched"})
	if what == "require" {
		r.steps[r.start].Result = "require"
	}
	r.body = len(r.steps)
}

// rewind forgets the matchers, because a resolver has told more.
func (r *recorder) rewind() {
	if r != nil {
		r.steps = r.steps[:r.body]
	}
}

// end says how the rule came out. One that a single matcher has kept from
// matching came near.
func (r *recorder) end(result, why string) {
	if r == nil {
		return
	}
	s := &r.steps[r.start]
	s.Result, s.Why = result, why
	if result == "denied" {
		r.fired = append(r.fired, r.rule)
	}
	if result != "no" || why != "" {
		return
	}
	matched, other := 0, ""
	failed := 0
	for _, step := range r.steps[r.body:] {
		switch step.Result {
		case "matched":
			matched++
		case "no", "unknown":
			failed++
			other = step.Claim
		}
	}
	if failed == 1 && matched > 0 {
		s.Result, s.Why = "nearly", "only "+other+" kept it from matching"
	}
}

func (r *recorder) matched(rule *rule) {
	if r == nil {
		return
	}
	r.fired = append(r.fired, rule.name)
	r.steps[r.start].Result = "matched"
	r.steps[r.start].Why = rule.gives()
}

func (r *recorder) byDefault(rule *rule) {
	if r == nil {
		return
	}
	r.steps = append(r.steps, Step{Rule: "default", Result: "matched", Why: "no rule did; " + rule.gives()})
}

// gives says what a rule has to give, in the policy's own words.
func (r *rule) gives() string {
	var parts []string
	if names := append(append([]string{}, r.groups...), texts(r.expand)...); len(names) > 0 {
		parts = append(parts, "groups "+strings.Join(names, ", "))
	}
	if r.lookup != nil {
		parts = append(parts, "groups by the table of "+r.lookup.path)
	}
	if r.target != nil {
		parts = append(parts, "a target")
	}
	return "gives " + strings.Join(parts, " and ")
}

func texts(templates []template) []string {
	all := make([]string, len(templates))
	for i, t := range templates {
		all[i] = t.text
	}
	return all
}

func (r *recorder) matcher(m *matcher, result three, why string) {
	if r != nil {
		r.add(m.path, result, why)
	}
}

func (r *recorder) lookup(t *table, result three, why string) {
	if r != nil {
		r.add(t.path, result, why)
	}
}

func (r *recorder) add(claim string, result three, why string) {
	r.steps = append(r.steps, Step{Rule: r.rule, Claim: claim, Result: [...]string{no: "no", unknown: "unknown", yes: "matched"}[result], Why: why})
}

func (r *recorder) dropped(m *matcher, problem, value string) {
	if r == nil {
		return
	}
	why := "a value gives no group: " + problem
	if r.values {
		why = fmt.Sprintf("%q gives no group: %s", value, problem)
	}
	r.steps = append(r.steps, Step{Rule: r.rule, Claim: m.path, Result: "dropped", Why: why})
}

func (r *recorder) resolved(claim string, n int) {
	if r == nil {
		return
	}
	step := Step{Rule: r.rule, Claim: claim, Result: "resolved", Why: fmt.Sprintf("the resolver returned %d values", n)}
	r.steps = append(r.steps[:r.body], step)
	r.body = len(r.steps)
}

// explain says why a matcher came out as it did. Map does not ask.
func (e *evaluation) explain(m *matcher, result three, d doubt) string {
	if e.record == nil {
		return ""
	}
	v := e.value(m.claim)
	why := m.text
	switch {
	case result == unknown:
		why = e.why(verdict{doubt: d, index: m.claim}) + " (" + m.text + ")"
	case m.op == opPresent && result == no:
		why = "it is not " + m.text
	case m.op == opPredicate && result == no:
		why = m.text + " says no"
	case m.op == opNone && result == no:
		why = "a value is one of those excluded (" + m.text + ")"
	case result == no && v.len() == 0:
		why = "the list is empty (" + m.text + ")"
	case result == no && v.list:
		why = fmt.Sprintf("none of %d values matches %s", v.len(), m.text)
	case result == no:
		why = "the value does not match " + m.text
	}
	return why + e.shown(v)
}

func (e *evaluation) explainLookup(t *table, result three, d doubt) string {
	if e.record == nil {
		return ""
	}
	v := e.value(t.claim)
	if result == unknown {
		return e.why(verdict{doubt: d, index: t.claim}) + e.shown(v)
	}
	known := 0
	for i := range v.len() {
		if text, _ := v.at(i).(string); t.groups[text] != nil {
			known++
		}
	}
	return fmt.Sprintf("%d of %d values are in the table", known, v.len()) + e.shown(v)
}

// shown returns the values, if they were asked for.
func (e *evaluation) shown(v *values) string {
	if !e.record.values || v.len() == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(" [")
	for i := range v.len() {
		if i > 0 {
			b.WriteByte(' ')
		}
		if text, ok := v.at(i).(string); ok {
			fmt.Fprintf(&b, "%q", text)
		} else {
			fmt.Fprint(&b, v.at(i))
		}
	}
	return b.String() + "]"
}
