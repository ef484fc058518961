// Package claims reads what a token says about its holder, strictly.
//
//	c, err := claims.Parse(payload)
//	if err != nil {
//		return err
//	}
//	groups, ok, err := c.Strings("groups")
//
// [Parse] is the one decoder of token payloads in this module. It refuses what
// other decoders settle silently: a member that stands twice, a name that looks
// like a registered claim under case folding, bytes that are not UTF-8, half a
// surrogate pair, anything after the object. Two programs that read the same
// payload should never see two different people.
//
// # Names and pointers
//
// A claim is named by its literal top-level name, so that cognito:groups,
// kubernetes.io and https://acme.example/roles need no quoting. A name that
// starts with a slash is a JSON pointer (RFC 6901) through objects, for example
// /realm_access/roles.
//
// # Who vouches for it
//
// A [Claims] is one payload and says nothing about its signature. The caller
// knows who verified it: never decide for somebody else on claims that nobody
// verified.
//
// # Targets
//
// A [Target] says what one token exchange asks for (service principal, group to
// assume, scopes), and a [Grant] says who may have it. Package exchange takes
// both.
package claims
