//go:build unix

package oidc_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// TestFile_opensWithoutWaiting: the path may become a pipe between the look and
// the opening.
func TestFile_opensWithoutWaiting(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	opened := make(chan error, 1)
	go func() {
		_, err := oidc.ReadOpened(pipe)
		opened <- err
	}()
	select {
	case err := <-opened:
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for somebody to write")
	}
	path := filepath.Join(dir, "token")
	write(t, path, "text\n")
	if got, err := oidc.ReadOpened(path); err != nil || got != "text" {
		t.Errorf("a regular file: %q, %v", got, err)
	}
}
