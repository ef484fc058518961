package graph_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims/graph"
)

// sourceError is what a source of tokens may say about itself.
type sourceError struct {
	temporary bool
	wait      time.Duration
}

func (e *sourceError) Error() string             { return "the source's reason" }
func (e *sourceError) Temporary() bool           { return e.temporary }
func (e *sourceError) RetryAfter() time.Duration { return e.wait }

func TestResolve_tokenSource(t *testing.T) {
	plain := errors.New("the source's reason")
	tests := []struct {
		name      string
		token     string
		err       error
		temporary bool
		wait      time.Duration
		want      string
	}{
		{"error", "", plain, true, 5 * time.Second, "no access token for Graph from Config.Token: the source's reason"},
		{"lasting error", "", &sourceError{false, time.Minute}, false, 0, "the source's reason"},
		{"passing error", "", &sourceError{true, time.Minute}, true, time.Minute, "the source's reason"},
		{"a token beside the error", accessToken, plain, true, 5 * time.Second, "the source's reason"},
		{"long wait", "", fmt.Errorf("x: %w", &sourceError{true, time.Hour}), true, 5 * time.Minute, "the source's reason"},
		{"negative wait", "", &sourceError{true, -1}, true, 5 * time.Second, "the source's reason"},
		{"empty", "", nil, false, 0, "bare token"},
		{"with a scheme", "Bearer " + accessToken, nil, false, 0, "bare token"},
		{"with a line break", accessToken + "\n", nil, false, 0, "bare token"},
		{"header injection", accessToken + "\r\nX: y", nil, false, 0, "bare token"},
		{"not ASCII", accessToken + "é", nil, false, 0, "bare token"},
		{"too long", strings.Repeat("x", 64<<10+1), nil, false, 0, "bare token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, err := w.groupsOf(t, with(t))
				failure := failureOf(t, err)
				if failure.Temporary() != tt.temporary || failure.RetryAfter() != tt.wait || (tt.err != nil && !errors.Is(err, tt.err)) {
					t.Errorf("temporary %t, wait %v: %v", failure.Temporary(), failure.RetryAfter(), err)
				}
				wantText(t, err.Error(), tt.want)
				if strings.Contains(err.Error(), accessToken) {
					t.Errorf("%q shows the token", err)
				}
				w.wantRequests(t, 0)
			}, func(c *graph.Config) {
				c.Token = func(context.Context) (string, error) { return tt.token, tt.err }
			})
		})
	}
}

// Every printable ASCII character may stand in a token, and 64 KiB of them.
func TestResolve_tokens(t *testing.T) {
	for _, token := range []string{"!", "~", "a~b!", strings.Repeat("x", 64<<10)} {
		bubble(t, func(t *testing.T, w *world) {
			if _, err := w.groupsOf(t, with(t)); err != nil {
				t.Fatal(err)
			}
			if seen := w.seen(); seen[0].Token != "Bearer "+token {
				t.Errorf("Graph saw %.80q, want the token %.80q", seen[0].Token, token)
			}
		}, func(c *graph.Config) {
			c.Token = func(context.Context) (string, error) { return token, nil }
		})
	}
}

func TestResolve_tokenSourcePanics(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := w.groupsOf(t, with(t))
		failure := failureOf(t, err)
		if failure.Temporary() || strings.Contains(err.Error(), accessToken) {
			t.Errorf("temporary %t: %v", failure.Temporary(), err)
		}
		wantText(t, err.Error(), "a function of the configuration failed: panic with a value of type string")
	}, func(c *graph.Config) {
		c.Token = func(context.Context) (string, error) { panic(accessToken) }
	})
}

// A source that does not look at its context must not keep callers for ever.
func TestResolve_tokenSourceHangs(t *testing.T) {
	release := make(chan struct{})
	bubble(t, func(t *testing.T, w *world) {
		release = make(chan struct{}) // of this bubble
		start := time.Now()
		_, err := w.groupsOf(t, with(t))
		if failure := failureOf(t, err); !failure.Temporary() || time.Since(start) != 11*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		close(release)
	}, func(c *graph.Config) {
		c.Token = func(context.Context) (string, error) { <-release; return accessToken, nil }
	})
}
