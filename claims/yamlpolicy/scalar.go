package yamlpolicy

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reading is what a YAML reader takes a scalar for.
type reading uint8

const (
	asText reading = iota
	asNumber
	asBoolean
	asNull
	asDate
	asNothing // no text at all
	asMark    // "<<" and "=", which YAML 1.1 gives a meaning of their own
)

var nouns = [...]string{asNumber: "a number", asBoolean: "a boolean", asNull: "null", asDate: "a date", asMark: "a mark"}

// A scalar without quotes is a text only if nobody takes it for something else:
// neither the core schema of YAML 1.2 (section 10.3.2), nor the types of YAML
// 1.1 (yaml.org/type), nor this parser, nor a reader that is a little more
// liberal. So these patterns are wider than any one of those.
var (
	decimal = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$`) // JSON's, without an exponent

	numberLike = regexp.MustCompile(`(?i)^[-+]?(?:` +
		`[0-9][0-9_]*(?:\.[0-9_]*)?(?:e[-+]?[0-9_]+)?|` + // 12, 012, 1_000, 1.5, 1e3
		`\.[0-9_]+(?:e[-+]?[0-9_]+)?|` + // .5
		`0x[0-9a-f_.]+(?:p[-+]?[0-9]+)?|0[ob][0-9_]+|` + // 0x1f, 0o17, 0b11
		`[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|` + // 12:30:00, in base 60
		`\.inf|\.nan)$`)

	dateLike = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ][-+0-9:.Zz ]*)?$`)
)

// read tells what n is. exact is true if n can also be written to JSON as it
// stands.
func read(n *yaml.Node) (r reading, exact bool) {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&quoted != 0 {
		return asText, true
	}
	switch v := n.Value; strings.ToLower(v) {
	case "":
		return asNothing, false
	case "null", "~":
		return asNull, v == "null"
	case "true", "false":
		return asBoolean, v == "true" || v == "false"
	case "y", "n", "yes", "no", "on", "off":
		return asBoolean, false
	case "<<", "=":
		return asMark, false
	}
	switch {
	case numberLike.MatchString(n.Value):
		return asNumber, decimal.MatchString(n.Value) && len(n.Value) <= maxNumber
	case dateLike.MatchString(n.Value):
		return asDate, false
	}
	return asText, true
}

// allows reports whether a scalar that was read as r may stand at the leaf.
func (l leaf) allows(r reading, exact bool) bool {
	switch r {
	case asText:
		return true
	case asNumber, asBoolean:
		return exact && l != textLeaf
	case asNull:
		return exact && l == nullLeaf
	}
	return false
}

// advice says what to do about a scalar that the leaf does not allow.
func (l leaf) advice(v string, r reading) string {
	switch {
	case r == asNothing && l == nullLeaf:
		return `there is nothing here; write null, or "" for an empty text`
	case r == asNothing:
		return "there is nothing here; write a value, or leave the key out"
	case r == asNumber && l != textLeaf:
		return fmt.Sprintf("YAML readers take %.64q for different things; write it as a decimal number, or put it in quotes", v)
	case r == asBoolean && l != textLeaf:
		return fmt.Sprintf("YAML readers take %.64q for different things; write true or false, or put it in quotes", v)
	case r == asNull && l == nullLeaf:
		return fmt.Sprintf("write null for null, or put %.64q in quotes", v)
	case r == asNull && l == valueLeaf:
		return "null has no meaning here; leave the key out, or put it in quotes"
	}
	return fmt.Sprintf("%.64q is %s to some YAML readers and a text is due; put it in quotes", v, nouns[r])
}
