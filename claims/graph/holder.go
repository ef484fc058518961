package graph

import (
	"slices"
	"strings"

	"github.com/brickfed/brickfed/claims"
)

// holder is whom a lookup is about.
type holder struct {
	id  string // oid, in lower case
	app bool   // a service principal
}

// path is the holder's place in Graph. An ID is a UUID, so that it needs no
// escaping.
func (h holder) path() string {
	if h.app {
		return "/v1.0/servicePrincipals/" + h.id
	}
	return "/v1.0/users/" + h.id
}

// holder reads the claims, and refuses tokens that our credentials are not for.
func (s *service) holder(c *claims.Claims, claim string) (holder, *Error) {
	if claim != "groups" && claim != "/groups" {
		return holder{}, &Error{
			Reason: "only the claim groups is resolved",
			Hint:   "let no rule depend on another claim that the token leaves out, or write a resolver for it",
		}
	}
	if !slices.Contains(s.issuers, c.Issuer()) {
		return holder{}, &Error{
			Reason: "the token's iss is not an issuer of Config.Tenant",
			Hint:   "use one resolver per tenant, or set Config.Issuer if Entra ID writes another iss here",
		}
	}
	switch tenant, problem := readUUID(c, "tid"); {
	case problem != "":
		return holder{}, unusable("tid", problem)
	case tenant != s.tenant:
		return holder{}, &Error{Reason: "the token's tid is not Config.Tenant", Hint: "use one resolver per tenant"}
	}
	id, problem := readUUID(c, "oid")
	if problem != "" {
		return holder{}, unusable("oid", problem)
	}
	app, failure := isApp(c)
	return holder{id: id, app: app}, failure
}

func unusable(claim, problem string) *Error {
	e := &Error{Reason: "the token's " + claim + " " + problem}
	if problem == isAbsent {
		e.Hint = "let clients of Entra ID ask for the scope profile, which brings oid and tid"
	}
	return e
}

const isAbsent = "is absent"

// readUUID returns the one UUID in a claim, or what is wrong with it.
func readUUID(c *claims.Claims, claim string) (id, problem string) {
	values, ok, err := c.Strings(claim)
	switch {
	case err != nil || len(values) > 1:
		return "", "is not a string"
	case !ok || len(values) == 0:
		return "", isAbsent
	}
	if id, ok = parseUUID(values[0]); !ok {
		return "", "is not a UUID"
	}
	return id, ""
}

// isApp tells applications from people by the claim that Microsoft provides for
// it ("Optional claims reference": idtyp). Tokens without it are people's, or are
// not found.
func isApp(c *claims.Claims) (bool, *Error) {
	values, ok, err := c.Strings("idtyp")
	switch {
	case err == nil && !ok:
		return false, nil
	case err == nil && slices.Equal(values, []string{"user"}):
		return false, nil
	case err == nil && slices.Equal(values, []string{"app"}):
		return true, nil
	}
	return false, &Error{Reason: "the token's idtyp is neither user nor app", Hint: "let no rule on groups apply to such tokens"}
}

// parseUUID takes the textual form of RFC 9562, section 4, in either case, and
// returns it in lower case.
func parseUUID(s string) (string, bool) {
	if len(s) != 36 {
		return "", false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return "", false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return "", false
			}
		}
	}
	return strings.ToLower(s), true
}
