package exchange

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestNetworkFailure(t *testing.T) {
	op := func(what string, err error) error {
		return &url.Error{Op: "Post", URL: "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com/oidc/v1/token", Err: &net.OpError{Op: what, Net: "tcp", Err: err}}
	}
	errno := func(call string, n syscall.Errno) error { return os.NewSyscallError(call, n) }
	tests := []struct {
		name   string
		err    error
		kind   Kind
		passes bool
		hint   string
	}{
		{"no such host", op("dial", &net.DNSError{Err: "no such host", Name: "dbc-x", IsNotFound: true}), KindUnavailable, true, "check the name in Host"},
		{"name server does not answer", &net.DNSError{Err: "i/o timeout", Name: "dbc-x", IsTimeout: true}, KindUnavailable, true, "DNS"},
		{"refused", op("dial", errno("connect", syscall.ECONNREFUSED)), KindUnavailable, true, "host and port of Host"},
		{"no route", op("dial", errno("connect", syscall.EHOSTUNREACH)), KindUnavailable, true, "proxy, firewall"},
		{"dial timeout", op("dial", os.ErrDeadlineExceeded), KindUnavailable, true, "no answer came in time"},
		{"proxy refused", op("proxyconnect", errors.New("403 Forbidden")), KindUnavailable, true, "HTTPS_PROXY"},
		{"reset", op("read", errno("read", syscall.ECONNRESET)), KindUnavailable, true, "the connection ended before the answer"},
		{"end of file", io.EOF, KindUnavailable, true, "ended before the answer"},
		{"body cut off", io.ErrUnexpectedEOF, KindUnavailable, true, "ended before the answer"},
		{"read timeout", op("read", os.ErrDeadlineExceeded), KindUnavailable, true, "in time"},
		{"deadline", context.DeadlineExceeded, KindUnavailable, true, "in time"},
		{"canceled", &url.Error{Op: "Post", URL: "https://x", Err: context.Canceled}, KindCanceled, true, "nothing needs to be changed"},
		{"unknown authority", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, KindUntrusted, false, "RootCAs"},
		{"unknown authority of another handshake", x509.UnknownAuthorityError{}, KindUntrusted, false, "RootCAs"},
		{"other name", &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}}, KindUntrusted, false, "another name than dbc-a1b2c3d4-e5f6.cloud.databricks.com"},
		{"certificate has expired", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, KindUntrusted, false, "clock"},
		{"not TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, KindUntrusted, false, "does not speak TLS"},
		{"alert", op("remote error", tls.AlertError(42)), KindUntrusted, false, "client certificate"},
		{"broken compression", gzip.ErrHeader, KindBadResponse, false, "proxy"},
		{"anything", errors.New("round trip: odd"), KindUnavailable, true, "check the way to dbc-a1b2c3d4-e5f6.cloud.databricks.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := ask(t)
			err := networkFailure(q, tt.err)
			if err.Kind != tt.kind || err.Temporary() != tt.passes || !strings.Contains(err.Hint, tt.hint) {
				t.Errorf("kind %q, temporary %t, hint %q; want %q, %t, %q", err.Kind, err.Temporary(), err.Hint, tt.kind, tt.passes, tt.hint)
			}
			if err.Status != 0 || err.Issuer != askedIssuer || err.Endpoint == "" {
				t.Errorf("status %d, issuer %q, endpoint %q", err.Status, err.Issuer, err.Endpoint)
			}
			var wrapped *url.Error
			if cause := tt.err; !errors.As(tt.err, &wrapped) && !errors.Is(err, cause) && err.Err.Error() != cause.Error() {
				t.Errorf("the cause is lost: %v", err.Err)
			}
		})
	}
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if err := networkFailure(ask(t), &url.Error{Op: "Post", URL: "https://x", Err: cause}); !errors.Is(err, cause) {
			t.Errorf("errors.Is does not find %v", cause)
		}
	}
}

// TestNetworkFailure_loopback takes its errors from net/http itself.
func TestNetworkFailure_loopback(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	serve := func(start func(*httptest.Server), handle http.HandlerFunc) *httptest.Server {
		s := httptest.NewUnstartedServer(handle)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		start(s)
		t.Cleanup(s.Close)
		return s
	}
	nothing := func(http.ResponseWriter, *http.Request) {}
	secure := serve((*httptest.Server).StartTLS, nothing)
	plain := serve((*httptest.Server).Start, nothing)
	hangup := serve((*httptest.Server).Start, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	release := make(chan struct{})
	leaving := serve((*httptest.Server).Start, func(http.ResponseWriter, *http.Request) {
		cancel() // the caller leaves while the server works
		<-release
	})
	t.Cleanup(func() { close(release) }) // before the server waits for its handlers
	gone := httptest.NewServer(nil)
	gone.Close()
	tests := []struct {
		name   string
		url    string
		kind   Kind
		client http.Client
	}{
		{"nobody listens", gone.URL, KindUnavailable, http.Client{}},
		{"unknown authority", secure.URL, KindUntrusted, http.Client{}},
		{"other name", secure.URL, KindUntrusted, http.Client{Transport: trusting(secure, "other.example")}},
		{"no TLS", "https" + strings.TrimPrefix(plain.URL, "http"), KindUntrusted, http.Client{}},
		{"hangs up", hangup.URL, KindUnavailable, http.Client{}},
		{"caller leaves", leaving.URL, KindCanceled, http.Client{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, tt.url, strings.NewReader("subject_token="+ask(t).subject.Raw()))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := tt.client.Do(req)
			if err == nil {
				resp.Body.Close()
				t.Fatal("no error")
			}
			got := networkFailure(ask(t), err)
			if got.Kind != tt.kind {
				t.Errorf("kind %q, want %q: %v", got.Kind, tt.kind, got)
			}
		})
	}
}

func trusting(s *httptest.Server, name string) *http.Transport {
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = name
	return transport
}
