package bench_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/auth"
	"github.com/aws/aws-sdk-go-v2/aws"
	dbauth "github.com/databricks/databricks-sdk-go/config/experimental/auth"
	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// A fetch is what every cache is wrapped around: a call that brings a new token.
type fetch func(ctx context.Context) (*oauth2.Token, error)

// A get asks a cache for its token and returns the access token.
type get func(ctx context.Context) (string, error)

// A peer is a cache of somebody's.
type peer struct {
	name string

	// locks says that it holds a mutex while it calls. Whoever waits for a mutex
	// is not durably blocked: in a synctest bubble its callers would wait for ever.
	locks bool

	// wrap makes a cache around f. Only brickfed takes its random numbers from
	// random; nil means its default.
	wrap func(f fetch, random func() float64) get
}

// The names of the columns.
const (
	xoauth2  = "x/oauth2"
	google   = "Google"
	amazon   = "AWS"
	amazon5m = "AWS, 5 min"
	sdk      = "Databricks SDK"
	brickfed = "brickfed"
)

// peers are the caches measured, with their defaults unless their name says
// otherwise.
var peers = []peer{
	{name: xoauth2, locks: true, wrap: wrapOAuth2},
	{name: google, locks: true, wrap: wrapGoogle},
	{name: amazon, wrap: func(f fetch, _ func() float64) get { return wrapAmazon(f) }},
	{name: amazon5m, wrap: func(f fetch, _ func() float64) get { return wrapAmazon(f, earlier) }},
	{name: sdk, locks: true, wrap: wrapSDK},
	{name: brickfed, wrap: wrapOwn},
}

func peerNamed(name string) peer {
	for _, p := range peers {
		if p.name == name {
			return p
		}
	}
	panic("there is no peer " + name)
}

func wrapOwn(f fetch, random func() float64) get {
	c := cache.New(cache.SourceFunc(f), cache.Options{Rand: random})
	return func(ctx context.Context) (string, error) { return access(c.Token(ctx)) }
}

func wrapSDK(f fetch, _ func() float64) get {
	ts := dbauth.NewCachedTokenSource(dbauth.TokenSourceFn(f))
	return func(ctx context.Context) (string, error) { return access(ts.Token(ctx)) }
}

// oauth2Source is a fetch without a context, as x/oauth2 has it.
type oauth2Source fetch

func (f oauth2Source) Token() (*oauth2.Token, error) { return f(context.Background()) }

func wrapOAuth2(f fetch, _ func() float64) get {
	ts := oauth2.ReuseTokenSource(nil, oauth2Source(f))
	return func(context.Context) (string, error) { return access(ts.Token()) }
}

func access(tok *oauth2.Token, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return tok.AccessToken, nil
}

type googleProvider fetch

func (f googleProvider) Token(ctx context.Context) (*auth.Token, error) {
	tok, err := f(ctx)
	if err != nil {
		return nil, err
	}
	return &auth.Token{Value: tok.AccessToken, Expiry: tok.Expiry}, nil
}

func wrapGoogle(f fetch, _ func() float64) get {
	tp := auth.NewCachedTokenProvider(googleProvider(f), nil)
	return func(ctx context.Context) (string, error) {
		tok, err := tp.Token(ctx)
		if err != nil {
			return "", err
		}
		return tok.Value, nil
	}
}

// earlier is the one setting in which a peer spreads its refreshes.
func earlier(o *aws.CredentialsCacheOptions) {
	o.ExpiryWindow, o.ExpiryWindowJitterFrac = 5*time.Minute, .5
}

func newAmazon(f fetch, options ...func(*aws.CredentialsCacheOptions)) *aws.CredentialsCache {
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		tok, err := f(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		return aws.Credentials{
			AccessKeyID: tok.AccessToken, SecretAccessKey: "-", // without one they do not count
			Expires: tok.Expiry, CanExpire: !tok.Expiry.IsZero(),
		}, nil
	}), options...)
}

func wrapAmazon(f fetch, options ...func(*aws.CredentialsCacheOptions)) get {
	c := newAmazon(f, options...)
	return func(ctx context.Context) (string, error) {
		creds, err := c.Retrieve(ctx)
		if err != nil {
			return "", err
		}
		return creds.AccessKeyID, nil
	}
}

// A service is a token service in memory.
type service struct {
	ttl   time.Duration // of its tokens; 0: they come without an expiry
	delay time.Duration // of each call
	down  func() bool   // reports whether calls fail; nil: never

	mu     sync.Mutex
	calls  []time.Time // when each call began
	ok     int         // how many brought a token
	expiry []time.Time // of the tokens, in order of their names
}

var errDown = errors.New("the token service is down")

// token is the fetch. Like an HTTP client, it fails when its context ends.
func (s *service) token(ctx context.Context) (*oauth2.Token, error) {
	s.mu.Lock()
	s.calls = append(s.calls, time.Now())
	s.mu.Unlock()
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.down != nil && s.down() {
		return nil, errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ok++
	tok := &oauth2.Token{AccessToken: strconv.Itoa(len(s.expiry))}
	if s.ttl > 0 {
		tok.Expiry = time.Now().Add(s.ttl)
	}
	s.expiry = append(s.expiry, tok.Expiry)
	return tok, nil
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// remaining is the life that a token has left.
func (s *service) remaining(t *testing.T, access string) time.Duration {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := strconv.Atoi(access)
	if err != nil || i >= len(s.expiry) {
		t.Fatalf("got the token %q, which was never issued", access)
	}
	return time.Until(s.expiry[i])
}

// alone runs a probe with a single caller for each peer, in a bubble.
func alone(t *testing.T, probe func(*testing.T, peer)) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { probe(t, p) })
		})
	}
}

// together runs a probe with several callers for each peer: in a bubble if the
// peer can be tested in one, else in real time.
func together(t *testing.T, probe func(*testing.T, peer)) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			if p.locks {
				probe(t, p)
				return
			}
			synctest.Test(t, func(t *testing.T) { probe(t, p) })
		})
	}
}

// seeded returns random numbers that are the same in each run.
func seeded(seed, stream uint64) func() float64 {
	return rand.New(rand.NewPCG(seed, stream)).Float64
}
