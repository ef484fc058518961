package claims_test

import (
	"fmt"
	"log"
	"maps"
	"slices"

	"github.com/brickfed/brickfed/claims"
)

func ExampleGrant_Tags() {
	key, err := claims.NewTagKey([]byte("32 random bytes of a secret store")) // the same in every program
	if err != nil {
		log.Fatal(err)
	}
	grant := claims.Grant{ // of a policy's Map, or exchange.GrantOf(token)
		Issuer:  "https://sso.acme.example",
		Subject: "ada@acme.example",
		Target:  claims.Target{Rule: "risk-models", ClientID: "3f0c2a1e-1111-4000-8000-000000000001"},
	}
	tags, err := grant.Tags(claims.TagOptions{Key: key, Extra: map[string]string{"pipeline_run": "nightly/2026-10-01 #7"}})
	if err != nil {
		log.Fatal(err)
	}
	query, err := tags.Query(nil) // for sql.ExecuteStatementRequest, or the SQL driver
	if err != nil {
		log.Fatal(err)
	}
	cluster, err := tags.Cluster(map[string]string{"team": "risk"}) // for compute.CreateCluster
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		fmt.Printf("%-18s  %s\n", name, query[name])
	}
	fmt.Println("the same run on a cluster:", cluster["pipeline_run"])
	// Output:
	// brickfed_client_id  3f0c2a1e-1111-4000-8000-000000000001
	// brickfed_rule       risk-models
	// brickfed_subject    pvsv4vnyxmagtnkppqaho52n
	// pipeline_run        nightly/2026-10-01 #7
	// the same run on a cluster: nightly_2026-10-01__7__v6b5r7erywdt5mbx
}

// Somebody who may know the secret finds out whose a pseudonym is by trying the
// people there are.
func ExampleTags_Subject() {
	key, err := claims.NewTagKey([]byte("32 random bytes of a secret store"))
	if err != nil {
		log.Fatal(err)
	}
	for _, person := range []string{"ada@acme.example", "grace@acme.example"} {
		tags, err := claims.Grant{Issuer: "https://sso.acme.example", Subject: person}.Tags(claims.TagOptions{Key: key})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tags.Subject(), "is", person)
	}
	// Output:
	// pvsv4vnyxmagtnkppqaho52n is ada@acme.example
	// nmm22dzlefdeh73flunnryk6 is grace@acme.example
}
