package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// Five hours of training with tokens of one: no call is refused, and each object
// carries the same pseudonym.
func TestTraining_outlivesItsTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld(time.Hour, true)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		w.transport = direct{w.workspace}
		job, err := w.training(5*time.Hour, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var result bytes.Buffer
		job.result, job.progress = &result, io.Discard
		if err := job.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if job.tokens < 5 || !job.outlived {
			t.Errorf("%d tokens, outlived %t", job.tokens, job.outlived)
		}
		if want := fmt.Sprintf("the first token has ended; 300 steps, %d tokens, no step failed\n", job.tokens); !strings.Contains(result.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &result)
		}
		for _, r := range w.account.Requests(exchangetest.API) {
			if r.Status != http.StatusOK {
				t.Errorf("%s was refused: %s", r.Path, r.Reason)
			}
		}
		checkSightings(t, w.workspace)
	})
}

// checkSightings wants the four objects in order, by the right service principal,
// each with all tags.
func checkSightings(t *testing.T, w *workspace) {
	t.Helper()
	var names, subjects []string
	pseudonym := regexp.MustCompile(`"?brickfed_subject(?:": "|","value":"|":"|/)([a-z2-7]{24})\b`)
	for _, s := range w.seen {
		if s.caller != "forecast training" {
			t.Errorf("%s by %q", s.api.name, s.caller)
		}
		body, err := json.Marshal(s.body)
		if err != nil {
			t.Fatal(err)
		}
		where := []string{s.userAgent}
		if s.api.fields != nil {
			names = append(names, s.api.name)
			where = append(where, string(body))
		}
		for _, text := range where {
			match := pseudonym.FindStringSubmatch(text)
			if match == nil {
				t.Errorf("%s has no pseudonym: %s", s.api.name, text)
				continue
			}
			subjects = append(subjects, match[1])
			for _, tag := range []string{"brickfed_policy", "brickfed_rule", "training", "brickfed_client_id", "pipeline", "nightly"} {
				if !strings.Contains(text, tag) {
					t.Errorf("%s lacks %s: %s", s.api.name, tag, text)
				}
			}
			if strings.Contains(text, workload) || strings.Contains(text, "idp.example") {
				t.Errorf("%s tells who it is: %s", s.api.name, text)
			}
		}
		if runAs := string(s.body["run_as"]); (s.api.name == "job run") != (runAs == `{"service_principal_name":"`+production+`"}`) {
			t.Errorf("%s: run_as is %q", s.api.name, runAs)
		}
	}
	if want := []string{"SQL statement", "cluster", "job run", "MLflow run"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if slices.Sort(subjects); len(slices.Compact(subjects)) != 1 {
		t.Errorf("got more than one pseudonym: %q", slices.Compact(subjects))
	}
}

// With DATABRICKS_HOST set the program trains there, as the environment says.
func TestRun_databricks(t *testing.T) {
	w := loopback(t)
	token, err := w.source().Token(t.Context(), oidctest.DefaultAudience)
	if err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	text := fmt.Sprintf(`
version: 1
issuers:
  - issuer: %s
    rules:
      - name: any
        when: {sub: %s}
        target: {client_id: %s}
`, w.idp.Issuer(), workload, production)
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"DATABRICKS_HOST": w.url, "DATABRICKS_OIDC_TOKEN": token.Raw(), "DATABRICKS_WAREHOUSE_ID": "1",
		"DATABRICKS_OIDC_TOKEN_ENV": "", "DATABRICKS_OIDC_TOKEN_FILEPATH": "", "MLFLOW_EXPERIMENT_ID": "", "TRAINING_NODE_TYPE": "",
		"TRAINING_POLICY": policy, "TRAINING_TAG_SECRET": strings.Repeat("s", 16), "TRAINING_DURATION": "0s",
	} {
		t.Setenv(name, value)
	}
	var result bytes.Buffer
	if err := run(t.Context(), &result, io.Discard); err != nil {
		t.Fatal(err)
	}
	want := `rule "any" chose client_id "` + production + `", assume_group ""
SQL statement 01f0c2a1-0001
no cluster: its variable is not set
no job run: its variable is not set
no MLflow run: its variable is not set
0 steps, 1 tokens, no step failed
`
	if result.String() != want {
		t.Errorf("got\n%swant\n%s", &result, want)
	}
}

func TestRun_missing(t *testing.T) {
	t.Setenv("DATABRICKS_HOST", "https://dbc-test.cloud.databricks.com")
	t.Setenv("TRAINING_POLICY", "")
	t.Setenv("TRAINING_TAG_SECRET", "short")
	t.Setenv("TRAINING_DURATION", "long")
	err := run(t.Context(), io.Discard, io.Discard)
	for _, want := range []string{"TRAINING_POLICY: ", "TRAINING_TAG_SECRET: ", "TRAINING_DURATION: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lacks %q: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "short") {
		t.Errorf("tells the secret: %v", err)
	}
}

// The workspace notes nothing of a caller that the account refuses.
func TestWorkspace_refuses(t *testing.T) {
	w := loopback(t)
	resp, err := http.Post(w.url+"/api/2.1/clusters/create", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || len(w.workspace.seen) != 0 {
		t.Errorf("got %s, seen %d", resp.Status, len(w.workspace.seen))
	}
}

func TestWorkspace_String(t *testing.T) {
	w := &workspace{seen: []sighting{
		{api: apis[1], caller: "x", token: "Bearer 1", userAgent: "ua/1", body: map[string]json.RawMessage{"custom_tags": []byte(`{"a":"b"}`)}},
		{api: apis[4], token: "Bearer 2"},
	}}
	want := "cluster by x\n  User-Agent: ua/1\n  custom_tags: {\n    \"a\": \"b\"\n  }\n1 metrics; 2 tokens in all\n"
	if got := w.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func loopback(t *testing.T) *world {
	t.Helper()
	w, err := newWorld(time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	w.listen()
	return w
}

// direct brings requests to a handler without a network, which a bubble cannot
// have.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, in)
	resp := recorder.Result()
	resp.Request = r
	return resp, nil
}
