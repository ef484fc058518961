package claims

import "encoding/json"

// Config is a policy as Go values, for [New]. Its JSON form is the policy file.
type Config struct {
	Version int      `json:"version"` // 1. Required.
	Issuers []Issuer `json:"issuers"` // Required.
	Tests   []Test   `json:"tests,omitempty"`
}

// Issuer holds the rules for the tokens of one issuer.
type Issuer struct {
	// Issuer is the exact value of iss. Required.
	Issuer string `json:"issuer"`

	// Require names what every token must say; one that does not is denied.
	Require map[string]Matcher `json:"require,omitempty"`

	// Split names claims whose one string holds several values, with the one
	// byte between them: {"scp": " "}. Nothing else is ever split.
	Split map[string]string `json:"split,omitempty"`

	// Complete gives the length from which on a list is taken for one that the
	// provider has cut: {"groups": 100} for Okta.
	Complete map[string]int `json:"complete,omitempty"`

	// Allow bounds the groups that come out, by globs. Empty allows every valid
	// name.
	Allow []string `json:"allow,omitempty"`

	// Rules are read in order. Required, unless there is a Default.
	Rules []Rule `json:"rules,omitempty"`

	// Default is what a token gets that passes Require and no rule matches.
	// Without it, that is [ErrNoMatch].
	Default *Default `json:"default,omitempty"`
}

// Rule matches if all of When match and Lookup, if any, finds something.
type Rule struct {
	// Name is unique within the issuer. Required.
	Name string `json:"name"`

	// When names claims, literally or by JSON pointer, and what they must be.
	When map[string]Matcher `json:"when,omitempty"`

	// Lookup turns values into groups by a table.
	Lookup *Lookup `json:"lookup,omitempty"`

	// Groups are names, or templates with a literal prefix such as team-${1}.
	Groups []string `json:"groups,omitempty"`

	// Target is what the exchange asks for. The first matching rule that has one
	// decides. Its Rule is not read.
	Target *Target `json:"target,omitempty"`

	// Deny makes the rule one that ends the mapping, and says why.
	Deny string `json:"deny,omitempty"`
}

// Lookup is a table from the values of one claim to groups.
type Lookup struct {
	Claim string              `json:"claim"`
	Table map[string][]string `json:"table"`
}

// Default is a rule for tokens that no rule matches.
type Default struct {
	Groups []string `json:"groups,omitempty"`
	Target *Target  `json:"target,omitempty"`
}

// Matcher says which values of a claim match. Exactly one field is set, besides
// Fold. See the package's section on matchers.
type Matcher struct {
	Any       []any    // strings, booleans, numbers: one value equals one of them, of the same JSON type
	Glob      []string // one value matches one of them
	Regex     []string // one value matches one of them as a whole
	Present   *bool    // the claim is there, or is not
	None      []any    // the claim is there and no value equals one of them
	Predicate string   // the name given to WithPredicate
	Fold      bool     // ASCII letters match in both cases
}

// MarshalJSON writes the form of a policy file, in which a target has no name.
func (r Rule) MarshalJSON() ([]byte, error) {
	type plain Rule
	r.Target = r.Target.unnamed()
	return json.Marshal(plain(r))
}

// MarshalJSON writes the form of a policy file, in which a target has no name.
func (d Default) MarshalJSON() ([]byte, error) {
	type plain Default
	d.Target = d.Target.unnamed()
	return json.Marshal(plain(d))
}

func (t *Target) unnamed() *Target {
	if t == nil || t.Rule == "" {
		return t
	}
	c := *t
	c.Rule = ""
	return &c
}

// MarshalJSON writes the form of a policy file.
func (m Matcher) MarshalJSON() ([]byte, error) {
	if len(m.Any) > 0 && !m.Fold && m.Glob == nil && m.Regex == nil && m.Present == nil && m.None == nil && m.Predicate == "" {
		if len(m.Any) == 1 {
			return json.Marshal(m.Any[0])
		}
		return json.Marshal(m.Any)
	}
	return json.Marshal(struct {
		Any       []any    `json:"any,omitempty"`
		Glob      []string `json:"glob,omitempty"`
		Regex     []string `json:"regex,omitempty"`
		Present   *bool    `json:"present,omitempty"`
		None      []any    `json:"none,omitempty"`
		Predicate string   `json:"predicate,omitempty"`
		Fold      bool     `json:"fold,omitempty"`
	}(m))
}

// Test is a payload and what the policy must make of it. Tests run whenever the
// policy is loaded.
type Test struct {
	Name   string     `json:"name"`
	Claims TestClaims `json:"claims"`
	Want   Want       `json:"want"`
}

// TestClaims is the payload of a test: a file, changed by Set, or Set alone.
type TestClaims struct {
	File string         `json:"file,omitempty"` // in the file system given to WithTestFiles
	Set  map[string]any `json:"set,omitempty"`  // by name or JSON pointer; nil removes
}

// Want is the whole outcome of a test: what it leaves out must not come out.
type Want struct {
	Groups []string `json:"groups,omitempty"`
	Target string   `json:"target,omitempty"` // the name of the rule that chose it
	Error  string   `json:"error,omitempty"`  // denied, no match, incomplete or malformed
}
