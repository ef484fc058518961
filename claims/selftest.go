package claims

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// selfTest is the compiled form of [Test].
type selfTest struct {
	path, name string
	claims     *Claims
	groups     []string
	target     string
	kind       error
}

var kinds = map[string]error{
	"denied": ErrDenied, "no match": ErrNoMatch, "incomplete": ErrIncomplete, "malformed": ErrMalformed,
}

func (c *compiler) tests(tree map[string]any) []selfTest {
	list := c.list("", tree, "tests")
	if len(list) > maxTests {
		c.bad("tests", "there are more than %d", maxTests)
		return nil
	}
	files := map[string]map[string]any{}
	names := map[string]bool{}
	tests := make([]selfTest, 0, len(list))
	for i, v := range list {
		path := index("tests", i)
		o := c.object(path, v, "name", "claims", "want")
		if o == nil {
			continue
		}
		t := selfTest{path: path, name: c.text(path, o, "name")}
		if o["name"] == nil {
			c.bad(path+".name", "it is required")
		} else if names[t.name] {
			c.bad(path+".name", "another test has the same name")
		}
		names[t.name] = true
		payload := c.payload(path+".claims", o["claims"], files)
		t.claims = newClaims(payload)
		c.want(path+".want", o["want"], &t)
		tests = append(tests, t)
	}
	return tests
}

// payload makes the claims of one test.
func (c *compiler) payload(path string, v any, files map[string]map[string]any) map[string]any {
	o := c.object(path, v, "file", "set")
	payload := map[string]any{}
	if name := c.text(path, o, "file"); name != "" {
		base, read := files[name]
		if !read {
			var err error
			if base, err = c.readPayload(name); err != nil {
				c.bad(path+".file", "%v", err)
			}
			files[name] = base
		}
		payload = clone(base)
	} else if o != nil && o["set"] == nil {
		c.bad(path, "give it a file, a set, or both")
	}
	// Names come before pointers, which may lead into what they set.
	for _, pointers := range []bool{false, true} {
		c.apply(path, o, payload, pointers)
	}
	if name, registered := twin(payload); name != "" {
		c.bad(path, "%q differs from %q only by case, which no token may", name, registered)
	}
	return payload
}

func (c *compiler) apply(path string, o, payload map[string]any, pointers bool) {
	c.members(path, o, "set", func(path, name string, v any) {
		if strings.HasPrefix(name, "/") != pointers {
			return
		}
		if problem := set(payload, name, v); problem != "" {
			c.bad(path, "%s", problem)
		}
	})
}

func (c *compiler) readPayload(name string) (map[string]any, error) {
	if c.options.files == nil {
		return nil, errors.New("the program has named no test files (WithTestFiles); a test can also have all claims in its set")
	}
	f, err := c.options.files.Open(name)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPayload+1))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	parsed, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return parsed.object(), nil
}

// clone copies the objects of a payload, which set changes.
func clone(object map[string]any) map[string]any {
	object = maps.Clone(object)
	for name, v := range object {
		if inner, ok := v.(map[string]any); ok {
			object[name] = clone(inner)
		}
	}
	if object == nil {
		object = map[string]any{}
	}
	return object
}

// set puts a value where the name or pointer says; nil removes.
func set(object map[string]any, name string, v any) string {
	names := []string{name}
	if strings.HasPrefix(name, "/") {
		var err error
		if names, err = splitPointer(name); err != nil {
			return "a tilde in a JSON pointer is written ~0"
		}
	}
	for _, step := range names[:len(names)-1] {
		inner, ok := object[step].(map[string]any)
		if !ok {
			if object[step] != nil {
				return "there is something else than an object on the way"
			}
			if v == nil {
				return ""
			}
			inner = map[string]any{}
			object[step] = inner
		}
		object = inner
	}
	last := names[len(names)-1]
	if v == nil {
		delete(object, last)
	} else {
		object[last] = v
	}
	return ""
}

func (c *compiler) want(path string, v any, t *selfTest) {
	if v == nil {
		c.bad(path, "it is required: the groups, target or error that must come out")
		return
	}
	o := c.object(path, v, "groups", "target", "error")
	if o == nil {
		return
	}
	if v, there := o["groups"]; there {
		t.groups = slices.Sorted(slices.Values(c.texts(path+".groups", v)))
	}
	t.target = c.text(path, o, "target")
	if text := c.text(path, o, "error"); text != "" {
		if t.kind = kinds[text]; t.kind == nil {
			c.bad(path+".error", "it must be denied, no match, incomplete or malformed")
		}
	}
	switch {
	case len(o) == 0:
		c.bad(path, "it is empty; say which groups, target or error must come out")
	case o["error"] != nil && len(o) > 1:
		c.bad(path, "with an error nothing else comes out")
	}
}

// runTests returns for each issuer the rules that a test made fire.
func (c *compiler) runTests(p *Policy, tests []selfTest) map[string]map[string]bool {
	fired := map[string]map[string]bool{}
	alone := *p // what a file's tests say must not depend on who can be reached
	alone.options.resolver = nil
	p = &alone
	for _, t := range tests {
		r := &recorder{}
		trace := p.explain(context.Background(), t.claims, r, nil)
		if problem := t.judge(trace); problem != "" {
			c.bad(t.path, "%q: %s\n%s", t.name, problem, indent(trace.String()))
		}
		for _, rule := range r.fired {
			if fired[t.claims.Issuer()] == nil {
				fired[t.claims.Issuer()] = map[string]bool{}
			}
			fired[t.claims.Issuer()][rule] = true
		}
	}
	return fired
}

func (t *selfTest) judge(trace Trace) string {
	if t.kind != nil {
		var failure *Error
		if errors.As(trace.Err, &failure) && failure.Kind == t.kind { //nolint:errorlint // the kind itself, not that of a cause
			return ""
		}
		if trace.Err == nil {
			return fmt.Sprintf("got a grant, want the error %q", t.kind)
		}
		return fmt.Sprintf("got the error below, want %q", t.kind)
	}
	if trace.Err != nil {
		return "got the error below, want a grant"
	}
	var problems []string
	if got := trace.Grant.Target.Rule; got != t.target {
		problems = append(problems, fmt.Sprintf("got target %q, want %q", got, t.target))
	}
	if got := trace.Grant.Groups; !slices.Equal(got, t.groups) {
		problems = append(problems, fmt.Sprintf("got groups %q, want %q", got, t.groups))
	}
	return strings.Join(problems, "; ")
}

func indent(text string) string {
	return "\t\t" + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n\t\t")
}
