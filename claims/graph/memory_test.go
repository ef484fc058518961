package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/claims/graph"
)

// slow answers after a second.
func slow(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Second)
	reply(200, list(engineers))(w, r)
}

func TestMemory_age(t *testing.T) {
	tests := []struct {
		name   string
		maxAge time.Duration
		want   time.Duration // how long no further request is sent
	}{
		{"default", 0, time.Minute},
		{"shorter", 10 * time.Second, 10 * time.Second},
		{"longest", time.Hour, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.answer(slow) // the age counts from the request
				start := time.Now()
				for i, at := range []time.Duration{0, tt.want / 2, tt.want - 1, tt.want} {
					time.Sleep(time.Until(start.Add(at)))
					if got, err := w.groupsOf(t, with(t)); err != nil || len(got) != 1 {
						t.Fatalf("got %q, %v", got, err)
					}
					w.wantRequests(t, 1+i/3)
				}
			}, func(c *graph.Config) { c.MaxAge = tt.maxAge })
		})
	}
}

func TestMemory_off(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for i := range 3 {
			if _, err := w.groupsOf(t, with(t)); err != nil {
				t.Fatal(err)
			}
			w.wantRequests(t, i+1)
		}
		// Failures are remembered all the same.
		w.answer(reply(500, ""))
		for range 3 {
			_, err := w.groupsOf(t, with(t))
			_ = failureOf(t, err)
		}
		w.wantRequests(t, 4)
	}, func(c *graph.Config) { c.MaxAge = -1 })
}

// A change in the directory shows after MaxAge, also when it takes groups away.
func TestMemory_leaver(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		if got, err := w.groupsOf(t, with(t)); err != nil || len(got) != 2 {
			t.Fatalf("got %q, %v", got, err)
		}
		w.answer(reply(404, graphError("Request_ResourceNotFound")))
		time.Sleep(time.Minute)
		got, err := w.groupsOf(t, with(t))
		if _ = failureOf(t, err); got != nil {
			t.Errorf("a leaver still has %q", got)
		}
	})
}

func TestMemory_oneRequestForMany(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.answer(slow)
		var done sync.WaitGroup
		for range 50 {
			done.Go(func() {
				if got, err := w.groupsOf(t, with(t)); err != nil || len(got) != 1 {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		other := member(t, tenant)
		done.Go(func() { // somebody else waits for nobody
			if _, err := w.groupsOf(t, other); err != nil {
				t.Error(err)
			}
		})
		start := time.Now()
		done.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
		w.wantRequests(t, 2)
	})
}

func TestMemory_oneFailureForMany(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.answer(hang)
		var done sync.WaitGroup
		var failed atomic.Int32
		for range 50 {
			done.Go(func() {
				_, err := w.groupsOf(t, with(t))
				if failure := failureOf(t, err); failure.Temporary() && failure.RetryAfter() == 5*time.Second {
					failed.Add(1)
				}
			})
		}
		start := time.Now()
		done.Wait()
		if took := time.Since(start); took != 10*time.Second || failed.Load() != 50 {
			t.Errorf("%d failed after %v", failed.Load(), took)
		}
		w.wantRequests(t, 1)
	})
}

// A request that began just after another one had ended is not sent.
func TestMemory_looksAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		lookUp, err := graph.LookUps(graph.Config{
			Tenant: tenant, HTTPClient: w.client,
			Token: func(context.Context) (string, error) { return accessToken, nil },
		}, person)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got, err := lookUp(t.Context()); err != nil || len(got) != 2 {
				t.Errorf("got %q, %v", got, err)
			}
		}
		w.wantRequests(t, 1)
	})
}

// Each caller waits no longer than its own context, and nobody's context ends or
// reaches the request of the others.
func TestMemory_contexts(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T, w *world) {
		w.answer(slow)
		leaving := errors.New("leaving")
		first, leave := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		start := time.Now()
		var done sync.WaitGroup
		done.Go(func() {
			_, err := w.resolver.Resolve(first, with(t), "groups")
			if failure := failureOf(t, err); !errors.Is(err, leaving) || !failure.Temporary() || failure.RetryAfter() != 0 {
				t.Errorf("the first caller got %v", err)
			}
			if got := time.Since(start); got != 500*time.Millisecond {
				t.Errorf("the first caller left after %v", got)
			}
		})
		synctest.Wait()
		done.Go(func() {
			hurried, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := w.resolver.Resolve(hurried, with(t), "groups")
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Millisecond {
				t.Errorf("the hurried caller got %v after %v", err, time.Since(start))
			}
		})
		done.Go(func() {
			if got, err := w.groupsOf(t, with(t)); err != nil || len(got) != 1 || time.Since(start) != time.Second {
				t.Errorf("the patient caller got %q, %v after %v", got, err, time.Since(start))
			}
		})
		time.Sleep(500 * time.Millisecond)
		leave(leaving)
		done.Wait()
		w.wantRequests(t, 1)

		// An ended context starts nothing, and what is known is still told.
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.resolver.Resolve(over, with(t), "groups"); err != nil {
			t.Errorf("what is known: %v", err)
		}
		if _, err := w.resolver.Resolve(over, member(t, tenant), "groups"); !errors.Is(err, context.Canceled) {
			t.Errorf("what is not known: %v", err)
		}
		w.wantRequests(t, 1)
	}, func(c *graph.Config) {
		c.Token = func(ctx context.Context) (string, error) {
			if ctx.Value(key{}) != nil {
				t.Error("Config.Token sees a caller's context value")
			}
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != 10*time.Second {
				t.Error("Config.Token has not the request's deadline")
			}
			return accessToken, nil
		}
	})
}

// How long nothing is sent after a failure: for the same person, and for others.
func TestMemory_failures(t *testing.T) {
	tests := []struct {
		name       string
		status     int
		retryAfter string
		own        time.Duration
		others     time.Duration
	}{
		{"500", 500, "", 5 * time.Second, 0},
		{"500 with a wait", 500, "30", 30 * time.Second, 0},
		{"503", 503, "", 5 * time.Second, 0},
		{"503 with a wait", 503, "30", 30 * time.Second, 30 * time.Second},
		{"429", 429, "", 5 * time.Second, 5 * time.Second},
		{"429 with a short wait", 429, "1", 5 * time.Second, 5 * time.Second},
		{"429 with a wait", 429, "120", 2 * time.Minute, 2 * time.Minute},
		{"429 with a day", 429, "86400", 5 * time.Minute, 5 * time.Minute},
		{"429 with a number beyond all", 429, "99999999999999999999", 5 * time.Minute, 5 * time.Minute},
		{"403", 403, "", 5 * time.Second, 0},
		{"403 with a wait", 403, "30", 5 * time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, whose := range []struct {
				id   string
				want time.Duration
			}{{person, tt.own}, {tenant, tt.others}} {
				bubble(t, func(t *testing.T, w *world) {
					w.answer(reply(tt.status, "", "Retry-After", tt.retryAfter))
					_, err := w.groupsOf(t, with(t))
					_ = failureOf(t, err)
					w.answer(nil)
					start := time.Now()
					for at := range 10 {
						if whose.want == 0 {
							break
						}
						time.Sleep(time.Until(start.Add(whose.want * time.Duration(at) / 10)))
						_, err := w.groupsOf(t, member(t, whose.id))
						failure := failureOf(t, err)
						left := whose.want - time.Since(start)
						if !failure.Temporary() {
							left = 0
						}
						if failure.RetryAfter() != left || failure.Status != tt.status {
							t.Errorf("after %v: wait %v, want %v: %v", time.Since(start), failure.RetryAfter(), left, err)
						}
					}
					w.wantRequests(t, 1)
					time.Sleep(time.Until(start.Add(whose.want)))
					if _, err := w.groupsOf(t, member(t, whose.id)); err != nil {
						t.Errorf("after %v: %v", time.Since(start), err)
					}
				})
			}
		})
	}
}

// What is known is told also while Graph asks everybody to wait, and a shorter
// wait does not replace a longer one.
func TestMemory_pause(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		all := ids(3)
		if _, err := w.groupsOf(t, member(t, all[0])); err != nil {
			t.Fatal(err)
		}
		// Two requests are under way; the later answer asks for less.
		w.answer(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1.0/users/"+all[1]+"/getMemberGroups" {
				time.Sleep(time.Second)
				reply(429, "", "Retry-After", "200")(rw, r)
				return
			}
			time.Sleep(2 * time.Second)
			reply(429, "", "Retry-After", "30")(rw, r)
		})
		var done sync.WaitGroup
		for _, id := range all[1:] {
			done.Go(func() {
				_, err := w.groupsOf(t, member(t, id))
				_ = failureOf(t, err)
			})
		}
		start := time.Now().Add(time.Second)
		done.Wait()
		w.answer(nil)
		if _, err := w.groupsOf(t, member(t, all[0])); err != nil {
			t.Errorf("what is known: %v", err)
		}
		time.Sleep(time.Until(start.Add(100 * time.Second)))
		if _, err := w.groupsOf(t, member(t, tenant)); err == nil {
			t.Error("the longer wait was forgotten")
		}
		w.wantRequests(t, 3)
		time.Sleep(time.Until(start.Add(200 * time.Second)))
		if _, err := w.groupsOf(t, member(t, tenant)); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
}

// Others do not make the resolver forget that it has to leave somebody alone.
func TestMemory_failuresOutliveOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.answer(reply(500, "", "Retry-After", "300"))
		_, err := w.groupsOf(t, with(t))
		_ = failureOf(t, err)
		w.answer(nil)
		for _, id := range ids(4) {
			time.Sleep(70 * time.Second)
			if _, err := w.groupsOf(t, member(t, id)); err != nil {
				t.Fatal(err)
			}
		}
		_, err = w.groupsOf(t, with(t))
		if failure := failureOf(t, err); failure.RetryAfter() != 20*time.Second {
			t.Errorf("wait %v, want the 20s that are left", failure.RetryAfter())
		}
		w.wantRequests(t, 5)
	})
}

func TestMemory_bounds(t *testing.T) {
	t.Run("people", func(t *testing.T) {
		m := graph.NewMemory()
		all := ids(3 * graph.MaxEntries)
		for i, id := range all {
			m.Touch(id)
			m.Keep(id, []string{engineers})
			if i%499 != 0 && (i+10)%(graph.MaxEntries/2) > 20 {
				continue // counting takes its time
			}
			if people, _ := m.Size(); people > graph.MaxEntries {
				t.Fatalf("%d people remembered after %d", people, i)
			}
		}
		if people, _ := m.Size(); people < graph.MaxEntries/2 {
			t.Errorf("only %d people remembered", people)
		}
	})
	t.Run("IDs", func(t *testing.T) {
		m := graph.NewMemory()
		many := make([]string, graph.MaxGroups)
		all := ids(1000)
		for i := range 3000 {
			m.Touch(all[i%2])
			m.Keep(all[i%len(all)], many)
			if _, ids := m.Size(); ids > graph.MaxIDs+2*graph.MaxGroups {
				t.Fatalf("%d IDs remembered", ids)
			}
		}
		if _, ids := m.Size(); ids < graph.MaxIDs/2 {
			t.Errorf("only %d IDs remembered", ids)
		}
	})
	t.Run("who is asked for is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := graph.NewMemory()
			m.Touch(person)
			m.Keep(person, []string{engineers})
			for i, id := range ids(3 * graph.MaxEntries) {
				m.Touch(id)
				if i%1000 == 0 && !m.Touch(person) {
					t.Fatalf("forgotten after %d others", i)
				}
			}
		})
	})
	t.Run("who is not asked for is forgotten", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := graph.NewMemory()
			for _, id := range ids(100) {
				m.Keep(id, []string{engineers})
			}
			for range 2 {
				time.Sleep(6 * time.Minute)
				m.Touch(fmt.Sprintf("%s-%d", person, time.Now().Unix()))
			}
			if people, _ := m.Size(); people != 2 {
				t.Errorf("%d people remembered, want the 2 of the last minutes", people)
			}
		})
	})
}

func BenchmarkResolve_remembered(b *testing.B) {
	many := ids(300)
	r, err := graph.New(graph.Config{
		Tenant: tenant, MaxAge: time.Hour,
		Token: func(context.Context) (string, error) { return accessToken, nil },
		HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return response(200, list(many...)), nil
		})},
	})
	if err != nil {
		b.Fatal(err)
	}
	c := change(b, "entra-overage.json")
	b.ReportAllocs()
	for b.Loop() {
		if got, err := r.Resolve(b.Context(), c, "groups"); err != nil || len(got) != 300 {
			b.Fatal(len(got), err)
		}
	}
}
