package bench_test

import (
	"context"
	"math"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// seeds is how many random sequences brickfed is measured with; the worst one
// counts.
const seeds = 100

// TestBriefRequests: a token is near its end, and those who ask for it are
// requests that are over before a refresh is.
func TestBriefRequests(t *testing.T) {
	alone(t, func(t *testing.T, p peer) {
		s := &service{ttl: time.Hour}
		g := p.wrap(s.token, nil)
		if _, err := g(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(58 * time.Minute)
		s.delay = time.Second
		blocked := 0
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			_, _ = g(ctx)
			if time.Since(start) > 0 {
				blocked++
			}
			cancel() // the request has been answered
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		refreshes := s.ok - 1
		briefRefresh.record(t, p.name, float64(refreshes))
		briefBlocked.record(t, p.name, float64(blocked))
		switch {
		case p.name == brickfed && (refreshes != 1 || blocked > 0):
			t.Errorf("%d refreshes and %d requests held up, want 1 and 0", refreshes, blocked)
		case p.name == sdk && refreshes > 0:
			t.Errorf("%d refreshes of the SDK succeeded, they are known to end with the request", refreshes)
		}
	})
}

// outage is what happens to one caller a second while the token service is down
// from 30:00 to 70:00.
type outage struct {
	calls, inVain  int
	least          time.Duration // life of a token handed out
	failure, again time.Duration // first failure, first success after it; 0: none
}

const (
	downFrom = 30 * time.Minute
	downTo   = 70 * time.Minute
)

func TestOutage(t *testing.T) {
	alone(t, func(t *testing.T, p peer) {
		o := runOutage(t, p, nil)
		if p.name == brickfed {
			return // below, with the worst of many seeds
		}
		o.record(t, p.name)
		if p.name == sdk && o.least > 0 {
			t.Errorf("the least life handed out by the SDK was %v, it is known for 0", o.least)
		}
	})
	t.Run("seeds", func(t *testing.T) {
		runs := make([]outage, seeds)
		for seed := range runs {
			synctest.Test(t, func(t *testing.T) { runs[seed] = runOutage(t, peerNamed(brickfed), seeded(uint64(seed), 0)) })
		}
		worst := runs[0]
		for seed, o := range runs {
			o.hold(t, seed)
			worst.worsen(o)
		}
		worst.record(t, brickfed)
		slices.SortFunc(runs, func(a, b outage) int { return a.calls - b.calls })
		t.Logf("calls: least %d, median %d, most %d", runs[0].calls, runs[seeds/2].calls, worst.calls)
	})
}

func runOutage(t *testing.T, p peer, random func() float64) outage {
	start := time.Now()
	s := &service{ttl: time.Hour, down: func() bool {
		at := time.Since(start)
		return at >= downFrom && at < downTo
	}}
	g := p.wrap(s.token, random)
	o := outage{least: math.MaxInt64}
	for at := time.Duration(0); at < 75*time.Minute; at += time.Second {
		access, err := g(t.Context())
		switch {
		case err == nil:
			o.least = min(o.least, s.remaining(t, access))
			if at >= downTo && o.again == 0 {
				o.again = at
			}
		case o.failure == 0:
			o.failure = at
		}
		time.Sleep(time.Second)
	}
	synctest.Wait()
	o.calls = s.count()
	for _, call := range s.calls {
		if at := call.Sub(start); at >= downFrom && at < time.Hour {
			o.inVain++
		}
	}
	return o
}

// hold checks the promises, for every seed.
func (o outage) hold(t *testing.T, seed int) {
	t.Helper()
	if o.calls > 120 {
		t.Errorf("seed %d: %d calls, want at most 120", seed, o.calls)
	}
	if want := 59*time.Minute + 58*time.Second; o.failure < want {
		t.Errorf("seed %d: the first request failed at %v, want %v or later", seed, o.failure, want)
	}
	if back := o.again - downTo; back < 0 || back > 10*time.Second {
		t.Errorf("seed %d: the first success came %v after the outage, want 10 s at most", seed, back)
	}
	if o.least <= 0 {
		t.Errorf("seed %d: a token with %v left was handed out", seed, o.least)
	}
}

// worsen keeps the worse of two in each respect.
func (o *outage) worsen(other outage) {
	o.calls, o.inVain = max(o.calls, other.calls), max(o.inVain, other.inVain)
	o.least, o.failure, o.again = min(o.least, other.least), min(o.failure, other.failure), max(o.again, other.again)
}

func (o outage) record(t *testing.T, name string) {
	t.Helper()
	outageCalls.record(t, name, float64(o.calls))
	outageGood.record(t, name, float64(o.inVain))
	outageLeast.recordTime(t, name, o.least)
	if o.failure == 0 {
		outageError.record(t, name, math.Inf(1))
	} else {
		outageError.recordTime(t, name, o.failure)
	}
	outageBack.recordTime(t, name, o.again-downTo)
}

// TestShortLives counts calls for tokens of several lifetimes.
func TestShortLives(t *testing.T) {
	for _, c := range []struct {
		ttl   time.Duration
		probe *probe
		most  int // for brickfed
	}{
		{3 * time.Minute, shortLife3, 75},
		{5 * time.Minute, shortLife5, 45},
		{10 * time.Minute, shortLife10, 23},
		{time.Hour, shortLife60, 4},
	} {
		t.Run(c.ttl.String(), func(t *testing.T) {
			alone(t, func(t *testing.T, p peer) {
				if p.name != brickfed {
					c.probe.record(t, p.name, float64(runLives(t, p, c.ttl, nil)))
				}
			})
			worst := 0
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					worst = max(worst, runLives(t, peerNamed(brickfed), c.ttl, seeded(seed, 0)))
				})
			}
			c.probe.record(t, brickfed, float64(worst))
			if worst > c.most {
				t.Errorf("%d calls, want at most %d", worst, c.most)
			}
		})
	}
}

func runLives(t *testing.T, p peer, ttl time.Duration, random func() float64) int {
	s := &service{ttl: ttl}
	g := p.wrap(s.token, random)
	for range 2 * 60 * 60 {
		if _, err := g(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	return s.count()
}

// TestNoExpiry: the service does not say how long its tokens live.
func TestNoExpiry(t *testing.T) {
	alone(t, func(t *testing.T, p peer) {
		s := &service{}
		g := p.wrap(s.token, nil)
		for range 48 {
			if _, err := g(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		noExpiry.record(t, p.name, float64(s.count()))
		if got := s.count(); p.name == brickfed && got != 48 {
			t.Errorf("%d calls, want 48: an unknown expiry is not for ever", got)
		}
	})
}

// TestFleet starts 2,000 replicas within 10 s.
func TestFleet(t *testing.T) {
	alone(t, func(t *testing.T, p peer) {
		if p.name != brickfed {
			fleetPeak.record(t, p.name, float64(runFleet(t, p, 0)))
		}
	})
	n := uint64(seeds)
	if testing.Short() || raceEnabled() {
		n = 3 // the race detector makes each of them take seconds
	}
	worst := make(chan int, n)
	t.Run("seeds", func(t *testing.T) {
		for seed := range n {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				peak := 0
				synctest.Test(t, func(t *testing.T) { peak = runFleet(t, peerNamed(brickfed), seed) })
				if peak > 15 {
					t.Errorf("seed %d: %d refreshes in one second, want at most 15", seed, peak)
				}
				worst <- peak
			})
		}
	})
	close(worst)
	peak := 0
	for p := range worst {
		peak = max(peak, p)
	}
	fleetPeak.record(t, brickfed, float64(peak))
}

// runFleet returns the most calls of any second after the first minute. Each
// replica has one request a second.
func runFleet(t *testing.T, p peer, seed uint64) int {
	const replicas, starting = 2000, 10
	s := &service{ttl: time.Hour}
	fleet := make([]get, replicas)
	for i := range fleet {
		fleet[i] = p.wrap(s.token, seeded(seed, uint64(i)))
	}
	tick := func(running []get) {
		for _, g := range running {
			if _, err := g(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
	}
	start := time.Now()
	for i := range starting {
		tick(fleet[:(i+1)*replicas/starting])
	}
	// Nobody refreshes in the first half of a life.
	time.Sleep(29*time.Minute - starting*time.Second)
	for time.Since(start) < 61*time.Minute && s.count() < 2*replicas {
		tick(fleet)
	}
	synctest.Wait()
	perSecond := make(map[int]int)
	for _, call := range s.calls[replicas:] {
		perSecond[int(call.Sub(start).Seconds())]++
	}
	peak := 0
	for _, n := range perSecond {
		peak = max(peak, n)
	}
	return peak
}
