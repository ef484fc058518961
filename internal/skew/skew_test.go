package skew_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/internal/skew"
)

// dated is an answer of a machine whose clock is ahead by offset.
func dated(offset time.Duration) http.Header {
	return http.Header{"Date": {time.Now().Add(offset).UTC().Format(http.TimeFormat)}}
}

func TestClock_hint(t *testing.T) {
	for _, tt := range []struct {
		name   string
		offset time.Duration
		trip   time.Duration
		header http.Header // replaces the usual one
		want   string
	}{
		{"in time", 0, time.Second, nil, ""},
		{"30 seconds", 30 * time.Second, 0, nil, ""},
		{"ahead", 7*time.Minute + 12*time.Second, 0, nil, "the local clock is 7m13s behind that of the issuer; set it by NTP"},
		{"behind", -7*time.Minute - 12*time.Second, 0, nil, "the local clock is 7m12s ahead of that of the issuer; set it by NTP"},
		{"uncertain", 34 * time.Second, 8 * time.Second, nil, ""},
		{"too slow an answer", time.Hour, 11 * time.Second, nil, ""},
		{"no date", 0, 0, http.Header{}, ""},
		{"not a date", 0, 0, http.Header{"Date": {"today"}}, ""},
		{"out of a cache", 0, 0, http.Header{"Date": {"Mon, 01 Jan 1990 00:00:00 GMT"}, "Age": {"3"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c skew.Clock
				sent := time.Now()
				time.Sleep(tt.trip / 2)
				h := tt.header
				if h == nil {
					h = dated(tt.offset)
				}
				time.Sleep(tt.trip / 2)
				c.Observe(h, sent, time.Now())
				if got := c.Hint(time.Now(), "the issuer"); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestClock_keepsTheBestSampleForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c skew.Clock
		c.Observe(dated(2*time.Minute), time.Now().Add(-8*time.Second), time.Now())
		time.Sleep(time.Minute)
		c.Observe(dated(time.Minute), time.Now(), time.Now())
		time.Sleep(time.Minute)
		c.Observe(dated(3*time.Minute), time.Now().Add(-6*time.Second), time.Now())
		best, known := c.Best(time.Now())
		if !known || best.Err != 500*time.Millisecond || (best.Offset-time.Minute).Abs() > best.Err {
			t.Errorf("best is %+v, %v", best, known)
		}
		time.Sleep(time.Hour - time.Second) // the best one is too old now
		best, known = c.Best(time.Now())
		if !known || (best.Offset-3*time.Minute).Abs() > best.Err {
			t.Errorf("best is %+v, %v", best, known)
		}
		time.Sleep(time.Minute)
		if best, known = c.Best(time.Now()); known {
			t.Errorf("best is %+v after an hour", best)
		}
	})
}

func TestClock_keepsEightSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c skew.Clock
		c.Observe(dated(time.Hour), time.Now(), time.Now())
		for range 8 {
			c.Observe(dated(0), time.Now().Add(-time.Second), time.Now())
		}
		if best, known := c.Best(time.Now()); !known || best.Offset.Abs() > 2*time.Second {
			t.Errorf("best is %+v, %v", best, known)
		}
	})
}

func TestHolds(t *testing.T) {
	for _, tt := range []struct {
		name      string
		age, wall time.Duration
		want      bool
	}{
		{"both clocks agree", time.Minute, time.Minute, true},
		{"a small correction", time.Minute, 64 * time.Second, true},
		{"set forward, or suspended", time.Minute, time.Hour, false},
		{"set back", time.Minute, -time.Hour, false},
		{"an hour", time.Hour, time.Hour, true},
		{"more than an hour", time.Hour + 1, time.Hour + 1, false},
	} {
		if got := skew.Holds(tt.age, tt.wall); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
