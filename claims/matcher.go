package claims

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type op int

const (
	opExact op = iota
	opGlob
	opRegex
	opPresent
	opNone
	opPredicate
)

// matcher is the compiled form of [Matcher] for one claim.
type matcher struct {
	path      string // as written
	top       string
	claim     int
	op        op
	exact     []any           // of opExact and opNone; strings folded if fold
	set       map[string]bool // its strings, where there are many
	globs     []*glob
	regexes   []*regexp.Regexp
	want      bool // of opPresent
	predicate func(*Claims) (bool, error)
	fold      bool
	text      string // for people
}

// maxListed bounds the values of one matcher.
const maxListed = 1000

// manyValues is where a map becomes faster than a comparison with each.
const manyValues = 8

func (c *compiler) when(is *issuer, path string, o map[string]any, name string) []matcher {
	var all []matcher
	if v, ok := o[name].(map[string]any); ok && len(v) == 0 {
		c.bad(join(path, name), "it is empty, which would match every token; leave it out")
	}
	c.members(path, o, name, func(path, claim string, v any) {
		m := c.matcher(path, v)
		m.path, m.claim = claim, c.claim(is, path, claim)
		m.top = is.claims[m.claim].top
		if is.claims[m.claim].names != nil {
			m.top = ""
		}
		all = append(all, m)
	})
	return all
}

func (c *compiler) matcher(path string, v any) matcher {
	switch v := v.(type) {
	case map[string]any:
		return c.matcherObject(path, v)
	case nil:
		c.bad(path, "null matches nothing; to ask for an absent claim, write {\"present\": false}")
		return matcher{}
	default:
		return c.values(path, opExact, v, false)
	}
}

func (c *compiler) matcherObject(path string, v any) matcher {
	o := c.object(path, v, "any", "glob", "regex", "present", "none", "predicate", "fold")
	fold, isBool := o["fold"].(bool)
	if !isBool && o["fold"] != nil {
		c.bad(path+".fold", "it is true or false")
	}
	var kinds []string
	for _, name := range sortedKeys(o) {
		if slices.Contains([]string{"any", "glob", "regex", "present", "none", "predicate"}, name) {
			kinds = append(kinds, name)
		}
	}
	if len(kinds) == 0 && len(o) > 0 && o["fold"] == nil {
		return matcher{} // the unknown settings have been told
	}
	if len(kinds) != 1 {
		c.bad(path, "a matcher has exactly one of any, glob, regex, present, none and predicate")
		return matcher{}
	}
	kind := kinds[0]
	if fold && (kind == "present" || kind == "predicate") {
		c.bad(path+".fold", "there is no text to fold")
	}
	path, value := path+"."+kind, o[kind]
	switch kind {
	case "any":
		return c.values(path, opExact, value, fold)
	case "none":
		return c.values(path, opNone, value, fold)
	case "glob":
		return c.globs(path, value, fold)
	case "regex":
		return c.regexes(path, value, fold)
	case "present":
		want, ok := value.(bool)
		if !ok {
			c.bad(path, "it is true or false")
		}
		text := "present"
		if !want {
			text = "absent"
		}
		return matcher{op: opPresent, want: want, text: text}
	}
	name, _ := value.(string)
	f := c.options.predicates[name]
	if f == nil || name == "" {
		c.bad(path, "the program has no predicate of this name; see WithPredicate")
	}
	return matcher{op: opPredicate, predicate: f, text: fmt.Sprintf("predicate %q", name)}
}

func (c *compiler) values(path string, o op, v any, fold bool) matcher {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	if len(list) == 0 {
		c.bad(path, "the list is empty")
	}
	if len(list) > maxListed {
		c.bad(path, "there are more than %d values; a lookup has room for more", maxListed)
		return matcher{}
	}
	m := matcher{op: o, fold: fold, set: map[string]bool{}}
	texts := make([]string, 0, len(list))
	for i, item := range list {
		at := func() string {
			if isList {
				return index(path, i)
			}
			return path
		}
		switch value := item.(type) {
		case string:
			if fold {
				item = foldASCII(value)
			}
			m.set[item.(string)] = true
			texts = append(texts, strconv.Quote(value))
		case bool, number:
			texts = append(texts, fmt.Sprint(value))
		default:
			c.bad(at(), "it is %s, not a string, a boolean or a number", typeName(item))
			continue
		}
		if slices.Contains(m.exact, item) {
			c.bad(at(), "it stands twice")
		}
		m.exact = append(m.exact, item)
	}
	if len(m.set) < manyValues {
		m.set = nil
	}
	m.text = strings.Join(texts, " or ")
	if o == opNone {
		m.text = "none of " + strings.Join(texts, ", ")
	}
	return m
}

func (c *compiler) globs(path string, v any, fold bool) matcher {
	m := matcher{op: opGlob, fold: fold}
	patterns := c.texts(path, v)
	for _, pattern := range patterns {
		if fold {
			pattern = foldASCII(pattern)
		}
		g, err := compileGlob(pattern)
		if err != nil {
			c.bad(path, "%v", err)
			continue
		}
		m.globs = append(m.globs, g)
	}
	m.text = named("glob", patterns)
	return m
}

func (c *compiler) regexes(path string, v any, fold bool) matcher {
	m := matcher{op: opRegex, fold: fold}
	patterns := c.texts(path, v)
	for _, pattern := range patterns {
		re, err := compileRegex(pattern, fold)
		if err != nil {
			c.bad(path, "%v", err)
			continue
		}
		m.regexes = append(m.regexes, re)
	}
	m.text = named("regex", patterns)
	return m
}

func named(kind string, patterns []string) string {
	if len(patterns) == 1 {
		return kind + " " + strconv.Quote(patterns[0])
	}
	return fmt.Sprintf("%s %q", kind, patterns)
}

// captures returns how many captures every pattern has at least.
func (m *matcher) captures() int {
	n := -1
	for _, g := range m.globs {
		if n < 0 || len(g.deep) < n {
			n = len(g.deep)
		}
	}
	for _, re := range m.regexes {
		if n < 0 || re.NumSubexp() < n {
			n = re.NumSubexp()
		}
	}
	return max(n, 0)
}

// implies reports whether a token that m matches is sure to be matched by other.
func (m *matcher) implies(other *matcher) bool {
	if m.claim != other.claim {
		return false
	}
	if m.op == other.op && m.text == other.text && m.fold == other.fold && m.text != "" {
		return m.op != opPredicate || reflect.ValueOf(m.predicate).Pointer() == reflect.ValueOf(other.predicate).Pointer()
	}
	if other.op == opPresent && other.want {
		return m.op == opExact || m.op == opGlob || m.op == opRegex
	}
	if m.op != opExact || m.fold || other.op == opPresent || other.op == opPredicate || other.op == opNone || other.op == opRegex {
		return false
	}
	for _, value := range m.exact {
		if other.one(value) != yes {
			return false
		}
	}
	return len(m.exact) > 0
}

// maxMatched is the longest value, in bytes, that patterns look at. About longer
// ones they cannot tell.
const maxMatched = 4 << 10

// three is the outcome of a matcher: false, unknown, true.
type three int

const (
	no three = iota
	unknown
	yes
)

// one compares a single value: unknown is another JSON type.
func (m *matcher) one(value any) three {
	text, isText := value.(string)
	switch m.op {
	case opGlob, opRegex:
		if !isText {
			return unknown
		}
		if len(text) > maxMatched {
			return unknown
		}
		if m.fold {
			text = foldASCII(text)
		}
		if _, ok := m.pattern(text, nil); ok {
			return yes
		}
		return no
	}
	if isText {
		return m.equal(text)
	}
	outcome := unknown
	for _, want := range m.exact {
		if want == value {
			return yes
		}
		if reflect.TypeOf(want) == reflect.TypeOf(value) {
			outcome = no
		}
	}
	return outcome
}

func (m *matcher) equal(text string) three {
	if m.fold {
		text = foldASCII(text)
	}
	if m.set != nil {
		if m.set[text] {
			return yes
		}
		return no
	}
	outcome := unknown
	for _, want := range m.exact {
		if s, ok := want.(string); ok {
			if s == text {
				return yes
			}
			outcome = no
		}
	}
	return outcome
}

// pattern matches a value against the patterns in turn and appends the spans of
// the captures.
func (m *matcher) pattern(text string, spans []int) ([]int, bool) {
	for _, g := range m.globs {
		if s, ok := g.match(text, spans); ok {
			return s, true
		}
	}
	for _, re := range m.regexes {
		if spans == nil {
			if re.MatchString(text) {
				return nil, true
			}
		} else if found := re.FindStringSubmatchIndex(text); found != nil {
			return append(spans, found[2:]...), true
		}
	}
	return spans, false
}
