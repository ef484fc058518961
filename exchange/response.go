package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bounds of a token response.
const (
	maxAccessToken = 32 << 10 // bytes; servers refuse far shorter headers
	maxLifetime    = longestLife
	maxScopes      = 200
)

// tokenResponse is a successful answer (RFC 8693, section 2.2.1). A refresh
// token in it is not read: the next token takes a new exchange.
type tokenResponse struct {
	accessToken string
	lifetime    time.Duration // 0: the answer does not say; at most 24 hours
	scope       string        // space-separated; empty: the answer does not say
}

// parseAnswer reads an answer of the token endpoint. It is strict about what is
// said and tolerant about how: the Content-Type is not believed, member names
// are compared exactly. The Error holds no part of the body but its error code
// and description, redacted.
func parseAnswer(q question, a answer) (tokenResponse, *Error) {
	doc, err := parseDocument(a.body)
	if a.status != http.StatusOK || doc.text("error") != "" || doc.has("error_code") {
		return tokenResponse{}, q.refused(a) // 200 with an error is an error
	}
	if err != nil {
		return tokenResponse{}, q.unreadable(a, err)
	}
	var r tokenResponse
	for _, read := range []func(document) error{r.readToken, r.readType, r.readLifetime, r.readScopes} {
		if err := read(doc); err != nil {
			e := q.fail(KindBadResponse, a)
			e.Err = err
			return tokenResponse{}, e
		}
	}
	return r, nil
}

// readToken takes printable ASCII without spaces, the union of RFC 6750,
// section 2.1 and RFC 6749, appendix A.12 that is safe in a header.
func (r *tokenResponse) readToken(d document) error {
	if err := d.check("access_token"); err != nil {
		return err
	}
	token := d.text("access_token")
	switch {
	case token == "":
		return errors.New("it has no access_token")
	case len(token) > maxAccessToken:
		return fmt.Errorf("its access_token has more than %d bytes", maxAccessToken)
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return errors.New("its access_token has characters that no header takes")
		}
	}
	r.accessToken = token
	return nil
}

// readType takes bearer tokens only. RFC 6749, section 5.1 requires token_type;
// where a gateway dropped it, a bearer token is all that could be meant, since
// the request offered nothing else.
func (r *tokenResponse) readType(d document) error {
	for _, name := range []string{"token_type", "issued_token_type"} {
		if err := d.check(name); err != nil {
			return err
		}
	}
	if kind := d.text("token_type"); d.has("token_type") && !strings.EqualFold(kind, "Bearer") {
		return fmt.Errorf("its token_type is %q, not Bearer", label(kind))
	}
	const urn = "urn:ietf:params:oauth:token-type:"
	switch issued := d.text("issued_token_type"); issued {
	case "", urn + "access_token", urn + "jwt":
		return nil
	default: // an ID or refresh token is not for APIs
		return fmt.Errorf("its issued_token_type is %q, not an access token", label(issued))
	}
}

// jsonNumber is the grammar of RFC 8259, section 6.
var jsonNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)

// readLifetime takes whole seconds as a number in any notation, 3600.0 and
// 3.6e3 among them, or the same in a string, as some Databricks services write
// it.
func (r *tokenResponse) readLifetime(d document) error {
	if !d.has("expires_in") {
		return nil
	}
	text := d.word("expires_in")
	if !jsonNumber.MatchString(text) || len(text) > 64 {
		return errors.New("its expires_in is not a number of seconds")
	}
	seconds, _ := strconv.ParseFloat(text, 64) // out of range is ±Inf or 0
	switch {
	case seconds <= 0:
		return errors.New("its expires_in is not positive, so the token has already ended")
	case seconds >= maxLifetime.Seconds():
		r.lifetime = maxLifetime
		return nil
	case seconds != math.Trunc(seconds):
		return errors.New("its expires_in is not a whole number of seconds")
	}
	r.lifetime = time.Duration(seconds) * time.Second
	return nil
}

// readScopes takes a space-separated text (RFC 6749, section 3.3) or a list of
// texts. An empty one says nothing.
func (r *tokenResponse) readScopes(d document) error {
	if !d.has("scope") {
		return nil
	}
	var text string
	var list []string
	switch {
	case json.Unmarshal(d["scope"], &text) == nil:
		list = strings.Fields(text)
	case json.Unmarshal(d["scope"], &list) != nil:
		return errors.New("its scope is neither a text nor a list of texts")
	}
	if len(list) > maxScopes {
		return fmt.Errorf("it has more than %d scopes", maxScopes)
	}
	for _, scope := range list {
		if !isScope(scope) {
			return errors.New("one of its scopes is not a scope")
		}
	}
	r.scope = strings.Join(list, " ")
	return nil
}

// check refuses a member of another type than a string.
func (d document) check(name string) error {
	var s string
	if d.has(name) && json.Unmarshal(d[name], &s) != nil {
		return fmt.Errorf("its %s is not a text", name)
	}
	return nil
}

// label shows a server's word only if it looks like a type name.
func label(word string) string {
	for _, c := range []byte(word) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != ':' && c != '-' {
			return "something else"
		}
	}
	return bounded(word, 64)
}
