package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// A program takes its token from where it runs: from a file on Kubernetes, else
// from an environment variable. It stays with what it found.
func ExampleFirst() {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	token, err := idp.Sign(map[string]any{"sub": "system:serviceaccount:jobs:train"})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	source := oidc.First(
		oidc.Env("EXAMPLE_TOKEN_THAT_NOBODY_SET"),
		oidc.File(path),
	)
	t, err := source.Token(context.Background(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.UnverifiedClaims().Subject())
	// Output: system:serviceaccount:jobs:train
}

// If nothing is there, the error says why of each source.
func ExampleFirst_nothing() {
	source := oidc.First(oidc.Env("EXAMPLE_A"), oidc.File(""))
	_, err := source.Token(context.Background(), "")
	fmt.Println(errors.Is(err, oidc.ErrUnavailable))
	fmt.Println(err)
	// Output:
	// true
	// oidc: no token source is available: environment variable "EXAMPLE_A": not available here: it is not set; token file: not available here: no path is given
}

// A service asks its provider for a token, and says what it is for.
func ExampleClientCredentials() {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()

	source := &oidc.ClientCredentials{
		Issuer: idp.Issuer(),
		Auth: oidc.SecretBasic{
			ClientID: oidctest.ClientID,
			// A program would say SecretFile or SecretEnv.
			Secret: oidc.SecretFunc(func(context.Context) (string, error) { return oidctest.ClientSecret, nil }),
		},
		Resource:   []string{"https://databricks.example"},
		HTTPClient: idp.Client(),
	}
	t, err := source.Token(context.Background(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	aud, _, err := t.UnverifiedClaims().Strings("aud")
	fmt.Println(t.UnverifiedClaims().Subject(), aud, err)
	// Output: oidctest-client [https://databricks.example] <nil>
}

// What a provider says is in the error, with a hint.
func ExampleError() {
	idp, err := oidctest.New(oidctest.Config{Pipe: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	idp.Fail(oidctest.Token, oidctest.Fault{Status: 400, Body: `{"error":"invalid_scope"}`})

	source := &oidc.ClientCredentials{
		Issuer:     idp.Issuer(),
		Auth:       oidc.PublicClient{ClientID: "job"},
		HTTPClient: idp.Client(),
	}
	_, err = source.Token(context.Background(), "")
	var e *oidc.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Status, e.Temporary())
		fmt.Println(e.Hint)
	}
	// Output:
	// invalid_scope 400 false
	// ask for scopes that the client was granted: Okta wants one of the authorization server's own, Entra exactly the application's ID URI followed by /.default
}

// A service that decides for other people verifies their tokens.
func ExampleVerifier() {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	verifier := &oidc.Verifier{
		Issuer:     idp.Issuer(),
		Audiences:  []string{"lakehouse"},
		HTTPClient: idp.Client(),
	}
	check := func(claims map[string]any) {
		raw, err := idp.Sign(claims)
		if err != nil {
			fmt.Println(err)
			return
		}
		token, err := oidc.ParseToken(raw)
		if err != nil {
			fmt.Println(err)
			return
		}
		verified, err := verifier.Verify(context.Background(), token)
		switch {
		case errors.Is(err, oidc.ErrExpired):
			fmt.Println("sign in again")
		case errors.Is(err, oidc.ErrRefused):
			fmt.Println(err)
		case err != nil:
			fmt.Println("try again later:", err)
		default:
			fmt.Println("hello,", verified.Claims.Subject())
		}
	}
	check(map[string]any{"sub": "ada", "aud": "lakehouse"})
	check(map[string]any{"sub": "ada", "aud": "lakehouse", "exp": time.Now().Add(-time.Hour).Unix()})
	check(map[string]any{"sub": "ada", "aud": "somebody else"})
	// Output:
	// hello, ada
	// sign in again
	// oidc: verify token: token refused: its aud is ["somebody else"], not one of ["lakehouse"]
}

// Two exchanges share one token of the provider until it has a minute left.
func ExampleReuse() {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	source := oidc.Reuse(oidc.SourceFunc(func(context.Context, string) (*oidc.Token, error) {
		fmt.Println("minting")
		raw, err := idp.Sign(map[string]any{"sub": "service"})
		if err != nil {
			return nil, err
		}
		return oidc.ParseToken(raw)
	}), time.Minute)
	for range 3 {
		if _, err := source.Token(context.Background(), "databricks"); err != nil {
			fmt.Println(err)
		}
	}
	// Output: minting
}

// A program that verifies with go-oidc gets bounded key requests by using this
// key set with it.
func ExampleKeySet() {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	keys := &oidc.KeySet{URL: idp.URL(oidctest.Keys), HTTPClient: idp.Client()}
	verifier := gooidc.NewVerifier(idp.Issuer(), keys, &gooidc.Config{ClientID: "lakehouse"})

	for i := range 100 {
		raw, err := idp.SignWith(map[string]any{"kid": fmt.Sprint("made-up-", i)}, map[string]any{"aud": "lakehouse"})
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := verifier.Verify(context.Background(), raw); err == nil {
			fmt.Println("a token with a made-up key passed")
		}
	}
	fmt.Println(idp.Count(oidctest.Keys), "key request")
	// Output: 1 key request
}
