package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/ml"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/sdkclient"
	"github.com/brickfed/brickfed/oidc"
)

// training is the job.
type training struct {
	config  *databricks.Config
	subject oidc.Source
	policy  *claims.Policy // or a *claims.Live, to follow a file
	key     *claims.TagKey

	// What is empty is left out.
	warehouse  string
	experiment string
	nodeType   string
	script     string

	duration time.Duration // how long metrics are logged
	pause    time.Duration // between two of them

	result, progress io.Writer

	mu       sync.Mutex // guards what follows
	tokens   int
	firstEnd time.Time // when the first token ends
	outlived bool      // whether the job went on after that
}

func (t *training) run(ctx context.Context) error {
	options := claims.TagOptions{Key: t.key, Extra: map[string]string{"pipeline": "nightly"}}
	client, err := sdkclient.Workspace(t.config, sdkauth.Strategy{
		Subject:    t.subject,
		Policy:     t.policy,
		Tags:       options, // into the User-Agent of every call
		OnExchange: t.watch,
	})
	if err != nil {
		return err
	}
	grant, tags, err := identity(ctx, client, options)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.result, "rule %q chose client_id %q, assume_group %q\n", grant.Target.Rule, grant.Target.ClientID, grant.Target.AssumeGroup)
	run, err := t.start(ctx, client, grant, tags)
	if err != nil {
		return err
	}
	return t.log(ctx, client, run)
}

// watch is told of each exchange.
func (t *training) watch(_ context.Context, e exchange.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Err != nil {
		fmt.Fprintln(t.progress, "an exchange failed:", e.Err)
		return
	}
	if t.tokens++; t.tokens == 1 {
		t.firstEnd = e.Expiry
	}
	fmt.Fprintf(t.progress, "token %d (%s), good until %s\n", t.tokens, e.Token, e.Expiry.Format(time.TimeOnly))
}

// identity says who the job is: its grant stands in every token.
func identity(ctx context.Context, client *databricks.WorkspaceClient, options claims.TagOptions) (claims.Grant, claims.Tags, error) {
	token, err := client.Config.GetTokenSource().Token(ctx)
	if err != nil {
		return claims.Grant{}, claims.Tags{}, err
	}
	grant, ok := exchange.GrantOf(token)
	if !ok {
		return claims.Grant{}, claims.Tags{}, errors.New("the token carries no grant")
	}
	tags, err := grant.Tags(options)
	return grant, tags, err
}

// log is the long part: a metric after each step of the training, until its time
// is over. Without an MLflow run, each step asks who it is instead.
func (t *training) log(ctx context.Context, client *databricks.WorkspaceClient, run string) error {
	tick := time.NewTicker(t.pause)
	defer tick.Stop()
	began := time.Now()
	steps, last := 0, began
	for last.Sub(began) < t.duration {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case last = <-tick.C:
		}
		steps++
		if err := step(ctx, client, run, steps); err != nil {
			return fmt.Errorf("step %d: %w", steps, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.outlived = last.After(t.firstEnd); t.outlived {
		fmt.Fprint(t.result, "the first token has ended; ")
	}
	fmt.Fprintf(t.result, "%d steps, %d tokens, no step failed\n", steps, t.tokens)
	return nil
}

func step(ctx context.Context, client *databricks.WorkspaceClient, run string, n int) error {
	if run == "" {
		_, err := client.CurrentUser.Me(ctx, iam.MeRequest{})
		return err
	}
	return client.Experiments.LogMetric(ctx, ml.LogMetric{
		RunId: run, Key: "loss", Value: 1 / float64(n), Step: int64(n), Timestamp: time.Now().UnixMilli(),
	})
}
