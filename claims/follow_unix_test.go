//go:build unix

package claims_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

// TestFollow_refuses holds that neither a pipe stops the watch nor a file that is
// too large reaches the converter.
func TestFollow_refuses(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no pipes here: ", err)
	}
	if err := os.WriteFile(large, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, large, dir} {
		var live claims.Live
		err := live.Follow(t.Context(), claims.File{Path: path, Convert: func([]byte) ([]byte, error) {
			t.Error("the converter was called")
			return nil, nil
		}})
		if err == nil || live.Policy() != nil {
			t.Errorf("%s: got %v", filepath.Base(path), err)
		}
	}
}
