package exchange

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait is the longest Retry-After that is honoured: a hostile header must not
// park us.
const maxWait = 10 * time.Minute

// maxRetryAfter is how much of one header is looked at, in bytes. A date has 29.
const maxRetryAfter = 256

// parseRetryAfter reads Retry-After (RFC 9110, section 10.2.3): seconds or a
// date, which counts from the answer's own Date if it has one, else from now.
// The result lies between 0 and 10 minutes. Of several values the longest holds,
// so that we never come sooner than asked. ok is false if there is none that can
// be read.
func parseRetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	for _, value := range h.Values("Retry-After") {
		for _, one := range splitSeconds(value[:min(len(value), maxRetryAfter)]) {
			if d, valid := parseWait(one, now); valid {
				wait, ok = max(wait, d), true
			}
		}
	}
	return wait, ok
}

// splitSeconds splits what a proxy joined, 30, 30; a date has a comma of its
// own.
func splitSeconds(value string) []string {
	if strings.Trim(value, "0123456789, \t") != "" {
		return []string{value}
	}
	return strings.Split(value, ",")
}

func parseWait(value string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if date, err := http.ParseTime(value); err == nil {
		return min(max(date.Sub(now), 0), maxWait), true
	}
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err != nil || seconds > uint64(maxWait/time.Second) {
		return maxWait, true // too many digits are too many seconds
	}
	return time.Duration(seconds) * time.Second, true
}
