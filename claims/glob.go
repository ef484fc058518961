package claims

import (
	"fmt"
	"strings"
)

// glob is a compiled pattern: literals with a wildcard between any two. *
// stands for one or more characters except / : @, ** for one or more of any.
type glob struct {
	literals []string // one more than wildcards
	deep     []bool   // per wildcard: **
}

const (
	maxPattern   = 1 << 10 // bytes
	maxWildcards = 16
)

func compileGlob(pattern string) (*glob, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("the pattern has more than %d bytes", maxPattern)
	}
	g := &glob{}
	rest, literal := pattern, false
	for {
		i := strings.IndexByte(rest, '*')
		if i < 0 {
			g.literals = append(g.literals, rest)
			literal = literal || rest != ""
			break
		}
		g.literals = append(g.literals, rest[:i])
		literal = literal || i > 0
		rest = rest[i+1:]
		deep := strings.HasPrefix(rest, "*")
		if deep {
			rest = rest[1:]
		}
		if strings.HasPrefix(rest, "*") {
			return nil, fmt.Errorf("glob %q has two wildcards without a character between them", pattern)
		}
		g.deep = append(g.deep, deep)
	}
	switch {
	case !literal:
		return nil, fmt.Errorf("glob %q has no literal character; to ask whether the claim is there, use present", pattern)
	case len(g.deep) > maxWildcards:
		return nil, fmt.Errorf("glob %q has more than %d wildcards", pattern, maxWildcards)
	}
	return g, nil
}

// match reports whether the whole value matches. spans, if not nil, gets the
// start and end of what each wildcard took.
func (g *glob) match(value string, spans []int) ([]int, bool) {
	first, last := g.literals[0], g.literals[len(g.literals)-1]
	if len(g.deep) == 0 {
		return spans, value == first
	}
	if len(value) < len(first)+len(last)+1 || value[:len(first)] != first || value[len(value)-len(last):] != last {
		return spans, false
	}
	if len(g.deep) == 1 {
		start, end := len(first), len(value)-len(last)
		if !g.deep[0] && hasStop(value[start:end]) {
			return spans, false
		}
		if spans == nil {
			return nil, true
		}
		return append(spans, start, end), true
	}
	return g.search(value, spans)
}

func isStop(c byte) bool { return c == '/' || c == ':' || c == '@' }

func hasStop(s string) bool {
	for i := range len(s) {
		if isStop(s[i]) {
			return true
		}
	}
	return false
}

// search handles several wildcards in time proportional to their number and the
// value's length: a table, filled from the end, says for each wildcard where its
// match may end so that the rest matches. Then each takes the shortest.
func (g *glob) search(value string, spans []int) ([]int, bool) {
	n, width := len(g.deep), len(value)+1
	fits := make([]bool, (n+1)*width) // fits[i*width+p]: wildcard i may start at p
	fits[n*width+len(value)] = true
	for i := n - 1; i >= 0; i-- {
		inside := false // wildcard i has taken something and stands at p
		for p := len(value); p >= 0; p-- {
			if p < len(value) {
				fits[i*width+p] = inside && (g.deep[i] || !isStop(value[p]))
				inside = fits[i*width+p]
			}
			inside = inside || g.ends(fits, i, value, p)
		}
	}
	p := len(g.literals[0])
	if !fits[p] {
		return spans, false
	}
	for i := range n {
		end := p + 1
		for !g.ends(fits, i, value, end) {
			end++
		}
		spans = append(spans, p, end)
		p = end + len(g.literals[i+1])
	}
	return spans, true
}

// ends reports whether wildcard i may end at p: its literal follows, and then
// the rest.
func (g *glob) ends(fits []bool, i int, value string, p int) bool {
	literal := g.literals[i+1]
	return strings.HasPrefix(value[p:], literal) && fits[(i+1)*(len(value)+1)+p+len(literal)]
}
