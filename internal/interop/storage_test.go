package interop_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The one client of the provider. Its secret has what must be escaped in a form
// and in HTTP Basic authentication.
const (
	clientID     = "training job"
	clientSecret = "100%+s/e c:r&e=t~ü"
)

// audienceScope asks for an audience as ZITADEL has it: by a reserved scope.
func audienceScope(audience string) string {
	return "urn:zitadel:iam:org:project:id:" + audience + ":aud"
}

// store is what the provider knows: what client credentials need, and for all
// other methods of the interface the example's storage, with nothing in it. It
// signs with the first of its keys.
type store struct {
	*storage.Storage
	lifetime time.Duration // of access tokens
	issuesID bool          // the client gets an ID token with the scope openid

	mu   sync.Mutex // guards keys
	keys []key
}

var (
	_ op.Storage                   = (*store)(nil)
	_ op.ClientCredentialsStorage  = (*store)(nil)
	_ op.CanSetUserinfoFromRequest = (*store)(nil)
)

// rotate signs with a new key from now on and withdraws all others.
func (s *store) rotate(alg jose.SignatureAlgorithm) error {
	k, err := newKey(alg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = []key{k}
	return nil
}

// SigningKey implements op.Storage.
func (s *store) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0], nil
}

// SignatureAlgorithms implements op.Storage.
func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []jose.SignatureAlgorithm{s.keys[0].alg}, nil
}

// KeySet implements op.Storage.
func (s *store) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set []op.Key
	for _, k := range s.keys {
		set = append(set, published{k})
	}
	return set, nil
}

// ClientCredentials implements op.ClientCredentialsStorage.
func (s *store) ClientCredentials(_ context.Context, id, secret string) (op.Client, error) {
	if id != clientID || secret != clientSecret {
		return nil, zitadel.ErrInvalidClient().WithParent(errors.New("wrong client or secret"))
	}
	return client{storage.WebClient(id, secret)}, nil
}

// ClientCredentialsTokenRequest implements op.ClientCredentialsStorage.
func (s *store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	audience := []string{id}
	for _, scope := range scopes {
		project, found := strings.CutPrefix(scope, "urn:zitadel:iam:org:project:id:")
		project, closed := strings.CutSuffix(project, ":aud")
		switch {
		case found && closed:
			audience = append(audience, project)
		case scope != zitadel.ScopeOpenID:
			return nil, zitadel.ErrInvalidScope().WithDescription("scope %q is not granted to the client", scope)
		}
	}
	return &tokenRequest{client: id, audience: audience, scopes: scopes}, nil
}

// CreateAccessToken implements op.Storage.
func (s *store) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(s.lifetime), nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest. The sub of an
// ID token comes from here.
func (s *store) SetUserinfoFromRequest(_ context.Context, info *zitadel.UserInfo, r op.IDTokenRequest, _ []string) error {
	info.Subject = r.GetSubject()
	return nil
}

// client is the example's client, but gets JWTs.
type client struct{ *storage.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (client) GrantTypes() []zitadel.GrantType {
	return []zitadel.GrantType{zitadel.GrantTypeClientCredentials}
}

// tokenRequest is what a token is made of.
type tokenRequest struct {
	client           string
	audience, scopes []string
}

var _ op.IDTokenRequest = (*tokenRequest)(nil)

func (r *tokenRequest) GetSubject() string     { return r.client }
func (r *tokenRequest) GetClientID() string    { return r.client }
func (r *tokenRequest) GetAudience() []string  { return r.audience }
func (r *tokenRequest) GetScopes() []string    { return r.scopes }
func (r *tokenRequest) GetAMR() []string       { return nil }
func (r *tokenRequest) GetAuthTime() time.Time { return time.Now() }

// idTokens is zitadel's Server, with ID tokens for client credentials.
type idTokens struct{ *op.LegacyServer }

func (s idTokens) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[zitadel.ClientCredentialsRequest]) (*op.Response, error) {
	st, ok := s.Provider().Storage().(*store)
	if !ok || !st.issuesID || !slices.Contains(r.Data.Scope, zitadel.ScopeOpenID) {
		return s.LegacyServer.ClientCredentialsExchange(ctx, r)
	}
	request, err := st.ClientCredentialsTokenRequest(ctx, r.Client.GetID(), r.Data.Scope)
	if err != nil {
		return nil, err
	}
	answer, err := op.CreateTokenResponse(ctx, request.(*tokenRequest), r.Client, s.Provider(), true, "", "")
	if err != nil {
		return nil, err
	}
	return op.NewResponse(answer), nil
}

// key is a signing key of the provider.
type key struct {
	id      string
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

func newKey(alg jose.SignatureAlgorithm) (key, error) {
	k := key{id: rand.Text(), alg: alg}
	var err error
	switch alg {
	case jose.RS256:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		err = fmt.Errorf("no keys for %s are made here", alg)
	}
	return k, err
}

func (k key) ID() string                                  { return k.id }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return k.alg }
func (k key) Key() any                                    { return k.private }

// published is the public part of a key.
type published struct{ key }

func (k published) Algorithm() jose.SignatureAlgorithm { return k.alg }
func (k published) Use() string                        { return "sig" }
func (k published) Key() any                           { return k.private.Public() }
