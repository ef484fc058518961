package graph_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims/graph"
)

const requestID = "11111111-2222-4333-8444-555555555555"

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drip sends an answer that takes half a minute.
func drip(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(200)
	for _, c := range list(engineers)[:30] {
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, string(c))
		_ = http.NewResponseController(w).Flush()
	}
}

// cut ends the connection in the middle of the body.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "5000")
	_, _ = io.WriteString(w, list(engineers))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// bomb is small on the wire.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = io.WriteString(z, list(engineers)+strings.Repeat(" ", 10*graph.MaxBody))
	_ = z.Close()
}

func huge(status int) http.HandlerFunc {
	return reply(status, list(ids(20)...)+strings.Repeat(" ", graph.MaxBody))
}

func TestResolve_faults(t *testing.T) {
	value := func(v string) string { return `{"value":` + v + `}` }
	tests := []struct {
		name      string
		serve     http.HandlerFunc
		temporary bool
		status    int
		code      string
		want      []string
	}{
		// Outages.
		{"no answer", hang, true, 0, "", []string{"no answer from Graph in time", "deadline exceeded"}},
		{"slow drip", drip, true, 0, "", []string{"no answer from Graph in time"}},
		{"cut off", cut, true, 0, "", []string{"no answer from Graph", "unexpected EOF"}},
		{"408", reply(408, ""), true, 408, "", []string{"cannot answer now"}},
		{"429", reply(429, graphError("TooManyRequests")), true, 429, "TooManyRequests", nil},
		{"500", reply(500, graphError("InternalServerError")), true, 500, "InternalServerError", nil},
		{"502 by a proxy", reply(502, "<html>bad gateway</html>"), true, 502, "", nil},
		{"503", reply(503, graphError("Service_ServiceUnavailable")), true, 503, "Service_ServiceUnavailable", nil},
		{"504 huge", huge(504), true, 504, "", nil},

		// Refusals.
		{"400", reply(400, graphError("Request_BadRequest")), false, 400, "Request_BadRequest", []string{"Graph refuses", "check Config.Endpoint"}},
		{"too many groups", reply(400, graphError("Directory_ResultSizeLimitExceeded")), false, 400, "Directory_ResultSizeLimitExceeded", []string{"more than 11,000 groups", "ApplicationGroup"}},
		{"401", reply(401, graphError("InvalidAuthenticationToken")), false, 401, "InvalidAuthenticationToken", []string{"scope https://graph.microsoft.com/.default"}},
		{"403", reply(403, graphError("Authorization_RequestDenied")), false, 403, "Authorization_RequestDenied", []string{"User.ReadBasic.All and GroupMember.Read.All", "admin consent"}},
		{"404", reply(404, graphError("Request_ResourceNotFound")), false, 404, "Request_ResourceNotFound", []string{"idtyp"}},
		{"413 huge", huge(413), false, 413, "", nil},
		{"redirect", reply(307, "", "Location", "https://evil.example/"), false, 307, "", []string{"redirect, which is not followed", "Graph's own root"}},
		{"redirect to the same host", reply(301, "", "Location", "/v1.0/me"), false, 301, "", []string{"not followed"}},
		{"redirect without a place", reply(302, ""), false, 302, "", []string{"not followed"}},
		{"several choices", reply(300, "", "Location", "https://evil.example/"), false, 300, "", []string{"not followed"}},
		{"not modified", reply(304, ""), false, 304, "", nil},
		{"no content", reply(204, ""), false, 204, "", []string{"not a list of groups", "check Config.Endpoint"}},
		{"accepted", reply(202, list(engineers)), false, 202, "", []string{"not a list of groups"}},

		// Answers that are not one.
		{"empty", reply(200, ""), false, 200, "", []string{"it is empty", "check Config.Endpoint"}},
		{"blank", reply(200, " \n"), false, 200, "", []string{"it is empty"}},
		{"a page", reply(200, "<html><title>Sign in</title></html>"), false, 200, "", []string{"not a JSON object"}},
		{"huge", huge(200), false, 200, "", []string{"larger than 1048576 bytes"}},
		{"huge when unpacked", bomb, false, 200, "", []string{"larger than 1048576 bytes"}},
		{"a list", reply(200, `["`+engineers+`"]`), false, 200, "", []string{"not a JSON object"}},
		{"a string", reply(200, `"x"`), false, 200, "", []string{"not a JSON object"}},
		{"cut JSON", reply(200, `{"value":["`+engineers+`"`), false, 200, "", []string{"not valid JSON"}},
		{"cut after the list", reply(200, `{"value":["`+engineers+`"]`), false, 200, "", []string{"not valid JSON"}},
		{"cut in a name", reply(200, `{"val`), false, 200, "", []string{"not valid JSON"}},
		{"trailing data", reply(200, list(engineers)+`{}`), false, 200, "", []string{"something follows"}},
		{"two lists", reply(200, `{"value":["`+engineers+`"],"value":[]}`), false, 200, "", []string{"a member twice"}},
		{"two lists, escaped", reply(200, `{"value":["`+engineers+`"],"val\u0075e":[]}`), false, 200, "", []string{"a member twice"}},
		{"no value", reply(200, `{"@odata.context":"x"}`), false, 200, "", []string{"no member value"}},
		{"value in upper case", reply(200, `{"VALUE":["`+engineers+`"]}`), false, 200, "", []string{"no member value"}},
		{"an error with 200", reply(200, graphError("UnknownError")), false, 200, "", []string{"no member value"}},
		{"value null", reply(200, value("null")), false, 200, "", []string{"not a list of strings"}},
		{"value a string", reply(200, value(`"`+engineers+`"`)), false, 200, "", []string{"not a list of strings"}},
		{"value an object", reply(200, value(`{"0":"`+engineers+`"}`)), false, 200, "", []string{"not a list of strings"}},
		{"value of numbers", reply(200, value(`[1]`)), false, 200, "", []string{"not a list of strings"}},
		{"value with null", reply(200, value(`["`+engineers+`",null]`)), false, 200, "", []string{"entry 1 is not a UUID"}},
		{"groups as objects", reply(200, value(`[{"@odata.type":"#microsoft.graph.group","id":"`+engineers+`"}]`)), false, 200, "", []string{"not a list of strings"}},
		{"roles as objects", reply(200, value(`[{"@odata.type":"#microsoft.graph.directoryRole","id":"`+engineers+`"}]`)), false, 200, "", []string{"not a list of strings"}},
		{"names", reply(200, value(`["`+engineers+`","data-engineers"]`)), false, 200, "", []string{"entry 1 is not a UUID"}},
		{"an empty name", reply(200, value(`[""]`)), false, 200, "", []string{"entry 0 is not a UUID"}},
		{"not UTF-8", reply(200, value("[\"\xff\"]")), false, 200, "", []string{"entry 0 is not a UUID"}},
		{"too many", reply(200, list(ids(graph.MaxGroups+1)...)), false, 200, "", []string{"11001 entries"}},

		// Pages, which this request does not have.
		{"next page", reply(200, `{"value":["`+engineers+`"],"@odata.nextLink":"https://graph.microsoft.com/v1.0/users/`+person+`/getMemberGroups?$skiptoken=x"}`), false, 200, "", []string{"more pages"}},
		{"next page elsewhere", reply(200, `{"value":["`+engineers+`"],"@odata.nextLink":"https://evil.example/"}`), false, 200, "", []string{"more pages"}},
		{"next page first", reply(200, `{"@odata.nextLink":"","value":["`+engineers+`"]}`), false, 200, "", []string{"more pages"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.answer(func(rw http.ResponseWriter, r *http.Request) {
					rw.Header().Set("request-id", strings.ToUpper(requestID))
					tt.serve(rw, r)
				})
				start := time.Now()
				groups, err := w.groupsOf(t, with(t))
				failure := failureOf(t, err)
				if groups != nil || failure.Temporary() != tt.temporary || failure.Status != tt.status || failure.Code != tt.code {
					t.Errorf("got %q, temporary %t, status %d, code %q: %v", groups, failure.Temporary(), failure.Status, failure.Code, err)
				}
				if wait := failure.RetryAfter(); (wait > 0) != tt.temporary || wait > 5*time.Second {
					t.Errorf("RetryAfter is %v", wait)
				}
				wantText(t, err.Error(), append(tt.want, "graph: look up groups: ")...)
				if tt.status != 0 {
					wantText(t, err.Error(), fmt.Sprintf("HTTP %d", tt.status), tt.code, "(request-id "+requestID+")")
				}
				for _, value := range []string{person, tenant, engineers, accessToken, "evil", "is wrong"} {
					if strings.Contains(err.Error(), value) {
						t.Errorf("%q shows %q", err, value)
					}
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				for _, r := range w.seen() {
					if r.URL != "https://graph.microsoft.com/v1.0/users/"+person+"/getMemberGroups" {
						t.Errorf("the client asked %s", r.URL)
					}
				}
				w.wantRequests(t, 1)

				// What was wrong is not kept for long.
				w.answer(nil)
				time.Sleep(5 * time.Second)
				if groups, err := w.groupsOf(t, with(t)); err != nil || len(groups) != 2 {
					t.Errorf("afterwards: %q, %v", groups, err)
				}
			})
		})
	}
}

// Odd, but whole and true.
func TestResolve_takes(t *testing.T) {
	tests := []struct {
		name, body string
		want       int
	}{
		{"no groups", `{"value":[]}`, 0},
		{"white space", " {\n\"value\" : [ \"" + engineers + "\" ] }\n ", 1},
		{"unknown members", `{"@odata.context":"x","@odata.count":1,"new":{"value":[]},"value":["` + engineers + `"]}`, 1},
		{"no next page", `{"@odata.nextLink":null,"value":["` + engineers + `"]}`, 1},
		{"as many as there can be", list(ids(graph.MaxGroups)...), graph.MaxGroups},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.answer(reply(200, tt.body))
				if groups, err := w.groupsOf(t, with(t)); err != nil || len(groups) != tt.want {
					t.Errorf("got %d groups, %v; want %d", len(groups), err, tt.want)
				}
			})
		})
	}
}

func TestResolve_applicationHints(t *testing.T) {
	for status, want := range map[int]string{403: "Application.Read.All", 404: "the service principal has left"} {
		bubble(t, func(t *testing.T, w *world) {
			w.answer(reply(status, ""))
			_, err := w.groupsOf(t, change(t, "entra-app.json"))
			wantText(t, failureOf(t, err).Hint, want)
		})
	}
	bubble(t, func(t *testing.T, w *world) {
		w.answer(reply(401, ""))
		_, err := w.groupsOf(t, with(t))
		wantText(t, failureOf(t, err).Hint, "https://graph.microsoft.us/.default")
	}, func(c *graph.Config) { c.Endpoint = "https://graph.microsoft.us" })
}

func TestResolve_network(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	tests := []struct {
		name      string
		cause     error
		temporary bool
	}{
		{"refused", refused, true},
		{"no such host", &net.DNSError{Err: "no such host", Name: "graph.microsoft.com", IsNotFound: true}, true},
		{"foreign certificate", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, err := w.groupsOf(t, with(t))
				failure := failureOf(t, err)
				if failure.Temporary() != tt.temporary || !errors.Is(err, tt.cause) || strings.Contains(err.Error(), person) {
					t.Errorf("temporary %t: %v", failure.Temporary(), err)
				}
				var timed net.Error
				if !tt.temporary && errors.As(err, &timed) {
					t.Errorf("%v counts as a network error, and so as an outage", err)
				}
			}, func(c *graph.Config) {
				c.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, tt.cause })}
			})
		})
	}
}

// Every body is closed, or its connection would never be free again.
func TestResolve_closesTheBody(t *testing.T) {
	for _, status := range []int{200, 302, 403, 503} {
		bubble(t, func(t *testing.T, w *world) {
			body := &closer{Reader: strings.NewReader(list(engineers))}
			r := w.newResolver(t, func(c *graph.Config) {
				c.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
				})}
			})
			_, _ = r.Resolve(t.Context(), with(t), "groups")
			if !body.closed {
				t.Errorf("the body of a %d is left open", status)
			}
		})
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error {
	c.closed = true
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A real TLS server with a certificate that nobody knows.
func TestResolve_untrusted(t *testing.T) {
	server := httptest.NewTLSServer(reply(200, list(engineers)))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	r, err := graph.New(graph.Config{
		Tenant: tenant, Endpoint: server.URL,
		Token: func(context.Context) (string, error) { return accessToken, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Resolve(t.Context(), with(t), "groups")
	if failure := failureOf(t, err); failure.Temporary() || !strings.Contains(failure.Hint, "Config.Endpoint") {
		t.Errorf("temporary %t: %v", failure.Temporary(), err)
	}
}
