package claims

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// decoder walks the tree of a policy file and collects everything that is wrong
// with it.
type decoder struct {
	problems []Finding
}

// maxProblems bounds what is told at once.
const maxProblems = 200

func (d *decoder) bad(path, format string, args ...any) {
	if len(d.problems) == maxProblems {
		d.problems = append(d.problems, Finding{"", "and more"})
	}
	if len(d.problems) > maxProblems {
		return
	}
	if len(path) > maxSetting {
		path = path[:maxSetting] + "…"
	}
	d.problems = append(d.problems, Finding{path, fmt.Sprintf(format, args...)})
}

// object reads an object that has no members but these.
func (d *decoder) object(path string, v any, known ...string) map[string]any {
	object, ok := v.(map[string]any)
	if !ok {
		d.bad(path, "it is %s, not an object", typeName(v))
		return nil
	}
	var unknown []string
	for name := range object {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		d.bad(join(path, name), "there is no such setting here%s", hint(name, known))
	}
	return object
}

// hint names the setting that was meant, or all.
func hint(name string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(strings.ReplaceAll(name, "_", ""), strings.ReplaceAll(k, "_", "")) ||
			strings.TrimSuffix(name, "s") == strings.TrimSuffix(k, "s") {
			return fmt.Sprintf("; did you mean %s?", k)
		}
	}
	return "; there are " + strings.Join(known, ", ")
}

// text reads a string that is not empty. Absent is empty.
func (d *decoder) text(path string, object map[string]any, name string) string {
	v, there := object[name]
	if !there {
		return ""
	}
	s, ok := v.(string)
	switch {
	case !ok:
		d.bad(join(path, name), "it is %s, not a string", typeName(v))
	case s == "":
		d.bad(join(path, name), "it is empty; leave it out")
	case len(s) > maxSetting:
		d.bad(join(path, name), "it has more than %d bytes", maxSetting)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.bad(join(path, name), "it has a control character")
	default:
		return s
	}
	return ""
}

// texts reads a list of strings, or one string.
func (d *decoder) texts(path string, v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	list, ok := v.([]any)
	if !ok {
		d.bad(path, "it is %s, not a list of strings", typeName(v))
		return nil
	}
	if len(list) == 0 {
		d.bad(path, "the list is empty; leave it out")
	}
	texts := make([]string, 0, len(list))
	for i, item := range list {
		if s, ok := item.(string); ok {
			texts = append(texts, s)
		} else {
			d.bad(index(path, i), "it is %s, not a string", typeName(item))
		}
	}
	return texts
}

// list reads a list, which may be absent.
func (d *decoder) list(path string, object map[string]any, name string) []any {
	v, there := object[name]
	if !there {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		d.bad(join(path, name), "it is %s, not a list", typeName(v))
	}
	return list
}

// members reads an object with names of the user's choice, in order.
func (d *decoder) members(path string, object map[string]any, name string, each func(path, name string, v any)) {
	v, there := object[name]
	if !there {
		return
	}
	members, ok := v.(map[string]any)
	if !ok {
		d.bad(join(path, name), "it is %s, not an object", typeName(v))
		return
	}
	path = join(path, name)
	for _, key := range sortedKeys(members) {
		if len(key) > maxSetting {
			d.bad(path, "a name in it has more than %d bytes", maxSetting)
			continue
		}
		each(join(path, key), key, members[key])
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
