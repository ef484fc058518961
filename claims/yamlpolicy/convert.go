package yamlpolicy

import (
	"bytes"
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// converter writes the nodes of a document as JSON. What it has written is worth
// nothing once a problem is found.
type converter struct {
	problems
	lines [][]rune // of the file
	out   bytes.Buffer
}

func (c *converter) node(n *yaml.Node, at *place, s *shape, depth int) {
	c.plain(n, at)
	switch {
	case n.Kind == yaml.ScalarNode:
		c.scalar(n, at, s.leaf)
	case depth > maxDepth:
		c.bad(at, n, "it is nested deeper than %d levels", maxDepth)
	case n.Kind == yaml.MappingNode:
		c.mapping(n, at, s, depth)
	case n.Kind == yaml.SequenceNode:
		c.sequence(n, at, s, depth)
	}
}

// plain refuses what makes a value mean something that does not stand there.
// Nobody follows an alias, so none can blow up.
func (c *converter) plain(n *yaml.Node, at *place) {
	switch {
	case n.Kind == yaml.AliasNode:
		c.bad(at, n, "the alias *%.64s; write the value out", n.Value)
	case n.Anchor != "":
		c.bad(at, n, "the anchor &%.64s; leave it out, and write the value out where it is used", n.Anchor)
	case c.tagged(n):
		c.bad(at, n, "a tag; leave it out, and put a text in quotes")
	}
}

// tagged looks at the file too, because the parser keeps no trace of the tag "!"
// (the non-specific one of YAML 1.2, section 6.8.1), which makes a text of
// anything. A value that has a tag starts there.
func (c *converter) tagged(n *yaml.Node) bool {
	if n.Style&yaml.TaggedStyle != 0 {
		return true
	}
	if n.Line > len(c.lines) || n.Column > len(c.lines[n.Line-1]) {
		return false // a value of nothing at the end of a line or of the file
	}
	return c.lines[n.Line-1][n.Column-1] == '!'
}

func (c *converter) mapping(n *yaml.Node, at *place, s *shape, depth int) {
	c.out.WriteByte('{')
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		member := at.member(key.Value)
		if c.key(key, at, member) {
			if twin := first[key.Value]; twin != nil {
				c.bad(member, key, "the key stands twice, first on line %d", twin.Line)
			} else {
				first[key.Value] = key
			}
		}
		if i > 0 {
			c.out.WriteByte(',')
		}
		c.text(key.Value)
		c.out.WriteByte(':')
		c.node(n.Content[i+1], member, s.member(key.Value), depth+1)
	}
	c.out.WriteByte('}')
}

// key reports whether a key is a text, and complains if not.
func (c *converter) key(key *yaml.Node, at, member *place) bool {
	c.plain(key, member)
	switch {
	case key.Kind == yaml.AliasNode:
		return false
	case key.Kind != yaml.ScalarNode:
		c.bad(at, key, "a key is a text, not a list or a mapping")
		return false
	}
	switch r, _ := read(key); r {
	case asText:
		return true
	case asNothing:
		c.bad(at, key, "a key is missing here")
	case asMark:
		c.bad(member, key, "a merge key; write the members out, or put the key in quotes")
	default:
		c.bad(member, key, "the key %.64q is %s to some YAML readers; put it in quotes", key.Value, nouns[r])
	}
	return false
}

func (c *converter) sequence(n *yaml.Node, at *place, s *shape, depth int) {
	c.out.WriteByte('[')
	for i, entry := range n.Content {
		if i > 0 {
			c.out.WriteByte(',')
		}
		c.node(entry, at.entry(i), s, depth+1)
	}
	c.out.WriteByte(']')
}

func (c *converter) scalar(n *yaml.Node, at *place, l leaf) {
	switch r, exact := read(n); {
	case !l.allows(r, exact):
		c.bad(at, n, "%s", l.advice(n.Value, r))
	case r == asText:
		c.text(n.Value)
	default:
		c.out.WriteString(n.Value) // all digits of a number stay
	}
}

func (c *converter) text(s string) {
	e := json.NewEncoder(&c.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // no string and no buffer makes it fail
	}
	c.out.Truncate(c.out.Len() - len("\n"))
}
