package redact

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// The shortest run of a secret that is looked for: shorter ones would tear
// ordinary words out of messages. Where only letters and digits count, words
// run together, so that more of them must agree.
const (
	minRun    = 8
	minFolded = 12
	minWhole  = 4 // a secret shorter than a run
)

// layers is how often an encoding is undone, as %2565 is an e encoded twice.
const layers = 3

// cover replaces every run of s that also stands in a secret.
func cover(s string, secrets []string) string {
	hide := hidden(s, secrets)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case !hide[i]:
			b.WriteByte(s[i])
		case i == 0 || !hide[i-1]:
			b.WriteString(Mark)
		}
	}
	return b.String()
}

// hidden tells for each byte of s whether it belongs to a secret, in any of the
// forms that Text promises to see.
func hidden(s string, secrets []string) []bool {
	bytes := make([]bool, len(s))
	whole := plain(s)
	decoded := whole
	for range layers {
		decoded = decoded.decode()
	}
	var long [][]byte
	for _, secret := range secrets {
		switch {
		case len(secret) >= minRun:
			long = append(long, forms(secret)...)
		case len(secret) >= minWhole:
			whole.hide(bytes, [][]byte{[]byte(secret)}, lower, len(secret))
			decoded.hide(bytes, [][]byte{[]byte(secret)}, lower, len(secret))
		}
	}
	if len(long) > 0 {
		whole.hide(bytes, long, lower, minRun)
		decoded.hide(bytes, long, lower, minRun)
		decoded.hide(bytes, long, alphanumeric, minFolded)
	}
	return bytes
}

// forms returns a secret as it may be written down. Base64 depends on how many
// bytes stand before the secret in its group of three.
func forms(secret string) [][]byte {
	raw := []byte(secret)
	list := [][]byte{raw, hex.AppendEncode(nil, raw)}
	for before := range 3 {
		padded := append(make([]byte, before), raw...)
		list = append(list, base64.StdEncoding.AppendEncode(nil, padded))
	}
	return list
}

// folding maps a byte to another one, or leaves it out.
type folding func(byte) (byte, bool)

func lower(c byte) (byte, bool) {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c, true
}

func alphanumeric(c byte) (byte, bool) {
	c, _ = lower(c)
	return c, 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

// view is a text in another form that knows where each of its bytes came from:
// text[i] stands for the bytes from[i] to to[i] of the original.
type view struct {
	text     []byte
	from, to []int
}

func plain(s string) view {
	v := view{text: []byte(s), from: make([]int, len(s)), to: make([]int, len(s))}
	for i := range v.text {
		v.from[i], v.to[i] = i, i+1
	}
	return v
}

// decode undoes one layer of percent, JSON and HTML escapes.
func (v view) decode() view {
	var out view
	for i := 0; i < len(v.text); {
		c, n := unescape(v.text[i:])
		out.add(c, v.from[i], v.to[i+n-1])
		i += n
	}
	return out
}

func (v view) fold(f folding) view {
	var out view
	for i, c := range v.text {
		if c, keep := f(c); keep {
			out.add(c, v.from[i], v.to[i])
		}
	}
	return out
}

func (v *view) add(c byte, from, to int) {
	v.text, v.from, v.to = append(v.text, c), append(v.from, from), append(v.to, to)
}

// hide marks every run of n bytes that the view shares with a secret, both
// folded.
func (v view) hide(hidden []bool, secrets [][]byte, f folding, n int) {
	if v = v.fold(f); len(v.text) < n {
		return
	}
	var known filter
	places := make(map[string][]int)
	for i := 0; i+n <= len(v.text); i++ {
		run := v.text[i : i+n]
		known.add(run)
		places[string(run)] = append(places[string(run)], i)
	}
	var buf []byte
	for _, secret := range secrets {
		buf = buf[:0]
		for _, c := range secret {
			if c, keep := f(c); keep {
				buf = append(buf, c)
			}
		}
		for i := 0; i+n <= len(buf); i++ {
			run := buf[i : i+n]
			if !known.has(run) {
				continue
			}
			for _, place := range places[string(run)] {
				for k := v.from[place]; k < v.to[place+n-1]; k++ {
					hidden[k] = true
				}
			}
			delete(places, string(run)) // so that each place is marked once
		}
	}
}

// filter remembers runs by one bit each, since a secret has thousands of runs
// and hardly ever one that matters. A run that it has may still be unknown.
type filter [1024]uint64

func (f *filter) add(run []byte) {
	word, bit := f.place(run)
	f[word] |= bit
}

func (f *filter) has(run []byte) bool {
	word, bit := f.place(run)
	return f[word]&bit != 0
}

func (f *filter) place(run []byte) (word int, bit uint64) {
	if len(run) < minRun {
		return 0, 1 // a short secret is one run
	}
	hash := binary.LittleEndian.Uint64(run) * 0x9e3779b97f4a7c15 >> 48
	return int(hash >> 6), 1 << (hash & 63)
}

// unescape reads one byte and returns how many bytes it took. Escapes of
// anything but ASCII stay as they are: secrets are ASCII.
func unescape(s []byte) (byte, int) {
	switch s[0] {
	case '%':
		return number(s, 1, 3, 16, 3)
	case '\\':
		switch {
		case len(s) > 1 && strings.IndexByte(`\"'/`, s[1]) >= 0:
			return s[1], 2
		case len(s) > 1 && strings.IndexByte("nrt", s[1]) >= 0:
			return ' ', 2
		case len(s) > 1 && s[1] == 'u':
			return number(s, 2, 6, 16, 6)
		case len(s) > 1 && s[1] == 'x':
			return number(s, 2, 4, 16, 4)
		}
	case '&':
		return entity(s)
	}
	return s[0], 1
}

// entity reads a numeric character reference such as &#101; or &#x65;.
func entity(s []byte) (byte, int) {
	const longest = len("&#x0000065;")
	end := strings.IndexByte(string(s[:min(len(s), longest)]), ';')
	switch {
	case end < 3 || s[1] != '#':
		return s[0], 1
	case s[2] == 'x' || s[2] == 'X':
		return number(s, 3, end, 16, end+1)
	}
	return number(s, 2, end, 10, end+1)
}

// number reads the digits s[from:to]. A number that is not ASCII, or none at
// all, leaves the first byte as it is.
func number(s []byte, from, to, base, length int) (byte, int) {
	if len(s) < length {
		return s[0], 1
	}
	n, err := strconv.ParseUint(string(s[from:to]), base, 7)
	if err != nil {
		return s[0], 1
	}
	return byte(n), length
}
