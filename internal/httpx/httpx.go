// Package httpx holds the rules by which this module speaks HTTP: https except
// on loopback, no redirects, bounded bodies.
package httpx

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// NoRedirects returns a copy of c that hands out a redirect instead of
// following it: a redirected token request would carry the token to another
// place. A nil c means a client with its own transport settings, as of
// http.DefaultTransport.
func NoRedirects(c *http.Client) *http.Client {
	var clone http.Client
	if c != nil {
		clone = *c
	}
	clone.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	clone.Jar = nil
	return &clone
}

// ParseURL parses an absolute URL and refuses everything but https, and http on
// a loopback host. User information and fragments are refused too.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The cause quotes the input, which may hold a secret.
		return nil, errors.New("not a URL such as https://host")
	}
	switch {
	case u.Scheme == "" || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("not an absolute URL such as https://host")
	case !isHost(u.Hostname()):
		return nil, errors.New("a URL whose host is not a host name")
	case u.User != nil:
		return nil, errors.New("a URL with user information")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, errors.New("a URL with a fragment")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, errors.New("a URL with http; use https")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("a URL with scheme %q; use https", u.Scheme)
	}
	return u, nil
}

// isHost takes names without empty labels and addresses without a zone. Anything
// else has no origin that could be compared.
func isHost(host string) bool {
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Zone() == ""
	}
	name := strings.TrimSuffix(host, ".") // of the root
	return name != "" && !strings.Contains("."+name+".", "..")
}

// IsLoopback reports whether a host name is this machine by definition:
// localhost (RFC 6761, section 6.3) or a loopback address.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Origin returns scheme, host and port in one comparable form: lower case, the
// default port left out, no trailing dot.
func Origin(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	port := u.Port()
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// TooLargeError says that a body went past its bound.
type TooLargeError struct{ Limit int64 }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.Limit)
}

// ReadBody reads a whole body of at most limit bytes. A longer one is a
// *TooLargeError, never a shorter text.
func ReadBody(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &TooLargeError{Limit: limit}
	}
	return data, nil
}
