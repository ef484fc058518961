package claims

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// TagKey is the secret that makes pseudonyms. It is safe for concurrent use, and
// printing it shows nothing of the secret.
type TagKey struct {
	// The secret stands in a closure, because fmt looks through unexported fields.
	mac func(label string, fields ...string) []byte
}

// minTagKey is the length of the shortest secret, in bytes.
const minTagKey = 16

// NewTagKey returns the key of a secret of at least 16 bytes, which is copied.
// Every program whose tags are to be compared needs the same secret: 32 random
// bytes from a secret store, say. Whoever has it can find out whose pseudonym a
// known person's is, and so can anybody who guesses it; another secret makes
// other pseudonyms for everybody.
func NewTagKey(secret []byte) (*TagKey, error) {
	if len(secret) < minTagKey {
		return nil, fmt.Errorf("claims: make tag key: the secret has %d bytes; use at least %d random ones, the same in every program whose tags are to be compared", len(secret), minTagKey)
	}
	secret = slices.Clone(secret)
	return &TagKey{mac: func(label string, fields ...string) []byte {
		h := hmac.New(sha256.New, secret)
		for _, field := range append([]string{label}, fields...) {
			// With its length before it, no field runs into the next.
			_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
			_, _ = io.WriteString(h, field)
		}
		return h.Sum(nil)
	}}, nil
}

// TagOptions says what goes into [Tags].
type TagOptions struct {
	// Key makes the pseudonym. Required: a hash without a secret can be undone by
	// hashing every address of a company.
	Key *TagKey

	// Readable adds issuer and subject in clear. The default is the pseudonym
	// alone. Databricks keeps tags as plain text, may replicate them globally, and
	// wants no personal data in them: set this only where subjects are not people
	// but, say, pipelines.
	Readable bool

	// Extra are more tags, such as the ID of a pipeline's run. Optional. A key has
	// up to 63 ASCII letters, digits and underscores, begins with a letter and does
	// not end in an underscore, which every place takes. Keys that differ only in
	// case are an error, as are those that Databricks or a cloud reserves and those
	// that begin with brickfed_. A value is not empty; what a place cannot take of
	// it is replaced there, see [Tags].
	Extra map[string]string
}

// Tags are the identity context of a grant, to be put on what is done under it.
// Databricks' audit log does not tell which identity of the provider a token was
// exchanged for; these do, without naming anybody.
//
// Each method fits the tags for one kind of object, given the tags that are there
// already, and returns those to add: whatever does not fit is an error that names
// the limit, and nothing is left out. A tag that is there already with the same
// value is fine. One that has another value, or whose key differs only in case,
// is an error.
//
// A value that a place does not take, for its characters or its length, is
// replaced: what can be kept is followed by two underscores and 16 letters and
// digits, 80 bits of a keyed hash of the whole value. So equal values stay equal,
// different ones stay different, and everybody sees that it was changed.
//
// The zero Tags adds nothing. Tags are immutable and safe for concurrent use.
type Tags struct {
	list []tag
	sum  func(value string) string
}

type tag struct{ key, value string }

// Keys of the tags that every grant may have.
const (
	tagPrefix  = "brickfed_"
	tagSubject = tagPrefix + "subject"
)

// Tags returns the grant's identity context:
//
//	brickfed_subject       pseudonym of issuer and subject, 24 letters and digits
//	brickfed_policy        Policy; the first 16 digits if it is a SHA-256
//	brickfed_rule          Target.Rule
//	brickfed_client_id     Target.ClientID
//	brickfed_assume_group  Target.AssumeGroup
//	brickfed_iss           Issuer, if Readable
//	brickfed_sub           Subject, if Readable
//
// and what is in Extra. A field that is empty gives no tag. The pseudonym is the
// first 120 bits of an HMAC-SHA-256, in base32: the same issuer and subject have
// the same one in every program with the same key, and others another.
//
// It is an error if the grant has no issuer or subject. Everything that is wrong
// is in one error, without any value.
func (g Grant) Tags(opts TagOptions) (Tags, error) {
	if err := errors.Join(g.tagProblems(opts)...); err != nil {
		return Tags{}, fmt.Errorf("claims: make tags: %w", err)
	}
	list := []tag{
		{tagSubject, base32Lower.EncodeToString(opts.Key.mac("brickfed subject", g.Issuer, g.Subject)[:15])},
		{tagPrefix + "policy", shortPolicy(g.Policy)},
		{tagPrefix + "rule", g.Target.Rule},
		{tagPrefix + "client_id", g.Target.ClientID},
		{tagPrefix + "assume_group", g.Target.AssumeGroup},
	}
	if opts.Readable {
		list = append(list, tag{tagPrefix + "iss", g.Issuer}, tag{tagPrefix + "sub", g.Subject})
	}
	for _, key := range slices.Sorted(maps.Keys(opts.Extra)) {
		list = append(list, tag{key, opts.Extra[key]})
	}
	return Tags{
		list: slices.DeleteFunc(list, func(t tag) bool { return t.value == "" }),
		sum: func(value string) string {
			return base32Lower.EncodeToString(opts.Key.mac("brickfed value", value)[:10])
		},
	}, nil
}

// base32Lower needs no padding for the 10 and 15 bytes that it is used for.
var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (g Grant) tagProblems(opts TagOptions) (problems []error) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if opts.Key == nil || opts.Key.mac == nil {
		problem("TagOptions.Key is required: without a secret anybody could find out whose pseudonym is whose; make it by NewTagKey")
	}
	if g.Issuer == "" || g.Subject == "" {
		problem("the grant has no issuer or no subject, so that it is nobody's")
	}
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(opts.Extra)) {
		if reason := checkTagKey(key); reason != "" {
			problem("TagOptions.Extra: key %.64q: %s", key, reason)
		}
		if opts.Extra[key] == "" {
			problem("TagOptions.Extra: key %.64q has an empty value, which not every place takes; leave it out", key)
		}
		folded := strings.ToLower(key)
		if other, taken := seen[folded]; taken {
			problem("TagOptions.Extra: keys %.64q and %.64q differ only in case, which not every place tells apart", other, key)
		}
		seen[folded] = key
	}
	return problems
}

// shortPolicy keeps 64 bits of a policy's ID: enough to tell one's own policies
// apart. Whatever is not such an ID is kept as it is.
func shortPolicy(id string) string {
	if len(id) == sha256.Size*2 && strings.Trim(id, "0123456789abcdef") == "" {
		return id[:16]
	}
	return id
}

// Subject returns the pseudonym of the grant's issuer and subject: the value of
// brickfed_subject. Somebody who has the key and the list of people finds out
// by it whose a pseudonym is. It is empty for the zero Tags.
func (t Tags) Subject() string {
	for _, tag := range t.list {
		if tag.key == tagSubject {
			return tag.value
		}
	}
	return ""
}

// Query returns the tags to add to a SQL statement or session. Databricks takes
// 20 for each query, of 128 characters, and 10 KB for a session; characters
// beyond the basic multilingual plane and those that a session's configuration
// escapes count twice here. The result also suits the SQL driver for Go. It does
// not count the tags of the session that a statement runs in. See Databricks,
// "Query tags".
func (t Tags) Query(existing map[string]string) (map[string]string, error) {
	return queryTags.tagsTo(existing, t)
}

// Job returns the tags to add to a job. Databricks takes 25, and puts them on the
// clusters that it makes for the job, so that values are as for
// [Tags.Cluster].
func (t Tags) Job(existing map[string]string) (map[string]string, error) {
	return jobTags.tagsTo(existing, t)
}

// Cluster returns the tags to add to a cluster's custom tags. Databricks takes 45
// and puts them on the cloud's resources. Values are such as every cloud takes:
// 63 ASCII letters, digits, dots, dashes and underscores, of which the first and
// the last is a letter or digit. See Databricks, "Use tags to attribute and track
// usage", and the rules for each cloud in the Databricks CLI.
func (t Tags) Cluster(existing map[string]string) (map[string]string, error) {
	return clusterTags.tagsTo(existing, t)
}

// Run returns the tags to add to an MLflow run: at most 100, of up to 5000 bytes,
// which every tracking server takes.
func (t Tags) Run(existing map[string]string) (map[string]string, error) {
	return runTags.tagsTo(existing, t)
}

// UserAgent returns the tags as products of a User-Agent header (RFC 9110,
// section 10.1.5): key/value pairs with a space between them, in the order of
// [Grant.Tags]. Values have up to 64 characters of those that the Databricks SDKs
// take. There are at most 16 pairs, a limit of this package to keep the header
// short. The result is empty for the zero Tags.
func (t Tags) UserAgent() (string, error) {
	tags, err := userAgent.tagsTo(nil, t)
	if err != nil {
		return "", err
	}
	pairs := make([]string, len(t.list))
	for i, tag := range t.list {
		pairs[i] = tag.key + "/" + tags[tag.key]
	}
	return strings.Join(pairs, " "), nil
}

// RunAs returns the application ID of the service principal that a job of the
// grant's holder runs as: the service_principal_name in the run_as of Databricks
// jobs. It is an error if the target assumes a group, because run_as names a
// group by its name, which a grant does not know, and the service principal alone
// may be allowed other things than the group; or if it names no service
// principal, because run_as names a person by the e-mail address in Databricks,
// which a grant does not know either. A job without run_as runs as the identity
// whose token creates it, which is right in both cases.
func (g Grant) RunAs() (string, error) {
	switch {
	case g.Target.AssumeGroup != "":
		return "", fmt.Errorf("claims: run as: the target assumes group %q, and run_as takes a group's name, not its ID; leave run_as out, or set it to the name", g.Target.AssumeGroup)
	case g.Target.ClientID == "":
		return "", errors.New("claims: run as: the target names no service principal; leave run_as out, or set it to the user's e-mail address in Databricks")
	}
	return g.Target.ClientID, nil
}
