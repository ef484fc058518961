package claims

import "regexp"

var (
	uuid    = regexp.MustCompile(`\A[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\z`)
	groupID = regexp.MustCompile(`\A[0-9]{1,20}\z`)
	scope   = regexp.MustCompile(`\A[\x21\x23-\x5B\x5D-\x7E]{1,128}\z`) // RFC 6749, section 3.3
)

func (c *compiler) fallback(is *issuer, path string, v any) *rule {
	r := &rule{path: path, name: "default", capture: -1}
	o := c.object(path, v, "groups", "target")
	if o == nil {
		return r
	}
	c.output(is, r, o)
	if len(r.expand) > 0 {
		c.bad(path+".groups", "a default matches nothing, so it has no captures")
	}
	if o["groups"] == nil && o["target"] == nil {
		c.bad(path, "give it groups or a target")
	}
	return r
}

// output reads groups and target.
func (c *compiler) output(is *issuer, r *rule, o map[string]any) {
	highest := 0
	for i, text := range c.optional(r.path, o, "groups") {
		path := index(r.path+".groups", i)
		t, captures, problem := compileTemplate(text)
		switch {
		case problem != "":
			c.bad(path, "%q: %s", text, problem)
		case captures > 0 && len(r.expand) == maxTemplates:
			c.bad(path, "the rule has more than %d templates", maxTemplates)
		case captures > 0:
			r.expand = append(r.expand, t)
			highest = max(highest, captures)
		case !is.allows(text):
			c.bad(path, "%q: the issuer's allow does not name it", text)
		default:
			r.groups = append(r.groups, text)
			c.groups[text] = true
		}
	}
	if highest > 0 && r.name != "default" {
		c.capturing(r, highest)
	}
	if v, there := o["target"]; there {
		r.target = c.target(r.path+".target", r.name, v)
	}
}

// capturing finds the one matcher whose captures the templates take.
func (c *compiler) capturing(r *rule, highest int) {
	for i := range r.when {
		n := r.when[i].captures()
		switch {
		case n == 0:
		case r.capture >= 0:
			c.bad(r.path+".when", "two matchers capture, so ${1} is ambiguous; make one of them exact, or write a regex with (?:…)")
			return
		case n < highest:
			c.bad(r.path+".groups", "there is no ${%d}: the pattern of %s captures %d", highest, r.when[i].path, n)
			return
		default:
			r.capture = i
		}
	}
	if r.capture < 0 {
		c.bad(r.path+".groups", "no matcher of this rule captures anything; use a glob with * or a regex with a group")
	}
}

func (is *issuer) allows(name string) bool {
	for _, g := range is.allow {
		if _, ok := g.match(name, nil); ok {
			return true
		}
	}
	return len(is.allow) == 0
}

func (c *compiler) lookup(is *issuer, path string, v any) *table {
	o := c.object(path, v, "claim", "table")
	if o == nil {
		return nil
	}
	t := &table{path: c.text(path, o, "claim"), groups: map[string][]string{}}
	if t.path == "" {
		if o["claim"] == nil {
			c.bad(path+".claim", "it is required")
		}
	} else {
		t.claim = c.claim(is, path+".claim", t.path)
	}
	if entries, _ := o["table"].(map[string]any); len(entries) == 0 {
		c.bad(path+".table", "it is required, and not empty")
	}
	c.members(path, o, "table", func(path, value string, v any) {
		for i, name := range c.texts(path, v) {
			if problem := checkName(name); problem != "" {
				c.bad(index(path, i), "%q: %s", name, problem)
			} else if !is.allows(name) {
				c.bad(index(path, i), "%q: the issuer's allow does not name it", name)
			}
			c.groups[name] = true
			t.groups[value] = append(t.groups[value], name)
		}
	})
	return t
}

func (c *compiler) target(path, rule string, v any) *Target {
	o := c.object(path, v, "client_id", "assume_group", "scopes")
	if o == nil {
		return nil
	}
	t := &Target{Rule: rule, ClientID: c.text(path, o, "client_id"), AssumeGroup: c.text(path, o, "assume_group")}
	if t.ClientID != "" && !uuid.MatchString(t.ClientID) {
		c.bad(path+".client_id", "it must be the service principal's application ID, a UUID")
	}
	if t.AssumeGroup != "" && !groupID.MatchString(t.AssumeGroup) {
		c.bad(path+".assume_group", "it must be the group's numeric ID, of at most 20 digits, and not its name")
	}
	if o["client_id"] == nil && o["assume_group"] == nil {
		c.bad(path, "it needs a client_id or an assume_group; scopes alone choose nobody")
	}
	for i, s := range c.optional(path, o, "scopes") {
		if !scope.MatchString(s) {
			c.bad(index(path+".scopes", i), "%q is not one scope (RFC 6749, section 3.3)", s)
		}
		t.Scopes = append(t.Scopes, s)
	}
	return t
}
