package oidctest_test

import (
	"fmt"
	"io"
	"net/http"

	"github.com/brickfed/brickfed/oidc/oidctest"
)

func ExampleNew() {
	idp, err := oidctest.New(oidctest.Config{Pipe: true, Path: "/realms/acme"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	fmt.Println(idp.Issuer())
	fmt.Println(idp.URL(oidctest.Token))
	// Output:
	// https://idp.example/realms/acme
	// https://idp.example/realms/acme/token
}

// The next two requests for keys meet an outage, then all is well again.
func ExampleServer_Fail() {
	idp, err := oidctest.New(oidctest.Config{Pipe: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	idp.Fail(oidctest.Keys, oidctest.Fault{Times: 2, Status: http.StatusServiceUnavailable, Body: "down"})
	for range 3 {
		res, err := idp.Client().Get(idp.URL(oidctest.Keys))
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(res.StatusCode, len(body) > 100)
	}
	fmt.Println(idp.Count(oidctest.Keys), "requests")
	// Output:
	// 503 false
	// 503 false
	// 200 true
	// 3 requests
}

// A hostile token: signed as ever, but its header says that it is not.
func ExampleServer_SignWith() {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer idp.Close()
	token, err := idp.SignWith(map[string]any{"alg": "none", "kid": nil}, map[string]any{"sub": "admin"})
	fmt.Println(len(token) > 0, err)
	// Output: true <nil>
}
