package sdkclient_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/databricks/databricks-sdk-go/service/ml"
	"github.com/databricks/databricks-sdk-go/service/sql"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkclient"
)

var _ sdkclient.Tags = claims.Tags{}

var grant = claims.Grant{Issuer: "https://sso.acme.example", Subject: "ada", Target: claims.Target{Rule: "risk-models", ClientID: admin}}

// newTags returns tags of four keys and n more.
func newTags(t testing.TB, n int) claims.Tags {
	t.Helper()
	key, err := claims.NewTagKey([]byte("the secret of all programs"))
	if err != nil {
		t.Fatal(err)
	}
	extra := map[string]string{"pipeline_run": "nightly #7"}
	for i := range n {
		extra[fmt.Sprintf("k%d", i)] = "v"
	}
	tags, err := grant.Tags(claims.TagOptions{Key: key, Extra: extra})
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

// The tags of newTags, on the wire.
const (
	plain  = `"brickfed_client_id":"3f0c2a1e-1111-4000-8000-0000000000ad","brickfed_rule":"risk-models","brickfed_subject":"SUBJECT","pipeline_run":"nightly #7"`
	fitted = `"brickfed_client_id":"3f0c2a1e-1111-4000-8000-0000000000ad","brickfed_rule":"risk-models","brickfed_subject":"SUBJECT","pipeline_run":"nightly__7__HASH"`
	pairs  = `{"key":"brickfed_client_id","value":"3f0c2a1e-1111-4000-8000-0000000000ad"},{"key":"brickfed_rule","value":"risk-models"},{"key":"brickfed_subject","value":"SUBJECT"},{"key":"pipeline_run","value":"nightly #7"}`
)

// taggable is a request and what can be done to it.
type taggable struct {
	request any
	tag     func(sdkclient.Tags) error
}

// There is one tag, team, on each of these.
var requests = map[string]struct {
	make  func() taggable
	want  string // the request as JSON
	limit int    // of tags; 0 for parameters
}{
	"statement": {
		make: func() taggable {
			r := &sql.ExecuteStatementRequest{Statement: "SELECT 1", WarehouseId: "w", QueryTags: []sql.QueryTag{{Key: "team", Value: "risk"}}}
			return taggable{r, func(t sdkclient.Tags) error { return sdkclient.TagStatement(r, t) }}
		},
		want:  `{"query_tags":[{"key":"team","value":"risk"},` + pairs + `],"statement":"SELECT 1","warehouse_id":"w"}`,
		limit: 20,
	},
	"cluster": {
		make: func() taggable {
			r := &compute.CreateCluster{SparkVersion: "15.4.x-scala2.12", CustomTags: map[string]string{"team": "risk"}}
			return taggable{r, func(t sdkclient.Tags) error { return sdkclient.TagCluster(r, t) }}
		},
		want:  `{"custom_tags":{` + fitted + `,"team":"risk"},"spark_version":"15.4.x-scala2.12"}`,
		limit: 45,
	},
	"job": {
		make: func() taggable {
			r := &jobs.CreateJob{Name: "train", Tags: map[string]string{"team": "risk"}}
			return taggable{r, func(t sdkclient.Tags) error { return sdkclient.TagJob(r, t) }}
		},
		want:  `{"name":"train","tags":{` + fitted + `,"team":"risk"}}`,
		limit: 25,
	},
	"one-time run": {
		make: func() taggable {
			r := &jobs.SubmitRun{RunName: "train", Tasks: []jobs.SubmitTask{{
				TaskKey:    "fit",
				NewCluster: &compute.ClusterSpec{CustomTags: map[string]string{"team": "risk"}},
			}}}
			return taggable{r, func(t sdkclient.Tags) error {
				_, err := sdkclient.TagSubmit(r, t)
				return err
			}}
		},
		want:  `{"run_name":"train","tasks":[{"new_cluster":{"custom_tags":{` + fitted + `,"team":"risk"}},"task_key":"fit"}]}`,
		limit: 45,
	},
	"run of a job": {
		make: func() taggable {
			r := &jobs.RunNow{JobId: 7, JobParameters: map[string]string{"team": "risk"}}
			return taggable{r, func(t sdkclient.Tags) error { return sdkclient.AddJobParameters(r, t) }}
		},
		want: `{"job_id":7,"job_parameters":{` + fitted + `,"team":"risk"}}`,
	},
	"MLflow run": {
		make: func() taggable {
			r := &ml.CreateRun{ExperimentId: "1", Tags: []ml.RunTag{{Key: "team", Value: "risk"}}}
			return taggable{r, func(t sdkclient.Tags) error { return sdkclient.TagRun(r, t) }}
		},
		want:  `{"experiment_id":"1","tags":[{"key":"team","value":"risk"},` + pairs + `]}`,
		limit: 100,
	},
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTags(t *testing.T) {
	for name, test := range requests {
		t.Run(name, func(t *testing.T) {
			tags := newTags(t, 0)
			cluster, err := tags.Cluster(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, hash, _ := strings.Cut(cluster["pipeline_run"], "nightly__7__")
			want := strings.NewReplacer("SUBJECT", tags.Subject(), "HASH", hash).Replace(test.want)
			r := test.make()
			for range 2 { // the second time changes nothing
				if err := r.tag(tags); err != nil {
					t.Fatal(err)
				}
				if got := marshal(t, r.request); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

// Nothing to add leaves nothing behind.
func TestTags_zero(t *testing.T) {
	for name, test := range requests {
		r := test.make()
		before := marshal(t, r.request)
		if err := r.tag(claims.Tags{}); err != nil || marshal(t, r.request) != before {
			t.Errorf("%s: %v, %s", name, err, marshal(t, r.request))
		}
	}
	var cluster compute.CreateCluster
	if err := sdkclient.TagCluster(&cluster, claims.Tags{}); err != nil || cluster.CustomTags != nil {
		t.Errorf("%v, %v", cluster.CustomTags, err)
	}
	if err := sdkclient.TagCluster(&cluster, newTags(t, 0)); err != nil || len(cluster.CustomTags) != 4 {
		t.Errorf("%v, %v", cluster.CustomTags, err)
	}
}

// All or nothing, and what is there already counts.
func TestTags_limits(t *testing.T) {
	const own = 4 + 1 // with team
	for name, test := range requests {
		if test.limit == 0 { // what is there already aside
			if err := test.make().tag(newTags(t, 21)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := test.make().tag(newTags(t, 22)); err == nil || !strings.Contains(err.Error(), "sdkclient: add job parameters: ") {
				t.Errorf("%s: got error %v", name, err)
			}
			continue
		}
		r := test.make()
		if err := r.tag(newTags(t, test.limit-own)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r = test.make()
		before := marshal(t, r.request)
		err := r.tag(newTags(t, test.limit-own+1))
		if err == nil || !strings.HasPrefix(err.Error(), "sdkclient: ") || !strings.Contains(err.Error(), fmt.Sprintf("%d are too many, 1 of them there already; the limit is %d", test.limit+1, test.limit)) {
			t.Errorf("%s: got error %v", name, err)
		}
		if after := marshal(t, r.request); after != before {
			t.Errorf("%s: the request became %s", name, after)
		}
	}
}

// conflicting puts another tag of a key on a request.
func conflicting(request any, key, value string) {
	switch r := request.(type) {
	case *sql.ExecuteStatementRequest:
		r.QueryTags = append(r.QueryTags, sql.QueryTag{Key: key, Value: value})
	case *compute.CreateCluster:
		r.CustomTags[key] = value
	case *jobs.CreateJob:
		r.Tags[key] = value
	case *jobs.SubmitRun:
		r.Tasks = slices.Insert(r.Tasks, 0, jobs.SubmitTask{TaskKey: "first", NewCluster: &compute.ClusterSpec{}})
		r.Tasks[1].NewCluster.CustomTags[key] = value
	case *jobs.RunNow:
		r.JobParameters[key] = value
	case *ml.CreateRun:
		r.Tags = append(r.Tags, ml.RunTag{Key: key, Value: value})
	}
}

func TestTags_conflict(t *testing.T) {
	for name, test := range requests {
		r := test.make()
		conflicting(r.request, "brickfed_rule", "another-rule")
		before := marshal(t, r.request)
		err := r.tag(newTags(t, 0))
		if err == nil || !strings.Contains(err.Error(), `"brickfed_rule" is there already with another value`) || strings.Contains(err.Error(), "another-rule") {
			t.Errorf("%s: got error %v", name, err)
		}
		if name == "one-time run" && (err == nil || !strings.Contains(err.Error(), `task "fit"`)) {
			t.Errorf("the error does not name the task: %v", err)
		}
		if after := marshal(t, r.request); after != before {
			t.Errorf("%s: the request became %s", name, after)
		}
		r = test.make()
		conflicting(r.request, "brickfed_rule", "risk-models")
		if err := r.tag(newTags(t, 0)); err != nil {
			t.Errorf("%s: the same value: %v", name, err)
		}
	}
}

// In a list a key may stand twice.
func TestTags_twice(t *testing.T) {
	statement := &sql.ExecuteStatementRequest{QueryTags: []sql.QueryTag{{Key: "team", Value: "a"}, {Key: "team", Value: "b"}}}
	if err := sdkclient.TagStatement(statement, newTags(t, 0)); err == nil || !strings.Contains(err.Error(), `"team" twice`) || len(statement.QueryTags) != 2 {
		t.Errorf("got error %v", err)
	}
	run := &ml.CreateRun{Tags: []ml.RunTag{{Key: "team", Value: "a"}, {Key: "team", Value: "a"}}}
	if err := sdkclient.TagRun(run, newTags(t, 0)); err == nil || !strings.Contains(err.Error(), `"team" twice`) || len(run.Tags) != 2 {
		t.Errorf("got error %v", err)
	}
}

// Requests that share a list or a map with others do not change these.
func TestTags_shared(t *testing.T) {
	query := make([]sql.QueryTag, 1, 10)
	query[0] = sql.QueryTag{Key: "team", Value: "risk"}
	statement := &sql.ExecuteStatementRequest{QueryTags: query}
	if err := sdkclient.TagStatement(statement, newTags(t, 0)); err != nil {
		t.Fatal(err)
	}
	if query[:2][1].Key != "" {
		t.Error("the array behind the list was written to")
	}
	run := make([]ml.RunTag, 1, 10)
	run[0] = ml.RunTag{Key: "team", Value: "risk"}
	if err := sdkclient.TagRun(&ml.CreateRun{Tags: run}, newTags(t, 0)); err != nil {
		t.Fatal(err)
	}
	if run[:2][1].Key != "" {
		t.Error("the array behind the list was written to")
	}
	shared := map[string]string{"team": "risk"}
	submit := &jobs.SubmitRun{Tasks: []jobs.SubmitTask{{NewCluster: &compute.ClusterSpec{CustomTags: shared}}}}
	if _, err := sdkclient.TagSubmit(submit, newTags(t, 0)); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		sdkclient.TagCluster(&compute.CreateCluster{CustomTags: shared}, newTags(t, 0)),
		sdkclient.TagJob(&jobs.CreateJob{Tags: shared}, newTags(t, 0)),
		sdkclient.AddJobParameters(&jobs.RunNow{JobParameters: shared}, newTags(t, 0)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if !maps.Equal(shared, map[string]string{"team": "risk"}) {
		t.Errorf("the map became %v", shared)
	}
}

// What has no cluster of its own cannot be tagged, and the caller is told.
func TestTagSubmit_untagged(t *testing.T) {
	both := &compute.ClusterSpec{}
	request := &jobs.SubmitRun{Tasks: []jobs.SubmitTask{
		{TaskKey: "serverless", NotebookTask: &jobs.NotebookTask{NotebookPath: "/x"}},
		{TaskKey: "one", NewCluster: both},
		{TaskKey: "existing", ExistingClusterId: "0923-164208-meows279"},
		{TaskKey: "two", NewCluster: both},
		{TaskKey: "each", ForEachTask: &jobs.ForEachTask{Task: jobs.Task{TaskKey: "inner", NewCluster: &compute.ClusterSpec{}}}},
		{TaskKey: "each serverless", ForEachTask: &jobs.ForEachTask{Task: jobs.Task{TaskKey: "inner"}}},
		{TaskKey: "sql", SqlTask: &jobs.SqlTask{WarehouseId: "w"}},
	}}
	untagged, err := sdkclient.TagSubmit(request, newTags(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"serverless", "existing", "each serverless", "sql"}; !slices.Equal(untagged, want) {
		t.Errorf("untagged %q, want %q", untagged, want)
	}
	if inner := request.Tasks[4].ForEachTask.Task.NewCluster; len(both.CustomTags) != 4 || !maps.Equal(both.CustomTags, inner.CustomTags) {
		t.Errorf("tags %q and %q", both.CustomTags, inner.CustomTags)
	}
	if untagged, err := sdkclient.TagSubmit(&jobs.SubmitRun{}, newTags(t, 0)); err != nil || untagged != nil {
		t.Errorf("no tasks: %q, %v", untagged, err)
	}
}

func TestRunAs(t *testing.T) {
	got, err := sdkclient.RunAs(grant)
	if err != nil || !reflect.DeepEqual(got, &jobs.JobRunAs{ServicePrincipalName: admin}) {
		t.Errorf("got %+v, %v", got, err)
	}
	assuming := grant
	assuming.Target.AssumeGroup = "884100000000017"
	for _, g := range []claims.Grant{assuming, {Issuer: "i", Subject: "s"}} {
		if got, err := sdkclient.RunAs(g); err == nil || got != nil || !strings.HasPrefix(err.Error(), "sdkclient: make run_as: claims: run as: ") {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// From a client's own token to a tagged call of both kinds.
func TestTags_ofClient(t *testing.T) {
	w := newWorld(t, true)
	key, err := claims.NewTagKey([]byte("the secret of all programs"))
	if err != nil {
		t.Fatal(err)
	}
	strategy := w.strategy()
	strategy.Tags.Key = key
	client, err := sdkclient.Workspace(w.config(w.dbx.URL()), strategy)
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Config.GetTokenSource().Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, ok := exchange.GrantOf(token)
	if !ok {
		t.Fatal("no grant")
	}
	tags, err := g.Tags(claims.TagOptions{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	statement := sql.ExecuteStatementRequest{Statement: "SELECT current_user()", WarehouseId: "w"}
	if err := sdkclient.TagStatement(&statement, tags); err != nil {
		t.Fatal(err)
	}
	if _, err := client.StatementExecution.ExecuteStatement(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CurrentUser.Me(t.Context(), iam.MeRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.dbx.Requests(exchangetest.API) {
		if agent := r.Header.Get("User-Agent"); !strings.Contains(agent, " brickfed_subject/"+tags.Subject()+" ") {
			t.Errorf("%s: User-Agent %q", r.Path, agent)
		}
	}
	if !strings.Contains(marshal(t, statement), tags.Subject()) {
		t.Errorf("the statement is not tagged: %+v", statement.QueryTags)
	}
}
