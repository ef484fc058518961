package warehouse_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	dbsql "github.com/databricks/databricks-sql-go"
	"github.com/databricks/databricks-sql-go/logger"

	"github.com/brickfed/brickfed/examples/sqldriver/warehouse"
)

// workspace is a workspace whose API answers every statement in one way.
type workspace struct {
	status int
	body   string
	seen   []string // Authorization and body of each request
}

func (w *workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	w.seen = append(w.seen, r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
	rw.Header().Set("X-Databricks-Reason-Phrase", "the reason")
	rw.WriteHeader(w.status)
	_, _ = io.WriteString(rw, w.body)
}

const table = `{"status":{"state":"SUCCEEDED"},
"manifest":{"schema":{"columns":[{"name":"a"},{"name":"b"}]}},
"result":{"data_array":[["1","one"],["2","two"],["3",""]]}}`

// connect gives the database of a warehouse, by way of the driver.
func connect(t *testing.T, w *workspace) *sql.DB {
	t.Helper()
	if err := logger.SetLogLevel("disabled"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(warehouse.New(w))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	connector, err := dbsql.NewConnector(
		dbsql.WithServerHostname("http://"+u.Hostname()), dbsql.WithPort(port),
		dbsql.WithHTTPPath("/sql/1.0/warehouses/w1"), dbsql.WithAccessToken("secret"),
		// The driver asks https://127.0.0.1 about its telemetry: nobody is there.
		dbsql.WithTransport(plain{}),
	)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

type plain struct{}

func (plain) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "http" {
		return nil, context.DeadlineExceeded
	}
	return http.DefaultTransport.RoundTrip(req)
}

func TestWarehouse_table(t *testing.T) {
	w := &workspace{status: http.StatusOK, body: table}
	db := connect(t, w)
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if names, err := rows.Columns(); err != nil || strings.Join(names, " ") != "a b" {
		t.Errorf("columns: got %q, %v", names, err)
	}
	var got []string
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			t.Fatal(err)
		}
		got = append(got, a+"="+b)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if want := "1=one 2=two 3="; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("close the session: %v", err)
	}
	want := []string{
		`/api/2.0/sql/statements/ Bearer secret {"statement":"SELECT current_user()","warehouse_id":"w1"}`,
		`/api/2.0/sql/statements/ Bearer secret {"statement":"SELECT * FROM t","warehouse_id":"w1"}`,
		`/api/2.0/sql/statements/ Bearer secret {"statement":"SELECT current_user()","warehouse_id":"w1"}`,
	}
	if strings.Join(w.seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("the workspace saw\n%s", strings.Join(w.seen, "\n"))
	}
}

func TestWarehouse_failures(t *testing.T) {
	tests := []struct {
		name string
		then workspace // once the session is open
		want string
	}{
		{"statement", workspace{status: 200, body: `{"status":{"state":"FAILED","error":{"message":"no such table"}}}`}, "no such table"},
		{"refused token", workspace{status: 403, body: "{}"}, "the reason"},
		{"not JSON", workspace{status: 200, body: "<html>"}, "500"},
		{"short row", workspace{status: 200, body: strings.Replace(table, `["2","two"]`, `["2"]`, 1)}, "500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &workspace{status: http.StatusOK, body: table}
			conn, err := connect(t, w).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			w.status, w.body = tt.then.status, tt.then.body
			rows, err := conn.QueryContext(t.Context(), "SELECT 1")
			if err == nil {
				rows.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// message is the head of a Thrift message (binary protocol, strict).
func message(kind byte, method string) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0x80010000|uint32(kind))
	b = binary.BigEndian.AppendUint32(b, uint32(len(method)))
	return binary.BigEndian.AppendUint32(append(b, method...), 7)
}

func TestWarehouse_requests(t *testing.T) {
	const stop = "\x00"
	nested := strings.Repeat("\x0c\x00\x01", 40) // a struct in field 1, and so on
	tests := []struct {
		name   string
		body   string
		status int
		text   string
	}{
		{"empty", "", 400, "read the call"},
		{"text", "GET / HTTP/1.1", 400, "read the call"},
		{"no arguments", string(message(1, "OpenSession")), 400, "read the arguments"},
		{"a reply", string(message(2, "OpenSession")) + stop, 400, "is no call"},
		{"too deep", string(message(1, "OpenSession")) + nested + strings.Repeat(stop, 41), 400, "more than 16 structs"},
		{"long string that is not there", string(message(1, "ExecuteStatement")) + "\x0c\x00\x01\x0b\x00\x02\x7f\xff\xff\xff", 400, "read the arguments"},
		{"too large", strings.Repeat("x", 1<<20+1), 400, "cannot read the request"},
		{"unknown method", string(message(1, "GetCatalogs")) + stop, 200, "this warehouse knows no \"GetCatalogs\""},
		{"unknown session", string(message(1, "ExecuteStatement")) + stop, 200, "\x08\x00\x01\x00\x00\x00\x04"},
		{"session closed twice", string(message(1, "CloseSession")) + stop, 200, "\x08\x00\x01\x00\x00\x00\x04"},
	}
	handler := warehouse.New(&workspace{status: http.StatusOK, body: table})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/sql/1.0/warehouses/w1", bytes.NewReader([]byte(tt.body)))
			handler.ServeHTTP(recorder, req)
			if recorder.Code != tt.status || !strings.Contains(recorder.Body.String(), tt.text) {
				t.Errorf("got %d %q", recorder.Code, recorder.Body)
			}
		})
	}
}
