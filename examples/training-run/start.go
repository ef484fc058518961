package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/databricks/databricks-sdk-go/service/ml"
	"github.com/databricks/databricks-sdk-go/service/sql"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/sdkclient"
)

// sparkVersion is the runtime of the clusters: one with long-term support.
const sparkVersion = "15.4.x-scala2.12"

// start starts what the training needs, each with the tags of its kind, and
// returns the ID of the MLflow run, if there is one.
func (t *training) start(ctx context.Context, client *databricks.WorkspaceClient, grant claims.Grant, tags claims.Tags) (run string, err error) {
	for _, part := range []struct {
		name  string
		needs []string
		start func() (id string, err error)
	}{
		{"SQL statement", []string{t.warehouse}, func() (string, error) { return t.statement(ctx, client, tags) }},
		{"cluster", []string{t.nodeType}, func() (string, error) { return t.cluster(ctx, client, tags) }},
		{"job run", []string{t.nodeType, t.script}, func() (string, error) { return t.job(ctx, client, grant, tags) }},
		{"MLflow run", []string{t.experiment}, func() (string, error) {
			run, err = t.mlflowRun(ctx, client, tags)
			return run, err
		}},
	} {
		if slices.Contains(part.needs, "") {
			fmt.Fprintf(t.result, "no %s: its variable is not set\n", part.name)
			continue
		}
		id, err := part.start()
		if err != nil {
			return "", fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Fprintf(t.result, "%s %s\n", part.name, id)
	}
	return run, nil
}

func (t *training) statement(ctx context.Context, client *databricks.WorkspaceClient, tags claims.Tags) (string, error) {
	request := sql.ExecuteStatementRequest{Statement: "SELECT current_user()", WarehouseId: t.warehouse}
	if err := sdkclient.TagStatement(&request, tags); err != nil {
		return "", err
	}
	response, err := client.StatementExecution.ExecuteStatement(ctx, request)
	if err != nil {
		return "", err
	}
	return response.StatementId, nil
}

// cluster does not wait until the cluster runs.
func (t *training) cluster(ctx context.Context, client *databricks.WorkspaceClient, tags claims.Tags) (string, error) {
	request := compute.CreateCluster{
		ClusterName: "training", SparkVersion: sparkVersion, NodeTypeId: t.nodeType, NumWorkers: 1,
		AutoterminationMinutes: 10,
	}
	if err := sdkclient.TagCluster(&request, tags); err != nil {
		return "", err
	}
	response, err := client.Clusters.Create(ctx, request)
	if err != nil {
		return "", err
	}
	return response.ClusterId, nil
}

// job submits a run with a cluster of its own, because a submitted run has no
// tags, but its cluster has. It does not wait for the run's end. If the grant's
// target is a group, the run becomes that of the token, which is the group's.
func (t *training) job(ctx context.Context, client *databricks.WorkspaceClient, grant claims.Grant, tags claims.Tags) (string, error) {
	request := jobs.SubmitRun{
		RunName: "training",
		Tasks: []jobs.SubmitTask{{
			TaskKey:         "train",
			SparkPythonTask: &jobs.SparkPythonTask{PythonFile: t.script},
			NewCluster:      &compute.ClusterSpec{SparkVersion: sparkVersion, NodeTypeId: t.nodeType, NumWorkers: 1},
		}},
	}
	untagged, err := sdkclient.TagSubmit(&request, tags)
	if err != nil {
		return "", err
	}
	if len(untagged) > 0 {
		fmt.Fprintln(t.progress, "tasks without tags, because no cluster is made for them:", untagged)
	}
	if request.RunAs, err = sdkclient.RunAs(grant); err != nil {
		fmt.Fprintln(t.progress, "the job run has no run_as:", err)
	}
	response, err := client.Jobs.Submit(ctx, request)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(response.RunId), nil
}

func (t *training) mlflowRun(ctx context.Context, client *databricks.WorkspaceClient, tags claims.Tags) (string, error) {
	request := ml.CreateRun{ExperimentId: t.experiment, RunName: "training", StartTime: time.Now().UnixMilli()}
	if err := sdkclient.TagRun(&request, tags); err != nil {
		return "", err
	}
	response, err := client.Experiments.CreateRun(ctx, request)
	if err != nil {
		return "", err
	}
	return response.Run.Info.RunId, nil
}
