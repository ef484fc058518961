package exchange

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	const date = "Tue, 01 Sep 2026 12:00:00 GMT" // askedAt
	tests := []struct {
		name   string
		date   string
		values []string
		want   time.Duration
		ok     bool
	}{
		{"none", "", nil, 0, false},
		{"empty", "", []string{""}, 0, false},
		{"seconds", "", []string{"7"}, 7 * time.Second, true},
		{"space around", "", []string{" 7\t"}, 7 * time.Second, true},
		{"zero", "", []string{"0"}, 0, true},
		{"zeros before", "", []string{"007"}, 7 * time.Second, true},
		{"ten minutes", "", []string{"600"}, 10 * time.Minute, true},
		{"more than ten minutes", "", []string{"601"}, 10 * time.Minute, true},
		{"a year", "", []string{"31536000"}, 10 * time.Minute, true},
		{"more than an integer", "", []string{strings.Repeat("9", 400)}, 10 * time.Minute, true},
		{"just over an integer", "", []string{"18446744073709551616"}, 10 * time.Minute, true},
		{"negative", "", []string{"-7"}, 0, false},
		{"signed", "", []string{"+7"}, 0, false},
		{"fraction", "", []string{"7.5"}, 0, false},
		{"exponent", "", []string{"1e3"}, 0, false},
		{"duration", "", []string{"7s"}, 0, false},
		{"other digits", "", []string{"７"}, 0, false},
		{"words", "", []string{"soon"}, 0, false},
		{"date by the local clock", "", []string{"Tue, 01 Sep 2026 12:00:30 GMT"}, 30 * time.Second, true},
		{"date by the answer's clock", "Tue, 01 Sep 2026 11:00:00 GMT", []string{"Tue, 01 Sep 2026 11:00:30 GMT"}, 30 * time.Second, true},
		{"date, clock cannot be read", "yesterday", []string{"Tue, 01 Sep 2026 12:00:30 GMT"}, 30 * time.Second, true},
		{"date in the old form", date, []string{"Tuesday, 01-Sep-26 12:00:30 GMT"}, 30 * time.Second, true},
		{"date of C", date, []string{"Tue Sep  1 12:00:30 2026"}, 30 * time.Second, true},
		{"date gone by", date, []string{"Tue, 01 Sep 2026 11:00:00 GMT"}, 0, true},
		{"date far away", date, []string{"Fri, 31 Dec 9999 23:59:59 GMT"}, 10 * time.Minute, true},
		{"no such date", date, []string{"Tue, 31 Feb 2026 12:00:00 GMT"}, 0, false},
		{"two lines", "", []string{"7", "30"}, 30 * time.Second, true},
		{"two lines, one odd", "", []string{"soon", "7"}, 7 * time.Second, true},
		{"two lines, seconds and date", date, []string{"7", "Tue, 01 Sep 2026 12:00:30 GMT"}, 30 * time.Second, true},
		{"joined", "", []string{"7, 30"}, 30 * time.Second, true},
		{"joined without values", "", []string{",,"}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Retry-After": tt.values}
			if tt.date != "" {
				h.Set("Date", tt.date)
			}
			got, ok := parseRetryAfter(h, askedAt)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %v, %t; want %v, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// FuzzRetryAfter: the wait lies between 0 and 10 minutes, is 0 if there is none,
// and another value beside it never makes it shorter.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "7", "-7", "1e3", "99999999999999999999", "7, 30", ",", "Tue, 01 Sep 2026 12:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(value, "30", "Tue, 01 Sep 2026 12:00:00 GMT")
		f.Add(value, "soon", "Mon, 01 Jan 0001 00:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, other, date string) {
		one, ok := parseRetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, askedAt)
		if one < 0 || one > 10*time.Minute || !ok && one != 0 {
			t.Fatalf("wait %v, %t", one, ok)
		}
		both, okBoth := parseRetryAfter(http.Header{"Retry-After": {value, other}, "Date": {date}}, askedAt)
		if both < one || both > 10*time.Minute || ok && !okBoth {
			t.Fatalf("wait %v, %t, and with another value %v, %t", one, ok, both, okBoth)
		}
	})
}
