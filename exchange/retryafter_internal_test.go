package exchange

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	const date = "Tue, 01 Sep 2026 12:00:00 GMT" // askedAt
	tests := []struct {
		name   string
		date   string
		values []string
		want   time.Duration
	}{
		{"none", "", nil, 0},
		{"empty", "", []string{""}, 0},
		{"seconds", "", []string{"7"}, 7 * time.Second},
		{"space around", "", []string{" 7\t"}, 7 * time.Second},
		{"zero", "", []string{"0"}, 0},
		{"zeros before", "", []string{"007"}, 7 * time.Second},
		{"ten minutes", "", []string{"600"}, 10 * time.Minute},
		{"more than ten minutes", "", []string{"601"}, 10 * time.Minute},
		{"a year", "", []string{"31536000"}, 10 * time.Minute},
		{"more than an integer", "", []string{strings.Repeat("9", 400)}, 10 * time.Minute},
		{"just over an integer", "", []string{"18446744073709551616"}, 10 * time.Minute},
		{"negative", "", []string{"-7"}, 0},
		{"signed", "", []string{"+7"}, 0},
		{"fraction", "", []string{"7.5"}, 0},
		{"exponent", "", []string{"1e3"}, 0},
		{"duration", "", []string{"7s"}, 0},
		{"other digits", "", []string{"７"}, 0},
		{"words", "", []string{"soon"}, 0},
		{"date by the local clock", "", []string{"Tue, 01 Sep 2026 12:00:30 GMT"}, 30 * time.Second},
		{"date by the answer's clock", "Tue, 01 Sep 2026 11:00:00 GMT", []string{"Tue, 01 Sep 2026 11:00:30 GMT"}, 30 * time.Second},
		{"date, clock cannot be read", "yesterday", []string{"Tue, 01 Sep 2026 12:00:30 GMT"}, 30 * time.Second},
		{"date in the old form", date, []string{"Tuesday, 01-Sep-26 12:00:30 GMT"}, 30 * time.Second},
		{"date of C", date, []string{"Tue Sep  1 12:00:30 2026"}, 30 * time.Second},
		{"date gone by", date, []string{"Tue, 01 Sep 2026 11:00:00 GMT"}, 0},
		{"date far away", date, []string{"Fri, 31 Dec 9999 23:59:59 GMT"}, 10 * time.Minute},
		{"no such date", date, []string{"Tue, 31 Feb 2026 12:00:00 GMT"}, 0},
		{"two lines", "", []string{"7", "30"}, 30 * time.Second},
		{"two lines, one odd", "", []string{"soon", "7"}, 7 * time.Second},
		{"two lines, seconds and date", date, []string{"7", "Tue, 01 Sep 2026 12:00:30 GMT"}, 30 * time.Second},
		{"joined", "", []string{"7, 30"}, 30 * time.Second},
		{"joined without values", "", []string{",,"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Retry-After": tt.values}
			if tt.date != "" {
				h.Set("Date", tt.date)
			}
			if got := retryAfter(h, askedAt); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzRetryAfter: the wait lies between 0 and 10 minutes, and another value beside
// it never makes it shorter.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "7", "-7", "1e3", "99999999999999999999", "7, 30", ",", "Tue, 01 Sep 2026 12:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(value, "30", "Tue, 01 Sep 2026 12:00:00 GMT")
		f.Add(value, "soon", "Mon, 01 Jan 0001 00:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, other, date string) {
		one := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, askedAt)
		if one < 0 || one > 10*time.Minute {
			t.Fatalf("wait %v", one)
		}
		both := retryAfter(http.Header{"Retry-After": {value, other}, "Date": {date}}, askedAt)
		if both < one || both > 10*time.Minute {
			t.Fatalf("wait %v, and with another value %v", one, both)
		}
	})
}
