package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"sync"
)

// Secret is a client secret that is read anew at each use, so that rotating it
// needs no restart. Make one with [SecretFile], [SecretEnv] or [SecretFunc].
//
// A secret is one line of at most 64 KiB; space around it is trimmed. When the
// provider answers invalid_client, it is read again, and the last value that the
// provider accepted is tried too: while a secret rotates, the place it is read
// from and the provider do not change in the same moment.
//
// A Secret prints its origin and never its value. It is safe for concurrent use
// and may be shared by several clients of one provider.
type Secret struct {
	origin string
	read   func(context.Context) (string, error)

	mu sync.Mutex // guards accepted; never held across a read
	// accepted returns what the provider took last. It is a function because fmt
	// prints the fields of other people's structs without asking.
	accepted func() string
}

// SecretFile returns a secret that is read from a regular file; symbolic links
// are followed.
func SecretFile(path string) *Secret {
	return &Secret{
		origin: fmt.Sprintf("file %q", path),
		read:   func(context.Context) (string, error) { return readFile(path) },
	}
}

// SecretEnv returns a secret that is read from an environment variable.
func SecretEnv(name string) *Secret {
	return &Secret{
		origin: fmt.Sprintf("environment variable %q", name),
		read: func(context.Context) (string, error) {
			value, set := os.LookupEnv(name)
			if !set {
				return "", errors.New("it is not set")
			}
			return oneLine(value)
		},
	}
}

// SecretFunc returns a secret that read fetches, from a secret store for
// example. read is called for every token request, maybe by several goroutines
// at once, and honours ctx; what it should not fetch each time it keeps itself.
// Its errors are shown, so they must not hold the secret.
func SecretFunc(read func(ctx context.Context) (string, error)) *Secret {
	s := &Secret{origin: "function"}
	if read != nil {
		s.read = func(ctx context.Context) (string, error) {
			value, err := read(ctx)
			if err != nil {
				return "", err
			}
			return oneLine(value)
		}
	}
	return s
}

// String returns where the secret is read from.
func (s *Secret) String() string {
	if s == nil || s.read == nil {
		return "oidc.Secret(none)"
	}
	return "oidc.Secret(" + s.origin + ")"
}

// Format implements fmt.Formatter, so that no verb shows the secret.
func (s *Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.String()) }

// LogValue implements slog.LogValuer.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON among others.
func (s *Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Secret) value(ctx context.Context) (string, error) {
	if s == nil || s.read == nil {
		return "", errors.New("oidc: client secret: none is given; use SecretFile, SecretEnv or SecretFunc")
	}
	value, err := s.read(ctx)
	if err != nil {
		return "", fmt.Errorf("oidc: client secret from %s: %w", s.origin, err)
	}
	if len(value) > MaxToken {
		return "", fmt.Errorf("oidc: client secret from %s: it has more than %d bytes", s.origin, MaxToken)
	}
	return value, nil
}

// candidates yields what may be the secret, each value once, at most three: as
// it reads now; as it reads when the first was refused; as it was when the
// provider accepted it last.
func (s *Secret) candidates(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		now, err := s.value(ctx)
		if !yield(now, err) || err != nil {
			return
		}
		again, err := s.value(ctx)
		if err != nil {
			again = now // the provider's refusal says more than this
		}
		if again != now && !yield(again, nil) {
			return
		}
		s.mu.Lock()
		accepted := s.accepted
		s.mu.Unlock()
		if accepted == nil {
			return
		}
		if old := accepted(); old != now && old != again {
			yield(old, nil)
		}
	}
}

// accept remembers a value that the provider took.
func (s *Secret) accept(value string) {
	s.mu.Lock()
	s.accepted = func() string { return value }
	s.mu.Unlock()
}
