// Package sdkclient makes Databricks SDK clients that authenticate with federated
// tokens.
//
//	w, err := sdkclient.Workspace(&databricks.Config{Host: host}, sdkauth.Strategy{
//		ClientID: "3f0c2a1e-1111-4000-8000-000000000001", // the service principal's application ID
//		Subject:  oidc.File("/var/run/secrets/databricks/token"),
//	})
//	if err != nil {
//		return err
//	}
//	me, err := w.CurrentUser.Me(ctx, iam.MeRequest{})
//
// It is two steps in one: [github.com/brickfed/brickfed/exchange/sdkauth.Apply]
// and the SDK's constructor. It links every service of the SDK; a program that
// wants less uses package sdkauth alone. How tokens are kept, what is read of the
// environment, and where errors show is said there.
//
// # Accounts
//
// One strategy may serve an account client and any number of workspace clients,
// also those that GetWorkspaceClient makes of the account client. Each client
// exchanges at its own host and has tokens of its own.
//
// # Tags
//
// Databricks knows which service principal or user a statement, job, cluster or
// MLflow run belongs to, but not which identity of the provider stands behind it.
// Tags say so, by a pseudonym:
//
//	token, err := w.Config.GetTokenSource().Token(ctx)
//	…
//	grant, ok := exchange.GrantOf(token) // or the grant of the person one works for
//	…
//	tags, err := grant.Tags(claims.TagOptions{Key: key})
//	…
//	err = sdkclient.TagStatement(&statement, tags)
//
// Tags that are on the request stay. One that has another value there, one too
// many, and a key that differs from one there only in case are errors, and then the
// request is as it was: nothing is left out or overwritten. To tag a request twice
// is the same as once.
//
// What each kind of request takes:
//
//	sql.ExecuteStatementRequest  20 query tags                  TagStatement
//	jobs.CreateJob               25 tags, and run_as            TagJob, RunAs
//	jobs.SubmitRun               no tags; those of its tasks'   TagSubmit, RunAs
//	                             new clusters, and run_as
//	jobs.RunNow                  no tags and no run_as; job     AddJobParameters
//	                             parameters
//	compute.CreateCluster        45 tags                        TagCluster
//	ml.CreateRun                 tags                           TagRun
//
// For other requests, claims.Tags has the maps: Job for the Tags of
// jobs.JobSettings, Cluster for the CustomTags of compute.EditCluster.
package sdkclient
