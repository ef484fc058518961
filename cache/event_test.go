package cache_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/brickfed/brickfed/cache"
)

// The story of a token and its successors, told in events.
func TestEvent_story(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		until := func(d time.Duration) { time.Sleep(time.Until(start.Add(d))) }
		down, fail := switchable()
		var wall wallClock
		var rec recorder
		c := cache.New(&idp{wall: &wall, delay: time.Second, fail: fail}, cache.Options{OnEvent: rec.on, Rand: always(0)})
		c.SetWall(wall.now)
		want(t, c, "t1")
		down.Store(true)
		until(40 * time.Minute)
		want(t, c, "t1") // starts a flight, which fails
		until(time.Hour - 20*time.Second)
		want(t, c, "t1") // past the hard point, starts another one
		want(t, c, "t1") // as before: not told again
		until(time.Hour - 18*time.Second)
		down.Store(false)
		want(t, c, "t1") // starts a third one
		until(time.Hour - 16*time.Second)
		c.Invalidate(want(t, c, "t4"))
		want(t, c, "t5")
		wall.step(6 * time.Second)
		c.Status()

		fp := map[string]string{"t1": "628b49d96dcde97a", "t4": "a2f1a68a3cf7bab1", "t5": "f413e43d74f81787"}
		checkLines(t, rec.all(), start, fp, []string{
			"0s refresh_started",
			"1s refresh_succeeded t1 ends 1h0m0s next 40m0s took 1s",
			"40m0s refresh_started t1 ends 1h0m0s",
			"40m1s refresh_failed t1 ends 1h0m0s next 40m1.5s took 1s failures 1 token endpoint: 503",
			"59m40s refresh_started t1 ends 1h0m0s",
			"59m40s served_stale t1 ends 1h0m0s failures 1 token endpoint: 503",
			"59m41s refresh_failed t1 ends 1h0m0s next 59m42s took 1s failures 2 token endpoint: 503",
			"59m42s refresh_started t1 ends 1h0m0s",
			"59m43s refresh_succeeded t4 ends 1h59m42s next 1h39m42s took 1s",
			"59m44s invalidated t4 ends 1h59m42s",
			"59m44s refresh_started t4 ends 1h59m42s",
			"59m45s refresh_succeeded t5 ends 1h59m44s next 1h39m44s took 1s",
			"59m51s clock_stepped step 6s",
		})
	})
}

// checkLines compares events, formatted with times relative to start and names in
// the place of fingerprints. Events of the same moment, from several goroutines, may
// come in any order.
func checkLines(t *testing.T, events []cache.Event, start time.Time, fp map[string]string, want []string) {
	t.Helper()
	slices.SortStableFunc(events, func(a, b cache.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	var got []string
	for _, ev := range events {
		l := line(ev, start)
		for name, hex := range fp {
			l = strings.Replace(l, hex, name, 1)
		}
		got = append(got, l)
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Errorf("event %d: got %s, want none", i, got[i])
		case i >= len(got):
			t.Errorf("event %d: got none, want %s", i, want[i])
		case got[i] != want[i]:
			t.Errorf("event %d:\n got %s\nwant %s", i, got[i], want[i])
		}
	}
}

func line(ev cache.Event, start time.Time) string {
	s := fmt.Sprintf("%v %s", ev.Time.Sub(start), ev.Kind)
	if ev.Fingerprint != "" {
		s += " " + ev.Fingerprint
	}
	if !ev.Expiry.IsZero() {
		s += fmt.Sprintf(" ends %v", ev.Expiry.Sub(start))
	}
	if !ev.NextRefresh.IsZero() {
		s += fmt.Sprintf(" next %v", ev.NextRefresh.Sub(start))
	}
	if ev.Duration != 0 {
		s += fmt.Sprintf(" took %v", ev.Duration)
	}
	if ev.Failures != 0 {
		s += fmt.Sprintf(" failures %d", ev.Failures)
	}
	if ev.Err != nil {
		s += " " + ev.Err.Error()
	}
	if ev.Step != 0 {
		s += fmt.Sprintf(" step %v", ev.Step)
	}
	return s
}

// A caller that waited for a refresh finds its events already sent.
func TestEvent_beforeWaitersWake(t *testing.T) {
	for _, fail := range []func() error{nil, func() error { return errDown }} {
		synctest.Test(t, func(t *testing.T) {
			var rec recorder
			c := cache.New(&idp{fail: fail}, cache.Options{OnEvent: rec.on})
			_, _ = c.Token(t.Context())
			if n := len(rec.all()); n != 2 {
				t.Errorf("%d events when Token returned, want 2", n)
			}
		})
	}
}

// No event, status or error contains a token, whatever happens.
func TestSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret = "dapi0123456789abcdef"
		var out strings.Builder
		var mu sync.Mutex
		say := func(vs ...any) {
			mu.Lock()
			defer mu.Unlock()
			for _, v := range vs {
				fmt.Fprintf(&out, "%v %+v %#v\n", v, v, v)
			}
		}
		n := 0
		src := cache.SourceFunc(func(context.Context) (*oauth2.Token, error) {
			n++
			switch n % 6 {
			case 1, 2:
				return &oauth2.Token{AccessToken: secret, RefreshToken: secret, Expiry: time.Now().Add(time.Minute)}, nil
			case 3:
				return &oauth2.Token{AccessToken: fmt.Sprint(secret, n)}, nil
			case 4:
				return &oauth2.Token{AccessToken: secret, Expiry: time.Now().Add(-time.Minute)}, nil
			case 5:
				panic(secret)
			default:
				return &oauth2.Token{RefreshToken: secret}, nil
			}
		})
		c := cache.New(src, cache.Options{OnEvent: func(ev cache.Event) { say(ev, ev.Err) }})
		for i := range 600 {
			tok, err := c.Token(t.Context())
			if err != nil {
				say(err)
			} else if i%7 == 0 {
				c.Invalidate(tok)
			}
			say(c.Status())
			time.Sleep(time.Second)
		}
		if out.Len() == 0 || n < 20 {
			t.Fatalf("only %d calls: the test does not test enough", n)
		}
		for i := 0; i+8 <= len(secret); i++ {
			if strings.Contains(out.String(), secret[i:i+8]) {
				t.Fatalf("%q was printed", secret[i:i+8])
			}
		}
	})
}
