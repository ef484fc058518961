// Command training-run is a long training job: the claims of its workload token
// choose the service principal, and everything that it starts on Databricks tells
// whose it is, without naming anybody.
//
// Without any set-up it brings its own identity provider and a Databricks
// stand-in on loopback, and prints what that saw: the User-Agent, and the tags of
// a SQL statement, a cluster, a job run and an MLflow run. Its tokens live for
// two seconds, and the job logs metrics for longer than that.
//
// With DATABRICKS_HOST set it trains in that workspace instead. It takes the
// identity provider's token from the file named by
// DATABRICKS_OIDC_TOKEN_FILEPATH or from the variable that
// DATABRICKS_OIDC_TOKEN_ENV names, by default DATABRICKS_OIDC_TOKEN, and further
//
//	TRAINING_POLICY         policy file, JSON or YAML; it chooses the service principal. Required.
//	TRAINING_TAG_SECRET     secret of the pseudonyms, at least 16 bytes. Required.
//	TRAINING_DURATION       how long metrics are logged, such as 90m; default 5s
//	DATABRICKS_WAREHOUSE_ID SQL warehouse for the statement
//	MLFLOW_EXPERIMENT_ID    experiment for the MLflow run
//	TRAINING_NODE_TYPE      node type for the cluster and the job; they cost money
//	TRAINING_SCRIPT         Python file in the workspace that the job runs
//
// What lacks its variable is left out.
//
// The part to copy is train.go. Progress goes to standard error, the result to
// standard output. The exit status is 0 if every call succeeded.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/yamlpolicy"
	"github.com/brickfed/brickfed/oidc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "training-run:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, result, progress io.Writer) error {
	if host := os.Getenv("DATABRICKS_HOST"); host != "" {
		t, err := fromEnvironment(host)
		if err != nil {
			return err
		}
		t.result, t.progress = result, progress
		return t.run(ctx)
	}
	return demonstrate(ctx, result, progress)
}

const lifetime = 2 * time.Second // of a Databricks token; an hour in real life

// demonstrate trains against a stand-in and tells what that saw.
func demonstrate(ctx context.Context, result, progress io.Writer) error {
	w, err := newWorld(lifetime, false)
	if err != nil {
		return err
	}
	defer w.close()
	w.listen()
	t, err := w.training(lifetime+lifetime/4, lifetime/20)
	if err != nil {
		return err
	}
	t.result, t.progress = result, progress
	if err := t.run(ctx); err != nil {
		return err
	}
	if !t.outlived {
		return errors.New("the training was over before its first token, so it shows nothing")
	}
	fmt.Fprintf(result, "\nWhat Databricks saw:\n%s", w.workspace)
	return nil
}

// training returns a job whose policy is the stand-in's.
func (w *world) training(duration, pause time.Duration) (*training, error) {
	policy, err := w.policy()
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	key, err := claims.NewTagKey(secret)
	if err != nil {
		return nil, err
	}
	return &training{
		config:  &databricks.Config{Host: w.url, HTTPTransport: w.transport},
		subject: w.source(), policy: policy, key: key,
		warehouse: "1a2b3c4d5e6f7890", experiment: "417", nodeType: "i3.xlarge", script: "/Workspace/train.py",
		duration: duration, pause: pause,
	}, nil
}

// fromEnvironment returns a job for a real workspace, or everything that is
// missing for it.
func fromEnvironment(host string) (*training, error) {
	t := &training{
		config:     &databricks.Config{Host: host},
		subject:    environmentSource(),
		warehouse:  os.Getenv("DATABRICKS_WAREHOUSE_ID"),
		experiment: os.Getenv("MLFLOW_EXPERIMENT_ID"),
		nodeType:   os.Getenv("TRAINING_NODE_TYPE"),
		script:     os.Getenv("TRAINING_SCRIPT"),
		duration:   5 * time.Second,
		pause:      time.Second,
	}
	var policyErr, keyErr, durationErr error
	if t.policy, policyErr = readPolicy(os.Getenv("TRAINING_POLICY")); policyErr != nil {
		policyErr = fmt.Errorf("TRAINING_POLICY: %w", policyErr)
	}
	if t.key, keyErr = claims.NewTagKey([]byte(os.Getenv("TRAINING_TAG_SECRET"))); keyErr != nil {
		keyErr = fmt.Errorf("TRAINING_TAG_SECRET: %w", keyErr)
	}
	if text := os.Getenv("TRAINING_DURATION"); text != "" {
		if t.duration, durationErr = time.ParseDuration(text); durationErr != nil {
			durationErr = fmt.Errorf("TRAINING_DURATION: %w", durationErr)
		}
	}
	return t, errors.Join(policyErr, keyErr, durationErr)
}

// readPolicy loads a policy file. What is beyond the megabyte that a policy may
// have is not read, except for the byte that gives it away.
func readPolicy(path string) (*claims.Policy, error) {
	if path == "" {
		return nil, errors.New("set it to a policy file, which says who may become which service principal")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20+1))
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return yamlpolicy.Load(data)
	}
	return claims.Load(data)
}

// environmentSource finds the identity provider's token where the Databricks SDK
// would look for it.
func environmentSource() oidc.Source {
	variable := os.Getenv("DATABRICKS_OIDC_TOKEN_ENV")
	if variable == "" {
		variable = "DATABRICKS_OIDC_TOKEN"
	}
	if path := os.Getenv("DATABRICKS_OIDC_TOKEN_FILEPATH"); path != "" {
		return oidc.File(path)
	}
	return oidc.Env(variable)
}
