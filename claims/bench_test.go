package claims_test

import (
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// BenchmarkParse decodes a Keycloak access token. It should stay under 20 µs.
func BenchmarkParse(b *testing.B) {
	payload := read(b, "testdata/idp/keycloak.json")
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := claims.Parse(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStrings_pointer(b *testing.B) {
	c := parse(b, read(b, "testdata/idp/keycloak.json"))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Strings("/resource_access/databricks/roles"); err != nil {
			b.Fatal(err)
		}
	}
}
