package oidc_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/oidc"
)

// TestErrors_noSecretInBrokenAnswers: net/http quotes what it cannot read.
func TestErrors_noSecretInBrokenAnswers(t *testing.T) {
	const value = "a-client-secret_of.usual~length"
	forms := map[string]string{
		"plain":  value,
		"base64": base64.StdEncoding.EncodeToString([]byte("id:" + value)),
		"query":  url.Values{"client_secret": {value}}.Encode(),
		"upper":  strings.ToUpper(value),
		"huge":   strings.Repeat(value, 1<<20/len(value)),
	}
	for name, format := range map[string]string{
		"location":          "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%%zz/%s\r\nContent-Length: 0\r\n\r\n",
		"status line":       "%s\r\n\r\n",
		"status code":       "HTTP/1.1 %s OK\r\n\r\n",
		"version":           "%s 200 OK\r\n\r\n",
		"header":            "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
		"header name":       "HTTP/1.1 200 OK\r\n(%s): x\r\n\r\n",
		"length":            "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
		"transfer encoding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n",
		"chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
	} {
		for form, echo := range forms {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = fmt.Fprintf(conn, format, echo)
			}))
			for _, auth := range []oidc.ClientAuth{
				oidc.SecretBasic{ClientID: "id", Secret: secret(value)}, oidc.SecretPost{ClientID: "id", Secret: secret(value)}, asserting(value),
			} {
				src := &oidc.ClientCredentials{TokenEndpoint: server.URL, Auth: auth}
				_, err := src.Token(t.Context(), "")
				if e := asError(t, err); !e.Temporary() || len(err.Error()) > 2000 {
					t.Errorf("%s, %s: temporary %v, %d bytes", name, form, e.Temporary(), len(err.Error()))
				}
				encoded, _ := json.Marshal(err)
				texts := []string{string(encoded), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)}
				for ; err != nil; err = errors.Unwrap(err) { // and all that it hands out
					texts = append(texts, err.Error(), fmt.Sprintf("%#v", err))
				}
				for _, text := range texts {
					for _, form := range []string{value, echo[:min(len(echo), 100)]} {
						if run := sharedRun(text, form); run != "" {
							t.Errorf("%s, %s, %T: %.300q shows %q", name, form, auth, text, run)
						}
					}
				}
			}
			server.Close()
		}
	}
}

// breaking is a transport that fails.
type breaking struct{ err error }

func (b breaking) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestErrors_causes(t *testing.T) {
	const value = "a-client-secret_of.usual~length"
	untrusted := &tls.CertificateVerificationError{Err: io.ErrNoProgress}
	long := strings.Repeat("long ", 1<<20)
	for _, tt := range []struct {
		name    string
		cause   error
		is      error // what errors.Is still finds
		unwraps bool  // errors.As finds it too
		temp    bool
	}{
		{"plain", fmt.Errorf("broken: %w", untrusted), io.ErrNoProgress, true, false},
		{"long", fmt.Errorf("%s: %w", long, untrusted), io.ErrNoProgress, false, false},
		{"secret", fmt.Errorf("sent %s: %w", value, untrusted), io.ErrNoProgress, false, false},
		{"secret in an outage", fmt.Errorf("sent %s: %w", value, io.ErrUnexpectedEOF), io.ErrUnexpectedEOF, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := &oidc.ClientCredentials{
				TokenEndpoint: "https://idp.example/token",
				Auth:          oidc.SecretPost{ClientID: "id", Secret: secret(value)},
				HTTPClient:    &http.Client{Transport: breaking{tt.cause}},
			}
			_, err := src.Token(t.Context(), "")
			e := asError(t, err)
			if !errors.Is(err, tt.is) || e.Temporary() != tt.temp {
				t.Errorf("%.300v: is %v: %v, temporary %v, want %v", err, tt.is, errors.Is(err, tt.is), e.Temporary(), tt.temp)
			}
			var found *tls.CertificateVerificationError
			if got := errors.As(err, &found); got != tt.unwraps {
				t.Errorf("%.300v hands out its cause: %v, want %v", err, got, tt.unwraps)
			}
			if strings.Contains(err.Error(), value) || len(err.Error()) > 2000 {
				t.Errorf("%.300q shows the secret, or has %d bytes", err, len(err.Error()))
			}
		})
	}
}

func TestError_isShort(t *testing.T) {
	e := &oidc.Error{Op: "discovery", Err: errors.New(strings.Repeat("long\n", 1<<20)), Hint: "do this"}
	if got := e.Error(); len(got) > 1100 || strings.Contains(got, "\n") || !strings.HasSuffix(got, "(do this)") {
		t.Errorf("%d bytes: %.300q", len(got), got)
	}
}
