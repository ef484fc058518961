package yamlpolicy

// leaf says what a scalar without quotes may stand for.
type leaf uint8

const (
	valueLeaf leaf = iota // a text, a number or a boolean; claims.Load knows which
	textLeaf              // a text and nothing else
	nullLeaf              // as valueLeaf, or null
)

// shape says what may stand at one place of a policy. A list has the shape of
// its entries. Shapes decide nothing but the reading of scalars: what is unknown
// or out of place passes through, and claims.Load names it.
type shape struct {
	leaf    leaf
	members map[string]*shape
	others  *shape // of members whose name the user chooses; nil for unknown ones
}

func (s *shape) member(name string) *shape {
	if m := s.members[name]; m != nil {
		return m
	}
	if s.others != nil {
		return s.others
	}
	return valueShape
}

var (
	valueShape = &shape{}
	textShape  = &shape{leaf: textLeaf}
	textsShape = &shape{others: textShape} // by a name of the user's choice

	// A claim is a text, number or boolean, so a matcher may be any of them: a
	// GitLab runner_id is a number, its project_id a text of digits.
	matcherShape = &shape{members: map[string]*shape{
		"any": valueShape, "none": valueShape,
		"glob": textShape, "regex": textShape, "predicate": textShape,
		"present": valueShape, "fold": valueShape,
	}}
	matchersShape = &shape{others: matcherShape}

	targetShape = &shape{members: map[string]*shape{"client_id": textShape, "assume_group": textShape, "scopes": textShape}}
	lookupShape = &shape{members: map[string]*shape{"claim": textShape, "table": textsShape}}

	ruleShape = &shape{members: map[string]*shape{
		"name": textShape, "when": matchersShape, "lookup": lookupShape, "groups": textShape, "target": targetShape, "deny": textShape,
	}}
	issuerShape = &shape{members: map[string]*shape{
		"issuer": textShape, "require": matchersShape, "split": textsShape, "complete": valueShape, "allow": textShape, "rules": ruleShape,
		"default": {members: map[string]*shape{"groups": textShape, "target": targetShape}},
	}}

	// Tests write payloads, where null removes a claim.
	testShape = &shape{members: map[string]*shape{
		"name":   textShape,
		"claims": {members: map[string]*shape{"file": textShape, "set": payload()}},
		"want":   {members: map[string]*shape{"groups": textShape, "target": textShape, "error": textShape}},
	}}

	policyShape = &shape{members: map[string]*shape{"version": valueShape, "issuers": issuerShape, "tests": testShape}}
)

// payload is the shape of any JSON.
func payload() *shape {
	s := &shape{leaf: nullLeaf}
	s.others = s
	return s
}
