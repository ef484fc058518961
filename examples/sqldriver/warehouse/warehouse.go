// Package warehouse is a SQL warehouse for the example: enough of the Thrift
// service that the Databricks SQL drivers speak to open a session, run a
// statement and close the session.
//
// It knows neither tokens nor SQL. Each call becomes a statement for the SQL
// statement execution API of the workspace behind it, under the token that the
// driver sent. So the workspace decides who the session is and which token is
// refused, and the driver gets to see the refusal as it is.
//
// Method names and field IDs are those of TCLIService, as the driver has them
// (databricks-sql-go v1.14.0).
package warehouse

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
)

// maxRequest bounds a Thrift message, in bytes.
const maxRequest = 1 << 20

// identity is the statement behind the calls that have none.
const identity = "SELECT current_user()"

// Warehouse is a workspace that serves SQL warehouses too. It is safe for
// concurrent use.
type Warehouse struct {
	workspace http.Handler
	mux       *http.ServeMux

	mu       sync.Mutex // guards sessions
	sessions map[string]bool
}

// New returns the workspace, with a warehouse under every path
// /sql/1.0/warehouses/{id}.
func New(workspace http.Handler) *Warehouse {
	w := &Warehouse{workspace: workspace, mux: http.NewServeMux(), sessions: make(map[string]bool)}
	w.mux.HandleFunc("POST /sql/1.0/warehouses/{id}", w.serveThrift)
	w.mux.Handle("/", workspace)
	return w
}

// ServeHTTP implements http.Handler.
func (w *Warehouse) ServeHTTP(rw http.ResponseWriter, r *http.Request) { w.mux.ServeHTTP(rw, r) }

func (w *Warehouse) serveThrift(rw http.ResponseWriter, r *http.Request) {
	message, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxRequest))
	if err != nil {
		http.Error(rw, "cannot read the request", http.StatusBadRequest)
		return
	}
	c, err := readCall(r.Context(), message)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	statement := identity
	if c.method == "ExecuteStatement" {
		statement = c.request.text(2)
	}
	answer := w.run(r, statement)
	if answer.Code != http.StatusOK {
		maps.Copy(rw.Header(), answer.Header())
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
		return
	}
	reply, err := w.reply(r, c, answer.Body.Bytes())
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/x-thrift")
	_, _ = rw.Write(reply)
}

// run has the workspace execute the statement for the sender of the request.
func (w *Warehouse) run(r *http.Request, statement string) *httptest.ResponseRecorder {
	// A map of strings always has a JSON form.
	body, _ := json.Marshal(map[string]string{"statement": statement, "warehouse_id": r.PathValue("id")})
	req := httptest.NewRequestWithContext(r.Context(), http.MethodPost, "http://"+r.Host+"/api/2.0/sql/statements/", bytes.NewReader(body))
	req.Header.Set("Authorization", r.Header.Get("Authorization"))
	recorder := httptest.NewRecorder()
	w.workspace.ServeHTTP(recorder, req)
	return recorder
}

// reply answers a call that the workspace let pass.
func (w *Warehouse) reply(r *http.Request, c *call, answer []byte) ([]byte, error) {
	session := c.request.object(1).object(1).text(1)
	switch c.method {
	case "OpenSession":
		return c.reply(r.Context(), opened(w.open()))
	case "ExecuteStatement":
		if !w.has(session) {
			return c.reply(r.Context(), object{{1, invalidHandle}})
		}
		result, err := executed(answer)
		if err != nil {
			return nil, err
		}
		return c.reply(r.Context(), result)
	case "CloseSession":
		if !w.close(session) {
			return c.reply(r.Context(), object{{1, invalidHandle}})
		}
		return c.reply(r.Context(), object{{1, success}})
	}
	return c.unknown(r.Context())
}

func (w *Warehouse) open() []byte {
	id := newID()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[string(id)] = true
	return id
}

func (w *Warehouse) has(session string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[session]
}

// close reports whether there was such a session.
func (w *Warehouse) close(session string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.sessions[session]
	delete(w.sessions, session)
	return was
}

// newID returns the 16 bytes that the drivers expect of sessions and operations.
func newID() []byte {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return id
}
