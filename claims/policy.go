package claims

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
)

// Policy decides what the holder of a token may become. It is immutable, safe
// for concurrent use, and pure apart from its [Resolver] and predicates. Make it
// with [Load] or [New]. The zero Policy denies everybody.
type Policy struct {
	id      string
	issuers map[string]*issuer
	options options
	lint    []Finding
}

// Option adds to a policy what its file cannot hold.
type Option func(*options)

type options struct {
	resolver   Resolver
	predicates map[string]func(*Claims) (bool, error)
	files      fs.FS
	broker     bool
}

// WithResolver names who completes a claim that a token leaves out. Without one,
// a rule that depends on it fails with [ErrIncomplete].
func WithResolver(r Resolver) Option { return func(o *options) { o.resolver = r } }

// WithPredicate gives a policy a matcher written in Go. f must be pure and safe
// for concurrent use; an error means that it cannot tell. It never sees what a
// resolver has found.
func WithPredicate(name string, f func(*Claims) (bool, error)) Option {
	return func(o *options) {
		o.predicates = maps.Clone(o.predicates)
		if o.predicates == nil {
			o.predicates = map[string]func(*Claims) (bool, error){}
		}
		o.predicates[name] = f
	}
}

// WithTestFiles names where the files of the policy's tests are.
func WithTestFiles(files fs.FS) Option { return func(o *options) { o.files = files } }

// Broker is for a service that holds many identities, where the policy is the
// authority and not only a choice that the federation policies check again. It
// refuses to load a policy that does not require an aud for an issuer, or that
// relies on nothing but names that can change hands.
func Broker() Option { return func(o *options) { o.broker = true } }

// Load reads a policy file of at most 1 MiB: one JSON object, as strict as
// [Parse]. It compiles the policy and runs its tests; a policy whose tests fail
// does not load. The error is an [*Error] of kind [ErrPolicy] with everything
// that is wrong.
func Load(data []byte, opts ...Option) (*Policy, error) {
	if len(data) > maxPolicy {
		return nil, &Error{Kind: ErrPolicy, Reason: fmt.Sprintf("it has %d bytes; the limit is %d", len(data), maxPolicy)}
	}
	tree, err := parseObject(data, maxPolicyValues)
	if err != nil {
		return nil, &Error{Kind: ErrPolicy, Reason: "it cannot be read", cause: err}
	}
	var c compiler
	for _, opt := range opts {
		opt(&c.options)
	}
	issuers := c.policy(tree)
	tests := c.tests(tree)
	p := &Policy{id: identify(tree), issuers: make(map[string]*issuer, len(issuers)), options: c.options}
	for _, is := range issuers {
		p.issuers[is.name] = is
	}
	lint := linter{found: c.unread}
	if len(c.problems) == 0 {
		lint.check(issuers)
		if c.options.broker {
			c.problems = append(c.problems, lint.broker...)
		} else {
			lint.found = append(lint.found, lint.broker...)
		}
	}
	if len(c.problems) == 0 {
		fired := c.runTests(p, tests)
		lint.untested(issuers, fired)
	}
	if len(c.problems) > 0 {
		return nil, &Error{Kind: ErrPolicy, Reason: count(len(c.problems), "problem"), Problems: c.problems}
	}
	p.lint = sorted(lint.found)
	return p, nil
}

// New is [Load] for a policy that was made in Go.
func New(cfg Config, opts ...Option) (*Policy, error) {
	data, err := json.Marshal(cfg)
	if err != nil {
		return nil, &Error{Kind: ErrPolicy, Reason: "it cannot be written as JSON", cause: err}
	}
	return Load(data, opts...)
}

// ID identifies what the policy says: the hexadecimal SHA-256 of its canonical
// form, without the tests. It is empty for the zero Policy.
func (p *Policy) ID() string {
	if p == nil {
		return ""
	}
	return p.id
}

// identify hashes the policy in one canonical form: JSON with sorted members and
// without spaces.
func identify(tree map[string]any) string {
	rest := maps.Clone(tree)
	delete(rest, "tests")
	sum := sha256.Sum256(appendCanonical(make([]byte, 0, 16<<10), rest))
	return hex.EncodeToString(sum[:])
}

func appendCanonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return strconv.AppendQuote(b, v)
	case number:
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	case []any:
		b = append(b, '[')
		for _, item := range v {
			b = append(appendCanonical(b, item), ',')
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for _, name := range sortedKeys(v) {
			b = append(strconv.AppendQuote(b, name), ':')
			b = append(appendCanonical(b, v[name]), ',')
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// Lint returns what is legal and probably not meant, sorted by path. The result
// belongs to the caller.
func (p *Policy) Lint() []Finding {
	if p == nil {
		return nil
	}
	return append([]Finding(nil), p.lint...)
}

// Map says what the holder of the token may become. The caller has verified the
// token; Map does not look at exp. ctx is for the resolver. The grant belongs to
// the caller. Every error is an [*Error] whose kind is [ErrDenied],
// [ErrNoMatch], [ErrIncomplete] or [ErrMalformed].
func (p *Policy) Map(ctx context.Context, c *Claims) (Grant, error) {
	is, err := p.issuer(c)
	if err != nil {
		return Grant{}, err
	}
	room := rooms.Get().(*room)
	defer room.leave()
	e := evaluation{ctx: ctx, policy: p, issuer: is, claims: c, room: room}
	e.enter(len(is.claims))
	return e.run()
}

// Explain maps like [Policy.Map] and tells how it came to the result. It
// evaluates every matcher of a rule, also when one has failed already.
func (p *Policy) Explain(ctx context.Context, c *Claims, opts ...TraceOption) Trace {
	return p.explain(ctx, c, &recorder{}, opts)
}

func (p *Policy) explain(ctx context.Context, c *Claims, r *recorder, opts []TraceOption) Trace {
	for _, opt := range opts {
		opt(r)
	}
	is, err := p.issuer(c)
	if err != nil {
		return Trace{Err: err, head: "policy   " + p.short()}
	}
	e := evaluation{ctx: ctx, policy: p, issuer: is, claims: c, room: new(room), record: r}
	e.enter(len(is.claims))
	t := Trace{head: fmt.Sprintf("policy   %s, %s: %s", p.short(), is.path, is.name)}
	t.Grant, t.Err = e.run()
	t.Steps = r.steps
	return t
}

func (p *Policy) issuer(c *Claims) (*issuer, error) {
	switch {
	case p == nil || len(p.issuers) == 0:
		return nil, &Error{Kind: ErrDenied, Reason: "no policy has been loaded"}
	case c.Issuer() == "":
		return nil, &Error{Kind: ErrDenied, Claim: "iss", Reason: "it is absent or not a string"}
	}
	is := p.issuers[c.Issuer()]
	if is == nil {
		return nil, &Error{Kind: ErrDenied, Claim: "iss", Reason: "the policy has no rules for this issuer" + p.near(c.Issuer())}
	}
	return is, nil
}

// near tells of an issuer that was probably meant.
func (p *Policy) near(name string) string {
	trim := func(s string) string { return strings.TrimSuffix(strings.ToLower(s), "/") }
	for known := range p.issuers {
		if trim(known) == trim(name) {
			return fmt.Sprintf("; %q differs by case or by a slash at its end, and they are compared exactly", known)
		}
	}
	return ""
}

func (p *Policy) short() string {
	if p == nil || p.id == "" {
		return "none"
	}
	return p.id[:12]
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
