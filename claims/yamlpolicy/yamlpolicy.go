package yamlpolicy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/brickfed/brickfed/claims"
)

// Bounds of one file. None is wider than those of [claims.Load], which could not
// say the line.
const (
	maxFile     = 1 << 20 // bytes
	maxNodes    = 200_000 // values and keys
	maxDepth    = 16      // lists and mappings inside each other, the document itself included
	maxNumber   = 64      // bytes of one number
	maxProblems = 100     // that one error lists
)

// Load reads a policy file in YAML as [claims.Load] reads one in JSON, with the
// same options. Every problem it reports names the line and column of the file:
// also those that claims.Load finds, for which it is the place of the key or the
// list entry, or of what it is missing from. It returns the errors of [JSON] and
// of claims.Load.
func Load(data []byte, opts ...claims.Option) (*claims.Policy, error) {
	converted, root, err := convert(data)
	if err != nil {
		return nil, err
	}
	p, err := claims.Load(converted, opts...)
	if err != nil {
		return nil, locate(err, root)
	}
	return p, nil
}

// JSON turns a policy file in YAML into the JSON that [claims.Load] reads. It
// decides what each value is (text, number, boolean, null); whether that is a
// valid policy is for claims.Load to say. Most programs call [Load]; JSON is for
// whoever takes a conversion, such as the Convert field of [claims.File].
//
// A file has at most 1 MiB (and so has its JSON), 200,000 values and keys, and 16
// levels. Every
// failure is a [*claims.Error] of kind [claims.ErrPolicy] that lists what there
// is to mend, each with its line and column, and at most 100 of it. The result
// belongs to the caller.
func JSON(data []byte) ([]byte, error) {
	converted, _, err := convert(data)
	return converted, err
}

// convert also returns the root of the document. It checks in three steps
// (bytes, grammar, values), each of which needs the one before it.
func convert(data []byte) ([]byte, *yaml.Node, error) {
	var c converter
	if c.check(data); len(c.found) > 0 {
		return nil, nil, c.err()
	}
	root := c.parse(data)
	if root != nil {
		c.lines = splitLines(data)
		c.node(root, nil, policyShape, 1)
	}
	if c.out.Len() > maxFile {
		c.bad(nil, nil, "written as JSON it has %d bytes; the limit is %d", c.out.Len(), maxFile)
	}
	if len(c.found) > 0 {
		return nil, nil, c.err()
	}
	return c.out.Bytes(), root, nil
}

// parse returns the root of the only document, or nil if there is none that can
// be walked.
func (c *converter) parse(data []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(data))
	document, err := next(d)
	if err != nil {
		c.syntax(err)
		return nil
	}
	if second, err := next(d); err == nil {
		c.bad(nil, second, "a second document starts here; a policy file has one")
	} else if !errors.Is(err, io.EOF) {
		c.syntax(err)
	}
	if n := size(document); n > maxNodes {
		c.bad(nil, nil, "it has %d values and keys; the limit is %d", n, maxNodes)
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		c.bad(nil, root, "a policy is a mapping: version, issuers, tests")
		return nil
	}
	return root
}

// next reads one document, or returns io.EOF. Malformed input has made this
// parser panic before (go-yaml/yaml#665, #666): for a service that follows a
// file, that is an error like any other.
func next(d *yaml.Decoder) (document *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser broke down: %v", r)
		}
	}()
	document = new(yaml.Node)
	return document, d.Decode(document)
}

// syntax reports an error of the parser. It knows no column; its line is where
// the construct begins that it could not finish, sometimes the one before.
func (c *converter) syntax(err error) {
	text, known := strings.CutPrefix(err.Error(), "yaml: ")
	switch {
	case errors.Is(err, io.EOF):
		text = "the file is empty"
	case strings.HasPrefix(text, "line "):
		text = "near " + text
	case known && !strings.HasPrefix(text, "unknown anchor"):
		text = "near line 1: " + text // the parser leaves it out
	}
	c.bad(nil, nil, "%s", text)
}

// size counts n and everything in it. An alias counts once, whatever it stands
// for.
func size(n *yaml.Node) int {
	sum := 1
	for _, child := range n.Content {
		sum += size(child)
	}
	return sum
}
