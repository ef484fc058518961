package claims

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// tagPlace is a kind of object that takes tags, and what it takes.
type tagPlace struct {
	name  string          // for errors
	tags  int             // how many
	bytes int             // in all keys and values; 0 is any number
	size  int             // of a value, in units of width
	width func(rune) int  // what a character counts
	inner func(rune) bool // whether a value may have it
	outer func(rune) bool // whether a value may also begin and end with it
}

// Job tags are passed on to clusters. Values of these are what the rules for AWS,
// Azure and Google Cloud have in common, which is the rule for Google Cloud.
var (
	queryTags   = tagPlace{name: "query tags", tags: 20, bytes: 10_000, size: 128, width: queryWidth, inner: unicode.IsPrint, outer: isVisible}
	jobTags     = tagPlace{name: "job tags", tags: 25, size: 63, width: utf8.RuneLen, inner: isCloud, outer: isAlphanumeric}
	clusterTags = tagPlace{name: "cluster tags", tags: 45, size: 63, width: utf8.RuneLen, inner: isCloud, outer: isAlphanumeric}
	runTags     = tagPlace{name: "MLflow run tags", tags: 100, size: 5000, width: utf8.RuneLen, inner: unicode.IsPrint, outer: isVisible}
	userAgent   = tagPlace{name: "User-Agent parts", tags: 16, size: 64, width: utf8.RuneLen, inner: isProduct, outer: isProduct}
)

// tagsTo returns those of the tags that existing lacks, fitted for the place.
func (p *tagPlace) tagsTo(existing map[string]string, t Tags) (map[string]string, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	added := map[string]string{}
	for _, tag := range t.list {
		value := p.fit(tag.value, t.sum)
		switch had, taken := existing[tag.key]; {
		case taken && had != value:
			problem("%q is there already with another value", tag.key)
		case taken:
		default:
			if other, ok := foldedKey(existing, tag.key); ok {
				problem("%q and %.128q, which is there already, differ only in case", tag.key, other)
			}
			added[tag.key] = value
		}
	}
	if n := len(existing) + len(added); n > p.tags {
		problem("%d are too many, %d of them there already; the limit is %d", n, len(existing), p.tags)
	}
	if n := tagBytes(existing) + tagBytes(added); p.bytes > 0 && n > p.bytes {
		problem("%d bytes are too many, %d of them there already; the limit is %d", n, tagBytes(existing), p.bytes)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("claims: %s: %w", p.name, err)
	}
	return added, nil
}

// fit returns a value as it is, if the place takes it and it does not look like a
// replaced one. Otherwise as much of it as there is room for, and a hash of all of
// it behind the mark: so no two values become the same.
func (p *tagPlace) fit(value string, sum func(string) string) string {
	if p.takes(value) && !markedValue.MatchString(value) {
		return value
	}
	mark := "__" + sum(value)
	room := p.size - len(mark)
	var b strings.Builder
	for _, r := range value { // bytes that are not UTF-8 come as U+FFFD
		if !p.inner(r) {
			r = '_'
		}
		if b.Len() == 0 && !p.outer(r) {
			continue
		}
		if room -= p.width(r); room < 0 {
			break
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		b.WriteByte('x') // nothing can be kept
	}
	return b.String() + mark
}

// markedValue finds the end of a replaced value.
var markedValue = regexp.MustCompile(`__[a-z2-7]{16}$`)

// takes reports whether a value, which is not empty, can stay as it is.
func (p *tagPlace) takes(value string) bool {
	size := 0
	for _, r := range value {
		if !p.inner(r) {
			return false
		}
		size += p.width(r)
	}
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	return size <= p.size && p.outer(first) && p.outer(last) && utf8.ValidString(value)
}

// queryWidth counts UTF-16 units, as nobody says what a character is, and the
// backslash before a character that a session's configuration escapes.
func queryWidth(r rune) int {
	if r == '\\' || r == ',' || r == ':' {
		return 2
	}
	return utf16.RuneLen(r)
}

func isVisible(r rune) bool { return r != ' ' && unicode.IsPrint(r) }

func isCloud(r rune) bool { return isAlphanumeric(r) || r == '-' || r == '_' || r == '.' }

func isProduct(r rune) bool { return isCloud(r) || r == '+' }

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// tagKeys are the keys that every place takes.
var tagKeys = regexp.MustCompile(`^[A-Za-z]([0-9A-Za-z_]{0,61}[0-9A-Za-z])?$`)

// Keys that are somebody else's, in lower case. A cluster that is given another
// Name is lost to Databricks and runs on; tags with the keys of its other default
// tags are renamed. Azure keeps the last three prefixes.
var (
	reservedTags = []string{
		"name", "vendor", "creator", "clusterid", "clustername", "runname", "jobid", "sqlendpointid", "sqlwarehouseid",
		"tag_invalid", "tag_truncated", // what Databricks puts in place of query tags that it does not take
	}
	reservedTagPrefixes = []string{tagPrefix, "databricks", "lakehousemonitoring", "azure", "microsoft", "windows"}
)

// checkTagKey says why a caller may not use a key, or returns the empty string.
func checkTagKey(key string) string {
	if !tagKeys.MatchString(key) {
		return "use up to 63 ASCII letters, digits and underscores, a letter first and no underscore last, which is what every place takes"
	}
	folded := strings.ToLower(key)
	isPrefix := func(prefix string) bool { return strings.HasPrefix(folded, prefix) }
	if slices.Contains(reservedTags, folded) || slices.ContainsFunc(reservedTagPrefixes, isPrefix) {
		return "it is reserved for Databricks, a cloud or this package; choose another"
	}
	return ""
}

// foldedKey finds a key that differs in case only.
func foldedKey(tags map[string]string, key string) (string, bool) {
	for _, other := range slices.Sorted(maps.Keys(tags)) {
		if strings.EqualFold(other, key) {
			return other, true
		}
	}
	return "", false
}

// tagBytes counts the separators too.
func tagBytes(tags map[string]string) int {
	n := 0
	for key, value := range tags {
		n += len(key) + len(value) + 2
	}
	return n
}
