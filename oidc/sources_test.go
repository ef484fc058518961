package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/oidc"
)

// fakeSource is a source that a test steers.
type fakeSource struct {
	name  string
	mints bool
	calls atomic.Int32
	do    func(ctx context.Context, audience string) (*oidc.Token, error)
}

func (s *fakeSource) Token(ctx context.Context, audience string) (*oidc.Token, error) {
	s.calls.Add(1)
	return s.do(ctx, audience)
}

func (s *fakeSource) String() string { return s.name }
func (s *fakeSource) Mints() bool    { return s.mints }

// unsigned returns a token of that subject that lives for life from now. A life
// of 0 makes a token without exp.
func unsigned(t testing.TB, subject string, life time.Duration) *oidc.Token {
	t.Helper()
	payload := fmt.Sprintf(`{"sub":%q,"iat":%d}`, subject, time.Now().Unix())
	if life != 0 {
		payload = fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, subject, time.Now().Unix(), time.Now().Add(life).Unix())
	}
	token, err := oidc.ParseToken(compact(someHeader, payload, "signature"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func always(token *oidc.Token, err error) func(context.Context, string) (*oidc.Token, error) {
	return func(context.Context, string) (*oidc.Token, error) { return token, err }
}

func missing(why string) error { return fmt.Errorf("oidc: %s: %w", why, oidc.ErrUnavailable) }

func TestFirst_goesOnOnlyWhenUnavailable(t *testing.T) {
	token := unsigned(t, "service", time.Hour)
	outage := errors.New("the metadata server is down")
	for _, tt := range []struct {
		name    string
		first   error
		second  error
		want    error
		message string
		asked   int32 // calls of the second source
	}{
		{"first is here", nil, nil, nil, "", 0},
		{"second is here", missing("no file"), nil, nil, "", 1},
		{"an outage is not absence", outage, nil, outage, "down", 0},
		{"second is out", missing("no file"), outage, outage, "down", 1},
		{"none is here", missing("no file"), missing("no variable"), oidc.ErrUnavailable, "oidc: no token source is available: no file: not available here; no variable: not available here", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := func(err error) *fakeSource {
				if err != nil {
					return &fakeSource{do: always(nil, err)}
				}
				return &fakeSource{do: always(token, nil)}
			}
			one, two := source(tt.first), source(tt.second)
			got, err := oidc.First(one, two).Token(t.Context(), "")
			if !errors.Is(err, tt.want) || tt.want == nil && got != token {
				t.Errorf("got %v, %v", got, err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %q, want %q in it", err, tt.message)
			}
			if two.calls.Load() != tt.asked {
				t.Errorf("the second source was asked %d times, want %d", two.calls.Load(), tt.asked)
			}
		})
	}
}

func TestFirst_staysWithTheSourceThatWorked(t *testing.T) {
	down := errors.New("down")
	one := &fakeSource{name: "one", do: always(nil, missing("one"))}
	two := &fakeSource{name: "two", do: always(unsigned(t, "two", time.Hour), nil)}
	src := oidc.First(one, two)
	if got := fmt.Sprint(src); got != "the first of one, two" {
		t.Errorf("before: %q", got)
	}
	if _, err := src.Token(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	// The first one comes back, the second goes away: the identity stays.
	one.do = always(unsigned(t, "one", time.Hour), nil)
	for _, err := range []error{down, missing("two is gone")} {
		two.do = always(nil, err)
		if _, got := src.Token(t.Context(), ""); !errors.Is(got, err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	if one.calls.Load() != 1 {
		t.Errorf("the first source was asked %d times, want 1", one.calls.Load())
	}
	if got := fmt.Sprint(src); got != "two" {
		t.Errorf("after: %q", got)
	}
	if src.(oidc.Minter).Mints() {
		t.Error("Mints is not that of the source")
	}
}

func TestFirst_concurrentCallersAgree(t *testing.T) {
	var calls atomic.Int32
	flaky := &fakeSource{do: func(context.Context, string) (*oidc.Token, error) {
		if calls.Add(1)%2 == 0 {
			return nil, missing("sometimes")
		}
		return unsigned(t, "one", time.Hour), nil
	}}
	for range 50 {
		calls.Store(0)
		src := oidc.First(flaky, &fakeSource{do: always(unsigned(t, "two", time.Hour), nil)})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _, _ = src.Token(t.Context(), "") })
		}
		wg.Wait()
		subjects := make(map[string]bool)
		for range 4 {
			if token, err := src.Token(t.Context(), ""); err == nil {
				subjects[token.UnverifiedClaims().Subject()] = true
			}
		}
		if len(subjects) > 1 {
			t.Fatalf("identities differ: %v", subjects)
		}
	}
}

func TestFirst_brokenSources(t *testing.T) {
	for name, src := range map[string]oidc.Source{
		"none":    oidc.First(),
		"nil":     oidc.First(nil),
		"nothing": oidc.First(oidc.SourceFunc(always(nil, nil))),
		"reuse":   oidc.Reuse(oidc.SourceFunc(always(nil, nil)), 0),
		"no src":  oidc.Reuse(nil, 0),
	} {
		if token, err := src.Token(t.Context(), ""); err == nil || token != nil {
			t.Errorf("%s: got %v, %v", name, token, err)
		}
	}
	if _, err := oidc.First().Token(t.Context(), ""); !errors.Is(err, oidc.ErrUnavailable) {
		t.Errorf("no source: %v", err)
	}
}

func TestReuse_sharesOneMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeSource{name: "inner", mints: true, do: func(_ context.Context, audience string) (*oidc.Token, error) {
			time.Sleep(time.Second)
			return unsigned(t, audience, time.Hour), nil
		}}
		src := oidc.Reuse(inner, 5*time.Minute)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				audience := fmt.Sprint("audience-", i%2)
				token, err := src.Token(t.Context(), audience)
				if err != nil || token.UnverifiedClaims().Subject() != audience {
					t.Errorf("%s: got %v, %v", audience, token, err)
				}
			})
		}
		wg.Wait()
		if got := inner.calls.Load(); got != 2 {
			t.Errorf("%d mints for 2 audiences", got)
		}
		time.Sleep(55*time.Minute - time.Second)
		_, _ = src.Token(t.Context(), "audience-0")
		if got := inner.calls.Load(); got != 2 {
			t.Errorf("%d mints while the token is good", got)
		}
		time.Sleep(2 * time.Second)
		_, _ = src.Token(t.Context(), "audience-0")
		if got := inner.calls.Load(); got != 3 {
			t.Errorf("%d mints after it came near its end, want 3", got)
		}
		if src.(oidc.Minter).Mints() || fmt.Sprint(src) != "inner (reused)" {
			t.Errorf("Mints %v, String %v", src.(oidc.Minter).Mints(), src)
		}
	})
}

func TestReuse_callersAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeSource{do: func(ctx context.Context, _ string) (*oidc.Token, error) {
			time.Sleep(10 * time.Second)
			return unsigned(t, "service", time.Hour), ctx.Err()
		}}
		src := oidc.Reuse(inner, 0)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			start := time.Now()
			if _, err := src.Token(ctx, ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Millisecond {
				t.Errorf("the hurried caller got %v after %v", err, time.Since(start))
			}
		}()
		synctest.Wait()
		if _, err := src.Token(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if got := inner.calls.Load(); got != 1 {
			t.Errorf("%d mints, want 1", got)
		}
	})
}

func TestReuse_guessesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(context.Context, string) (*oidc.Token, error)
	}{
		{"no exp", always(unsigned(t, "a", 0), nil)},
		{"expired", always(unsigned(t, "a", -time.Hour), nil)},
		{"too short", always(unsigned(t, "a", 30*time.Second), nil)},
		{"error", always(nil, errors.New("no"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inner := &fakeSource{do: tt.do}
			src := oidc.Reuse(inner, time.Minute)
			for range 3 {
				_, _ = src.Token(t.Context(), "")
			}
			if got := inner.calls.Load(); got != 3 {
				t.Errorf("%d calls, want 3", got)
			}
		})
	}
}

func TestReuse_boundedAndIdempotent(t *testing.T) {
	inner := &fakeSource{do: func(_ context.Context, audience string) (*oidc.Token, error) {
		return unsigned(t, audience, time.Hour), nil
	}}
	src := oidc.Reuse(inner, -time.Hour)
	for range 2 {
		for i := range 1000 {
			if _, err := src.Token(t.Context(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := oidc.ReusedAudiences(src); got != 64 {
		t.Errorf("%d audiences are kept, want 64", got)
	}
	if oidc.Reuse(src, 0) != src {
		t.Error("wrapping again nests")
	}
	if longer := oidc.Reuse(src, time.Minute); longer == src || fmt.Sprint(longer) != fmt.Sprint(src) {
		t.Error("a longer margin does not count, or nests")
	}
}

func TestReuse_invalidate(t *testing.T) {
	newSource := func() (*fakeSource, oidc.Source) {
		inner := &fakeSource{}
		inner.do = func(_ context.Context, audience string) (*oidc.Token, error) {
			return unsigned(t, fmt.Sprint(audience, inner.calls.Load()), time.Hour), nil
		}
		return inner, oidc.Reuse(inner, time.Minute)
	}
	for name, wrap := range map[string]func(oidc.Source) oidc.Source{
		"reuse":                      func(s oidc.Source) oidc.Source { return s },
		"first of reuse":             func(s oidc.Source) oidc.Source { return oidc.First(oidc.SourceFunc(always(nil, missing("x"))), s) },
		"reuse of a first of reuse":  func(s oidc.Source) oidc.Source { return oidc.Reuse(oidc.First(s), 0) },
		"first of a first of reuse":  func(s oidc.Source) oidc.Source { return oidc.First(oidc.First(s)) },
		"reuse of a longer reuse":    func(s oidc.Source) oidc.Source { return oidc.Reuse(s, 2*time.Minute) },
		"first that has not decided": func(s oidc.Source) oidc.Source { return oidc.First(s, oidc.SourceFunc(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			inner, src := newSource()
			src = wrap(src)
			token := func(audience string) *oidc.Token {
				t.Helper()
				got, err := src.Token(t.Context(), audience)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			refuse := src.(oidc.Invalidator).Invalidate
			refuse(nil)
			refuse(unsigned(t, "a1", time.Hour)) // nothing is held
			one, other := token("a"), token("b")
			refuse(nil)
			refuse(new(oidc.Token))
			refuse(unsigned(t, "somebody else's", time.Hour))
			if token("a") != one || token("b") != other || inner.calls.Load() != 2 {
				t.Error("a token was dropped that nobody refused")
			}
			copied, err := oidc.ParseToken(one.Raw()) // the same token, read again
			if err != nil {
				t.Fatal(err)
			}
			for range 3 { // of many callers who were refused
				refuse(copied)
				if got := token("a"); got.Raw() == one.Raw() {
					t.Error("a refused token is handed out again")
				}
			}
			if token("b") != other || inner.calls.Load() != 3 {
				t.Errorf("%d calls, want 3: two, and one after the refusal", inner.calls.Load())
			}
		})
	}
	// A source that keeps nothing has nothing to drop.
	for _, src := range []oidc.Source{oidc.First(), oidc.First(oidc.Env("X")), oidc.Reuse(nil, 0), oidc.Reuse(oidc.Env("X"), 0)} {
		src.(oidc.Invalidator).Invalidate(unsigned(t, "a", time.Hour))
	}
}
