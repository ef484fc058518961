package claims

import "encoding/json"

// Members returns the payload as encoding/json decodes it with UseNumber, for
// the tests that compare the two.
func (c *Claims) Members() any { return plain(c.object()) }

func plain(v any) any {
	switch v := v.(type) {
	case number:
		return json.Number(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = plain(item)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, item := range v {
			object[name] = plain(item)
		}
		return object
	}
	return v
}
