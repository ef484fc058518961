package interop_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/brickfed/brickfed/exchange/exchangetest"
)

// A job of an hour with tokens of ten minutes, through a key rotation and three
// minutes without the provider. No call may fail: me would end the test.
func TestHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, setup{pipe: true})
		dbx := newDatabricks(t, p, true)
		w := newWorkspace(t, dbx, p.credentials())
		calls := 0
		work := func(d time.Duration) {
			t.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); calls++ {
				me(t, w)
				time.Sleep(5 * time.Second)
			}
		}
		work(20 * time.Minute)
		if err := p.rotate(jose.RS256); err != nil {
			t.Fatal(err)
		}
		work(15 * time.Minute)
		// A token is renewed at an age of four and three quarter minutes to six and a
		// half. The outage begins just before, so that it is felt.
		for exchanged := dbx.Count(exchangetest.Token); dbx.Count(exchangetest.Token) == exchanged; {
			work(5 * time.Second)
		}
		work(4*time.Minute + 30*time.Second)
		minted := p.count(tokenPath)
		p.down.Store(true)
		work(3 * time.Minute)
		failed := p.count(tokenPath) - minted
		p.down.Store(false)
		if failed == 0 {
			t.Error("nobody asked the provider during its outage, so it proves nothing")
		}
		work(15 * time.Minute)

		exchanged := dbx.Count(exchangetest.Token)
		if exchanged < 9 || exchanged > 14 {
			t.Errorf("got %d exchanges, want 9 to 14", exchanged)
		}
		if got := p.count(tokenPath) - failed; got != exchanged {
			t.Errorf("got %d tokens of the provider for %d exchanges", got, exchanged)
		}
		t.Logf("%d calls, %d exchanges, %d refreshes failed during the outage", calls, exchanged, failed)
	})
}
