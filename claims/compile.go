package claims

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of one policy.
const (
	maxPolicy       = 1 << 20 // bytes
	maxPolicyValues = 200_000
	maxIssuers      = 100
	maxRules        = 1000
	maxGroups       = 5000 // as many as a Databricks account has
	maxTests        = 10_000
	maxClaims       = 1000    // that the rules of one issuer read
	maxTemplates    = 20      // in one rule
	maxSetting      = 8 << 10 // bytes of one name or text
)

// issuer is the compiled form of [Issuer].
type issuer struct {
	path    string
	name    string
	claims  []claim // all that the rules read
	index   map[string]int
	require []matcher
	allow   []*glob
	deny    []*rule
	grant   []*rule
	byName  map[string]*rule
	other   *rule // the default
}

// claim is one that rules read, and how.
type claim struct {
	path     string   // as written
	names    []string // of a pointer with several steps
	top      string   // the top-level name otherwise
	split    byte     // 0 for not at all
	complete int      // 0 for unknown
}

// rule is the compiled form of [Rule].
type rule struct {
	path    string
	name    string
	deny    string
	when    []matcher
	lookup  *table
	groups  []string   // literal ones
	expand  []template // the others
	capture int        // the matcher in when whose captures they take
	target  *Target
}

type table struct {
	claim  int
	path   string
	groups map[string][]string
}

// compiler turns the tree of a policy into issuers.
type compiler struct {
	decoder
	options options
	groups  map[string]bool
	unread  []Finding // for Lint
}

func (c *compiler) policy(tree map[string]any) []*issuer {
	c.groups = map[string]bool{}
	root := c.object("", tree, "version", "issuers", "tests")
	if v, ok := root["version"].(number); !ok || v != "1" {
		c.bad("version", "it must be the number 1, without quotes: the version that this library reads")
	}
	list := c.list("", root, "issuers")
	if _, told := root["issuers"].([]any); len(list) == 0 && (told || root["issuers"] == nil) {
		c.bad("issuers", "there is none, so nobody would get anything")
	}
	if len(list) > maxIssuers {
		c.bad("issuers", "there are more than %d", maxIssuers)
		return nil
	}
	var issuers []*issuer
	seen := map[string]int{}
	if c.tooManyRules(list) {
		return nil
	}
	for i, v := range list {
		is := c.issuer(index("issuers", i), v)
		if first, twice := seen[is.name]; twice && is.name != "" {
			c.bad(is.path+".issuer", "issuers[%d] is the same; put the rules together", first)
		} else {
			seen[is.name] = i
		}
		issuers = append(issuers, is)
	}
	if len(c.groups) > maxGroups {
		c.bad("issuers", "there are %d different groups; the limit is %d", len(c.groups), maxGroups)
	}
	return issuers
}

// tooManyRules counts before anything is compared with anything.
func (c *compiler) tooManyRules(issuers []any) bool {
	n := 0
	for _, v := range issuers {
		o, _ := v.(map[string]any)
		rules, _ := o["rules"].([]any)
		n += len(rules)
	}
	if n > maxRules {
		c.bad("issuers", "there are %d rules; the limit is %d", n, maxRules)
	}
	return n > maxRules
}

func (c *compiler) issuer(path string, v any) *issuer {
	is := &issuer{path: path, byName: map[string]*rule{}, index: map[string]int{}}
	o := c.object(path, v, "issuer", "require", "split", "complete", "allow", "rules", "default")
	if o == nil {
		return is
	}
	if is.name = c.text(path, o, "issuer"); is.name == "" && o["issuer"] == nil {
		c.bad(path+".issuer", "it is required: the exact value of iss")
	}
	for i, pattern := range c.optional(path, o, "allow") {
		g, err := compileGlob(pattern)
		if err != nil {
			c.bad(index(path+".allow", i), "%v", err)
			continue
		}
		is.allow = append(is.allow, g)
	}
	is.require = c.when(is, path, o, "require")
	for i, v := range c.list(path, o, "rules") {
		c.rule(is, index(path+".rules", i), v)
	}
	if v, there := o["default"]; there {
		is.other = c.fallback(is, path+".default", v)
	}
	if len(is.deny)+len(is.grant) == 0 && is.other == nil && o["rules"] == nil {
		c.bad(path+".rules", "there is neither a rule nor a default")
	}
	c.shapes(is, path, o)
	c.email(is)
	is.unreachable(&c.decoder)
	return is
}

func (c *compiler) optional(path string, o map[string]any, name string) []string {
	if v, there := o[name]; there {
		return c.texts(path+"."+name, v)
	}
	return nil
}

// shapes reads split and complete, which are about claims that rules read.
func (c *compiler) shapes(is *issuer, path string, o map[string]any) {
	const unreadClaim = "no rule reads this claim; a name is literal, or a JSON pointer from its first slash on"
	find := func(name string) *claim {
		if i, known := is.index[literal(name)]; known {
			return &is.claims[i]
		}
		return nil
	}
	c.members(path, o, "split", func(path, name string, v any) {
		s, ok := v.(string)
		if !ok || len(s) != 1 || s[0] >= 0x80 {
			c.bad(path, "it is the one ASCII character between two values")
			return
		}
		if read := find(name); read != nil {
			read.split = s[0]
		} else {
			c.unread = append(c.unread, Finding{path, unreadClaim})
		}
	})
	c.members(path, o, "complete", func(path, name string, v any) {
		text, _ := v.(number)
		n, err := strconv.Atoi(string(text))
		if err != nil || n < 1 {
			c.bad(path, "it is the number of entries, 1 or more, from which on the list may have been cut")
			return
		}
		if read := find(name); read != nil {
			read.complete = n
		} else {
			c.bad(path, unreadClaim) // a slip here would turn the guard off
		}
	})
}

// claim returns the index of a claim. A pointer of one step is the claim of that
// name: what is said of the one holds for the other.
func (c *compiler) claim(is *issuer, path, name string) int {
	key := literal(name)
	if i, known := is.index[key]; known {
		return i
	}
	read := claim{path: name, top: name}
	if strings.HasPrefix(name, "/") {
		names, err := splitPointer(name)
		switch {
		case err != nil:
			c.bad(path, "a tilde in a JSON pointer is written ~0")
		case len(names) == 1:
			read.top = names[0]
		default:
			read.top, read.names = names[0], names
		}
	}
	switch {
	case name == "":
		c.bad(path, "a claim has a name")
	case len(is.claims) == maxClaims:
		c.bad(is.path, "its rules read more than %d claims", maxClaims)
	}
	is.claims = append(is.claims, read)
	is.index[key] = len(is.claims) - 1
	return len(is.claims) - 1
}

// literal is the name by which a claim is known: a pointer of several steps keeps
// its slash.
func literal(name string) string {
	if rest, ok := strings.CutPrefix(name, "/"); ok && !strings.Contains(rest, "/") {
		if names, err := splitPointer(name); err == nil && !strings.HasPrefix(names[0], "/") {
			return names[0]
		}
	}
	return name
}

func (c *compiler) rule(is *issuer, path string, v any) {
	r := &rule{path: path, capture: -1}
	o := c.object(path, v, "name", "when", "lookup", "groups", "target", "deny")
	if o == nil {
		return
	}
	r.name = c.text(path, o, "name")
	switch {
	case r.name == "" && o["name"] == nil:
		c.bad(path+".name", "it is required")
	case r.name == "":
	case r.name == "default" || !validRuleName(r.name):
		c.bad(path+".name", "it is made of letters, digits, spaces and _ . - , has at most 64 characters, and is not default")
	case is.byName[r.name] != nil:
		c.bad(path+".name", "another rule of this issuer has the same name")
	default:
		is.byName[r.name] = r
	}
	r.when = c.when(is, path, o, "when")
	if v, there := o["lookup"]; there {
		r.lookup = c.lookup(is, path+".lookup", v)
	}
	if len(r.when) == 0 && o["when"] == nil && r.lookup == nil && o["lookup"] == nil {
		c.bad(path+".when", "a rule has a when or a lookup: without one it would match every token; for that there is default")
	}
	c.output(is, r, o)
	if r.deny = c.text(path, o, "deny"); r.deny != "" {
		for _, name := range []string{"groups", "target", "lookup"} {
			if o[name] != nil {
				c.bad(path+"."+name, "a rule that denies gives nothing")
			}
		}
		is.deny = append(is.deny, r)
		return
	}
	if o["groups"] == nil && o["target"] == nil && o["lookup"] == nil && o["deny"] == nil {
		c.bad(path, "the rule has no effect; give it groups, a target, a lookup or a deny")
	}
	is.grant = append(is.grant, r)
}

func validRuleName(name string) bool {
	for i, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && (i == 0 || !strings.ContainsRune(" _.-", r)) {
			return false
		}
	}
	return utf8.RuneCountInString(name) <= 64 && name[len(name)-1] != ' '
}

// email refuses to read an address that nobody has verified.
func (c *compiler) email(is *issuer) {
	for _, m := range is.require {
		if m.top == "email_verified" && m.op == opExact && len(m.exact) == 1 && m.exact[0] == true {
			return
		}
	}
	report := func(path string) {
		c.bad(path, "an e-mail address counts only if the issuer's require has email_verified: true")
	}
	for _, m := range is.require {
		if m.top == "email" {
			report(is.path + ".require.email")
		}
	}
	for _, r := range slices.Concat(is.deny, is.grant) {
		for _, m := range r.when {
			if m.top == "email" {
				report(r.path + ".when." + m.path)
			}
		}
		if r.lookup != nil && r.lookup.path != "" && is.claims[r.lookup.claim].top == "email" {
			report(r.path + ".lookup.claim")
		}
	}
}
