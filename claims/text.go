package claims

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string (RFC 8259, section 7). The payload is known to be valid
// UTF-8; what is left to refuse are control characters, unknown escapes and
// halves of a surrogate pair, which decoders replace in different ways.
func (p *parser) text() (string, error) {
	p.pos++ // opening quote
	start := p.pos
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return p.data[start : p.pos-1], nil
		case c == '\\':
			return p.escapedText(start)
		case c < ' ':
			return "", p.unexpected("a printable character")
		}
		p.pos++
	}
	return "", p.unexpected("a closing quote")
}

// escapedText goes on where text met the first backslash.
func (p *parser) escapedText(start int) (string, error) {
	var b strings.Builder
	b.WriteString(p.data[start:p.pos])
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		switch {
		case c == '"':
			p.pos++
			return b.String(), nil
		case c < ' ':
			return "", p.unexpected("a printable character")
		case c != '\\':
			b.WriteByte(c)
			p.pos++
			continue
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
	}
	return "", p.unexpected("a closing quote")
}

func (p *parser) escape() (rune, error) {
	p.pos++ // backslash
	c := p.peek()
	if c == 'u' {
		return p.unicode()
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 || c == 0 {
		return 0, p.unexpected("an escape")
	}
	p.pos++
	return rune("\"\\/\b\f\n\r\t"[i]), nil
}

// unicode reads uXXXX and, for a high surrogate, the low one that must follow.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !p.take('\\') || p.peek() != 'u' {
		return 0, p.unexpected("the second half of a surrogate pair")
	}
	low, err := p.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, malformed("", "half a surrogate pair stands before byte %d", p.pos)
	}
	return r, nil
}

func (p *parser) hex4() (rune, error) {
	p.pos++ // u
	var r rune
	for range 4 {
		c := p.peek()
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, p.unexpected("a hexadecimal digit")
		}
		r = r<<4 | rune(c)
		p.pos++
	}
	return r, nil
}
