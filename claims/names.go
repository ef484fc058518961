package claims

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest group name, in characters.
const maxName = 255

// reserved are groups that Databricks keeps for itself. They are compared under
// case folding, because nobody says whether Databricks does.
var reserved = [...]string{"admins", "users", "account users", "account admins"}

// checkName says why a name may not be produced, or returns the empty string.
func checkName(name string) string {
	n := 0
	for i, r := range name {
		n++
		switch {
		case r == utf8.RuneError:
			return "it is not valid text"
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9':
		case r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsNumber(r)):
		case i > 0 && strings.ContainsRune(" _.@+-", r):
		default:
			return "it has a character that a group name may not have there"
		}
	}
	switch {
	case n == 0:
		return "it is empty"
	case n > maxName:
		return "it has more than 255 characters"
	case name[len(name)-1] == ' ':
		return "it ends in a space"
	case isReserved(name):
		return "it is a system group of Databricks"
	}
	return ""
}

func isReserved(name string) bool {
	if name == "" || !strings.Contains("aAuU", name[:1]) {
		return false // no other letter folds to these
	}
	// Spaces are counted once: nobody says whether Databricks does.
	before, after, spaced := strings.Cut(name, " ")
	after = strings.TrimLeft(after, " ")
	for _, r := range reserved {
		first, second, two := strings.Cut(r, " ")
		if two == spaced && strings.EqualFold(before, first) && strings.EqualFold(after, second) {
			return true
		}
	}
	return false
}

// template is a group name, or a literal prefix with captures and more literals
// after it.
type template struct {
	text  string // as written
	parts []part // empty for a plain name
}

type part struct {
	literal string
	capture int // 1 for ${1}; 0 for a literal
}

// compileTemplate returns the template and the highest capture it names, or the
// reason why it is none.
func compileTemplate(text string) (t template, captures int, problem string) {
	t.text = text
	rest := text
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			break
		}
		if i == 0 && len(t.parts) == 0 {
			return t, 0, "a template needs a literal prefix, such as team-${1}: a name from the identity provider never becomes a group by itself"
		}
		end := strings.IndexByte(rest[i:], '}')
		if end != 3 && end != 4 {
			return t, 0, "a capture is written ${1}"
		}
		n := 0
		for _, c := range []byte(rest[i+2 : i+end]) {
			if !isDigit(c) {
				return t, 0, "a capture is written ${1}"
			}
			n = n*10 + int(c-'0')
		}
		if n == 0 || n > 2*maxWildcards {
			return t, 0, "captures are counted from ${1}"
		}
		captures = max(captures, n)
		t.parts = append(t.parts, part{literal: rest[:i]}, part{capture: n})
		rest = rest[i+end+1:]
	}
	if len(t.parts) == 0 {
		if problem := checkName(text); problem != "" {
			return t, 0, problem
		}
		return t, 0, ""
	}
	t.parts = append(t.parts, part{literal: rest})
	for i, p := range t.parts {
		if p.capture != 0 || p.literal == "" {
			continue
		}
		name := "x" + p.literal + "x"
		if i == 0 {
			name = p.literal + "x"
		}
		if problem := checkName(name); problem != "" && !isReserved(name) {
			return t, 0, problem
		}
	}
	return t, captures, ""
}

// appendTo appends the name that the captures give.
func (t template) appendTo(b []byte, value string, spans []int) []byte {
	for _, p := range t.parts {
		if p.capture == 0 {
			b = append(b, p.literal...)
			continue
		}
		if i := 2 * (p.capture - 1); i+1 < len(spans) && spans[i] < spans[i+1] {
			b = append(b, value[spans[i]:spans[i+1]]...)
		} else {
			return nil // a part that took nothing
		}
	}
	return b
}
