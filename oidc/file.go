package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// File is a [Source] that reads a token from the file with that path, such as a
// Kubernetes projected service account token. The audience is what whoever
// writes the file chose.
//
// The file is read anew at each call and may have 64 KiB at most. Space around
// the token is trimmed. Symbolic links are followed, because Kubernetes uses
// them, but their end must be a regular file. If the token has less than 10
// seconds or a fifth of its life (exp minus iat) left, whichever is shorter, the
// file is looked at again 0.5, 1 and 2 seconds later for a rotation; then the
// token is returned as it is, because only the clock of whoever gets it decides
// whether it has expired.
//
// A path that names no file is an error and not [ErrUnavailable]: a missing
// token should stop a program, not change its identity. Only File("") is
// unavailable.
type File string

var (
	_ Source = File("")
	_ Minter = File("")
)

// looks are the times after the first look at which a token that is about to
// end is looked for again. Whoever rotates the file may be late.
var looks = [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}

// Token reads the file.
func (f File) Token(ctx context.Context, _ string) (*Token, error) {
	if f == "" {
		return nil, fmt.Errorf("oidc: token file: %w: no path is given", ErrUnavailable)
	}
	t, err := f.read()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for _, at := range looks {
		if !endsSoon(t) {
			return t, nil
		}
		if err := pause(ctx, time.Until(start.Add(at))); err != nil {
			return nil, fmt.Errorf("oidc: token file %q: wait for its rotation: %w", string(f), err)
		}
		// A file that cannot be read in the middle of its replacement is no
		// reason to lose the token that was there.
		if next, err := f.read(); err == nil {
			t = next
		}
	}
	return t, nil
}

// Mints implements [Minter]: another look brings the same token.
func (f File) Mints() bool { return false }

// String names the file.
func (f File) String() string { return fmt.Sprintf("token file %q", string(f)) }

func (f File) read() (*Token, error) {
	text, err := readFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("oidc: token file %q: %w", string(f), err)
	}
	t, err := ParseToken(text)
	if err != nil {
		return nil, fmt.Errorf("oidc: token file %q: %w", string(f), err)
	}
	return t, nil
}

// endsSoon reports whether a token with a known end is in the last moments of
// its life.
func endsSoon(t *Token) bool {
	if t.Expiry().IsZero() {
		return false
	}
	margin := 10 * time.Second
	if issued, ok, err := t.UnverifiedClaims().Time("iat"); ok && err == nil {
		margin = min(margin, t.Expiry().Sub(issued)/5)
	}
	return time.Until(t.Expiry()) < margin
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readFile reads a one-line text of at most 64 KiB from a regular file.
func readFile(path string) (string, error) {
	// Looking before opening keeps a device from noticing us.
	info, err := os.Stat(path)
	if err != nil {
		return "", bare(err)
	}
	if !info.Mode().IsRegular() {
		return "", notRegular(info)
	}
	return readOpened(path)
}

// readOpened judges what it has opened: the path may name something else than a
// moment ago. openFlags keep a pipe that nobody writes from blocking us.
func readOpened(path string) (string, error) {
	file, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return "", bare(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", bare(err)
	}
	if !info.Mode().IsRegular() {
		return "", notRegular(info)
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxToken+1))
	if err != nil {
		return "", bare(err)
	}
	if len(data) > MaxToken {
		return "", fmt.Errorf("it has more than %d bytes", MaxToken)
	}
	return oneLine(string(data))
}

// bare drops the path that package os puts into its errors: ours name it.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func notRegular(info fs.FileInfo) error {
	if info.IsDir() {
		return errors.New("it is a directory, not a file; name the file in it")
	}
	return fmt.Errorf("it is not a regular file (mode %s)", info.Mode().Type())
}

// oneLine trims a text that must be one line without anything invisible around
// it. Errors never quote it.
func oneLine(text string) (string, error) {
	text = strings.Trim(text, " \t\r\n")
	switch {
	case text == "":
		return "", errors.New("it is empty")
	case strings.HasPrefix(text, "\ufeff"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "", errors.New("it starts with a byte order mark; write it as plain UTF-8")
	case strings.ContainsAny(text, "\r\n"):
		return "", errors.New("it has more than one line")
	case strings.ContainsRune(text, 0):
		return "", errors.New("it has a zero byte in it; write it as plain UTF-8")
	}
	return text, nil
}
