package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/claims"
)

// document is a strictly decoded JSON object. Its members are read by their
// exact names; a struct would fold case and keep the last of two equal ones.
type document map[string]json.RawMessage

// parseDocument takes what [claims.Parse] takes: one object of at most 64 KiB,
// 16 levels and 2,000 values, in UTF-8, no member twice, nothing after it. The
// error names no part of the body.
func parseDocument(body []byte) (document, error) {
	if _, err := claims.Parse(body); err != nil {
		var malformed *claims.Error
		if errors.As(err, &malformed) {
			err = errors.New(malformed.Reason) // without the name, which is the server's text
		}
		return nil, err
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, errors.New("it is not a JSON object")
	}
	return d, nil
}

// has reports whether a member is there and not null.
func (d document) has(name string) bool {
	raw, there := d[name]
	return there && string(raw) != "null"
}

// text returns a member that is a string, or the empty string.
func (d document) text(name string) string {
	var s string
	_ = json.Unmarshal(d[name], &s) // another type is as good as absent
	return s
}

// word returns a member that is a string or a number as text: Databricks writes
// error_code either way (databricks-sdk-go#1061).
func (d document) word(name string) string {
	if raw := d[name]; len(raw) > 0 && (raw[0] == '-' || isDigit(raw[0])) {
		return string(raw)
	}
	return d.text(name)
}

// inner returns a member that is an object, or nil.
func (d document) inner(name string) document {
	var inner document
	_ = json.Unmarshal(d[name], &inner)
	return inner
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// shape is what a body looks like, whatever its Content-Type says.
type shape string

const (
	shapeEmpty shape = "an empty body"
	shapeOAuth shape = "an OAuth error"   // RFC 6749, section 5.2
	shapeJSON  shape = "a JSON object"    // of another kind, such as Databricks' API errors
	shapeOther shape = "another document" // JSON that is broken or no object, form data, bytes
	shapePage  shape = "a web page"
	shapeText  shape = "a text"
)

// complaint is what the body of a failure says. Its texts are not redacted.
type complaint struct {
	shape       shape
	code        string
	description string
	errorID     string
	body        string   // the whole, to look for known words; never shown
	secrets     []string // tokens that came along
}

// readComplaint understands the error bodies of OAuth (RFC 6749, section 5.2),
// of Databricks APIs, of gateways, and pages and plain texts.
func readComplaint(body []byte) complaint {
	c := complaint{shape: bodyShape(body), body: string(body)}
	switch c.shape {
	case shapePage:
		c.description = pageTitle(c.body)
	case shapeText:
		c.description = excerpt(c.body)
	case shapeJSON:
		d, err := parseDocument(body)
		if err != nil {
			c.shape = shapeOther
			break
		}
		c.read(d)
	}
	return c
}

// secretMembers may stand beside an error; what they hold must not be repeated.
var secretMembers = [...]string{"access_token", "refresh_token", "id_token", "subject_token", "assertion", "client_secret"}

func (c *complaint) read(d document) {
	for _, name := range secretMembers {
		if secret := d.text(name); secret != "" {
			c.secrets = append(c.secrets, secret)
		}
	}
	if code := d.text("error"); code != "" {
		c.shape = shapeOAuth
		c.code = code
		c.description = first(d.text("error_description"), d.text("message"))
		c.errorID = d.text("error_id")
		return
	}
	for _, o := range []document{d, d.inner("error")} { // Google-like gateways nest it
		c.code = first(c.code, o.word("error_code"), o.word("status"), o.word("code"))
		c.description = first(c.description, o.text("message"), o.text("error_description"))
		c.errorID = first(c.errorID, o.text("error_id"))
	}
}

// structured reports whether the body names a code or a message.
func (c *complaint) structured() bool { return c.shape == shapeOAuth || c.shape == shapeJSON }

// quoted is what a server's sentence quotes from a token or a request: issuer,
// subject and audience may hold any word.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|\{.*`)

// mentions reports whether the body has one of the words, in any case. In a
// document only code and description are looked at, without what they quote.
func (c *complaint) mentions(words ...string) bool {
	text := c.body
	if c.structured() {
		text = c.code + " " + quoted.ReplaceAllString(c.description, "")
	}
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

func bodyShape(body []byte) shape {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case len(body) == 0:
		return shapeEmpty
	case body[0] == '<':
		return shapePage
	case body[0] == '{':
		return shapeJSON
	case body[0] == '[' || bytes.ContainsAny(body, "=\x00") || bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return shapeOther
	}
	return shapeText
}

var titleTag = regexp.MustCompile(`(?is)<title[^>]*>([^<]{1,512})`)

// pageTitle is all that is told of a web page.
func pageTitle(page string) string {
	found := titleTag.FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return excerpt(found[1])
}

// maxExcerpt is how many bytes are told of a text that nobody structured.
const maxExcerpt = 200

// excerpt returns the first line. It is cut when it is redacted, not before:
// half a secret is harder to find.
func excerpt(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// bounded cuts a text to at most n bytes of whole runes.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
