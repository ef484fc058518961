package claims

import (
	"fmt"
	"strconv"
)

// unreachable finds rules that never decide because an earlier one always does.
func (is *issuer) unreachable(d *decoder) {
	var earlier shadows
	for _, r := range is.deny {
		earlier.add(r)
	}
	for _, r := range is.grant {
		if other := earlier.over(r); other != nil && other.deny != "" {
			d.bad(r.path, "it never matches: rule %q denies every token that would", other.name)
		} else if other != nil {
			d.bad(r.path+".target", "it is unreachable: rule %q matches every token that this one does, and has a target", other.name)
		}
		if r.target != nil && r.lookup == nil && len(r.expand) == 0 {
			earlier.add(r)
		}
	}
}

// shadows indexes rules by their first matcher, so that hundreds of rules need
// not be compared with each other.
type shadows struct {
	same     map[string][]*rule // by claim and text
	value    map[string][]*rule // by claim and each exact value
	patterns map[int][]*rule    // by claim: the others
}

func (s *shadows) add(r *rule) {
	if len(r.when) == 0 {
		return
	}
	if s.same == nil {
		s.same, s.value, s.patterns = map[string][]*rule{}, map[string][]*rule{}, map[int][]*rule{}
	}
	m := &r.when[0]
	s.same[m.key(m.text)] = append(s.same[m.key(m.text)], r)
	if m.op != opExact || m.fold {
		s.patterns[m.claim] = append(s.patterns[m.claim], r)
		return
	}
	for _, v := range m.exact {
		s.value[m.key(v)] = append(s.value[m.key(v)], r)
	}
}

func (m *matcher) key(v any) string {
	text, ok := v.(string)
	if !ok {
		text = fmt.Sprint(v)
	}
	return strconv.Itoa(m.claim) + " " + text
}

// over returns a rule that is sure to match where r does.
func (s *shadows) over(r *rule) *rule {
	for i := range r.when {
		m := &r.when[i]
		candidates := [][]*rule{s.same[m.key(m.text)], nil, s.patterns[m.claim]}
		if m.op == opExact && len(m.exact) > 0 {
			candidates[1] = s.value[m.key(m.exact[0])]
		}
		for _, list := range candidates {
			for _, other := range list {
				if (other.deny != "" || r.target != nil) && r.implies(other) {
					return other
				}
			}
		}
	}
	return nil
}

// implies reports whether the other rule is sure to match where r does.
func (r *rule) implies(other *rule) bool {
	for i := range other.when {
		if !r.has(&other.when[i]) {
			return false
		}
	}
	return len(other.when) > 0
}

// has reports whether one of the rule's matchers implies m.
func (r *rule) has(m *matcher) bool {
	for i := range r.when {
		if r.when[i].implies(m) {
			return true
		}
	}
	return false
}
