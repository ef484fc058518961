package bench_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "measure the program sizes too, then rewrite the tables of README.md and the charts in figures")

// A table is a part of the report. Its columns are the names that its probes
// were recorded under.
type table struct {
	title  string
	probes []*probe
}

// A probe is a row of a table.
type probe struct {
	title string
	unit  string // see text
	chart string // name of the file without its ending; empty for none

	mu     sync.Mutex // guards what follows
	names  []string   // in the order of arrival
	values map[string]float64
}

// The rows of the report.
var (
	hitSerial    = &probe{title: "A hit, one goroutine", unit: "ns", chart: "hit-serial"}
	hitParallel  = &probe{title: "A hit, one goroutine per CPU", unit: "ns", chart: "hit-parallel"}
	herdSuccess  = &probe{title: "50 first callers, the call succeeds: calls"}
	herdFailure  = &probe{title: "50 first callers, the call fails: calls", chart: "herd-failure"}
	herdLast     = &probe{title: "– a call takes 60 ms; the last caller is told after", unit: "ms"}
	waiterReturn = &probe{title: "A caller with a deadline of 30 ms, while the call takes 600 ms, returns after", unit: "ms", chart: "waiter"}
	leaverCalls  = &probe{title: "The first caller leaves, another one waits: calls"}
	briefRefresh = &probe{title: "Five requests of 100 ms, 2 min before the end; a call takes 1 s: refreshes that succeed"}
	briefBlocked = &probe{title: "– requests that wait for a refresh"}
	outageCalls  = &probe{title: "Token of 1 h, service down from 30:00 to 70:00, one request a second: calls in 75 min", chart: "outage-calls"}
	outageGood   = &probe{title: "– of these in vain while the token was good"}
	outageLeast  = &probe{title: "– least life of a token handed out", unit: "s"}
	outageError  = &probe{title: "– first request that fails, at", unit: "min"}
	outageBack   = &probe{title: "– first request that succeeds again, after 70:00", unit: "s"}
	shortLife3   = &probe{title: "Tokens of 3 min, one request a second for 2 h: calls (40 lifetimes)", chart: "short-lives"}
	shortLife5   = &probe{title: "– tokens of 5 min (24)"}
	shortLife10  = &probe{title: "– tokens of 10 min (12)"}
	shortLife60  = &probe{title: "– tokens of 1 h (2)"}
	fleetPeak    = &probe{title: "2,000 replicas started within 10 s, tokens of 1 h: most refreshes in one second", chart: "fleet"}
	noExpiry     = &probe{title: "Token without expiry, one request an hour for 48 h: calls"}

	coldStart    = &probe{title: "Requests to the Databricks host until the first call can go out", chart: "requests"}
	steady       = &probe{title: "Requests per refresh"}
	ownTransport = &probe{title: "Of the first two exchanges, sent by the transport of the configuration"}
	firstFailure = &probe{title: "One 503 at the first exchange: attempts made"}
	firstWorks   = &probe{title: "– and the client works", unit: "yes"}
	typedError   = &probe{title: "Refused first exchange: status and OAuth code reachable by errors.As", unit: "yes"}
	revoked      = &probe{title: "Access token revoked: calls of five that succeed afterwards"}
	noExpiresIn  = &probe{title: "Answers without expires_in: the client still works when the token has ended", unit: "yes"}
	idleEnd      = &probe{title: "Azure Databricks refuses tokens with 30 s left: the first call with 15 s left, after a pause, succeeds", unit: "yes"}
	nilToken     = &probe{title: "Source without a token or an error: callers get an error", unit: "yes"}

	unknownKeys   = &probe{title: "100 tokens with unknown key IDs: key set fetches", chart: "unknown-keys"}
	badSignatures = &probe{title: "100 bad signatures under a known key ID: key set fetches"}
	withdrawn     = &probe{title: "Token of a key withdrawn 24 h ago is accepted", unit: "yes"}

	mapGroups    = &probe{title: "40 groups by one rule that renames 10 of them", unit: "time", chart: "map-groups"}
	mapGitHub    = &probe{title: "A GitHub token by two rules with targets", unit: "time", chart: "map-github"}
	mapThousand  = &probe{title: "1,000 groups by four rules that rename 50 each", unit: "time", chart: "map-thousand"}
	policyLoad   = &probe{title: "Load 500 rules", unit: "time", chart: "policy-load"}
	parsePayload = &probe{title: "Decode the payload of a Keycloak token", unit: "time", chart: "parse"}

	programSize = &probe{title: "Program for linux, stripped", unit: "MB", chart: "program-size"}
)

var tables = []table{
	{"Caches", []*probe{
		hitSerial, hitParallel, herdSuccess, herdFailure, herdLast, waiterReturn, leaverCalls, briefRefresh, briefBlocked,
		outageCalls, outageGood, outageLeast, outageError, outageBack,
		shortLife3, shortLife5, shortLife10, shortLife60, fleetPeak, noExpiry,
	}},
	{"Federation in the Databricks SDK", []*probe{
		coldStart, steady, ownTransport, firstFailure, firstWorks, typedError, revoked, noExpiresIn, idleEnd, nilToken,
	}},
	{"Verifiers", []*probe{unknownKeys, badSignatures, withdrawn}},
	{"Policies", []*probe{mapGroups, mapGitHub, mapThousand, policyLoad}},
	{"Payloads", []*probe{parsePayload}},
	{"Size", []*probe{programSize}},
}

// record enters a value into the report. Yes is 1, and a time is in seconds;
// [math.Inf] is never.
func (p *probe) record(t testing.TB, name string, value float64) {
	t.Helper()
	t.Logf("%s: %s: %s", name, p.title, p.text(value))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.values == nil {
		p.values = make(map[string]float64)
	}
	if !slices.Contains(p.names, name) {
		p.names = append(p.names, name)
	}
	p.values[name] = value
}

func (p *probe) recordTime(t testing.TB, name string, d time.Duration) {
	t.Helper()
	if p.unit == "ms" {
		p.record(t, name, float64(d.Milliseconds()))
		return
	}
	p.record(t, name, d.Seconds())
}

func (p *probe) recordYes(t testing.TB, name string, yes bool) {
	t.Helper()
	var v float64
	if yes {
		v = 1
	}
	p.record(t, name, v)
}

// text writes a value with its unit.
func (p *probe) text(v float64) string {
	if math.IsInf(v, 0) {
		return "never"
	}
	switch p.unit {
	case "yes":
		return map[bool]string{true: "yes", false: "no"}[v != 0]
	case "ns", "MB":
		return strconv.FormatFloat(v, 'f', 1, 64) + " " + p.unit
	case "time":
		return duration(v)
	case "min":
		return fmt.Sprintf("%d:%02d", int(v)/60, int(v)%60)
	case "ms", "s":
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + p.unit
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// duration writes nanoseconds in the unit that leaves one to three digits before
// the point.
func duration(ns float64) string {
	unit := 0
	for ; ns >= 1000 && unit < 2; unit++ {
		ns /= 1000
	}
	return strconv.FormatFloat(ns, 'f', 1, 64) + " " + [...]string{"ns", "µs", "ms"}[unit]
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && *update {
		if err := report(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: write the report:", err)
			code = 1
		}
	}
	os.Exit(code)
}
