package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brickfed/brickfed/examples/internal/standin"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

// With DATABRICKS_HOST set the program asks that host, with the token that the
// environment names.
func TestRun_databricks(t *testing.T) {
	world, err := standin.Start(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = world.Close() }()
	token, err := world.Source().Token(t.Context(), oidctest.DefaultAudience)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token.Raw()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, variables := range map[string]map[string]string{
		"file":             {"DATABRICKS_OIDC_TOKEN_FILEPATH": path},
		"variable":         {"DATABRICKS_OIDC_TOKEN": token.Raw()},
		"another variable": {"DATABRICKS_OIDC_TOKEN_ENV": "CI_TOKEN", "CI_TOKEN": token.Raw()},
	} {
		t.Run(name, func(t *testing.T) {
			for _, other := range []string{"DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_ENV", "DATABRICKS_OIDC_TOKEN"} {
				t.Setenv(other, variables[other])
			}
			t.Setenv("CI_TOKEN", variables["CI_TOKEN"])
			t.Setenv("DATABRICKS_HOST", world.Databricks.URL())
			t.Setenv("DATABRICKS_CLIENT_ID", standin.ClientID)
			var result, progress bytes.Buffer
			if err := run(context.Background(), &result, &progress); err != nil {
				t.Fatal(err)
			}
			if got, want := result.String(), "I am nightly training job ("+standin.ClientID+")\n"; got != want {
				t.Errorf("printed %q, want %q", got, want)
			}
		})
	}
}
