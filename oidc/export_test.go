package oidc

import (
	"net/http"
	"time"
)

// ReusedAudiences returns how many audiences a reusing source keeps.
func ReusedAudiences(src Source) int {
	r := src.(*reuse)
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.slots)
}

// ReadOpened reads a file without looking at its path first, as if what the path
// names had changed since.
func ReadOpened(path string) (string, error) { return readOpened(path) }

// ReadTokenAnswer reads the answer of a token endpoint.
func ReadTokenAnswer(status int, h http.Header, body []byte, secrets ...string) (access, id string, err error) {
	a, err := readTokenAnswer(&result{status: status, header: h, body: body, received: time.Now()}, "https://idp.example/token", secrets)
	if err != nil {
		return "", "", err
	}
	return a.AccessToken, a.IDToken, nil
}

// ParseMetadata reads a discovery document.
func ParseMetadata(data []byte) (issuer, endpoint, keys string, err error) {
	m, err := parseMetadata(data)
	if err != nil {
		return "", "", "", err
	}
	return m.Issuer, m.TokenEndpoint, m.KeySet, nil
}

// ParseKeySet returns the keys of a set that are used.
func ParseKeySet(data []byte) (keys []any, err error) {
	ring, err := parseKeySet(data)
	if err != nil {
		return nil, err
	}
	for _, k := range ring.keys {
		keys = append(keys, k.key)
	}
	return keys, nil
}
