package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter is the longest time that RetryAfter returns. Whoever waits caps
// it again: this bound only keeps a hostile number from overflowing.
const MaxRetryAfter = 24 * time.Hour

// RetryAfter returns how long the answer with header h asks the client to wait:
// a number of seconds, or a date, which is compared with the answer's own Date
// or else with now (RFC 9110, section 10.2.3). It returns 0 if there is none,
// or none that can be read, or one in the past.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if isDigits(text) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter // more digits than a number has
		}
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), MaxRetryAfter)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
