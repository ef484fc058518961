package graph_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/graph"
)

const policyFile = `{
  "version": 1,
  "issuers": [
    {
      "issuer": "https://login.microsoftonline.com/3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607/v2.0",
      "require": {"aud": "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", "tid": "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607"},
      "rules": [
        {"name": "contractors", "when": {"groups": "00000063-0000-4000-8000-000000000000"}, "deny": "use the partner account"},
        {
          "name": "people",
          "lookup": {"claim": "groups", "table": {
            "0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071": ["data-engineers"],
            "5e2f9c83-1a7b-4d6e-b0c9-3f4a5b6c7d82": ["risk-analysts"]
          }}
        },
        {
          "name": "engineers",
          "when": {"groups": "0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071"},
          "target": {"assume_group": "884100000000042"}
        },
        {
          "name": "job runner",
          "when": {"idtyp": "app", "oid": "f2b8d4e0-5c3a-4972-ad1e-8a9fb0c1d2e3", "roles": "Databricks.Job.Run"},
          "target": {"client_id": "3f0c2a1e-1111-4000-8000-000000000003"}
        }
      ]
    },
    {
      "issuer": "https://sso.acme.example/realms/data",
      "require": {"aud": "databricks"},
      "rules": [{"name": "people", "when": {"groups": "0b7d5a11-64c2-4f0e-9d3b-8a1c2e4f6071"}, "groups": ["data-engineers"]}]
    }
  ]
}`

func load(t *testing.T, r claims.Resolver) *claims.Policy {
	t.Helper()
	policy, err := claims.Load([]byte(policyFile), claims.WithResolver(r))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// A token that leaves the groups out maps as if it had told them.
func TestPolicy(t *testing.T) {
	for _, file := range []string{"entra-overage.json", "entra-hasgroups.json", "hostile/overage-evil-endpoint.json"} {
		t.Run(file, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				policy := load(t, w.resolver)
				w.answer(reply(200, list(append(ids(90), analysts, engineers)...)))
				want, err := policy.Map(t.Context(), change(t, file,
					"_claim_names", nil, "hasgroups", nil, "groups", []string{engineers, analysts}))
				if err != nil {
					t.Fatal(err)
				}
				w.wantRequests(t, 0) // the token told them
				got, err := policy.Map(t.Context(), change(t, file))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Groups, want.Groups) || !slices.Equal(got.Groups, []string{"data-engineers", "risk-analysts"}) {
					t.Errorf("groups %q, want %q", got.Groups, want.Groups)
				}
				if got.Target.AssumeGroup != "884100000000042" || !slices.Equal(got.Rules, []string{"people", "engineers"}) {
					t.Errorf("got %+v", got)
				}
				if trace := policy.Explain(t.Context(), change(t, file)); trace.Err != nil {
					t.Errorf("Explain: %v", trace.Err)
				}
				w.wantRequests(t, 1)
			})
		})
	}
}

// The example policy for Entra ID: its own tests say what happens without a
// resolver, and loading it sends nothing.
func TestPolicy_example(t *testing.T) {
	data, err := os.ReadFile("../testdata/policies/entra.json")
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T, w *world) {
		policy, err := claims.Load(data, claims.WithTestFiles(os.DirFS("../testdata/idp")), claims.WithResolver(w.resolver))
		if err != nil {
			t.Fatal(err)
		}
		w.wantRequests(t, 0)
		grant, err := policy.Map(t.Context(), with(t))
		if err != nil || grant.Target.AssumeGroup != "884100000000042" || !slices.Contains(grant.Groups, "data-engineers") {
			t.Errorf("got %+v, %v", grant, err)
		}
		w.wantRequests(t, 1)
	})
}

// A deny rule reaches people whose groups are left out.
func TestPolicy_denies(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.answer(reply(200, list(append(ids(100), engineers)...)))
		_, err := load(t, w.resolver).Map(t.Context(), with(t))
		if !errors.Is(err, claims.ErrDenied) {
			t.Errorf("got %v, want a denial", err)
		}
	})
}

func TestPolicy_noGroupsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.answer(reply(200, list()))
		_, err := load(t, w.resolver).Map(t.Context(), with(t))
		if !errors.Is(err, claims.ErrNoMatch) {
			t.Errorf("got %v, want no match", err)
		}
	})
}

// A failed lookup never maps, and says whether it passes.
func TestPolicy_failures(t *testing.T) {
	for status, temporary := range map[int]bool{403: false, 404: false, 429: true, 503: true} {
		bubble(t, func(t *testing.T, w *world) {
			w.answer(reply(status, "", "Retry-After", "60"))
			grant, err := load(t, w.resolver).Map(t.Context(), with(t))
			if !errors.Is(err, claims.ErrIncomplete) || len(grant.Groups) != 0 || grant.Target.Selects() {
				t.Errorf("%d: got %+v, %v", status, grant, err)
			}
			// In the way that package exchange looks for it.
			var outage interface {
				Temporary() bool
				RetryAfter() time.Duration
			}
			if !errors.As(err, &outage) || outage.Temporary() != temporary || (outage.RetryAfter() == time.Minute) != temporary {
				t.Errorf("%d: %v", status, err)
			}
			_ = failureOf(t, err)
		})
	}
}

// Another provider in the same policy cannot borrow a person's groups by writing
// that person's oid and tid.
func TestPolicy_anotherProvider(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := load(t, w.resolver).Map(t.Context(), with(t, "iss", "https://sso.acme.example/realms/data", "aud", "databricks"))
		if !errors.Is(err, claims.ErrIncomplete) {
			t.Errorf("got %v", err)
		}
		w.wantRequests(t, 0)
	})
}

// What needs no groups sends nothing.
func TestPolicy_asksOnlyIfNeeded(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		got, err := load(t, w.resolver).Map(t.Context(), with(t, "aud", "another app"))
		if !errors.Is(err, claims.ErrDenied) {
			t.Errorf("got %+v, %v", got, err)
		}
		w.wantRequests(t, 0)
	}, func(c *graph.Config) { c.MaxAge = -1 })
}
