package exchangetest

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/internal/httpx"
)

// Bounds of fetching an issuer's keys.
const (
	keyTimeout = 10 * time.Second
	maxKeySet  = 512 << 10 // bytes, also of a discovery document
	keyLife    = 5 * time.Minute
	staleLife  = time.Hour // while the issuer cannot be read
)

// algorithms that Databricks accepts for subject tokens ("OAuth token
// federation" documentation).
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}

// keySource says where the keys of a policy are: the first that is set counts.
type keySource struct {
	inline string // jwks_json
	uri    string // jwks_uri
	issuer string // by discovery
}

// keyCache fetches and keeps the key sets of issuers. It is a verifier of its
// own, so that a defect of the one in package oidc cannot hide here.
type keyCache struct {
	client *http.Client
	own    bool // the client was made here

	mu   sync.Mutex // guards sets; never held across I/O
	sets map[keySource]cachedKeys
}

type cachedKeys struct {
	set     *jose.JSONWebKeySet
	fetched time.Time
}

func (k *keyCache) open(client *http.Client) {
	k.client = client
	if k.own = client == nil; k.own {
		k.client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	}
}

func (k *keyCache) close() {
	if k.own {
		k.client.CloseIdleConnections()
	}
}

// verify checks the signature of a token in compact form with the keys of
// source. A token that they do not verify makes it fetch them once again. While
// the issuer cannot be read, keys up to an hour old go on counting.
func (k *keyCache) verify(ctx context.Context, raw string, source keySource) error {
	k.mu.Lock()
	cached, found := k.sets[source]
	k.mu.Unlock()
	age := time.Since(cached.fetched)
	if found && age < keyLife && verifyWith(raw, cached.set) == nil {
		return nil
	}
	set, err := k.fetch(ctx, source)
	if err != nil {
		if found && age < staleLife && verifyWith(raw, cached.set) == nil {
			return nil
		}
		return err
	}
	k.mu.Lock()
	if k.sets == nil {
		k.sets = make(map[keySource]cachedKeys)
	}
	k.sets[source] = cachedKeys{set, time.Now()}
	k.mu.Unlock()
	return verifyWith(raw, set)
}

func (k *keyCache) fetch(ctx context.Context, source keySource) (*jose.JSONWebKeySet, error) {
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	data := []byte(source.inline)
	if source.inline == "" {
		uri := source.uri
		var err error
		if uri == "" {
			if uri, err = k.discover(ctx, source.issuer); err != nil {
				return nil, err
			}
		}
		if data, err = k.get(ctx, uri); err != nil {
			return nil, err
		}
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("the key set is not JSON: %w", err)
	}
	return &set, nil
}

// discover returns the jwks_uri of an issuer. See OpenID Connect Discovery 1.0,
// section 4.
func (k *keyCache) discover(ctx context.Context, issuer string) (string, error) {
	data, err := k.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return "", fmt.Errorf("the discovery document is not JSON: %w", err)
	}
	if document.Issuer != issuer {
		return "", fmt.Errorf("the discovery document is about issuer %q, not %q", document.Issuer, issuer)
	}
	return document.JWKSURI, nil
}

func (k *keyCache) get(ctx context.Context, rawURL string) ([]byte, error) {
	u, err := httpx.ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %q: %w", rawURL, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := httpx.NoRedirects(k.client).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", rawURL, resp.Status)
	}
	return httpx.ReadBody(resp.Body, maxKeySet)
}

// verifyWith tries the keys that the token's kid names, or all of them if it
// names none.
func verifyWith(raw string, set *jose.JSONWebKeySet) error {
	jws, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return err
	}
	kid := jws.Signatures[0].Header.KeyID
	keys := set.Keys
	if kid != "" {
		keys = set.Key(kid)
	}
	if len(keys) == 0 {
		return fmt.Errorf("the issuer has no key %q", kid)
	}
	for _, key := range keys {
		if !usable(key) {
			continue
		}
		if _, err := jws.Verify(key); err == nil {
			return nil
		}
	}
	return errors.New("no key of the issuer verifies the signature")
}

// usable refuses keys that are not for signatures, and RSA keys under 2048 bits
// (RFC 7518, section 3.3).
func usable(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	rsaKey, isRSA := key.Key.(*rsa.PublicKey)
	return !isRSA || rsaKey.N.BitLen() >= 2048
}
