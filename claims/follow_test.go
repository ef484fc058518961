package claims_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/claims"
)

func simplePolicy(group string) string {
	return `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{"sub":"s"},"groups":["` + group + `"]}]}]}`
}

func TestLive_replace(t *testing.T) {
	var live claims.Live
	c := parse(t, []byte(`{"iss":"i","sub":"s"}`))
	if _, err := live.Map(t.Context(), c); !errors.Is(err, claims.ErrDenied) {
		t.Errorf("the zero Live: %v", err)
	}
	if live.Policy().ID() != "" || live.Policy().Lint() != nil || live.Explain(t.Context(), c).Err == nil {
		t.Error("the zero Live has a policy")
	}
	for _, group := range []string{"one", "two"} {
		if err := live.Replace([]byte(simplePolicy(group))); err != nil {
			t.Fatal(err)
		}
		if grant, err := live.Map(t.Context(), c); err != nil || grant.Groups[0] != group {
			t.Errorf("got %+v, %v; want %s", grant, err, group)
		}
	}
	if err := live.Replace([]byte(`{}`)); !errors.Is(err, claims.ErrPolicy) {
		t.Errorf("got %v", err)
	}
	if grant, err := live.Map(t.Context(), c); err != nil || grant.Groups[0] != "two" {
		t.Errorf("after a bad replacement: got %+v, %v", grant, err)
	}
}

// A decision of a policy that was replaced while its resolver was asked is not
// handed out.
func TestLive_replacedMeanwhile(t *testing.T) {
	var live claims.Live
	policy := `{"version":1,"issuers":[{"issuer":"i","rules":[{"name":"r","when":{"groups":"g"},"groups":["g"]}]}]}`
	resolver := resolverFunc(func(string) ([]string, error) {
		return []string{"g"}, live.Replace([]byte(simplePolicy("other")))
	})
	if err := live.Replace([]byte(policy), claims.WithResolver(resolver)); err != nil {
		t.Fatal(err)
	}
	c := parse(t, []byte(`{"iss":"i","sub":"leaver","hasgroups":true}`))
	if grant, err := live.Map(t.Context(), c); !errors.Is(err, claims.ErrNoMatch) {
		t.Errorf("got %+v, %v", grant, err)
	}
	// One that is never at rest gives nothing.
	var again func() error
	again = func() error {
		return live.Replace([]byte(policy), claims.WithResolver(resolverFunc(func(string) ([]string, error) { return []string{"g"}, again() })))
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	if grant, err := live.Map(t.Context(), c); !errors.Is(err, claims.ErrIncomplete) {
		t.Errorf("got %+v, %v", grant, err)
	}
}

func TestLive_follow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.json")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path+".new", at, at); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var live claims.Live
		var log reloads
		file := claims.File{Path: path, Interval: time.Second, OnReload: log.add}
		if err := live.Follow(t.Context(), file); err == nil || len(log.all()) != 1 || log.all()[0].Err == nil {
			t.Fatalf("without a file: %v, %v", err, log.all())
		}
		log.events = nil
		write(simplePolicy("one"), time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- live.Follow(ctx, file) }()
		step := func(what string, want int, after time.Duration) claims.Reload {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			events := log.all()
			if len(events) != want {
				t.Fatalf("%s: %d events, want %d: %v", what, len(events), want, events)
			}
			return events[len(events)-1]
		}
		first := step("first load", 1, 0)
		if first.Err != nil || first.Policy != live.Policy().ID() {
			t.Errorf("first load: %+v", first)
		}
		step("nothing new", 1, 3*time.Second)
		write(simplePolicy("one"), time.Now())
		step("touched", 1, 2*time.Second)
		write(simplePolicy("two"), time.Now())
		if second := step("changed", 2, 2*time.Second); second.Err != nil || second.Policy == first.Policy {
			t.Errorf("changed: %+v", second)
		}
		write(`{"version":`, time.Now())
		if bad := step("broken", 3, 2*time.Second); bad.Err == nil || bad.Policy != log.all()[1].Policy {
			t.Errorf("broken: %+v", bad)
		}
		step("still broken", 3, 5*time.Second)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		step("gone", 4, 5*time.Second)
		// The clock of whoever writes the file may be anything, also unchanged.
		write(simplePolicy("six"), time.Unix(1, 0))
		step("back", 5, 2*time.Second)
		write(simplePolicy("ten"), time.Unix(1, 0))
		step("same time and size", 6, 2*time.Minute)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow returned %v", err)
		}
	})
}

// reloads collects events.
type reloads struct {
	mu     sync.Mutex // guards events
	events []claims.Reload
}

func (r *reloads) add(e claims.Reload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *reloads) all() []claims.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func TestLive_followConverts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.txt")
	if err := os.WriteFile(path, []byte("G"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var live claims.Live
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := live.Follow(ctx, claims.File{Path: path, Convert: func(data []byte) ([]byte, error) {
			return []byte(simplePolicy(strings.ToLower(string(data)))), nil
		}})
		if !errors.Is(err, context.DeadlineExceeded) || live.Policy() == nil {
			t.Errorf("got %v", err)
		}
		if err := live.Follow(ctx, claims.File{}); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no path: %v", err)
		}
	})
}
