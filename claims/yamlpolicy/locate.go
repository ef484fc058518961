package yamlpolicy

import (
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/brickfed/brickfed/claims"
)

// locate adds line and column to the problems that claims.Load found.
func locate(err error, root *yaml.Node) error {
	var e *claims.Error
	if !errors.As(err, &e) {
		return err
	}
	located := *e
	located.Problems = make([]claims.Finding, len(e.Problems))
	f := finder{}
	for i, p := range e.Problems {
		n := f.find(root, root, p.Path)
		p.Text = position(n.Line, n.Column) + p.Text
		located.Problems[i] = p
	}
	return &located
}

// finder knows the keys of the mappings that it has been through: at which index
// of Content each lies.
type finder map[*yaml.Node]map[string]int

// find follows a path from n as far as it leads. It returns the key or the list
// entry that it came to last; at first, that is last.
func (f finder) find(n, last *yaml.Node, path string) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		if i, rest := f.member(n, strings.TrimPrefix(path, ".")); i >= 0 {
			return f.find(n.Content[i+1], n.Content[i], rest)
		}
	case yaml.SequenceNode:
		if entry, rest := findEntry(n, path); entry != nil {
			return f.find(entry, entry, rest)
		}
	}
	return last
}

// maxTries bounds how many keys a path may begin with.
const maxTries = 100

// member takes the longest key that the path begins with, because names of
// claims have dots in them.
func (f finder) member(n *yaml.Node, path string) (i int, rest string) {
	keys := f[n]
	if keys == nil {
		keys = make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			keys[n.Content[i].Value] = i
		}
		f[n] = keys
	}
	i = -1
	for end, tries := 0, 0; end < len(path) && tries < maxTries; tries++ {
		if step := strings.IndexAny(path[end+1:], ".["); step >= 0 {
			end += 1 + step
		} else {
			end = len(path)
		}
		if found, ok := keys[path[:end]]; ok {
			i, rest = found, path[end:]
		}
	}
	return i, rest
}

func findEntry(n *yaml.Node, path string) (entry *yaml.Node, rest string) {
	digits, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
	i, err := strconv.Atoi(digits)
	if !ok || err != nil || i < 0 || i >= len(n.Content) {
		return nil, ""
	}
	return n.Content[i], rest
}
