package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc"
)

// posted are the fingerprints of the subject tokens that were exchanged.
func (w *world) posted() (fingerprints []string) {
	for _, r := range w.dbx.Requests(exchangetest.Token) {
		fingerprints = append(fingerprints, r.Form.Get("subject_token"))
	}
	return fingerprints
}

// wantPosted compares them with the tokens of people.
func (w *world) wantPosted(t *testing.T, want ...*oidc.Verified) {
	t.Helper()
	got := w.posted()
	for i, who := range want {
		if i < len(got) && got[i] != who.Token.Fingerprint() {
			t.Errorf("exchange %d was of %s, want %s", i, got[i], who.Token)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d exchanges, want %d", len(got), len(want))
	}
}

// until is a token of somebody that ends at that time.
func (w *world) until(name string, d time.Duration, more map[string]any) *oidc.Verified {
	return w.person(name, map[string]any{"exp": time.Now().Add(d).Unix()}, more)
}

// A Databricks token that ends with its holder's own is not exchanged for again
// and again: one exchange for each token that the holder shows.
func TestOwn_onceForEachToken(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", group(1)))
		b := w.broker()
		var shown []*oidc.Verified
		for range 5 {
			ada := w.person("ada")
			shown = append(shown, ada)
			for range 60 {
				if token := get(t, b, ada, group(1)); !token.Expiry.After(time.Now()) {
					t.Error("an ended token was handed out")
				}
				time.Sleep(59 * time.Second)
			}
			token, err := b.Token(t.Context(), ada)
			if err == nil {
				t.Logf("still served %v before its end", time.Until(token.Expiry))
			}
			time.Sleep(2 * time.Minute)
			token, err = b.Token(t.Context(), ada)
			wantKind(t, token, err, exchange.KindSubjectExpired)
		}
		w.wantPosted(t, shown...)
	})
}

// A subject token that outlives the Databricks token is exchanged again.
func TestOwn_longSubject(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", group(1)))
		b := w.broker(quiet)
		ada := w.until("ada", 12*time.Hour, nil)
		for range 11 * 60 {
			if left := time.Until(get(t, b, ada, group(1)).Expiry); left < 15*time.Minute {
				t.Fatalf("it has %v left: the early refresh brings nothing", left)
			}
			time.Sleep(time.Minute)
		}
		if n := w.exchanges(); n < 11 || n > 22 {
			t.Errorf("%d exchanges in 11 h of one-hour tokens", n)
		}
	})
}

// A refresh uses the token that ends last of those shown, whoever triggers it.
func TestOwn_freshest(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", group(1)))
		b := w.broker(quiet)
		old := w.person("ada")
		get(t, b, old, group(1))
		time.Sleep(30 * time.Minute)
		fresh := w.person("ada")
		get(t, b, fresh, group(1))
		time.Sleep(15 * time.Minute)
		get(t, b, old, group(1)) // begins the refresh
		synctest.Wait()
		w.wantPosted(t, old, fresh)
		token := get(t, b, fresh, group(1))
		if left := time.Until(token.Expiry); left < 44*time.Minute {
			t.Errorf("it has %v left, want what the fresh token has", left)
		}
		if end := get(t, b, old, group(1)).Expiry; end.After(old.Token.Expiry().Add(time.Minute)) {
			t.Errorf("for the old token it ends at %v, after it", end)
		}
		for range 43 {
			time.Sleep(time.Minute)
			get(t, b, fresh, group(1))
		}
		w.wantPosted(t, old, fresh)
	})
}

// A token that was shown for a target is not exchanged for it when its own claims
// no longer give that target.
func TestOwn_freshestHasAnotherRole(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		team := func(n int, names ...any) claims.Rule {
			target := group(n)
			return claims.Rule{Name: "team " + groupID(n), When: map[string]claims.Matcher{"team": {Any: names}}, Target: &target}
		}
		w.set(team(1, "red", "blue"))
		b := w.broker(quiet)
		red := w.until("ada", 50*time.Minute, map[string]any{"team": "red"})
		blue := w.until("ada", 59*time.Minute, map[string]any{"team": "blue"})
		get(t, b, red, group(1))
		get(t, b, blue, group(1))
		w.set(team(1, "red"), team(2, "blue"))
		b.Invalidate(get(t, b, red, group(1)))
		get(t, b, red, group(1))
		w.wantPosted(t, red, red)
		get(t, b, blue, group(2))
		w.wantPosted(t, red, red, blue)
	})
}

// A fresher token that Databricks refuses does not stand in the way of one that
// it takes.
func TestOwn_freshestRefused(t *testing.T) {
	t.Run("audience", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			w.set(gives("ada", group(1)))
			b := w.broker(quiet)
			good := w.until("ada", 50*time.Minute, nil)
			first := get(t, b, good, group(1))
			forTheApp := w.until("ada", 59*time.Minute, map[string]any{"aud": app})
			if again := get(t, b, forTheApp, group(1)); again.AccessToken != first.AccessToken {
				t.Error("not the cached token")
			}
			b.Invalidate(first)
			get(t, b, good, group(1))
			w.wantPosted(t, good, good) // the other one was refused before the network
			b.Revoke(w.idp.Issuer(), "ada")
			token, err := b.Token(t.Context(), forTheApp)
			wantKind(t, token, err, exchange.KindAudience)
		})
	})
	t.Run("no policy", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			w.set(gives("ada", group(1)))
			b := w.broker(quiet)
			good := w.until("ada", 50*time.Minute, nil)
			first := get(t, b, good, group(1))
			bad := w.until("ada", 59*time.Minute, nil)
			get(t, b, bad, group(1))
			b.Invalidate(first)
			w.dbx.Fail(exchangetest.Token, exchangetest.Recorded()["no policy"])
			get(t, b, good, group(1))
			w.wantPosted(t, good, bad, good)
		})
	})
}

// The token of a holder is never posted once it has ended, and a flight that
// fails for it does not cost the holder the fresh one.
func TestOwn_ended(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.set(gives("ada", group(1)))
		b := w.broker(quiet)
		old := w.until("ada", 10*time.Minute, nil)
		get(t, b, old, group(1))
		time.Sleep(10*time.Minute + 30*time.Second)
		token, err := b.Token(t.Context(), old) // within the leeway: for Databricks to judge
		wantKind(t, token, err, exchange.KindSubjectExpired)
		w.wantPosted(t, old, old)
		time.Sleep(time.Minute)
		token, err = b.Token(t.Context(), old)
		failure := failureOf(t, token, err, exchange.KindSubjectExpired)
		if failure.Hint == "" || failure.Subject != "ada" {
			t.Errorf("%v says neither who nor what to do", failure)
		}
		w.dbx.SetOutage(true)
		fresh := w.person("ada")
		token, err = b.Token(t.Context(), fresh)
		wantKind(t, token, err, exchange.KindUnavailable)
		w.dbx.SetOutage(false)
		time.Sleep(15 * time.Second)
		get(t, b, fresh, group(1))
		for i, posted := range w.posted() {
			if i > 1 && posted != fresh.Token.Fingerprint() {
				t.Errorf("exchange %d was of another token than the fresh one", i)
			}
		}
	})
}
