package exchange

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sampled returns an answer that took rtt and whose server is ahead by offset.
func sampled(offset, rtt time.Duration) answer {
	received := time.Now()
	sent := received.Add(-rtt)
	date := received.Add(-rtt / 2).Add(offset).Truncate(time.Second)
	return answer{
		header: http.Header{"Date": {date.UTC().Format(http.TimeFormat)}},
		sent:   sent, received: received,
	}
}

func TestClock_serverTime(t *testing.T) {
	tests := []struct {
		name   string
		answer func() answer
		want   time.Duration // server minus local
		known  bool
	}{
		{"in step", func() answer { return sampled(0, 100*time.Millisecond) }, 0, true},
		{"server ahead", func() answer { return sampled(7*time.Minute, time.Second) }, 7 * time.Minute, true},
		{"server behind", func() answer { return sampled(-7*time.Minute, time.Second) }, -7 * time.Minute, true},
		{"too slow", func() answer { return sampled(time.Minute, 11*time.Second) }, 0, false},
		{"absurd", func() answer { return sampled(25*time.Hour, time.Second) }, 0, false},
		{"no date", func() answer { a := sampled(0, 0); a.header.Del("Date"); return a }, 0, false},
		{"bad date", func() answer { a := sampled(0, 0); a.header.Set("Date", "yesterday"); return a }, 0, false},
		{"from a cache", func() answer { a := sampled(0, 0); a.header.Set("Age", "3"); return a }, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c clock
				c.observe(tt.answer())
				now := time.Now()
				server, margin, known := c.serverTime(now)
				if known != tt.known {
					t.Fatalf("known = %t, want %t", known, tt.known)
				}
				if !known {
					return
				}
				if diff := (server.Sub(now) - tt.want).Abs(); diff > margin {
					t.Errorf("server time is wrong by %v, more than its margin %v", diff, margin)
				}
			})
		})
	}
}

func TestClock_prefersTheSharpestSampleAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		c.observe(sampled(10*time.Minute, 20*time.Millisecond))
		for range clockSamples - 1 {
			c.observe(sampled(11*time.Minute, 8*time.Second))
		}
		if _, margin, _ := c.serverTime(time.Now()); margin > time.Second {
			t.Errorf("margin = %v; the sharp sample among the last 8 should win", margin)
		}
		c.observe(sampled(11*time.Minute, 8*time.Second)) // pushes it out
		if _, margin, _ := c.serverTime(time.Now()); margin < 4*time.Second {
			t.Errorf("margin = %v; only 8 samples should be kept", margin)
		}
		time.Sleep(clockSampleAge + time.Second)
		if _, _, known := c.serverTime(time.Now()); known {
			t.Error("a sample older than an hour is still believed")
		}
	})
}

// A sample taken before our own wall clock was set says nothing about it now.
func TestCredible(t *testing.T) {
	tests := []struct {
		name      string
		age, wall time.Duration
		want      bool
	}{
		{"fresh", time.Second, time.Second, true},
		{"old", time.Hour + time.Second, time.Hour + time.Second, false},
		{"slewed by NTP", time.Minute, time.Minute + 4*time.Second, true},
		{"stepped ahead, or suspended", time.Minute, 11 * time.Minute, false},
		{"stepped back", time.Minute, -9 * time.Minute, false},
	}
	for _, tt := range tests {
		if got := credible(tt.age, tt.wall); got != tt.want {
			t.Errorf("%s: credible(%v, %v) = %t, want %t", tt.name, tt.age, tt.wall, got, tt.want)
		}
	}
}

func TestClock_hint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		if got := c.hint(time.Now()); got != "" {
			t.Errorf("hint without samples = %q", got)
		}
		c.observe(sampled(20*time.Second, 0))
		if got := c.hint(time.Now()); got != "" {
			t.Errorf("hint for 20 s = %q, want none", got)
		}
		ahead, behind := clock{}, clock{}
		ahead.observe(sampled(-7*time.Minute-12*time.Second, 0))
		behind.observe(sampled(26*time.Hour, 0))
		if got := ahead.hint(time.Now()); !strings.Contains(got, "7m12s ahead of") {
			t.Errorf("hint = %q", got)
		}
		if got := behind.hint(time.Now()); !strings.Contains(got, "26h0m") || !strings.Contains(got, "behind") {
			t.Errorf("hint = %q", got)
		}
	})
}
