package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// object is a JSON object whose members are taken one by one. What goes wrong is
// collected, so that all of it is reported at once.
type object struct {
	path string // of the object, with a dot at its end, empty for the outermost
	raw  map[string]json.RawMessage
	errs []error
}

// members decodes a JSON object to its members and nothing further.
func members(data []byte, path string) *object {
	o := &object{path: path}
	var err error
	if o.raw, err = split(data); err != nil {
		if path != "" {
			err = fmt.Errorf("%s: %w", strings.TrimSuffix(path, "."), err)
		}
		o.errs = append(o.errs, err)
	}
	return o
}

// split is what encoding/json cannot be told to do: it refuses a member that
// stands twice, and folds no case.
func split(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	raw := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // the decoder takes nothing else here
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := raw[name]; twice {
			return nil, fmt.Errorf("member %s stands twice", quote(name))
		}
		raw[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return raw, nil
}

func (o *object) fail(name, format string, args ...any) {
	o.errs = append(o.errs, fmt.Errorf("%s%s: %s", o.path, name, fmt.Sprintf(format, args...)))
}

// take returns a member and crosses it off; nil if it is absent.
func (o *object) take(name string) json.RawMessage {
	value := o.raw[name]
	delete(o.raw, name)
	return value
}

// text takes a member that is a string.
func (o *object) text(name string) string {
	raw := o.take(name)
	if raw == nil {
		return ""
	}
	s, ok := unquote(raw)
	if !ok {
		o.fail(name, "it is not a string of Unicode characters")
	}
	return s
}

// texts takes a member that is a list of strings.
func (o *object) texts(name string) []string {
	raw := o.take(name)
	if raw == nil {
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || items == nil {
		o.fail(name, "it is not a list of strings")
		return nil
	}
	texts := make([]string, len(items))
	for i, item := range items {
		var ok bool
		if texts[i], ok = unquote(item); !ok {
			o.fail(name, "element %d is not a string of Unicode characters", i)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return texts
}

// id takes a 64-bit ID, which Databricks writes as a number and others as a
// string of digits. Zero means that there is none.
func (o *object) id(name string) string {
	raw := o.take(name)
	if raw == nil {
		return ""
	}
	if raw[0] == '"' {
		s, ok := unquote(raw)
		if !ok {
			o.fail(name, "it is not a string of Unicode characters")
		}
		return s
	}
	if !isNumericID(string(raw)) && string(raw) != "0" {
		o.fail(name, "it is not the numeric ID of a service principal")
		return ""
	}
	return strings.TrimPrefix(string(raw), "0")
}

// rest reports what went wrong, and each member that nobody took.
func (o *object) rest() error {
	for _, name := range slices.Sorted(maps.Keys(o.raw)) {
		o.fail(quote(name), "there is no such member")
	}
	return errors.Join(o.errs...)
}

// unquote decodes a JSON string. The decoder writes U+FFFD for half a surrogate
// pair, so that character is refused: two different texts would become one.
func unquote(raw json.RawMessage) (string, bool) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil || strings.ContainsRune(s, utf8.RuneError) {
		return "", false
	}
	return s, true
}
