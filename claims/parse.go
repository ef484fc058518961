package claims

import (
	"strings"
	"unicode/utf8"
)

// Bounds of one payload. Tokens travel in HTTP headers, whose usual limit is
// 8 KiB to 16 KiB: these leave room for every provider known.
const (
	maxPayload = 64 << 10 // bytes
	maxDepth   = 16       // objects and lists inside each other, the payload itself included
	maxValues  = 2000     // values of any type, nested ones included
	maxNumber  = 64       // bytes of one number
)

// registered are the claim names of RFC 7519, section 4.1. A decoder that folds
// case takes ISS or ſub for them, so that such twins would let a token say two
// things at once.
var registered = [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// number is the text of a JSON number: as a float, two different ids may be
// equal.
type number string

// Parse decodes a token payload: one JSON object (RFC 8259) of at most 64 KiB,
// 16 levels and 2,000 values, in valid UTF-8, without a repeated member at any
// level and without a top-level name that equals a registered claim (RFC 7519,
// section 4.1) only after case folding. Numbers keep their text. Every failure
// is an [*Error] of kind [ErrMalformed].
func Parse(payload []byte) (*Claims, error) {
	if len(payload) > maxPayload {
		return nil, malformed("", "it has %d bytes; the limit is %d", len(payload), maxPayload)
	}
	members, err := parseObject(payload, maxValues)
	if err != nil {
		return nil, err
	}
	if name, registered := twin(members); name != "" {
		return nil, malformed(name, "the name differs from %q only by case", registered)
	}
	return newClaims(members), nil
}

// twin returns a name that looks like a registered one and is another.
func twin(members map[string]any) (name, like string) {
	for name := range members {
		for _, r := range registered {
			if name != r && strings.EqualFold(name, r) {
				return name, r
			}
		}
	}
	return "", ""
}

func newClaims(members map[string]any) *Claims {
	return &Claims{members: func() map[string]any { return members }}
}

// parseObject decodes one object of at most so many values and nothing else.
func parseObject(data []byte, values int) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, malformed("", "it is not valid UTF-8")
	}
	p := parser{data: string(data), most: values}
	p.space()
	if p.peek() != '{' {
		return nil, malformed("", "it is not a JSON object")
	}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.data) {
		return nil, malformed("", "something follows the object at byte %d", p.pos)
	}
	return v.(map[string]any), nil
}

// parser walks one document. It is our own because encoding/json keeps the last
// of two equal members and turns broken text into U+FFFD.
type parser struct {
	data   string
	pos    int
	values int
	most   int // values
}

func (p *parser) value(depth int) (any, error) {
	if p.values++; p.values > p.most {
		return nil, malformed("", "it has more than %d values", p.most)
	}
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if depth++; depth > maxDepth {
			return nil, malformed("", "it is nested deeper than %d levels", maxDepth)
		}
		if c == '{' {
			return p.object(depth)
		}
		return p.list(depth)
	case c == '"':
		return p.text()
	case c == '-' || isDigit(c):
		return p.number()
	}
	return p.literal()
}

func (p *parser) object(depth int) (any, error) {
	p.pos++ // {
	object := make(map[string]any)
	if p.space(); p.take('}') {
		return object, nil
	}
	for {
		if p.space(); p.peek() != '"' {
			return nil, p.unexpected("a member name")
		}
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, malformed(name, "the member stands twice")
		}
		if p.space(); !p.take(':') {
			return nil, p.unexpected("a colon")
		}
		p.space()
		if object[name], err = p.value(depth); err != nil {
			return nil, err
		}
		if p.space(); p.take('}') {
			return object, nil
		}
		if !p.take(',') {
			return nil, p.unexpected("a comma or the end of the object")
		}
	}
}

func (p *parser) list(depth int) (any, error) {
	p.pos++ // [
	list := []any{}
	if p.space(); p.take(']') {
		return list, nil
	}
	for {
		p.space()
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.space(); p.take(']') {
			return list, nil
		}
		if !p.take(',') {
			return nil, p.unexpected("a comma or the end of the list")
		}
	}
}

// number follows the grammar of RFC 8259, section 6.
func (p *parser) number() (any, error) {
	start := p.pos
	p.take('-')
	if !p.take('0') && !p.digits() {
		return nil, p.unexpected("a digit")
	}
	if p.take('.') && !p.digits() {
		return nil, p.unexpected("a digit")
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if !p.digits() {
			return nil, p.unexpected("a digit")
		}
	}
	if p.pos-start > maxNumber {
		return nil, malformed("", "the number at byte %d has more than %d characters", start, maxNumber)
	}
	return number(p.data[start:p.pos]), nil
}

func (p *parser) literal() (any, error) {
	rest := p.data[p.pos:]
	switch {
	case strings.HasPrefix(rest, "true"):
		p.pos += len("true")
		return true, nil
	case strings.HasPrefix(rest, "false"):
		p.pos += len("false")
		return false, nil
	case strings.HasPrefix(rest, "null"):
		p.pos += len("null")
		return nil, nil
	}
	return nil, p.unexpected("a value")
}

func (p *parser) digits() bool {
	start := p.pos
	for isDigit(p.peek()) {
		p.pos++
	}
	return p.pos > start
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek returns 0 at the end. A zero byte is never valid JSON either.
func (p *parser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

// unexpected names the place and what belongs there, never what stands there.
func (p *parser) unexpected(want string) error {
	if p.pos >= len(p.data) {
		return malformed("", "it ends where %s is due", want)
	}
	return malformed("", "%s is due at byte %d", want, p.pos)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
