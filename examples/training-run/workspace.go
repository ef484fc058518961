package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 1 << 20

// api is one that the workspace serves, besides those of the account behind it.
type api struct {
	path, name string
	answer     string
	fields     []string // of the request, to be told of
}

var apis = []api{
	{"/api/2.0/sql/statements", "SQL statement", `{"statement_id":"01f0c2a1-0001","status":{"state":"SUCCEEDED"}}`, []string{"query_tags"}},
	{"/api/2.1/clusters/create", "cluster", `{"cluster_id":"1201-training"}`, []string{"custom_tags"}},
	{"/api/2.2/jobs/runs/submit", "job run", `{"run_id":7001}`, []string{"run_as", "tasks"}},
	{"/api/2.0/mlflow/runs/create", "MLflow run", `{"run":{"info":{"run_id":"5e1f","status":"RUNNING"}}}`, []string{"tags"}},
	{"/api/2.0/mlflow/runs/log-metric", "metric", `{}`, nil},
}

// workspace serves the APIs that the training calls and notes what it sees. Who
// calls, and whether the token is good, the account decides.
type workspace struct {
	account http.Handler

	mu   sync.Mutex // guards seen
	seen []sighting
}

// sighting is a call as Databricks sees it.
type sighting struct {
	api       api
	caller    string // display name
	token     string // the Authorization header
	userAgent string
	body      map[string]json.RawMessage
}

// ServeHTTP implements http.Handler.
func (w *workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	for _, a := range apis {
		if r.Method == http.MethodPost && strings.TrimSuffix(r.URL.Path, "/") == a.path {
			w.serve(rw, r, a)
			return
		}
	}
	w.account.ServeHTTP(rw, r)
}

func (w *workspace) serve(rw http.ResponseWriter, r *http.Request, a api) {
	s := sighting{api: a, token: r.Header.Get("Authorization"), userAgent: r.UserAgent()}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, &s.body)
	}
	if err != nil {
		http.Error(rw, "cannot read the request", http.StatusBadRequest)
		return
	}
	answer := w.whoIs(r)
	if answer.Code != http.StatusOK {
		maps.Copy(rw.Header(), answer.Header())
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
		return
	}
	var me struct{ DisplayName string }
	if err := json.Unmarshal(answer.Body.Bytes(), &me); err != nil {
		http.Error(rw, "cannot tell who calls", http.StatusInternalServerError)
		return
	}
	s.caller = me.DisplayName
	w.mu.Lock()
	w.seen = append(w.seen, s)
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(rw, a.answer)
}

// whoIs asks the account about the sender of the request.
func (w *workspace) whoIs(r *http.Request) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+r.Host+"/api/2.0/preview/scim/v2/Me", nil)
	req.Header.Set("Authorization", r.Header.Get("Authorization"))
	recorder := httptest.NewRecorder()
	w.account.ServeHTTP(recorder, req)
	return recorder
}

// String tells what was seen. Of the metrics it tells how many there were.
func (w *workspace) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	metrics, tokens := 0, map[string]bool{}
	for _, s := range w.seen {
		tokens[s.token] = true
		if s.api.fields == nil {
			metrics++
			continue
		}
		fmt.Fprintf(&b, "%s by %s\n  User-Agent: %s\n", s.api.name, s.caller, s.userAgent)
		for _, field := range s.api.fields {
			fmt.Fprintf(&b, "  %s: %s\n", field, indented(s.body[field]))
		}
	}
	fmt.Fprintf(&b, "%d metrics; %d tokens in all\n", metrics, len(tokens))
	return b.String()
}

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "  ", "  ") != nil {
		return "none"
	}
	return b.String()
}
