package claims

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// maxProgram bounds a compiled regex, in instructions: matching takes time in
// proportion to it.
const maxProgram = 1000

// compileRegex compiles a pattern so that it matches whole values only. It is
// compiled alone first: a)(b would otherwise break out of the group.
func compileRegex(pattern string, fold bool) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("the pattern has more than %d bytes", maxPattern)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", pattern, err)
	}
	if pattern == "" || parsed.Op == syntax.OpEmptyMatch {
		return nil, errors.New("an empty regex matches nothing but an empty value; say what you mean by an exact value")
	}
	if matchesAll(parsed.Simplify()) {
		return nil, fmt.Errorf("regex %q matches every value; to ask whether the claim is there, use present", pattern)
	}
	if _, err := syntax.Parse("(?:"+pattern+")", syntax.Perl); err != nil {
		return nil, fmt.Errorf(`regex %q: close \Q with \E`, pattern)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxProgram {
		return nil, fmt.Errorf("regex %q is too large when it is compiled; repeat less", pattern)
	}
	if setsFoldFlag(pattern) {
		return nil, fmt.Errorf("regex %q: (?i) folds beyond ASCII, where ſ is an s; use fold", pattern)
	}
	if fold && wantsUpper(parsed) {
		return nil, fmt.Errorf("regex %q: fold compares lower-case values, so write the pattern in lower case", pattern)
	}
	return regexp.Compile(`\A(?:` + parsed.String() + `)\z`)
}

// matchesAll finds patterns such as .* and (.+) that say nothing.
func matchesAll(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCapture:
		return matchesAll(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		op := re.Sub[0].Op
		return op == syntax.OpAnyChar || op == syntax.OpAnyCharNotNL
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			switch sub.Op {
			case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpEmptyMatch:
			default:
				if !matchesAll(sub) {
					return false
				}
			}
		}
		return true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if matchesAll(sub) {
				return true
			}
		}
	}
	return false
}

// setsFoldFlag looks for a group such as (?i) or (?s-i:…) that sets i.
func setsFoldFlag(pattern string) bool {
	for i := 0; i+2 < len(pattern); i++ {
		if pattern[i] == '\\' {
			i++
			continue
		}
		if pattern[i] != '(' || pattern[i+1] != '?' {
			continue
		}
	flags:
		for j := i + 2; j < len(pattern); j++ {
			switch pattern[j] {
			case 'i':
				return true
			case 'm', 's', 'U':
			default:
				break flags
			}
		}
	}
	return false
}

// wantsUpper reports whether the pattern asks for a capital letter and would not
// take the small one.
func wantsUpper(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if 'A' <= r && r <= 'Z' && re.Flags&syntax.FoldCase == 0 {
				return true
			}
		}
	case syntax.OpCharClass:
		for upper := 'A'; upper <= 'Z'; upper++ {
			if inClass(re.Rune, upper) && !inClass(re.Rune, upper+'a'-'A') {
				return true
			}
		}
	}
	for _, sub := range re.Sub {
		if wantsUpper(sub) {
			return true
		}
	}
	return false
}

func inClass(ranges []rune, r rune) bool {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i] <= r && r <= ranges[i+1] {
			return true
		}
	}
	return false
}
