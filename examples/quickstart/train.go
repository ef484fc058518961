package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/examples/internal/standin"
	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/sdkclient"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

const (
	lifetime = 5 * time.Second // of a Databricks token; an hour in real life
	duration = 3*lifetime + time.Second
	interval = 150 * time.Millisecond // between two calls of the job
)

// train runs a job that calls Databricks for longer than three token lifetimes,
// through an outage of the identity provider and one of Databricks.
func train(ctx context.Context, result, progress io.Writer) error {
	world, err := standin.Start(lifetime)
	if err != nil {
		return err
	}
	defer func() { _ = world.Close() }()

	events := make(chan cache.Event, 64)
	client, err := sdkclient.Workspace(&databricks.Config{Host: world.Databricks.URL()}, sdkauth.Strategy{
		ClientID: standin.ClientID,
		Subject:  world.Source(),
		Cache: cache.Options{
			OnEvent: func(e cache.Event) { events <- e },
			// Tokens of five seconds leave little time for a second try, so the
			// first one comes as early as the spread over a fleet allows.
			Rand: func() float64 { return 0.99 },
		},
	})
	if err != nil {
		return err
	}
	me, err := client.CurrentUser.Me(ctx, iam.MeRequest{})
	if err != nil {
		return err
	}
	fmt.Fprintf(result, "I am %s (%s)\n", me.DisplayName, me.UserName)

	j := &job{client: client, world: world, progress: progress, began: time.Now()}
	if err := j.run(ctx, events); err != nil {
		return err
	}
	fmt.Fprintf(result, "%d calls in %v, %d tokens, %d refreshes failed, no call failed\n",
		j.calls, duration, j.tokens, j.failures)
	return nil
}

// job is the training run and what was seen of it.
type job struct {
	client   *databricks.WorkspaceClient
	world    *standin.Standin
	progress io.Writer
	began    time.Time

	calls    int
	tokens   int
	failures int
}

func (j *job) run(ctx context.Context, events <-chan cache.Event) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	end := time.NewTimer(duration)
	defer end.Stop()
	for {
		select {
		case e := <-events:
			j.watch(e)
		case <-tick.C:
			if _, err := j.client.CurrentUser.Me(ctx, iam.MeRequest{}); err != nil {
				return fmt.Errorf("call %d failed: %w", j.calls+1, err)
			}
			j.calls++
		case <-end.C:
			if j.failures < 2 || j.tokens < 4 {
				return errors.New("the run saw too little: both outages and three refreshes were due")
			}
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watch tells of the refreshes and plays the outages: the first refresh finds
// the identity provider down, the next one Databricks.
func (j *job) watch(e cache.Event) {
	switch e.Kind {
	case cache.RefreshSucceeded:
		j.tokens++
		j.say("token %d (%s), good until %s", j.tokens, e.Fingerprint, e.Expiry.Format(time.TimeOnly))
		switch j.tokens {
		case 1:
			j.say("the identity provider goes down")
			j.world.IdP.Fail(oidctest.Token, oidctest.Fault{Times: -1, Status: http.StatusServiceUnavailable})
		case 2:
			j.say("Databricks' token endpoint will answer 503 once")
			j.world.Databricks.Fail(exchangetest.Token, exchangetest.Recorded()["unavailable"])
		}
	case cache.RefreshFailed:
		j.failures++
		j.say("a refresh failed, the job goes on with the old token: %v", e.Err)
		if j.failures == 1 {
			j.say("the identity provider is back")
			j.world.IdP.Heal()
		}
	}
}

func (j *job) say(format string, args ...any) {
	fmt.Fprintf(j.progress, "%6.2fs  %s\n", time.Since(j.began).Seconds(), fmt.Sprintf(format, args...))
}
