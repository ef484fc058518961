// Package yamlpolicy reads policies of package claims that are written in YAML.
//
//	data, err := os.ReadFile("policy.yaml")
//	if err != nil {
//		return err
//	}
//	policy, err := yamlpolicy.Load(data, claims.WithTestFiles(os.DirFS("tests")))
//	if err != nil {
//		return err // every problem, with its line and column
//	}
//	grant, err := policy.Map(ctx, verified.Claims)
//
// The format is that of [github.com/brickfed/brickfed/claims.Load]: [JSON] writes
// the same tree of values as JSON. To follow a file that changes, give JSON to
// the Convert field of [github.com/brickfed/brickfed/claims.File].
//
// # One reading
//
// A policy decides who becomes what, so a file that two programs could read in
// two ways is refused. That is where this package is stricter than YAML:
//
//   - A text needs quotes if YAML 1.1, YAML 1.2 or a common parser may take it
//     for something else: a number of any notation (12, 007, 0x1f, 1_000, 1e3,
//     12:30), a boolean (true, yes, off, y), null, a date. So "assume_group:
//     884100000000017" is an error.
//   - Keys are texts too: a table of numeric ids has them in quotes.
//   - Values of matchers may be numbers and booleans, because claims are. A number
//     is a decimal one, and all its digits stay: 1.0 is not 1. A boolean is true
//     or false.
//   - null stands in the payloads of tests only, where it removes a claim. It is
//     written null; a key without a value is an error.
//   - No anchors, aliases, merge keys, tags and directives, and one document.
//     Nothing is ever expanded.
//   - No key stands twice.
//   - UTF-8 without a byte order mark, without tabs, without control characters
//     and without characters that change the order of others on a screen. Escape
//     sequences in double quotes can write all of them.
//
// A policy in JSON is one in YAML as well, unless it has tabs, the escape \/, an
// exponent, or a character written as two surrogates. JSON should go to
// [github.com/brickfed/brickfed/claims.Load].
//
// # Errors
//
// The bytes, the grammar, the values and the policy are checked one after the
// other, and each step reports all that it finds, with line, column and the path
// in the policy. An error of the grammar ends the reading, and the parser knows
// about where that is, but no column.
package yamlpolicy
