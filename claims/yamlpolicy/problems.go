package yamlpolicy

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/brickfed/brickfed/claims"
)

// problems collects what a person has to mend.
type problems struct {
	found []claims.Finding
}

// bad adds a problem with the value that lies at the place p of the policy and
// at the line and column of n, which is nil for the file as a whole.
func (c *problems) bad(p *place, n *yaml.Node, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if n != nil {
		text = position(n.Line, n.Column) + text
	}
	switch {
	case len(c.found) < maxProblems:
		c.found = append(c.found, claims.Finding{Path: p.String(), Text: text})
	case len(c.found) == maxProblems:
		c.found = append(c.found, claims.Finding{Text: "there is more; mend these first"})
	}
}

func (c *problems) err() error {
	reason := strconv.Itoa(len(c.found)) + " problems in its YAML"
	if len(c.found) == 1 {
		reason = "a problem in its YAML"
	}
	return &claims.Error{Kind: claims.ErrPolicy, Reason: reason, Problems: c.found}
}

func position(line, column int) string { return fmt.Sprintf("line %d, column %d: ", line, column) }

// place is where a value lies in the policy: a member or entry of the place
// above. The root is nil. It is turned into text only for a problem, because the
// text of every place would be as long as the keys of the file multiplied.
type place struct {
	above *place
	name  string // of a member; entries have none
	index int    // of an entry; -1 for members
}

func (p *place) member(name string) *place { return &place{above: p, name: name, index: -1} }
func (p *place) entry(i int) *place        { return &place{above: p, index: i} }

// maxName bounds how much of a key stands in a path, in characters.
const maxName = 64

// String writes a path as package claims does: issuers[0].rules[1].when.ref.
func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.index >= 0:
		return p.above.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.above == nil:
		return shorten(p.name)
	}
	return p.above.String() + "." + shorten(p.name)
}

func shorten(name string) string {
	if utf8.RuneCountInString(name) <= maxName {
		return name
	}
	return fmt.Sprintf("%.*s…", maxName, name)
}
