package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/cache"
)

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		down, fail := switchable()
		p := &idp{delay: time.Second, fail: fail}
		c := cache.New(p, cache.Options{Rand: always(0)})
		check := func(when string, want cache.Status) {
			t.Helper()
			if got := c.Status(); got != want {
				t.Errorf("%s:\n got %+v\nwant %+v", when, got, want)
			}
		}
		at := func(d time.Duration) time.Time { return start.Add(d).Round(0) }

		check("new", cache.Status{})
		if p.n() != 0 {
			t.Errorf("Status called the source")
		}
		go func() { _, _ = c.Token(t.Context()) }()
		synctest.Wait()
		check("first flight", cache.Status{Refreshing: true, Refreshes: 1})
		time.Sleep(time.Second)
		synctest.Wait()
		check("fresh", cache.Status{Ready: true, Expiry: at(time.Hour), NextRefresh: at(40 * time.Minute), Refreshes: 1})
		time.Sleep(50*time.Minute - time.Second)
		check("due", cache.Status{Ready: true, Expiry: at(time.Hour), Refreshes: 1})
		down.Store(true)
		want(t, c, "t1")
		check("refreshing", cache.Status{Ready: true, Refreshing: true, Expiry: at(time.Hour), Refreshes: 2})
		time.Sleep(time.Second)
		synctest.Wait()
		failed := cache.Status{Ready: true, Expiry: at(time.Hour), Failures: 1, LastError: errDown, Refreshes: 2, Failed: 1}
		failed.NextRefresh = at(50*time.Minute + 1500*time.Millisecond)
		check("failed", failed)
		time.Sleep(9*time.Minute + 29*time.Second)
		want(t, c, "t1")
		time.Sleep(time.Second)
		synctest.Wait()
		failed.Stale, failed.Failures, failed.Refreshes, failed.Failed = 1, 2, 3, 2
		failed.NextRefresh = at(59*time.Minute + 32*time.Second)
		check("stale", failed)
		time.Sleep(time.Minute)
		failed.Ready, failed.NextRefresh = false, time.Time{}
		check("ended", failed)
	})
}
