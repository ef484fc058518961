package exchange

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// opUse is what a program does with the token it got.
const opUse = "use token"

// refusalLimit is how much of an answer Refusal reads, in bytes. The known
// bodies have a few hundred; what a longer one says is not looked at.
const refusalLimit = 64 << 10

// refusalTime is how long Refusal waits for a body.
const refusalTime = 2 * time.Second

// Refusal explains an API's answer with status 400, 401 or 403. refused is true
// if the API refuses the access token itself, so that a new token may help:
// always with 401, and with 400 and 403 if the answer says so, since Databricks
// refuses expired tokens in many ways. It is false for a missing permission, an
// IP access list and the like, which a new token cannot change; a 403 with
// PERMISSION_DENIED is never a refused token. The error is nil if the answer says
// nothing about access.
//
// Refusal reads at most 64 KiB of the body, for at most 2 seconds, and puts them
// back: the caller reads and closes the response as if nothing had happened. It
// does not touch the body of any other status. It is not safe for concurrent use
// on one response.
func Refusal(resp *http.Response) (err *Error, refused bool) {
	if resp == nil {
		return nil, false
	}
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return nil, false
	}
	v := verdict{
		status:    resp.StatusCode,
		challenge: challengeError(resp.Header),
		reason:    first(resp.Header.Get("X-Databricks-Reason-Phrase"), resp.Header.Get("X-Thriftserver-Error-Message")),
		complaint: readComplaint(peek(resp)),
	}
	kind, hint := v.judge()
	if kind == "" {
		return nil, false
	}
	e := &Error{Op: opUse, Kind: kind, Status: v.status, Hint: hint}
	e.Wait = retryAfter(resp.Header, time.Now())
	v.complaint.code = first(v.complaint.code, v.challenge)
	v.complaint.description = first(v.complaint.description, v.reason)
	var by censor
	if req := resp.Request; req != nil && req.URL != nil {
		e.Endpoint = tidy(req.URL.Host, maxClaim)
		_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		by.secrets = []string{token}
	}
	e.tell(&v.complaint, resp.Header, by)
	return e, kind == KindRefused
}

// peek returns the body if it has less than refusalLimit bytes and comes within
// refusalTime, else none of it. Either way the response has it all afterwards.
func peek(resp *http.Response) []byte {
	if resp.Body == nil || resp.Body == http.NoBody {
		return nil
	}
	p := &peeked{body: resp.Body, read: make(chan struct{}), closed: make(chan struct{})}
	resp.Body = p
	go p.readAhead()
	timer := time.NewTimer(refusalTime)
	defer timer.Stop()
	select {
	case <-p.read:
		if len(p.head) < refusalLimit && p.err == nil {
			return p.head
		}
	case <-timer.C:
	}
	return nil
}

// peeked is a body of which the head was read ahead. Reading goes on where that
// ended. A body that is slow is closed while its head is being read, which the
// bodies of net/http allow, and those of other transports must.
type peeked struct {
	body io.ReadCloser
	read chan struct{} // closed when the next two are final
	head []byte
	err  error // that ended the head, other than io.EOF

	once   sync.Once
	closed chan struct{}
	rest   io.Reader // made by the first Read
}

// readAhead ends with the head, with the body, or when that is closed.
func (p *peeked) readAhead() {
	defer close(p.read)
	defer func() {
		if v := recover(); v != nil { // in a goroutine of ours it would end the process
			p.err = fmt.Errorf("reading the body panicked with a value of type %T", v)
		}
	}()
	p.head, p.err = io.ReadAll(io.LimitReader(p.body, refusalLimit))
}

func (p *peeked) Read(b []byte) (int, error) {
	select {
	case <-p.closed:
		return 0, http.ErrBodyReadAfterClose
	default:
	}
	if p.rest == nil {
		select {
		case <-p.read:
		case <-p.closed:
			return 0, http.ErrBodyReadAfterClose
		}
		p.rest = p.body
		if p.err != nil {
			p.rest = failing{p.err}
		}
		p.rest = io.MultiReader(bytes.NewReader(p.head), p.rest)
	}
	return p.rest.Read(b)
}

func (p *peeked) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.body.Close()
}

// failing repeats the error that ended a body.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// verdict is what one answer says about access.
type verdict struct {
	status    int
	challenge string // error of WWW-Authenticate
	reason    string // X-Databricks-Reason-Phrase, or what SQL endpoints say instead
	complaint complaint
}

// challengeParam finds the error parameter of a Bearer challenge (RFC 6750,
// section 3).
var challengeParam = regexp.MustCompile(`(?i)(?:^|[\s,])error\s*=\s*"?(invalid_token|insufficient_scope|invalid_request)\b`)

func challengeError(h http.Header) string {
	for _, value := range h.Values("WWW-Authenticate") {
		if found := challengeParam.FindStringSubmatch(value); found != nil {
			return strings.ToLower(found[1])
		}
	}
	return ""
}

// judge returns no kind if the answer says nothing about access.
func (v *verdict) judge() (Kind, string) {
	switch {
	case v.status == http.StatusUnauthorized:
		return KindRefused, v.hintRefused()
	case strings.EqualFold(v.complaint.code, "PERMISSION_DENIED"):
		return KindPermission, hintGrant
	case v.challenge == "invalid_token" || v.expired():
		return KindRefused, v.hintRefused()
	case v.status == http.StatusBadRequest:
		return "", ""
	case v.challenge == "insufficient_scope":
		return KindScope, "ask for the scope that this API wants in Scopes; a token keeps the scopes it was issued with"
	case v.invalid():
		return KindRefused, v.hintRefused()
	case v.complaint.blocked():
		return KindBlocked, "allow this machine's public address in the IP access lists of the workspace and the account, or use its private link"
	}
	return KindPermission, hintGrant
}

const hintGrant = "the token is good, and a new one would not help: grant the identity the permission in Databricks, and add it to the workspace if it is not there"

// expired knows the ways in which Databricks says that a token has ended, with
// any of the three statuses. A text in an API's own 400 answer must not look
// like one.
func (v *verdict) expired() bool {
	return v.says("jwt has expired", "jwt expired", "expiredjwtexception", "token is expiring within")
}

// invalid knows the other ways to refuse a token with 403: a numeric error_code
// with a text (databricks-sdk-go#1061), a bare text, a page
// (terraform-provider-databricks#66).
func (v *verdict) invalid() bool {
	return v.says("invalid access token", "invalid token", "access token is invalid", "token is invalid",
		"token is expired", "token has expired", "token expired", "expired token", "unauthenticated")
}

func (v *verdict) says(words ...string) bool {
	reason := complaint{shape: shapeText, body: v.reason}
	return v.complaint.mentions(words...) || reason.mentions(words...)
}

func (v *verdict) hintRefused() string {
	switch {
	case v.says("expiring within"):
		return "get a new token: Azure Databricks takes none with 30 seconds left or less, so keep a cache's MinRemaining at 40 seconds or more"
	case v.expired() || v.says("token is expired", "token has expired", "token expired", "expired token"):
		return "get a new token: this one has ended by the server's clock; if a fresh one is refused as well, set the local clock by NTP"
	}
	return "get a new token; if that is refused as well, check that it was exchanged at the host that is called now, in the same account, and that the identity is active and in this workspace"
}
