package yamlpolicy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/yamlpolicy"
)

// FuzzJSON holds that a file either is refused with a reason, or becomes JSON
// that says the same as the YAML library's own reading, without a repeated
// member, and unchanged if it was JSON before.
func FuzzJSON(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/*.json", "../testdata/policies/*.json"} {
		for _, name := range glob(f, pattern) {
			f.Add(readFile(f, name))
		}
	}
	for _, tt := range conversions {
		f.Add([]byte(tt.yaml))
	}
	for _, tt := range refusals {
		f.Add([]byte(tt.yaml))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := yamlpolicy.JSON(data)
		if err != nil {
			if !lists(err) || got != nil {
				t.Fatalf("got %q, error %#v", got, err)
			}
			return
		}
		if _, err := yamlpolicy.Load(data); err != nil && !lists(err) {
			t.Errorf("%q became %s, which claims.Load cannot read: %v", data, got, err)
		}
		converted := decodeJSON(t, got)
		if own := decodeYAML(t, data); !reflect.DeepEqual(floats(converted), floats(own)) {
			t.Errorf("%q became %s; the library reads %#v", data, got, own)
		}
		if repeats(t, got) {
			t.Errorf("%q became %s, with a repeated member", data, got)
		}
		if json.Valid(data) && !reflect.DeepEqual(converted, decodeJSON(t, data)) {
			t.Errorf("JSON %s became %s", data, got)
		}
		if again, err := yamlpolicy.JSON(got); err == nil && !bytes.Equal(again, got) {
			t.Errorf("%s became %s", got, again)
		}
	})
}

// lists reports whether err says what to mend and where.
func lists(err error) bool {
	var e *claims.Error
	if !errors.As(err, &e) || !errors.Is(err, claims.ErrPolicy) {
		return false
	}
	for _, p := range e.Problems {
		if p.Path != "" && !strings.HasPrefix(p.Text, "line ") {
			return false
		}
	}
	return len(e.Problems) > 0
}

// decodeJSON keeps the text of numbers.
func decodeJSON(t *testing.T, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q is not JSON: %v", data, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("%q: something follows", data)
	}
	return v
}

func decodeYAML(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatalf("%q is not YAML: %v", data, err)
	}
	return v
}

// floats turns all numbers into float64, because the YAML library keeps no text.
func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(string(v), 64)
		return f
	case int:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = floats(item)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, item := range v {
			object[name] = floats(item)
		}
		return object
	}
	return v
}

// repeats reports whether a member of an object stands twice, which a decoder
// does not tell.
func repeats(t *testing.T, data []byte) bool {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	var walk func() bool
	walk = func() bool {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		twice := false
		seen := map[any]bool{}
		for (token == json.Delim('{') || token == json.Delim('[')) && d.More() {
			if token == json.Delim('{') {
				name, _ := d.Token()
				twice = twice || seen[name]
				seen[name] = true
			}
			twice = walk() || twice
		}
		if token == json.Delim('{') || token == json.Delim('[') {
			_, _ = d.Token() // its end
		}
		return twice
	}
	return walk()
}

func glob(tb testing.TB, pattern string) []string {
	tb.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		tb.Fatalf("%s: %d files, error %v", pattern, len(names), err)
	}
	return names
}

func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
