package broker_test

import (
	"fmt"
	"testing"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
)

// A hit: the verified token is checked, the policy mapped, the key made, the cache
// looked into, and the grant compared.
func BenchmarkBroker_Token(b *testing.B) {
	person := func(n int) map[string]any {
		var groups []string
		for i := range n {
			groups = append(groups, fmt.Sprintf("/data/team-%d", i))
		}
		return map[string]any{"groups": groups}
	}
	target := claims.Target{ClientID: appID(1), AssumeGroup: groupID(1), Scopes: []string{"sql"}}
	rule := claims.Rule{
		Name: "teams", When: map[string]claims.Matcher{"groups": {Glob: []string{"/data/*"}}},
		Groups: []string{"dbx-${1}"}, Target: &target,
	}
	for _, groups := range []int{1, 40} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			w := newWorld(b)
			w.set(rule)
			br := w.serving()
			who := w.person("ada", person(groups))
			if _, err := br.Token(b.Context(), who); err != nil {
				b.Fatal(err)
			}
			b.Run("hit", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := br.Token(b.Context(), who); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := br.Token(b.Context(), who); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
			b.Run("map alone", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.live.Map(b.Context(), who.Claims); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
	b.Run("Key", func(b *testing.B) {
		x, err := exchange.New(exchange.Config{Host: "h.databricks.com", Policy: mapperFunc(nil)})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			x.Key(target, "https://idp.example", "ada")
		}
	})
}
