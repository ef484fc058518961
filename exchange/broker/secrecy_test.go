package broker_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/exchange/exchangetest"
)

// Nothing that this package hands out shows a token, in whatever way it is
// printed, and also when the server sends the token back.
func TestSecrecy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", group(1)))
		b := w.broker()
		ada := w.person("ada")
		token := get(t, b, ada, group(1))
		b.Invalidate(token)
		w.dbx.Fail(exchangetest.Token, exchangetest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_description":"` + ada.Token.Raw() + `"}`})
		_, failed := b.Token(t.Context(), ada)
		if failed == nil {
			t.Fatal("no error to look at")
		}
		w.set()
		_, refused := b.Token(t.Context(), ada)
		_, nobody := b.Token(t.Context(), nil)
		outputs := []any{b, *b.For(ada), b.For(ada), w.config(), failed, refused, nobody}
		for _, e := range w.events {
			outputs = append(outputs, e)
		}
		for _, out := range outputs {
			text := fmt.Sprintf("%v %+v %#v %s %q %d", out, out, out, out, out, out) + slog.AnyValue(out).String()
			if data, err := json.Marshal(out); err == nil {
				text += string(data)
			}
			for _, secret := range []string{ada.Token.Raw(), token.AccessToken} {
				for _, part := range strings.Split(secret, ".")[1:] {
					if strings.Contains(text, part[:20]) {
						t.Errorf("%T shows a token:\n%s", out, text)
					}
				}
			}
		}
	})
}
