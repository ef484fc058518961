//go:build unix

package oidc

import (
	"os"
	"syscall"
)

// openFlags open a file without waiting: opening a pipe blocks until somebody
// writes, and no context ends that. Regular files do not care.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK
