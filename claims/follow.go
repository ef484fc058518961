package claims

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// DefaultInterval is how often [Live.Follow] looks at its file.
const DefaultInterval = 5 * time.Second

// File is a policy file that a [Live] follows.
type File struct {
	Path     string                       // Required.
	Convert  func([]byte) ([]byte, error) // turns the file into JSON, such as yamlpolicy.JSON. Optional.
	Interval time.Duration                // between two looks; zero means DefaultInterval
	Options  []Option                     // for Load
	OnReload func(Reload)                 // told of each change, in the goroutine of Follow. Optional.
}

// Reload is an event: the file has changed, or can no longer be read.
type Reload struct {
	Path   string
	Policy string // the ID of the policy in place afterwards
	Err    error  // why the old policy stays; nil if the new one is in place
}

// Follow loads the file and then replaces the policy whenever the file has
// changed, until ctx ends. It looks at the modification time and size, and once
// a minute at the content whatever these say; a file that was only touched is
// not loaded again. A file that cannot be read, or does not load, leaves the last
// good policy in place and is told once. Put a new file in place by renaming it:
// one that is written in place may be read half-way. Follow returns at once if the first
// load fails and no policy is in place; otherwise it returns the error of ctx.
func (l *Live) Follow(ctx context.Context, f File) error {
	if f.Path == "" {
		return errors.New("claims: follow policy file: no path")
	}
	if f.Interval <= 0 {
		f.Interval = DefaultInterval
	}
	w := watch{file: f, live: l}
	if err := w.look(); err != nil && l.Policy() == nil {
		return fmt.Errorf("claims: follow policy file: %w", err)
	}
	ticker := time.NewTicker(f.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			_ = w.look() // told by OnReload
		}
	}
}

// watch remembers what Follow saw last.
type watch struct {
	file    File
	live    *Live
	modTime time.Time
	size    int64
	sum     [sha256.Size]byte
	read    time.Time
	failure string // the last one told about reading
}

// trustModTime is how long an unchanged modification time is believed: some file
// systems keep it coarsely, and some tools preserve it.
const trustModTime = time.Minute

func (w *watch) look() error {
	info, err := os.Stat(w.file.Path)
	if err != nil {
		return w.unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return w.unreadable(errors.New("it is not a regular file"))
	}
	settled := info.ModTime().Equal(w.modTime) && info.Size() == w.size && w.failure == ""
	if settled && time.Since(w.read) < trustModTime && w.read.Sub(w.modTime) > 2*time.Second {
		return nil
	}
	data, err := readPolicy(w.file.Path)
	if err != nil {
		return w.unreadable(err)
	}
	first := w.read.IsZero()
	sum := sha256.Sum256(data)
	same := !first && sum == w.sum
	w.modTime, w.size, w.sum, w.read = info.ModTime(), info.Size(), sum, time.Now()
	if same && w.failure == "" {
		return nil
	}
	if err := w.load(data); err != nil {
		return w.failed(err, !same)
	}
	w.failure = ""
	w.tell(nil)
	return nil
}

func (w *watch) load(data []byte) (err error) {
	if len(data) > maxPolicy {
		return fmt.Errorf("it has more than %d bytes", maxPolicy)
	}
	if w.file.Convert != nil {
		if data, err = w.file.Convert(data); err != nil {
			return err
		}
	}
	return w.live.Replace(data, w.file.Options...)
}

// failed remembers why: a file whose policy did not load is tried again at each
// look, since its tests may read other files, and told again only if the reason
// changes.
func (w *watch) failed(err error, news bool) error {
	if news || err.Error() != w.failure {
		w.failure = err.Error()
		w.tell(err)
	}
	return err
}

func (w *watch) unreadable(err error) error {
	w.sum = [sha256.Size]byte{}
	return w.failed(err, false)
}

func (w *watch) tell(err error) {
	if w.file.OnReload != nil {
		w.file.OnReload(Reload{Path: w.file.Path, Policy: w.live.Policy().ID(), Err: err})
	}
}

// readPolicy reads at most a byte more than a policy may have, which Load
// refuses.
func readPolicy(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxPolicy+1))
}
