//go:build unix

package oidc_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/brickfed/brickfed/oidc"
)

func TestFile_doesNotBlockOnAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := oidc.File(path).Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}
