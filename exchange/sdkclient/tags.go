package sdkclient

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/databricks/databricks-sdk-go/service/ml"
	"github.com/databricks/databricks-sdk-go/service/sql"
)

// Tags are the tags to put on requests: those of a grant are
// [github.com/brickfed/brickfed/claims.Tags], which Grant.Tags returns. Each
// method is given the tags that are there already, and returns those to add,
// fitted for the kind of object, or an error if they do not fit.
type Tags interface {
	Query(existing map[string]string) (map[string]string, error)
	Job(existing map[string]string) (map[string]string, error)
	Cluster(existing map[string]string) (map[string]string, error)
	Run(existing map[string]string) (map[string]string, error)
}

// TagStatement adds query tags to a SQL statement. The query history has them
// (system.query.history.query_tags). On an error, as with all functions here, the
// request stays as it was.
func TagStatement(r *sql.ExecuteStatementRequest, t Tags) error {
	pair := func(tag sql.QueryTag) (string, string) { return tag.Key, tag.Value }
	added, err := pairsToAdd(r.QueryTags, pair, t.Query)
	if err != nil {
		return fmt.Errorf("sdkclient: tag statement: %w", err)
	}
	r.QueryTags = slices.Clip(r.QueryTags) // the array may be another request's too
	for _, key := range slices.Sorted(maps.Keys(added)) {
		r.QueryTags = append(r.QueryTags, sql.QueryTag{Key: key, Value: added[key]})
	}
	return nil
}

// TagCluster adds custom tags to a cluster. They are on the cloud's resources and
// in the billing data (system.billing.usage.custom_tags). Databricks puts those
// of a pool, and not these, on the instances of a cluster from a pool.
func TagCluster(r *compute.CreateCluster, t Tags) error {
	tags, err := merged(r.CustomTags, t.Cluster)
	if err != nil {
		return fmt.Errorf("sdkclient: tag cluster: %w", err)
	}
	r.CustomTags = tags
	return nil
}

// TagJob adds tags to a new job, and so to each of its runs, whoever starts them,
// and to the clusters that Databricks makes for the job.
func TagJob(r *jobs.CreateJob, t Tags) error {
	tags, err := merged(r.Tags, t.Job)
	if err != nil {
		return fmt.Errorf("sdkclient: tag job: %w", err)
	}
	r.Tags = tags
	return nil
}

// TagSubmit tags a one-time run as far as Databricks can: such a run has no tags,
// but the new clusters of its tasks have. It returns the keys of the tasks that
// stay untagged, in the order of the request, because they run elsewhere: on an
// existing cluster, a SQL warehouse, a pipeline or serverless compute. What is
// inside a for-each task counts as that task. A cluster that several tasks of the
// request point to is tagged once.
func TagSubmit(r *jobs.SubmitRun, t Tags) (untagged []string, err error) {
	type cluster struct {
		spec *compute.ClusterSpec
		tags map[string]string
	}
	var clusters []cluster
	var problems []error
	for i := range r.Tasks {
		spec := newCluster(&r.Tasks[i])
		if spec == nil {
			untagged = append(untagged, r.Tasks[i].TaskKey)
			continue
		}
		tags, err := merged(spec.CustomTags, t.Cluster)
		if err != nil {
			problems = append(problems, fmt.Errorf("task %.128q: %w", r.Tasks[i].TaskKey, err))
		}
		clusters = append(clusters, cluster{spec, tags})
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("sdkclient: tag one-time run: %w", err)
	}
	for _, c := range clusters {
		c.spec.CustomTags = c.tags
	}
	return untagged, nil
}

// newCluster returns the cluster that is made for a task, or nil. Databricks takes
// no for-each task inside of another.
func newCluster(task *jobs.SubmitTask) *compute.ClusterSpec {
	if task.ForEachTask != nil {
		return task.ForEachTask.Task.NewCluster
	}
	return task.NewCluster
}

// AddJobParameters passes the tags to a run of an existing job as job parameters,
// which the run's details show and its code can read. It is no tagging: a run has
// no tags but its job's, which [TagJob] sets. Call it only for jobs that expect
// parameters of these names. Values are fitted and counted as for [TagJob],
// parameters that are there already aside. It is an error if one of these names has
// another value.
func AddJobParameters(r *jobs.RunNow, t Tags) error {
	added, err := t.Job(nil)
	if err != nil {
		return fmt.Errorf("sdkclient: add job parameters: %w", err)
	}
	parameters, err := mergeParameters(r.JobParameters, added)
	if err != nil {
		return fmt.Errorf("sdkclient: add job parameters: %w", err)
	}
	r.JobParameters = parameters
	return nil
}

func mergeParameters(existing, added map[string]string) (map[string]string, error) {
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(added)) {
		if had, taken := existing[key]; taken && had != added[key] {
			problems = append(problems, fmt.Errorf("%q is there already with another value", key))
		}
	}
	return joined(existing, added), errors.Join(problems...)
}

// TagRun adds tags to an MLflow run. It leaves the run's user alone: the tag
// mlflow.user and the outdated UserId are Databricks' to set.
func TagRun(r *ml.CreateRun, t Tags) error {
	pair := func(tag ml.RunTag) (string, string) { return tag.Key, tag.Value }
	added, err := pairsToAdd(r.Tags, pair, t.Run)
	if err != nil {
		return fmt.Errorf("sdkclient: tag MLflow run: %w", err)
	}
	r.Tags = slices.Clip(r.Tags) // the array may be another request's too
	for _, key := range slices.Sorted(maps.Keys(added)) {
		r.Tags = append(r.Tags, ml.RunTag{Key: key, Value: added[key]})
	}
	return nil
}

// RunAs returns the run_as of a job or a one-time run that is to run as the
// grant's service principal:
//
//	request.RunAs, err = sdkclient.RunAs(grant)
//
// g is a [github.com/brickfed/brickfed/claims.Grant]. Whoever sends the request
// needs the role servicePrincipal/user on that service principal. It is an error
// where a grant does not tell whom a job would run as: if it assumes a group, or
// names no service principal.
func RunAs(g interface{ RunAs() (string, error) }) (*jobs.JobRunAs, error) {
	name, err := g.RunAs()
	if err != nil {
		return nil, fmt.Errorf("sdkclient: make run_as: %w", err)
	}
	return &jobs.JobRunAs{ServicePrincipalName: name}, nil
}

// pairsToAdd is for lists of tags, in which a key may stand twice.
func pairsToAdd[T any](list []T, pair func(T) (key, value string), add func(map[string]string) (map[string]string, error)) (map[string]string, error) {
	existing := make(map[string]string, len(list))
	for _, item := range list {
		key, value := pair(item)
		if _, twice := existing[key]; twice {
			return nil, fmt.Errorf("the request has %.128q twice already, of which one counts; leave one out", key)
		}
		existing[key] = value
	}
	return add(existing)
}

func merged(existing map[string]string, add func(map[string]string) (map[string]string, error)) (map[string]string, error) {
	added, err := add(existing)
	if err != nil {
		return nil, err
	}
	return joined(existing, added), nil
}

// joined leaves both maps alone: the first may be another request's too.
func joined(existing, added map[string]string) map[string]string {
	all := maps.Clone(existing)
	if all == nil && len(added) > 0 {
		all = make(map[string]string, len(added))
	}
	maps.Copy(all, added)
	return all
}
