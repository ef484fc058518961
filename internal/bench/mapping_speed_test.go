package bench_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
)

// A runner does the job that is measured once.
type runner struct {
	name string
	run  func() error
}

// A race finds the time that a job takes each of several runners, like a
// [contest]: the best of many short rounds, in which all have their turn.
type race struct {
	probe   *probe
	runners []runner
	turns   []int     // of each runner in one round
	best    []float64 // of each runner, ns
}

// What is promised of brickfed's time, as a fraction of a rival's, at most. The
// limits are about twice what is usual, so that they hold on other machines too.
// An expression of expr that compares a few strings is the faster one.
var limits = map[*probe]map[string]float64{
	mapGroups:    {celGo: 0.2, exprLang: 0.9, byHand: 2},
	mapGitHub:    {celGo: 0.7, exprLang: 4, byHand: 6},
	mapThousand:  {celGo: 0.15, exprLang: 0.6, byHand: 2},
	policyLoad:   {celGo: 0.5, exprLang: 1.2},
	parsePayload: {encodingJSON: 0.85},
}

// races returns all jobs.
func races(t testing.TB) []*race {
	t.Helper()
	var all []*race
	for _, m := range mappings(t) {
		r := &race{probe: m.probe}
		mappers := m.mappers(t)
		for _, name := range []string{celGo, exprLang, byHand, brickfed} {
			r.runners = append(r.runners, runner{name, func() error {
				_, err := mappers[name]()
				return err
			}})
		}
		all = append(all, r)
	}
	return append(all, loadRace(t), parseRace(t))
}

// loadRace compiles 500 rules. cel-go is given its environment for nothing.
func loadRace(t testing.TB) *race {
	t.Helper()
	m := manyRules(t)
	payload := decode(t, m.payload)
	env, err := celEnv(payload)
	if err != nil {
		t.Fatal(err)
	}
	return &race{probe: m.probe, runners: []runner{
		{celGo, func() error {
			_, err := m.peers.compileCEL(env, payload)
			return err
		}},
		{exprLang, func() error {
			_, err := m.peers.compileExpr(payload)
			return err
		}},
		{brickfed, func() error {
			_, err := claims.Load(m.policy)
			return err
		}},
	}}
}

// parseRace decodes the token of a Keycloak server.
func parseRace(t testing.TB) *race {
	t.Helper()
	payload := fixture(t, "keycloak.json")
	return &race{probe: parsePayload, runners: []runner{
		{encodingJSON, func() error {
			var object map[string]any
			return json.Unmarshal(payload, &object)
		}},
		{brickfed, func() error {
			_, err := claims.Parse(payload)
			return err
		}},
	}}
}

// round gives every runner as many turns as take about a millisecond.
func (r *race) round() error {
	if r.turns == nil {
		r.turns = slices.Repeat([]int{0}, len(r.runners))
		r.best = slices.Repeat([]float64{math.Inf(1)}, len(r.runners))
	}
	for i, runner := range r.runners {
		n := max(r.turns[i], 1)
		start := time.Now()
		for range n {
			if err := runner.run(); err != nil {
				return err
			}
		}
		r.best[i] = min(r.best[i], float64(time.Since(start))/float64(n))
		r.turns[i] = int(float64(time.Millisecond) / r.best[i])
	}
	return nil
}

// time returns the best time of a runner.
func (r *race) time(name string) float64 {
	return r.best[slices.IndexFunc(r.runners, func(other runner) bool { return other.name == name })]
}

// broken returns the rivals of which the promise does not hold, and the ratios.
func (r *race) broken() map[string]float64 {
	broken := make(map[string]float64)
	for rival, limit := range limits[r.probe] {
		if ratio := r.time(brickfed) / r.time(rival); ratio > limit {
			broken[rival] = ratio
		}
	}
	return broken
}

// TestMappingRatio holds the promises for the policy and the parser. As with
// [TestHitRatio], a promise that seems broken is measured for longer, 20 s at most.
func TestMappingRatio(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("it takes some seconds: not with -short")
	case raceEnabled():
		t.Skip("the race detector's build cannot be compared")
	}
	usual := time.Second
	if *update {
		usual *= 10 // as in TestHitRatio
	}
	for _, r := range races(t) {
		for start := time.Now(); time.Since(start) < usual || time.Since(start) < 20*time.Second && len(r.broken()) > 0; {
			if err := r.round(); err != nil {
				t.Fatalf("%s: %v", r.probe.title, err)
			}
		}
		for i, runner := range r.runners {
			r.probe.record(t, runner.name, r.best[i])
		}
		for rival, ratio := range r.broken() {
			t.Errorf("%s: brickfed takes %.3f of the time of %s, want %v at most", r.probe.title, ratio, rival, limits[r.probe][rival])
		}
	}
}

func BenchmarkMapping(b *testing.B) {
	for _, r := range races(b) {
		b.Run(r.probe.chart, func(b *testing.B) {
			for _, runner := range r.runners {
				b.Run(runner.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := runner.run(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}
