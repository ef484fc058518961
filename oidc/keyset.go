package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/internal/flight"
	"github.com/brickfed/brickfed/internal/httpx"
	"github.com/brickfed/brickfed/internal/redact"
	"github.com/brickfed/brickfed/internal/skew"
)

// How a key set is kept.
const (
	maxKeySet     = 512 << 10        // bytes of a key set
	minKeyLife    = 5 * time.Minute  // also if the provider says no-store, or nothing
	maxKeyLife    = time.Hour        // however long the provider says
	keyGrace      = time.Hour        // on top, while the set cannot be fetched
	fetchInterval = 30 * time.Second // between two fetches, whatever the reason
	maxFetchWait  = 10 * time.Minute // however long Retry-After says
)

// KeySet verifies signatures with the keys that a provider publishes at a URL
// (RFC 7517, section 5). It implements the KeySet interface of
// github.com/coreos/go-oidc/v3/oidc, so that it may be used with that verifier
// too; most users want a [Verifier].
//
// The set is fetched when it is needed first, when the keys are old, and when a
// token names a key that is not in it: once in 30 seconds at most, whoever asks
// for what, so that nobody can turn bad tokens into load on the provider. A bad
// signature by a known key never causes a fetch. A fetch has 10 seconds and takes
// 512 KiB at most.
//
// Keys live as long as the answer's max-age says, but 5 minutes at least and an
// hour at most, and up to another hour while the set cannot be fetched. A
// withdrawn key verifies nothing after that. Before they end they are fetched in
// the background, so that a slow provider is not felt.
//
// A set without a usable key counts as one that could not be fetched as long as
// there are keys: a provider that publishes none has more likely an accident than
// withdrawn them all. So if all keys must go at once, publish another one.
//
// What a key may be: RSA with 2048 to 8192 bits, for RS256, or P-256, for ES256;
// not for encryption (use, key_ops, alg), not of the ROCA kind, and no two
// different ones of the same type under one ID. Others are left out of the set.
//
// Use it by pointer; it is safe for concurrent use, and its fields must not
// change after the first use.
type KeySet struct {
	// URL is where the key set is: https, or http on loopback. Required.
	URL string

	// HTTPClient fetches the set. Its redirect policy and cookies are not used.
	// Optional; the default uses http.DefaultTransport.
	HTTPClient *http.Client

	clock  skew.Clock
	flight flight.Flight[*keyring]

	mu      sync.Mutex // guards what follows; never held across a fetch
	ring    *keyring
	fetched time.Time     // when ring came
	life    time.Duration // of ring
	tried   time.Time     // when the last fetch began
	pause   time.Duration // no other fetch that long after tried
	busy    bool          // a fetch is under way
	failed  error         // of the last fetch, nil after a success
}

// VerifySignature checks a JWS in compact form, signed with RS256 or ES256, and
// returns its payload. It looks at no claim. A signature that is refused is an
// error that wraps [ErrRefused]; without that, nothing is known about the
// signature because the keys could not be fetched, and the error is an [*Error].
func (s *KeySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	h, _, err := splitJWS(jwt)
	if err != nil {
		return nil, refusal("%w: %w", ErrMalformed, err)
	}
	return s.verify(ctx, h, jwt)
}

// verify is VerifySignature for a text that was taken apart already.
func (s *KeySet) verify(ctx context.Context, h header, jwt string) ([]byte, error) {
	if err := checkHeader(h); err != nil {
		return nil, err
	}
	ring, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	payload, known, err := ring.verify(h, jwt)
	if known {
		return payload, err
	}
	// The key may be newer than the set.
	fresh, fetchErr := s.refresh(ctx)
	if fetchErr != nil {
		return nil, fetchErr
	}
	if fresh == ring {
		return nil, err
	}
	payload, _, err = fresh.verify(h, jwt)
	return payload, err
}

// checkHeader refuses what no key can help.
func checkHeader(h header) error {
	switch {
	case h.Alg != string(jose.RS256) && h.Alg != string(jose.ES256):
		return refusal("its algorithm is %q, neither RS256 nor ES256", redact.Text(h.Alg))
	case h.Crit:
		// RFC 7515, section 4.1.11: whoever does not understand a critical
		// extension must refuse, and none is understood here.
		return refusal("its header has a crit parameter")
	case len(h.Kid) > 1024:
		return refusal("its kid has more than 1024 bytes")
	}
	return nil
}

// verify checks the signature with each key that may have made it: one, unless
// the token names none. known is false if a key that the set does not have may
// have made it.
func (r *keyring) verify(h header, jwt string) (payload []byte, known bool, err error) {
	candidates := r.candidates(h)
	if len(candidates) == 0 {
		if why, unusable := r.refused[h.Kid]; unusable && h.Kid != "" {
			return nil, false, refusal("the issuer's key %q cannot be used: %s", redact.Text(h.Kid), why)
		}
		return nil, false, refusal("the issuer publishes no key %q for %s", redact.Text(h.Kid), h.Alg)
	}
	jws, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return nil, true, refusal("%w: its header cannot be used", ErrMalformed)
	}
	for _, k := range candidates {
		if payload, err := jws.Verify(k.key); err == nil {
			return payload, true, nil
		}
	}
	if h.Kid == "" {
		return nil, false, refusal("it names no key, and its signature is by none of the issuer's")
	}
	return nil, true, refusal("its signature is not by the issuer's key %q", redact.Text(h.Kid))
}

// current returns the keys to use now, and fetches them if they are too old.
func (s *KeySet) current(ctx context.Context) (*keyring, error) {
	s.mu.Lock()
	ring, age, life := s.ring, since(s.fetched), s.life
	failing, due := s.failed != nil, !s.busy && since(s.tried) >= s.pause
	s.mu.Unlock()
	switch {
	case ring == nil || age >= life+keyGrace:
		return s.refresh(ctx)
	case age < life*4/5:
		return ring, nil
	case age < life || failing:
		// Nobody waits: the keys are good, or the provider is known to be away.
		if due {
			go func() { _, _ = s.refresh(context.Background()) }()
		}
		return ring, nil
	}
	fresh, err := s.refresh(ctx)
	if err != nil && ctx.Err() == nil {
		return ring, nil
	}
	return fresh, err
}

// since is how long ago t was, by the monotonic clock or the wall clock,
// whichever says more: one stands still while a machine is suspended, and the
// other may be set back.
func since(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// refresh joins the fetch under way or starts one, unless the last one began
// less than 30 seconds ago. Then it fails fast with that one's error, or returns
// the keys that there are.
func (s *KeySet) refresh(ctx context.Context) (*keyring, error) {
	s.mu.Lock()
	tooSoon := !s.busy && since(s.tried) < s.pause
	ring, failed := s.ring, s.failed
	s.mu.Unlock()
	if tooSoon {
		if failed != nil {
			return nil, failed
		}
		return ring, nil
	}
	return s.flight.Do(ctx, providerTimeout+time.Second, s.fetch)
}

// fetch runs in one goroutine at a time.
func (s *KeySet) fetch(ctx context.Context) (ring *keyring, err error) {
	s.mu.Lock()
	if since(s.tried) < s.pause {
		defer s.mu.Unlock()
		return s.ring, s.failed // somebody was faster
	}
	began := time.Now()
	s.busy, s.tried, s.pause = true, began, fetchInterval
	s.mu.Unlock()

	var life, wait time.Duration
	err = errors.New("oidc: key request: it did not end")
	defer func() { // also if load panics
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy, s.failed = false, err
		if err != nil {
			s.pause = max(fetchInterval, min(wait, maxFetchWait))
			return
		}
		s.ring, s.fetched, s.life = ring, began, life
	}()
	ring, life, wait, err = s.load(ctx)
	return ring, err
}

func (s *KeySet) load(ctx context.Context) (ring *keyring, life, wait time.Duration, err error) {
	const op = "key request"
	if _, err := httpx.ParseURL(s.URL); err != nil {
		return nil, 0, 0, fmt.Errorf("oidc: %s: the address of the key set is %w", op, err)
	}
	res, err := get(ctx, s.HTTPClient, op, s.URL, maxKeySet)
	if err != nil {
		return nil, 0, 0, err
	}
	s.clock.Observe(res.header, res.sent, res.received)
	where, _, _ := strings.Cut(s.URL, "?")
	e := &Error{Op: op, URL: where, Status: res.status, Wait: res.wait()}
	if res.status != http.StatusOK {
		e.Hint = statusHint(res.status, "check the address of the key set")
		return nil, 0, e.Wait, e
	}
	if ring, e.Err = parseKeySet(res.body); e.Err != nil {
		return nil, 0, e.Wait, e
	}
	if len(ring.keys) == 0 && s.holdsKeys() {
		e.Err = errors.New("the answer has no usable key")
		e.Hint = "the known keys serve on for a while; have the provider publish one that can be used"
		return nil, 0, e.Wait, e
	}
	return ring, keyLife(res.header), 0, nil
}

// holdsKeys reports whether there are keys that would serve on in an outage.
func (s *KeySet) holdsKeys() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ring != nil && len(s.ring.keys) > 0 && since(s.fetched) < s.life+keyGrace
}

// keyLife reads how long an answer may be kept. See RFC 9111, sections 4.2.1 and
// 5.2.2.
func keyLife(h http.Header) time.Duration {
	var life time.Duration
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return minKeyLife
		case "max-age":
			life = seconds(strings.Trim(value, `"`))
		}
	}
	life -= seconds(h.Get("Age"))
	return min(max(life, minKeyLife), maxKeyLife)
}

func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
