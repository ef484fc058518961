package claims

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxResolved bounds what a resolver may return for one claim.
const maxResolved = 20_000

// Resolver supplies what a token leaves out, usually a person's groups when they
// are too many for a token. Resolve returns all values of the claim for the
// holder of c, or an error; a part of them is an error too. It is called at most
// once for each claim of a mapping, only if a decision depends on it, and by many
// goroutines at once. An error with a method Temporary() bool that returns true
// is taken for an outage and not for a refusal.
type Resolver interface {
	Resolve(ctx context.Context, c *Claims, claim string) ([]string, error)
}

// state says what is known of a claim.
type state int

const (
	unread state = iota
	absent
	present
	malformedValue
	incomplete
)

// values are those of one claim, in one shape for all types.
type values struct {
	state state
	list  bool
	lost  bool // the pointer meets something else than an object on its way
	one   any
	many  []any
	why   string // of malformedValue and incomplete
}

func (v *values) len() int {
	switch {
	case v.state != present:
		return 0
	case v.list:
		return len(v.many)
	}
	return 1
}

func (v *values) at(i int) any {
	if v.list {
		return v.many[i]
	}
	return v.one
}

// read looks a claim up.
func (r *claim) read(c *Claims) (v values) {
	if why := r.leftOut(c); why != "" {
		return values{state: incomplete, why: why}
	}
	raw := c.object()[r.top]
	if r.names != nil {
		var err error
		if raw, err = c.walk(r.path, r.names); err != nil {
			return values{state: malformedValue, lost: true, why: "an object is due on the way to it"}
		}
	}
	switch known := raw.(type) {
	case nil:
		return values{state: absent}
	case string:
		if r.split != 0 {
			return r.whole(split(known, r.split))
		}
		return values{state: present, one: raw}
	case bool, number:
		return values{state: present, one: raw}
	case []any:
		for i, item := range known {
			if _, ok := item.(string); !ok {
				return values{state: malformedValue, why: fmt.Sprintf("element %d is %s, not a string", i, typeName(item))}
			}
		}
		return r.whole(known)
	}
	return values{state: malformedValue, why: "it is an object"}
}

// whole takes a list, unless it is as long as one that has been cut.
func (r *claim) whole(list []any) values {
	if r.complete > 0 && len(list) >= r.complete {
		return values{state: incomplete, why: fmt.Sprintf("the list has %d entries or more, where the provider cuts it", r.complete)}
	}
	return values{state: present, list: true, many: list}
}

// leftOut says why the token itself tells that the claim is elsewhere. See
// OpenID Connect Core 1.0, section 5.6.2, and Microsoft's "Groups overage claim".
func (r *claim) leftOut(c *Claims) string {
	object := c.object()
	if elsewhere, there := object["_claim_names"]; there && elsewhere != nil {
		names, ok := elsewhere.(map[string]any)
		if !ok {
			return "_claim_names is not an object"
		}
		if _, named := names[r.top]; named {
			return "the token says in _claim_names that it is elsewhere"
		}
	}
	if r.top == "groups" {
		if has, there := object["hasgroups"]; there && has != nil && has != false {
			return "the token says by hasgroups that it leaves them out"
		}
	}
	return ""
}

func split(text string, sep byte) []any {
	var list []any
	for item := range strings.SplitSeq(text, string(sep)) {
		if item != "" {
			list = append(list, item)
		}
	}
	return list
}

// resolved takes a resolver's answer.
func resolved(answer []string) (values, error) {
	if len(answer) > maxResolved {
		return values{}, fmt.Errorf("the resolver returned more than %d values", maxResolved)
	}
	v := values{state: present, list: true, many: make([]any, len(answer))}
	for i, s := range answer {
		if !utf8.ValidString(s) {
			return values{}, fmt.Errorf("the resolver's value %d is not valid UTF-8", i)
		}
		v.many[i] = s
	}
	return v, nil
}
