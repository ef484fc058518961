package exchange_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

// Nothing that this package hands out shows a token, in whatever way it is
// printed, and also when the server sends the token back.
func TestSecrecy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		subject, err := w.token(nil, w.dbx.AccountID())
		if err != nil {
			t.Fatal(err)
		}
		x := w.exchanger()
		tokens := cache.New(x, cache.Options{})
		access, err := x.Exchange(t.Context(), subject, claims.Target{})
		if err != nil {
			t.Fatal(err)
		}
		outputs := []any{
			x, tokens, tokens.Status(),
			exchange.Config{Host: "h", Subject: oidc.File("/token")},
			exchange.Direct{Subject: w.source(nil)},
			&exchange.Transport{Host: w.dbx.URL(), Tokens: tokens},
		}
		for _, body := range echoes(subject.Raw(), access.AccessToken) {
			for _, status := range []int{200, 302, 400, 403, 503} {
				// A header that takes the text too.
				header := http.Header{
					"X-Request-Id": {oneLine(body)}, "Location": {"https://h.example/?t=" + url.QueryEscape(body)},
					"X-Databricks-Reason-Phrase": {oneLine(body)}, "Retry-After": {oneLine(body)},
				}
				w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Status: status, Header: header, Body: body, Times: 3})
				_, err := x.Exchange(t.Context(), subject, claims.Target{})
				w.dbx.Heal()
				if err == nil {
					continue // 200 with something that parses
				}
				outputs = append(outputs, err)
			}
		}
		for _, e := range w.events {
			outputs = append(outputs, e)
		}
		if len(outputs) < 100 {
			t.Fatalf("only %d outputs to look at", len(outputs))
		}
		runs := runsOf(subject.Raw(), access.AccessToken)
		for _, out := range outputs {
			text := printed(out)
			if leak := leaked(text, runs); leak != "" {
				t.Fatalf("%T shows %q of a token:\n%s", out, leak, text)
			}
		}
	})
}

// echoes are bodies in which a server sends tokens back.
// The token that was sent is known and found in any form; another one, which was
// returned earlier, by its shape.
func echoes(sent, returned string) (bodies []string) {
	for _, token := range []string{sent, returned} {
		forms := []string{token, url.QueryEscape(token), "x " + token + " x"}
		if token == sent {
			signature := token[strings.LastIndex(token, ".")+1:]
			forms = append(forms, signature, strings.ToUpper(token), "x"+token+"x", token[5:], token[:len(token)/2]+"\n"+token[len(token)/2:])
		}
		for _, form := range forms {
			quoted, _ := json.Marshal(form) // a string always marshals
			q := string(quoted)
			bodies = append(bodies,
				form,
				`{"error":"invalid_grant","error_description":`+q+`}`,
				`{"error":`+q+`,"error_description":"no"}`,
				`{"error":"invalid_grant","error_id":`+q+`}`,
				`{"error_code":403,"message":`+q+`}`,
				`{"access_token":`+q+`,"expires_in":-1}`,
				`{"access_token":"x","token_type":`+q+`}`,
				`{`+q+`:1,`+q+`:2}`,
				`<html><title>`+form+`</title></html>`,
			)
		}
	}
	return bodies
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

// printed is everything that a program may do to show a value.
func printed(v any) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n%+v\n%#v\n%s\n%q\n%x\n%d\n", v, v, v, v, v, v, v)
	if data, err := json.Marshal(v); err == nil {
		b.Write(data)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	return b.String()
}

// run is how many bytes of a token in a row are a leak.
const run = 12

// runsOf returns all of them, in lower case. The header of a token is no secret.
func runsOf(tokens ...string) map[string]bool {
	runs := make(map[string]bool)
	for _, token := range tokens {
		token = strings.ToLower(token[strings.Index(token, ".")+1:])
		for i := 0; i+run <= len(token); i++ {
			runs[token[i:i+run]] = true
		}
	}
	return runs
}

func leaked(text string, runs map[string]bool) string {
	text = strings.ToLower(text)
	for i := 0; i+run <= len(text); i++ {
		if runs[text[i:i+run]] {
			return text[i : i+run]
		}
	}
	return ""
}
