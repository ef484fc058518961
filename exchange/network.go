package exchange

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// networkFailure makes the error of a request that brought no whole answer.
func networkFailure(q question, err error) *Error {
	e := &Error{Op: opExchange, Kind: KindUnavailable, Err: err}
	var own *url.Error
	if errors.As(err, &own) {
		e.Err = own.Err // the rest repeats the URL
	}
	e.Kind, e.Hint = q.judgeNetwork(err)
	q.describe(e)
	return e
}

// judgeNetwork looks at the cause of a failure, the most exact sign first.
func (q question) judgeNetwork(err error) (Kind, string) {
	var (
		untrusted *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		dns       *net.DNSError
		dial      *net.OpError
		timeout   interface{ Timeout() bool }
		corrupt   flate.CorruptInputError
	)
	switch {
	case errors.As(err, &untrusted) || isX509(err):
		return KindUntrusted, q.hintCertificate(err)
	case errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch):
		return KindUntrusted, "the server does not speak TLS on this port: check scheme and port of Host"
	case errors.As(err, &alert):
		return KindUntrusted, "the server ended the TLS handshake: it may want a client certificate or another TLS version, which the transport of HTTPClient sets"
	case errors.Is(err, context.Canceled):
		return KindCanceled, "the caller ended the call; nothing needs to be changed"
	case errors.As(err, &dns):
		return KindUnavailable, "check the name in Host, and this machine's DNS: " + q.hostname() + " was not found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return KindUnavailable, "check host and port of Host, and that no firewall refuses the connection"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return KindUnavailable, "no answer came in time: check the way to " + q.hostname() + " (proxy, firewall, private link) if this lasts"
	case errors.As(err, &dial) && dial.Op == "proxyconnect":
		return KindUnavailable, "the proxy was not reached: check HTTPS_PROXY and NO_PROXY, or the Proxy of HTTPClient's transport"
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt):
		return KindBadResponse, hintBadResponse
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return KindUnavailable, "the connection ended before the answer; nothing needs to be changed if this passes"
	}
	return KindUnavailable, "check the way to " + q.hostname() + " (DNS, proxy, firewall) if this lasts"
}

// hintCertificate says why the server's certificate is not accepted.
func (q question) hintCertificate(err error) string {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &name):
		return "the certificate is for another name than " + q.hostname() + ": check Host, and whether a proxy or a private link answers in its place"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet: check the clock of this machine first"
	}
	return "an unknown authority signed the certificate, maybe a proxy's: give HTTPClient a transport with a TLSClientConfig whose RootCAs hold it, or set SSL_CERT_FILE"
}

// isX509 finds certificate errors of transports that do their own handshake.
func isX509(err error) bool {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	return errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}
