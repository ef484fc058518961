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

// maxRetryAfterText is how much of the header is read, in bytes. A date has 29.
const maxRetryAfterText = 256

// RetryAfter returns how long the answer with header h asks the client to wait:
// a number of seconds, or a date, which is compared with the answer's own Date
// or else with now (RFC 9110, section 10.2.3). Of several values, in headers of
// their own or joined by a proxy, the longest holds, so that nobody comes sooner
// than asked. It returns 0 if there is none, or none that can be read, or one in
// the past. Only the first 256 bytes of a header are read.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration) {
	if date, err := http.ParseTime(head(h.Get("Date"))); err == nil {
		now = date
	}
	for _, value := range h.Values("Retry-After") {
		for _, text := range splitSeconds(head(value)) {
			wait = max(wait, parseWait(strings.Trim(text, " \t"), now))
		}
	}
	return wait
}

// splitSeconds splits what a proxy joined, 30, 30; a date has a comma of its
// own.
func splitSeconds(value string) []string {
	if strings.Trim(value, "0123456789, \t") != "" {
		return []string{value}
	}
	return strings.Split(value, ",")
}

func parseWait(text string, now time.Time) time.Duration {
	if until, err := http.ParseTime(text); err == nil {
		return min(max(until.Sub(now), 0), MaxRetryAfter)
	}
	if text == "" || !isDigits(text) {
		return 0
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
		return MaxRetryAfter // more digits than a number has
	}
	return time.Duration(seconds) * time.Second
}

func head(s string) string { return s[:min(len(s), maxRetryAfterText)] }

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
