package oidc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/brickfed/brickfed/claims"
)

// header is the part of the JOSE header that is looked at. See RFC 7515,
// section 4.1.
type header struct {
	Alg  string
	Kid  string
	Typ  string
	Crit bool // there is a crit member, whatever it says
}

// splitJWS takes apart a JWS in compact form (RFC 7515, section 3.1): three
// parts in base64url without padding or anything else that a lax decoder skips.
// The payload may be empty. Errors never quote the text.
func splitJWS(raw string) (h header, payload []byte, err error) {
	parts := strings.SplitN(raw, ".", 6)
	if other := otherThing(raw, len(parts)); other != "" {
		return h, nil, fmt.Errorf("it is %s, not a JSON Web Token, which has three parts separated by dots", other)
	}
	var decoded [3][]byte
	for i, part := range parts {
		name := [...]string{"header", "payload", "signature"}[i]
		// The decoder itself skips line breaks.
		decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") {
			return h, nil, fmt.Errorf("its %s is not base64url without padding", name)
		}
		if part == "" && name != "payload" {
			return h, nil, fmt.Errorf("its %s is empty", name)
		}
	}
	err = h.decode(decoded[0])
	return h, decoded[1], err
}

func (h *header) decode(data []byte) error {
	// The header must be as strict as the payload: a repeated alg would let two
	// readers choose two algorithms.
	if _, err := claims.Parse(data); err != nil {
		return errors.New("its header is not a strict JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return errors.New("its header is not a JSON object")
	}
	for _, field := range []struct {
		name string
		to   *string
	}{{"alg", &h.Alg}, {"kid", &h.Kid}, {"typ", &h.Typ}} {
		value, there := members[field.name] // exact case, unlike a struct's fields
		if !there {
			continue
		}
		if err := json.Unmarshal(value, field.to); err != nil || bytes.Equal(value, []byte("null")) {
			return fmt.Errorf("the %s in its header is not a string", field.name)
		}
	}
	if h.Alg == "" {
		return errors.New("its header has no alg")
	}
	_, h.Crit = members["crit"]
	return nil
}

// otherThing helps a person to see what was pasted instead of a token, without
// quoting it. It is empty for what has the shape of one.
func otherThing(raw string, parts int) string {
	switch {
	case strings.HasPrefix(raw, "{"):
		return "a JSON object"
	case strings.HasPrefix(raw, "<"):
		return "a web page"
	case strings.HasPrefix(raw, `"`), strings.HasPrefix(raw, "'"):
		return "in quotation marks"
	case len(raw) > 7 && strings.EqualFold(raw[:7], "bearer "):
		return "a whole Authorization header"
	case strings.HasPrefix(raw, "dapi"):
		return "a Databricks personal access token"
	case parts == 1:
		return "an opaque text (an opaque access token? ask the provider for a JWT or an ID token)"
	case parts == 5:
		return "an encrypted token, which Databricks cannot read"
	case parts != 3:
		return "a text with another number of parts"
	}
	return ""
}
