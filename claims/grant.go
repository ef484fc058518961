package claims

// Target parameterises one token exchange: what the token's holder asks to
// become. The zero Target selects nothing.
type Target struct {
	// Rule is the name of the policy rule that chose the target. It is for
	// people and logs; the exchange does not look at it.
	Rule string `json:"rule,omitempty"`

	// ClientID is the application ID (a UUID) of the service principal. Empty
	// means account-wide federation: the identity itself.
	ClientID string `json:"client_id,omitempty"`

	// AssumeGroup is the numeric ID of the Databricks group whose permissions
	// replace the identity's own. Empty means the identity's own permissions.
	AssumeGroup string `json:"assume_group,omitempty"`

	// Scopes are the OAuth scopes of the token. Empty means the exchange's
	// default.
	Scopes []string `json:"scopes,omitempty"`
}

// Selects reports whether the target names a service principal or a group. A
// target that selects neither never falls back to the full identity.
func (t Target) Selects() bool { return t.ClientID != "" || t.AssumeGroup != "" }

// Grant says what the holder of one token may become. It holds for that holder
// at the time of the mapping, not for anybody the holder acts for.
type Grant struct {
	Policy  string   `json:"policy,omitempty"` // identifies the policy that decided
	Issuer  string   `json:"iss"`
	Subject string   `json:"sub"`
	Rules   []string `json:"rules,omitempty"`  // names of the rules that matched, in the policy's order
	Groups  []string `json:"groups,omitempty"` // sorted, unique
	Target  Target   `json:"target"`
}
