package claims

import "slices"

// nameSpan is a group: a literal one, or a part of the evaluation's text.
type nameSpan struct {
	literal    string
	start, end int
}

// groups returns the names sorted and once each, with one allocation for the
// text of all.
func (e *evaluation) groups() []string {
	if len(e.names) == 0 {
		return nil
	}
	text := string(e.text)
	groups := make([]string, len(e.names))
	for i, n := range e.names {
		if groups[i] = n.literal; n.literal == "" {
			groups[i] = text[n.start:n.end]
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

func (e *evaluation) look(t *table) {
	v := e.value(t.claim)
	for i := range v.len() {
		text, _ := v.at(i).(string)
		for _, name := range t.groups[text] {
			e.names = append(e.names, nameSpan{literal: name})
		}
	}
}

// expand makes a name of each value that the capturing matcher takes. A value
// that gives no valid name counts as one that does not match.
func (e *evaluation) expand(r *rule) bool {
	m := &r.when[r.capture]
	v := e.value(m.claim)
	any := false
	for i := range v.len() {
		text, _ := v.at(i).(string)
		if m.fold {
			text = foldASCII(text)
		}
		if len(text) > maxMatched {
			continue
		}
		spans, ok := m.pattern(text, e.captures[:0])
		if !ok {
			continue
		}
		if problem := e.produce(r, text, spans); problem != "" {
			e.record.dropped(m, problem, text)
			continue
		}
		any = true
	}
	return any
}

// produce appends the names of one value, or none and the reason.
func (e *evaluation) produce(r *rule, value string, spans []int) string {
	names, size := len(e.names), len(e.text)
	for _, t := range r.expand {
		start := len(e.text)
		text := t.appendTo(e.text, value, spans)
		problem := "a part of the pattern that the template needs took nothing"
		if text != nil {
			e.text = text
			problem = checkName(string(text[start:]))
		}
		if problem == "" && len(e.issuer.allow) > 0 && !e.issuer.allows(string(text[start:])) {
			problem = "the issuer's allow does not name it"
		}
		if problem != "" {
			e.names, e.text = e.names[:names], e.text[:size]
			return problem
		}
		e.names = append(e.names, nameSpan{start: start, end: len(text)})
	}
	return ""
}
