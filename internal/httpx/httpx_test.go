package httpx_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/brickfed/brickfed/internal/httpx"
)

func TestNoRedirects(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	hits := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	original := &http.Client{Jar: jar, Timeout: time.Minute}
	for _, base := range []*http.Client{nil, original} {
		hits = 0
		client := httpx.NoRedirects(base)
		res, err := client.Post(server.URL, "text/plain", strings.NewReader("secret"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusTemporaryRedirect || hits != 1 {
			t.Errorf("status %d after %d requests, want 307 after 1", res.StatusCode, hits)
		}
	}
	if original.CheckRedirect != nil || original.Jar == nil {
		t.Error("the original client was changed")
	}
	u, _ := url.Parse(server.URL)
	if len(jar.Cookies(u)) != 0 {
		t.Error("a cookie was kept")
	}
	if got := httpx.NoRedirects(original).Timeout; got != time.Minute {
		t.Errorf("the timeout is %v, want that of the original", got)
	}
}

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want string // part of the error; empty for none
	}{
		{"https://idp.example", ""},
		{"https://idp.example:8443/path?x=1", ""},
		{"HTTPS://idp.example", ""},
		{"http://localhost:8080", ""},
		{"http://127.0.0.1:8080/x", ""},
		{"http://127.9.8.7", ""},
		{"http://[::1]:8080", ""},
		{"http://idp.example", "use https"},
		{"http://localhost.example", "use https"},
		{"http://127.0.0.1.example", "use https"},
		{"http://10.0.0.1", "use https"},
		{"ftp://idp.example", "scheme"},
		{"file:///etc/passwd", "absolute"},
		{"javascript:alert(1)", "absolute"},
		{"idp.example", "absolute"},
		{"//idp.example", "absolute"},
		{"/path", "absolute"},
		{"https://", "absolute"},
		{"https://:443", "absolute"},
		{"", "absolute"},
		{"https://user:secret-password@idp.example", "user information"},
		{"https://idp.example/#f", "fragment"},
		{"https://idp.example/#", "fragment"},
		{"https://idp.example/%zz-secret-password", "not a URL"},
		{"https://idp.example:port-secret-password", "not a URL"},
	} {
		u, err := httpx.ParseURL(tt.raw)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("ParseURL(%q): %v", tt.raw, err)
		case tt.want == "" && u == nil:
			t.Errorf("ParseURL(%q) is nil", tt.raw)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("ParseURL(%q): got %v, want %q", tt.raw, err, tt.want)
		case err != nil && strings.Contains(err.Error(), "secret-password"):
			t.Errorf("ParseURL(%q) quotes it: %v", tt.raw, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"https://idp.example/x?y", "http://localhost", "http://[::1%25eth0]/", "https://a@b", "https://a/#b", "HTTP://LOCALHOST", "https://8A::", "https://..", "https://[::1%25eth0]", "https://a..b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := httpx.ParseURL(raw)
		if err != nil {
			return
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !httpx.IsLoopback(u.Hostname())) {
			t.Fatalf("%q passed as %q", raw, u)
		}
		if u.User != nil || u.Fragment != "" || u.Hostname() == "" {
			t.Fatalf("%q passed as %#v", raw, u)
		}
		again, err := url.Parse(httpx.Origin(u))
		if err != nil {
			t.Fatalf("the origin of %q is %q: %v", raw, httpx.Origin(u), err)
		}
		if httpx.Origin(again) != httpx.Origin(u) {
			t.Fatalf("the origin of %q is %q, whose origin is %q", raw, httpx.Origin(u), httpx.Origin(again))
		}
	})
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true,
		"::ffff:127.0.0.1": true,
		"":                 false, "localhost.": false, "idp.localhost": false, "0.0.0.0": false, "128.0.0.1": false, "::": false,
		"127.1": false, "0x7f000001": false,
	} {
		if got := httpx.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestOrigin(t *testing.T) {
	for raw, want := range map[string]string{
		"https://Host.Example/path?q":   "https://host.example",
		"HTTPS://host.example:443":      "https://host.example",
		"https://host.example.:443/":    "https://host.example",
		"https://host.example:8443":     "https://host.example:8443",
		"http://localhost:80":           "http://localhost",
		"http://localhost:443":          "http://localhost:443",
		"https://[::1]:443":             "https://[::1]",
		"https://[2001:DB8::1]:8443/x":  "https://[2001:db8::1]:8443",
		"https://host.example:":         "https://host.example",
		"https://user@host.example:443": "https://host.example",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := httpx.Origin(u); got != want {
			t.Errorf("Origin(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestReadBody(t *testing.T) {
	for _, n := range []int{0, 9, 10} {
		if data, err := httpx.ReadBody(strings.NewReader(strings.Repeat("x", n)), 10); err != nil || len(data) != n {
			t.Errorf("%d bytes: got %d, %v", n, len(data), err)
		}
	}
	data, err := httpx.ReadBody(strings.NewReader(strings.Repeat("x", 11)), 10)
	var tooLarge *httpx.TooLargeError
	if !errors.As(err, &tooLarge) || tooLarge.Limit != 10 || data != nil {
		t.Errorf("11 bytes: got %d, %v", len(data), err)
	}
	if _, err := httpx.ReadBody(iotest.ErrReader(io.ErrUnexpectedEOF), 10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken body: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name, value, date string
		want              time.Duration
	}{
		{"none", "", "", 0},
		{"seconds", "120", "", 2 * time.Minute},
		{"spaces", " 120 ", "", 2 * time.Minute},
		{"zero", "0", "", 0},
		{"negative", "-1", "", 0},
		{"fraction", "1.5", "", 0},
		{"plus", "+5", "", 0},
		{"words", "soon", "", 0},
		{"a week", "604800", "", httpx.MaxRetryAfter},
		{"more than a number holds", strings.Repeat("9", 30), "", httpx.MaxRetryAfter},
		{"millions of digits", strings.Repeat("9", 5<<20), "", httpx.MaxRetryAfter},
		{"a number beyond what is read", strings.Repeat("0", 256) + "9", "", 0},
		{"after too much space", strings.Repeat(" ", 256) + "9", "", 0},
		{"millions of letters", strings.Repeat("Fri, ", 1<<20), strings.Repeat("Fri, ", 1<<20), 0},
		{"date", now.Add(time.Minute).Format(http.TimeFormat), "", time.Minute},
		{"date by the server's own clock", now.Add(time.Minute).Format(http.TimeFormat), now.Add(30 * time.Second).Format(http.TimeFormat), 30 * time.Second},
		{"date in the past", now.Add(-time.Minute).Format(http.TimeFormat), "", 0},
		{"date far away", now.AddDate(1, 0, 0).Format(http.TimeFormat), "", httpx.MaxRetryAfter},
		{"RFC 850 date", now.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT"), "", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
			if got := httpx.RetryAfter(h, now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Fri, 02 Jan 2026 03:05:05 GMT", "Fri, 02 Jan 2026 03:04:05 GMT")
	f.Add("99999999999999999999", "x")
	f.Fuzz(func(t *testing.T, value, date string) {
		got := httpx.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, time.Now())
		if got < 0 || got > httpx.MaxRetryAfter {
			t.Fatalf("%q, %q: %v", value, date, got)
		}
		if n, err := strconv.ParseUint(value, 10, 16); err == nil && got != min(time.Duration(n)*time.Second, httpx.MaxRetryAfter) {
			t.Fatalf("%q: %v", value, got)
		}
	})
}
