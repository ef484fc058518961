//go:build !unix

package oidc

import "os"

// openFlags open a file. Opening one does not wait here.
const openFlags = os.O_RDONLY
