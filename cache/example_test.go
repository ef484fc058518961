package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// exchange stands for whatever gets a token: here it takes no time and always
// works.
func exchange(context.Context) (*oauth2.Token, error) {
	fmt.Println("exchange")
	return &oauth2.Token{AccessToken: "dapi-1", Expiry: time.Now().Add(time.Hour)}, nil
}

func ExampleNew() {
	tokens := cache.New(cache.SourceFunc(exchange), cache.Options{})
	for range 3 {
		tok, err := tokens.Token(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(tok.AccessToken)
	}
	// Output:
	// exchange
	// dapi-1
	// dapi-1
	// dapi-1
}

// A failure says when the next attempt will be made, which a server can pass on.
func ExampleError() {
	tokens := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
		return nil, errors.New("exchange: 503 Service Unavailable")
	}), cache.Options{})

	_, err := tokens.Token(context.Background())
	var ce *cache.Error
	if errors.As(err, &ce) {
		wait := time.Until(ce.NextAttempt)
		fmt.Println(ce.Err, wait > 0, wait <= time.Second)
	}
	// Output: exchange: 503 Service Unavailable true true
}

// A request is refused with a token that looked good: get another one, once.
func ExampleCache_Invalidate() {
	n := 0
	tokens := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
		n++
		return &oauth2.Token{AccessToken: fmt.Sprintf("dapi-%d", n), Expiry: time.Now().Add(time.Hour)}, nil
	}), cache.Options{})

	server := func(tok *oauth2.Token) int {
		if tok.AccessToken == "dapi-1" { // which somebody has revoked
			return http.StatusUnauthorized
		}
		return http.StatusOK
	}
	ctx := context.Background()
	tok, _ := tokens.Token(ctx)
	if server(tok) == http.StatusUnauthorized {
		tokens.Invalidate(tok)
		tok, _ = tokens.Token(ctx)
	}
	fmt.Println(tok.AccessToken, server(tok))
	// Output: dapi-2 200
}

// Code that knows x/oauth2 but not this package.
func ExampleCache_TokenSource() {
	tokens := cache.New(cache.SourceFunc(exchange), cache.Options{})
	client := oauth2.NewClient(context.Background(), tokens.TokenSource())

	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Authorization"))
	}))
	defer api.Close()
	resp, err := client.Get(api.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	// Output:
	// exchange
	// Bearer dapi-1
}

// A service that wants its first request to be as quick as all others.
func ExampleCache_KeepWarm() {
	fetched := make(chan struct{})
	tokens := cache.New(cache.SourceFunc(exchange), cache.Options{
		OnEvent: func(ev cache.Event) {
			if ev.Kind == cache.RefreshSucceeded {
				close(fetched)
			}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- tokens.KeepWarm(ctx) }()
	<-fetched

	fmt.Println("ready:", tokens.Status().Ready)
	cancel()
	fmt.Println(<-stopped)
	// Output:
	// exchange
	// ready: true
	// context canceled
}

// A readiness probe.
func ExampleCache_Status() {
	tokens := cache.New(cache.SourceFunc(exchange), cache.Options{})
	readyz := func(w http.ResponseWriter, _ *http.Request) {
		if st := tokens.Status(); !st.Ready {
			http.Error(w, fmt.Sprintf("no token: %v", st.LastError), http.StatusServiceUnavailable)
		}
	}
	probe := func() int {
		rec := httptest.NewRecorder()
		readyz(rec, nil)
		return rec.Code
	}
	fmt.Println(probe())
	if _, err := tokens.Token(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(probe())
	// Output:
	// 503
	// exchange
	// 200
}

// One token per user. Who may have one is decided before each call.
func ExampleKeyed() {
	tokens := cache.NewKeyed[string](cache.Options{MaxKeys: 10_000})
	ctx := context.Background()
	for _, user := range []string{"alice", "bob", "alice"} {
		tok, err := tokens.Token(ctx, user, func(context.Context) (*oauth2.Token, error) {
			fmt.Println("exchange for", user)
			return &oauth2.Token{AccessToken: "dapi-" + user, Expiry: time.Now().Add(time.Hour)}, nil
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(tok.AccessToken)
	}
	tokens.Revoke("alice") // who has left
	fmt.Println(tokens.Len(), "user left")
	// Output:
	// exchange for alice
	// dapi-alice
	// exchange for bob
	// dapi-bob
	// dapi-alice
	// 1 user left
}

// Events as structured log lines.
func ExampleOptions_onEvent() {
	log := json.NewEncoder(os.Stdout)
	tokens := cache.New(cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
		return nil, errors.New("exchange: invalid_client")
	}), cache.Options{
		OnEvent: func(ev cache.Event) {
			line := map[string]any{"event": ev.Kind}
			if ev.Err != nil {
				line["failures"], line["error"] = ev.Failures, ev.Err.Error()
			}
			if err := log.Encode(line); err != nil {
				panic(err)
			}
		},
	})
	if _, err := tokens.Token(context.Background()); err != nil {
		fmt.Println("no token")
	}
	// Output:
	// {"event":"refresh_started"}
	// {"error":"exchange: invalid_client","event":"refresh_failed","failures":1}
	// no token
}
