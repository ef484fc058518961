package bench_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestProgramSize builds programs as a user of the published module does: with the
// versions of its go.mod, not those that the peers here ask for. What the core may
// weigh is held by deps_test.go in the root of that module.
func TestProgramSize(t *testing.T) {
	if !*update {
		t.Skip("it compiles the Databricks SDK anew: only with -update")
	}
	for _, c := range []struct{ name, program string }{
		{"net/http alone", "nethttp"},
		{"brickfed, core", "core"},
		{"SDK, config", "config"},
		{"brickfed, sdkauth", "sdkauth"},
	} {
		out := filepath.Join(t.TempDir(), c.program)
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out,
			filepath.Join("internal", "bench", "testdata", "size", c.program, "main.go"))
		build.Dir = filepath.Join("..", "..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, text)
		}
		info, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		programSize.record(t, c.name, float64(info.Size())/1e6)
	}
}
