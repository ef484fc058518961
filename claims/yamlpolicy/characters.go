package yamlpolicy

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

const byteOrderMark = '\uFEFF'

// check refuses what an editor, a reviewer and a parser could each see in
// another way, before anything is parsed. Of one line it reports the first.
func (c *converter) check(data []byte) {
	if len(data) > maxFile {
		c.bad(nil, nil, "it has %d bytes; the limit is %d", len(data), maxFile)
		return
	}
	head := true // above the document, where directives stand
	for i, line := range bytes.Split(data, []byte("\n")) {
		if text := bytes.TrimSpace(line); head && len(text) > 0 && text[0] != '#' {
			if head = line[0] == '%'; head {
				c.bad(nil, nil, "%sa directive; leave it out", position(i+1, 1))
			}
		}
		c.line(i+1, line)
	}
}

func (c *converter) line(number int, line []byte) {
	column := 0
	for i := 0; i < len(line); {
		r, width := utf8.DecodeRune(line[i:])
		i += width
		column++
		if r == '\r' && i == len(line) {
			return // CR LF
		}
		if text := objection(r, width); text != "" {
			c.bad(nil, nil, "%s%s", position(number, column), text)
			return
		}
	}
}

// objection says what is wrong with a character outside an escape sequence.
// YAML 1.1 breaks lines at U+0085, U+2028 and U+2029, YAML 1.2 (section 5.4)
// does not; neither lets a tab indent (section 6.1).
func objection(r rune, width int) string {
	switch {
	case r == utf8.RuneError && width == 1:
		return "a byte that is not UTF-8"
	case r == '\t':
		return `a tab; indent by spaces, and write "\t" in double quotes`
	case r == '\r':
		return "a carriage return without a line feed; it ends a line for some programs only"
	case r == byteOrderMark:
		return "a byte order mark; save the file without one"
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == '\uFFFE', r == '\uFFFF':
		return fmt.Sprintf(`the control character %U; write "%s" in double quotes`, r, escape(r))
	case unicode.Is(unicode.Bidi_Control, r):
		return fmt.Sprintf(`%U changes the order in which text is shown; write "%s" in double quotes`, r, escape(r))
	}
	return ""
}

func escape(r rune) string { return fmt.Sprintf(`\u%04x`, r) }

// splitLines returns the characters of each line: a line and a column of the
// parser find one of them. Only a line feed ends a line once check has passed.
func splitLines(data []byte) [][]rune {
	var lines [][]rune
	for line := range bytes.Lines(data) {
		lines = append(lines, bytes.Runes(line))
	}
	return lines
}
