package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/oidc"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFile_reads(t *testing.T) {
	dir := t.TempDir()
	token := unsigned(t, "service", time.Hour)
	for _, tt := range []struct {
		name, text string
		want       string // part of the error
	}{
		{"plain", token.Raw(), ""},
		{"with a newline", token.Raw() + "\n", ""},
		{"with space around", "\r\n\t " + token.Raw() + " \r\n", ""},
		{"empty", "", "it is empty"},
		{"blank", " \r\n\t", "it is empty"},
		{"two lines", token.Raw() + "\n" + token.Raw(), "more than one line"},
		{"a broken line", token.Raw()[:20] + "\r" + token.Raw()[20:], "more than one line"},
		{"at the bound", token.Raw() + strings.Repeat(" ", oidc.MaxToken-len(token.Raw())), ""},
		{"beyond the bound", token.Raw() + strings.Repeat(" ", oidc.MaxToken-len(token.Raw())+1), "more than 65536 bytes"},
		{"byte order mark", "\ufeff" + token.Raw(), "byte order mark"},
		{"UTF-16", "\xff\xfee\x00y\x00", "byte order mark"},
		{"zero byte", token.Raw() + "\x00x", "zero byte"},
		{"not a token", "dapi0123456789abcdef0123456789abcdef", "personal access token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, "token")
			write(t, path, tt.text)
			got, err := oidc.File(path).Token(t.Context(), "ignored")
			switch {
			case tt.want == "" && (err != nil || got.Raw() != token.Raw()):
				t.Errorf("got %v, %v", got, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil && (errors.Is(err, oidc.ErrUnavailable) || commonRun(err.Error(), token.Raw()) != ""):
				t.Errorf("%v is ErrUnavailable or shows the token", err)
			}
		})
	}
}

func TestFile_whatThePathNames(t *testing.T) {
	dir := t.TempDir()
	token := unsigned(t, "service", time.Hour)
	real := filepath.Join(dir, "..data", "token")
	if err := os.Mkdir(filepath.Dir(real), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, real, token.Raw())
	link := filepath.Join(dir, "token") // as Kubernetes does it
	if err := os.Symlink(filepath.Join("..data", "token"), link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if got, err := oidc.File(link).Token(t.Context(), ""); err != nil || got.Raw() != token.Raw() {
		t.Errorf("a link to a file: %v, %v", got, err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"directory", dir, "it is a directory"},
		{"device", os.DevNull, "not a regular file"},
		{"loop of links", loop, "link"},
	} {
		_, err := oidc.File(tt.path).Token(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, oidc.ErrUnavailable) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := oidc.File(filepath.Join(dir, "missing")).Token(t.Context(), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := oidc.File("").Token(t.Context(), ""); !errors.Is(err, oidc.ErrUnavailable) {
		t.Errorf("no path: %v", err)
	}
}

func TestFile_readsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for i := range 3 {
		write(t, path, unsigned(t, fmt.Sprint(i), time.Hour).Raw())
		token, err := oidc.File(path).Token(t.Context(), "")
		if err != nil || token.UnverifiedClaims().Subject() != fmt.Sprint(i) {
			t.Errorf("%d: %v, %v", i, token, err)
		}
	}
}

func TestFile_waitsForARotation(t *testing.T) {
	for _, tt := range []struct {
		name    string
		life    time.Duration // of the first token
		left    time.Duration // of it when it is read
		rotates time.Duration // after the read; 0 for never
		breaks  bool          // the rotation leaves an empty file for a moment
		want    time.Duration // until Token returns
		fresh   bool
	}{
		{"much left", time.Hour, time.Minute, 0, false, 0, false},
		{"ten seconds left", time.Hour, 10 * time.Second, 0, false, 0, false},
		{"nine seconds left, nobody rotates", time.Hour, 9 * time.Second, 0, false, 2 * time.Second, false},
		{"rotated at once", time.Hour, 9 * time.Second, 100 * time.Millisecond, false, 500 * time.Millisecond, true},
		{"rotated later", time.Hour, 9 * time.Second, 700 * time.Millisecond, false, time.Second, true},
		{"rotated late", time.Hour, 9 * time.Second, 1900 * time.Millisecond, false, 2 * time.Second, true},
		{"rotated too late", time.Hour, 9 * time.Second, 2100 * time.Millisecond, false, 2 * time.Second, false},
		{"expired", time.Hour, -time.Minute, 0, false, 2 * time.Second, false},
		{"short life, a fifth left", 20 * time.Second, 4 * time.Second, 0, false, 0, false},
		{"short life, less left", 20 * time.Second, 3 * time.Second, 0, false, 2 * time.Second, false},
		{"empty for a moment", time.Hour, 9 * time.Second, 700 * time.Millisecond, true, time.Second, true},
		{"no expiry", 0, 0, 0, false, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			synctest.Test(t, func(t *testing.T) {
				old := unsigned(t, "old", tt.life)
				fresh := unsigned(t, "fresh", tt.life+time.Hour)
				write(t, path, old.Raw())
				time.Sleep(tt.life - tt.left)
				start := time.Now()
				if tt.rotates > 0 {
					if tt.breaks {
						time.AfterFunc(tt.rotates/2, func() { write(t, path, "") })
					}
					time.AfterFunc(tt.rotates, func() { write(t, path, fresh.Raw()) })
				}
				got, err := oidc.File(path).Token(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(start); waited != tt.want {
					t.Errorf("it took %v, want %v", waited, tt.want)
				}
				if isFresh := got.Raw() == fresh.Raw(); isFresh != tt.fresh {
					t.Errorf("the fresh token came: %v, want %v", isFresh, tt.fresh)
				}
				time.Sleep(time.Minute) // let the timers end
			})
		})
	}
}

func TestFile_waitHonoursItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, unsigned(t, "service", -time.Second).Raw())
		leaving := errors.New("leaving")
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(300*time.Millisecond, func() { leave(leaving) })
		start := time.Now()
		if _, err := oidc.File(path).Token(ctx, ""); !errors.Is(err, leaving) || time.Since(start) != 300*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestEnv(t *testing.T) {
	const name = "BRICKFED_TEST_TOKEN"
	token := unsigned(t, "service", -time.Hour) // expired: whoever gets it decides
	for _, tt := range []struct {
		name, value string
		want        error
		message     string
	}{
		{"set", token.Raw(), nil, ""},
		{"with a newline", token.Raw() + "\n", nil, ""},
		{"empty", "", oidc.ErrUnavailable, "not set"},
		{"blank", " \n", nil, "it is empty"},
		{"two lines", token.Raw() + "\n" + token.Raw(), nil, "more than one line"},
		{"not a token", "hello", oidc.ErrMalformed, "opaque"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(name, tt.value)
			got, err := oidc.Env(name).Token(t.Context(), "ignored")
			if tt.message == "" {
				if err != nil || got.Raw() != token.Raw() {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.message) || !strings.Contains(err.Error(), name) {
				t.Fatalf("got %v, want %q", err, tt.message)
			}
			if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && errors.Is(err, oidc.ErrUnavailable) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for _, unset := range []oidc.Env{"", "BRICKFED_TEST_UNSET"} {
		if _, err := unset.Token(t.Context(), ""); !errors.Is(err, oidc.ErrUnavailable) {
			t.Errorf("%q: %v", string(unset), err)
		}
	}
}

func TestSources_describeThemselves(t *testing.T) {
	for _, tt := range []struct {
		src   oidc.Source
		want  string
		mints bool
	}{
		{oidc.File("/var/run/token"), `token file "/var/run/token"`, false},
		{oidc.Env("TOKEN"), `environment variable "TOKEN", which cannot rotate`, false},
		{&oidc.ClientCredentials{Issuer: "https://idp.example"}, "client credentials at https://idp.example", true},
		{&oidc.ClientCredentials{TokenEndpoint: "https://idp.example/token?tenant=secret"}, "client credentials at https://idp.example/token", true},
		{oidc.First(oidc.SourceFunc(nil)), "the first of a source of type oidc.SourceFunc", true},
	} {
		if got := fmt.Sprint(tt.src); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if got := tt.src.(oidc.Minter).Mints(); got != tt.mints {
			t.Errorf("%v mints: %v, want %v", tt.src, got, tt.mints)
		}
	}
}
