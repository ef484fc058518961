package sdkclient_test

import (
	"fmt"
	"log"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/databricks/databricks-sdk-go/service/sql"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/sdkclient"
)

// exampleTags returns the tags of a pipeline's grant.
func exampleTags() (claims.Grant, claims.Tags) {
	key, err := claims.NewTagKey([]byte("32 random bytes of a secret store")) // the same in every program
	if err != nil {
		log.Fatal(err)
	}
	grant := claims.Grant{ // of exchange.GrantOf(token), or of a policy's Map
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: "repo:acme/models:environment:prod",
		Target:  claims.Target{Rule: "train", ClientID: "3f0c2a1e-1111-4000-8000-000000000001"},
	}
	tags, err := grant.Tags(claims.TagOptions{Key: key})
	if err != nil {
		log.Fatal(err)
	}
	return grant, tags
}

func ExampleTagStatement() {
	_, tags := exampleTags()
	statement := sql.ExecuteStatementRequest{Statement: "SELECT count(*) FROM models", WarehouseId: "w"}
	if err := sdkclient.TagStatement(&statement, tags); err != nil {
		log.Fatal(err)
	}
	for _, tag := range statement.QueryTags {
		fmt.Println(tag.Key, tag.Value)
	}
	// Output:
	// brickfed_client_id 3f0c2a1e-1111-4000-8000-000000000001
	// brickfed_rule train
	// brickfed_subject ccxcdmphnnv3cvnebmvvglam
}

// A one-time run has no tags of its own: its new clusters have, and what runs
// elsewhere is told.
func ExampleTagSubmit() {
	grant, tags := exampleTags()
	run := jobs.SubmitRun{RunName: "train", Tasks: []jobs.SubmitTask{
		{TaskKey: "prepare", NotebookTask: &jobs.NotebookTask{NotebookPath: "/prepare"}}, // serverless
		{TaskKey: "fit", NewCluster: &compute.ClusterSpec{CustomTags: map[string]string{"team": "risk"}}},
	}}
	untagged, err := sdkclient.TagSubmit(&run, tags)
	if err != nil {
		log.Fatal(err)
	}
	if run.RunAs, err = sdkclient.RunAs(grant); err != nil {
		log.Fatal(err)
	}
	fmt.Println("untagged:", untagged)
	fmt.Println("fit:", run.Tasks[1].NewCluster.CustomTags["team"], run.Tasks[1].NewCluster.CustomTags["brickfed_rule"])
	fmt.Println("runs as:", run.RunAs.ServicePrincipalName)
	// Output:
	// untagged: [prepare]
	// fit: risk train
	// runs as: 3f0c2a1e-1111-4000-8000-000000000001
}
