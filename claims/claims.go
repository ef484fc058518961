package claims

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Claims is one token payload, strictly decoded. It is immutable and safe for
// concurrent use. Printing it shows no claim value, because subjects and e-mail
// addresses are personal data.
type Claims struct {
	// The payload: values are string, bool, number, nil, []any and
	// map[string]any. It stands in a closure, because fmt looks through
	// unexported fields and even pointers (with a verb that does not fit) where a
	// Format method cannot be called: in a copy, or inside another struct.
	members func() map[string]any
}

// Issuer returns the iss claim, or the empty string if there is none or it is
// not a string.
func (c *Claims) Issuer() string { return c.text("iss") }

// Subject returns the sub claim, or the empty string if there is none or it is
// not a string.
func (c *Claims) Subject() string { return c.text("sub") }

// Strings returns the values of a claim that is a string or a list of strings.
// ok is false if the claim is absent or null. A list may be empty. Anything else
// (a number, an object, a list with other things in it) is an error, never "no
// values". The result belongs to the caller.
func (c *Claims) Strings(path string) (values []string, ok bool, err error) {
	v, err := c.lookup(path)
	if err != nil || v == nil {
		return nil, false, err
	}
	switch v := v.(type) {
	case string:
		return []string{v}, true, nil
	case []any:
		values = make([]string, len(v))
		for i, item := range v {
			s, isString := item.(string)
			if !isString {
				return nil, false, malformed(path, "element %d is %s, not a string", i, typeName(item))
			}
			values[i] = s
		}
		return values, true, nil
	}
	return nil, false, malformed(path, "it is %s, not a string or a list of strings", typeName(v))
}

// Time returns a NumericDate claim (RFC 7519, section 2) such as exp, iat or
// nbf. ok is false if the claim is absent or null. Fractions of a second are
// dropped. A value that is not a number, has a minus sign or lies after the year
// 9999 is an error.
func (c *Claims) Time(path string) (t time.Time, ok bool, err error) {
	v, err := c.lookup(path)
	if err != nil || v == nil {
		return time.Time{}, false, err
	}
	n, isNumber := v.(number)
	if !isNumber {
		return time.Time{}, false, malformed(path, "it is %s, not a number of seconds since 1970", typeName(v))
	}
	sec, ok := n.seconds()
	if !ok {
		return time.Time{}, false, malformed(path, "its date is out of range")
	}
	return time.Unix(sec, 0).UTC(), true, nil
}

// maxNumericDate is the last second of the year 9999, the last that RFC 3339
// can write.
const maxNumericDate = 253402300799

// Format implements fmt.Formatter for every verb, so that no claim value is
// printed by mistake.
func (c *Claims) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, c.String()) }

// String returns the number of claims and none of their values.
func (c *Claims) String() string {
	if c == nil {
		return "claims(none)"
	}
	return "claims(" + strconv.Itoa(len(c.object())) + " members)"
}

// LogValue implements slog.LogValuer like [Claims.String].
func (c *Claims) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c *Claims) text(name string) string {
	s, _ := c.object()[name].(string)
	return s
}

// object returns the payload, which is empty for a nil and a zero Claims.
func (c *Claims) object() map[string]any {
	if c == nil || c.members == nil {
		return nil
	}
	return c.members()
}

// lookup returns nil for a claim that is absent or null.
func (c *Claims) lookup(path string) (any, error) {
	if !strings.HasPrefix(path, "/") {
		return c.object()[path], nil
	}
	names, err := splitPointer(path)
	if err != nil {
		return nil, err
	}
	return c.walk(path, names)
}

// walk follows the names of a pointer.
func (c *Claims) walk(path string, names []string) (any, error) {
	var v any = c.object()
	for i, name := range names {
		object, isObject := v.(map[string]any)
		if !isObject {
			return nil, malformed(path, "%q in it is %s, not an object", names[i-1], typeName(v))
		}
		if v = object[name]; v == nil {
			return nil, nil
		}
	}
	return v, nil
}

// splitPointer decodes the reference tokens of a JSON pointer. See RFC 6901,
// sections 3 and 4.
func splitPointer(path string) ([]string, error) {
	names := strings.Split(path[1:], "/")
	for i, name := range names {
		for j := range len(name) {
			if name[j] == '~' && (j+1 == len(name) || name[j+1] != '0' && name[j+1] != '1') {
				return nil, malformed(path, "a tilde in a JSON pointer is written ~0")
			}
		}
		names[i] = unescapePointer.Replace(name)
	}
	return names, nil
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// seconds reads a NumericDate, rounded down. The text is cut where that is
// possible, because a float may round 1767225600.99999999 up.
func (n number) seconds() (int64, bool) {
	text := string(n)
	if !strings.ContainsAny(text, "eE") {
		text, _, _ = strings.Cut(text, ".")
		sec, err := strconv.ParseInt(text, 10, 64)
		return sec, err == nil && text[0] != '-' && sec <= maxNumericDate
	}
	f, err := strconv.ParseFloat(text, 64)
	return int64(math.Floor(f)), err == nil && f >= 0 && f <= maxNumericDate
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

func malformed(claim, format string, args ...any) error {
	return &Error{Kind: ErrMalformed, Claim: claim, Reason: fmt.Sprintf(format, args...)}
}
