// Package claims reads what a token says about its holder, strictly, and decides
// by a policy what the holder may become: which service principal, which group to
// assume, which scopes.
//
//	policy, err := claims.Load(file) // compiles it and runs the tests in it
//	if err != nil {
//		return err // everything that is wrong, with its place
//	}
//	c, err := claims.Parse(payload) // of a token that somebody verified
//	if err != nil {
//		return err
//	}
//	grant, err := policy.Map(ctx, c)
//
// A [Policy] and a [Live] fit into exchange.Config.Policy and
// sdkauth.Strategy.Policy as they are.
//
// # Payloads
//
// [Parse] is the one decoder of token payloads in this module. It refuses what
// other decoders settle silently: a member that stands twice, a name that looks
// like a registered claim under case folding, bytes that are not UTF-8, half a
// surrogate pair, anything after the object. Two programs that read the same
// payload should never see two different people.
//
// A claim is named by its literal top-level name, so that cognito:groups,
// kubernetes.io and https://acme.example/roles need no quoting. A name that
// starts with a slash is a JSON pointer (RFC 6901) through objects, for example
// /realm_access/roles.
//
// A [Claims] is one payload and says nothing about its signature. The caller
// knows who verified it: never decide for somebody else on claims that nobody
// verified.
//
// # Policies
//
// A policy file is JSON; package yamlpolicy below reads the same in YAML.
//
//	{"version": 1,
//	 "issuers": [{
//	   "issuer": "https://sso.acme.example/realms/data",
//	   "require": {"aud": "databricks", "azp": "dbx-cli"},
//	   "allow": ["data-engineers", "team-*"],
//	   "rules": [
//	     {"name": "contractors", "when": {"groups": {"glob": ["/contractors", "/contractors/**"]}},
//	      "deny": "use the partner account"},
//	     {"name": "engineers", "when": {"groups": "/data/engineering"},
//	      "groups": ["data-engineers"], "target": {"assume_group": "884100000000042", "scopes": ["sql"]}},
//	     {"name": "teams", "when": {"groups": {"glob": "/data/engineering/*"}}, "groups": ["team-${1}"]}]}],
//	 "tests": [
//	   {"name": "person", "claims": {"file": "keycloak.json"},
//	    "want": {"groups": ["data-engineers", "team-risk"], "target": "engineers"}},
//	   {"name": "contractor", "claims": {"file": "keycloak.json", "set": {"groups": ["/contractors"]}},
//	    "want": {"error": "denied"}}]}
//
// Rules stand under one exact issuer; tokens of another are denied. All of
// require must match, then no deny rule may, and then all rules are read in
// order: their groups add up, and the first that has a target chooses it. A token
// that no rule matches gets the issuer's default, or [ErrNoMatch]. A rule may
// have a lookup, a table from the values of one claim to groups.
//
// # Matchers
//
//   - "x", 7 or true: a value is exactly that, of the same JSON type. Numbers are
//     compared by their text. A list: a value is one of them.
//   - {"glob": "/data/*"}: * is one or more characters except / : @, and ** one or
//     more of any. Each captures, and takes as little as it can.
//   - {"regex": "v(\\d+)"}: matches the whole value, in RE2's syntax.
//   - {"present": true}: the claim is there, not null and not an empty list.
//   - {"none": ["x"]}: no value is one of these. An absent claim is an error.
//   - {"predicate": "name"}: a function of the program; see [WithPredicate].
//
// "fold": true beside any, glob, regex or none ignores the case of ASCII letters
// and of nothing else. glob and regex take lists too. A string is one value unless
// the issuer's split names its claim. What a glob or regex captures goes into the
// rule's groups as ${1}, after a literal prefix, once per value.
//
// # What cannot be told
//
// Matching has three outcomes. A rule with one matcher that is definitely false
// does not fire, whatever its other matchers cannot tell. Otherwise a deny rule
// denies if a claim that it reads is absent, incomplete or of another type; a rule
// that gives something does not match if such a claim is absent, and fails the
// mapping with [ErrMalformed] or [ErrIncomplete] if it has an odd shape or was left
// out. A claim is incomplete if the token says so (_claim_names, hasgroups) or if
// its list has as many entries as the issuer's complete says, where the provider
// cuts it. A [Resolver] can complete it; package graph below does for Entra ID.
//
// # Names that come out
//
// A group name begins with a letter or digit, has letters, digits, spaces and
// _ . @ + - after it, at most 255 characters, and no space at its end. The system
// groups admins, users, account users and account admins never come out, nor what
// the issuer's allow does not name. A value that would give another name counts
// as one that does not match, and the trace says so.
//
// # Proof
//
// The tests of a policy run whenever it is loaded, and a policy whose tests fail
// does not load: a [Live] keeps the last good one. [Policy.Explain] says which rule
// matched, which nearly did (all but one matcher did) and why not. [Policy.Lint],
// which Load does not call, finds what is legal and
// probably not meant, also rules that no test exercises. In a service that holds
// many identities use [Broker].
//
// # Grants
//
// A [Target] says what one token exchange asks for, and a [Grant] who may have it:
// the holder of this token, at the time of the mapping, and not anybody whom the
// holder acts for. Groups alone authorize nothing at the exchange.
//
// # Tags
//
// [Grant.Tags] names the identity behind what is done under a grant, by a keyed
// pseudonym, in the form that query tags, jobs, clusters, MLflow runs and the
// User-Agent take. Databricks wants no personal data in tags.
package claims
