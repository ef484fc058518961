package brickfed_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// The tests of this file hold the design: what each package may import, what a
// user of the core links, and what lies at the top of the repository. The tables
// are a statement of policy. They are never loosened to make a build pass.

const module = "github.com/brickfed/brickfed"

const (
	oauth2        = "golang.org/x/oauth2/..."
	goOIDC        = "github.com/coreos/go-oidc/v3/..."
	goJOSE        = "github.com/go-jose/go-jose/v4/..."
	databricksSDK = "github.com/databricks/databricks-sdk-go"
)

// light says what the few small libraries bring along. Any other library may
// bring what it likes, which is why a room that uses one is a leaf.
var light = map[string][]string{
	oauth2: nil,
	goOIDC: {oauth2, goJOSE},
	goJOSE: nil,
}

// core is what a service needs that only wants a token. Its interface is made of
// x/oauth2's Token, so whoever uses the core may import that too.
var core = []string{"claims", "cache", "oidc", "exchange", oauth2}

// rooms says what the non-test code of each package may import besides the
// standard library and the packages under internal: rooms by their folder, and
// foreign packages by import path ("/..." at its end takes in what lies below).
// A package without a row fails. Rows of rooms that are yet to be built are
// already here.
var rooms = map[string][]string{
	"":       {},
	"claims": {},
	"cache":  {oauth2},

	"oidc":              {"claims", oauth2, goOIDC, goJOSE},
	"oidc/login":        {"oidc", "github.com/pkg/browser"},
	"oidc/awssource":    {"oidc", "github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/..."},
	"oidc/spiffesource": {"oidc", "github.com/spiffe/go-spiffe/v2/..."},
	"oidc/rotate":       {"oidc"},

	"exchange":             {"oidc", "claims", oauth2},
	"exchange/trust":       {"claims"},
	"exchange/trust/apply": {"exchange/trust", databricksSDK + "/service/oauth2"},
	"exchange/sdkauth":     with(core, databricksSDK+"/config", databricksSDK+"/config/credentials", databricksSDK+"/useragent"),
	"exchange/sdkclient":   {"exchange/sdkauth", databricksSDK + "/..."},
	"exchange/broker":      core,
	"exchange/gateway":     with(core, "exchange/broker"),
	"exchange/sidecar":     with(core, "exchange/broker"),
	"exchange/doctor":      with(core, "exchange/trust"),
	"exchange/audit":       {"exchange", "claims"},

	"cache/redisstore":   {"cache", "github.com/redis/go-redis/v9/..."},
	"cache/keyringstore": {"cache", "github.com/zalando/go-keyring"},

	"claims/yamlpolicy": {"claims", "go.yaml.in/yaml/v3"},
	"claims/graph":      {"claims"},

	// A test kit may import the package that it tests, what that may import, and
	// trust. exchangetest verifies and signs tokens by the library that oidc links
	// anyway.
	"oidc/oidctest":         {"oidc", "exchange/trust", "claims", oauth2, goOIDC, goJOSE},
	"exchange/exchangetest": {"exchange", "exchange/trust", "oidc", "claims", oauth2, goJOSE},
	"cache/storetest":       {"cache", oauth2},
}

// never lists what the core does not reach, also not through somebody else:
// each adds megabytes, or a vulnerability that we could not mend.
var never = []string{
	databricksSDK + "/...",
	"html/template",
	"google.golang.org/...",
	"go.opentelemetry.io/...",
	"go.opencensus.io/...",
	"cloud.google.com/...",
}

// maxForeign is how many foreign packages a program links that uses the core.
const maxForeign = 7

func with(row []string, more ...string) []string { return append(slices.Clone(row), more...) }

// TestTable guards the guard: a slip of the pen in a row would silently turn a
// light room into one that may reach anything.
func TestTable(t *testing.T) {
	for name, row := range rooms {
		for _, item := range row {
			if _, isRoom := rooms[item]; !isRoom && !strings.Contains(item, ".") {
				t.Errorf("the row of %q names %q, which is neither a room nor a foreign package", name, item)
			}
		}
	}
	if _, isLight := closure(core); !isLight {
		t.Error("the core is not light")
	}
	if _, isLight := closure(rooms["exchange/sdkauth"]); isLight {
		t.Error("exchange/sdkauth is light, though it uses the Databricks SDK")
	}
}

func TestImports(t *testing.T) {
	onEachPlatform(t, func(t *testing.T, list packages) {
		for _, p := range list.own() {
			row, restricted := rowOf(p.room())
			if row == nil {
				t.Errorf("package %s has no row in the import table", p.ImportPath)
				continue
			}
			if !restricted {
				continue
			}
			for _, path := range p.Imports {
				if !list.allowed(p.room(), row, path) {
					t.Errorf("package %s imports %s, which its row does not allow", p.ImportPath, path)
				}
			}
		}
	})
}

// TestReach follows the imports of light rooms to their end: a library that
// starts to bring others along is noticed.
func TestReach(t *testing.T) {
	onEachPlatform(t, func(t *testing.T, list packages) {
		for _, p := range list.own() {
			row, restricted := rowOf(p.room())
			if !restricted {
				continue
			}
			reach, isLight := closure(row)
			if !isLight {
				continue
			}
			for _, path := range p.Deps {
				if list.foreign(path) && !matchAny(reach, path) {
					t.Errorf("package %s reaches %s, which none of its imports may bring", p.ImportPath, path)
				}
			}
		}
	})
}

func TestReach_core(t *testing.T) {
	onEachPlatform(t, func(t *testing.T, list packages) {
		linked := map[string]bool{}
		for _, p := range list.own() {
			if !slices.Contains(core, p.room()) {
				continue
			}
			for _, path := range p.Deps {
				if matchAny(never, path) {
					t.Errorf("package %s reaches %s, which the core never does", p.ImportPath, path)
				}
				if list.foreign(path) {
					linked[path] = true
				}
			}
		}
		if len(linked) > maxForeign {
			t.Errorf("the core links %d foreign packages, at most %d were promised: %q",
				len(linked), maxForeign, slices.Sorted(maps.Keys(linked)))
		}
	})
}

// TestTopLevel keeps the repository's front door as it was drawn. Names in
// .gitignore are a developer's own business.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"oidc", "exchange", "claims", "cache", "examples", "internal",
		"go.mod", "go.sum", "doc.go", "example_test.go", "deps_test.go",
		"README.md", "LICENSE", "CHANGELOG.md", ".github", ".golangci.yml", ".ci", ".git", ".gitignore",
	}
	ignored := gitignored(t)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) && !matchesAnyGlob(ignored, e.Name()) {
			t.Errorf("%s does not belong at the top of the repository, where only these lie: %q", e.Name(), allowed)
		}
	}
}

// TestGoDirective keeps the floor: a newer go line, or a toolchain line, would
// force every user of the module.
func TestGoDirective(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := regexp.MustCompile(`(?m)^go .*$`).FindString(string(text)), "go 1.25.0"; got != want {
		t.Errorf("go.mod says %q, want %q", got, want)
	}
	if line := regexp.MustCompile(`(?m)^(toolchain|replace|exclude)\b.*$`).FindString(string(text)); line != "" {
		t.Errorf("go.mod has the line %q, which a published module does without", line)
	}
}

// TestBinarySize builds a program of the core alone. net/http by itself is
// 5.9 MB on linux/amd64, the platform of the promise.
func TestBinarySize(t *testing.T) {
	const limit = 7_500_000
	switch {
	case testing.Short():
		t.Skip("it links a program: not with -short")
	case raceEnabled():
		t.Skip("the race detector's build cannot be compared")
	case runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64":
		t.Skip("the promise is for linux/amd64")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(coreProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() >= limit {
		t.Errorf("a program of the core is %d bytes, want less than %d", info.Size(), limit)
	}
}

// coreProgram uses all of oidc, exchange and cache: it takes its own token, verifies
// another's, and calls an API.
const coreProgram = `package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/brickfed/brickfed/cache"
	"github.com/brickfed/brickfed/exchange"
	"github.com/brickfed/brickfed/oidc"
)

func main() {
	ctx, host := context.Background(), os.Getenv("DATABRICKS_HOST")
	verifier := oidc.Verifier{Issuer: os.Getenv("ISSUER"), Audiences: []string{"app"}}
	token, err := oidc.ParseToken(os.Getenv("ID_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := verifier.Verify(ctx, token); err != nil {
		log.Fatal(err)
	}
	x, err := exchange.New(exchange.Config{
		Host:     host,
		ClientID: os.Getenv("DATABRICKS_CLIENT_ID"),
		Subject: oidc.First(oidc.File("/var/run/token"), oidc.Env("ID_TOKEN"), &oidc.ClientCredentials{
			Issuer: os.Getenv("ISSUER"),
			Auth:   oidc.SecretBasic{ClientID: "app", Secret: oidc.SecretFile("/var/run/secret")},
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &exchange.Transport{Host: host, Tokens: cache.New(x, cache.Options{})}}
	resp, err := client.Get(host + "/api/2.0/preview/scim/v2/Me")
	if err != nil {
		log.Fatal(err)
	}
	log.Print(resp.Status)
}
`

// onEachPlatform runs check over the module's packages as each platform sees
// them: imports differ by build constraint.
func onEachPlatform(t *testing.T, check func(*testing.T, packages)) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			check(t, listPackages(t, goos))
		})
	}
}

// listedPackage is what the go command says of a package.
type listedPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// room returns the folder of a package of this module.
func (p *listedPackage) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// packages holds the module's packages and all that they reach, by import path.
type packages map[string]*listedPackage

func listPackages(t *testing.T, goos string) packages {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.String())
	}
	list := packages{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(listedPackage)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list[p.ImportPath] = p
	}
	if len(list.own()) == 0 {
		t.Fatal("go list found no package of the module")
	}
	return list
}

// own returns the packages of this module, in order.
func (list packages) own() []*listedPackage {
	var own []*listedPackage
	for _, path := range slices.Sorted(maps.Keys(list)) {
		if isOwn(path) {
			own = append(own, list[path])
		}
	}
	return own
}

func (list packages) foreign(path string) bool {
	p := list[path]
	return !isOwn(path) && p != nil && !p.Standard
}

// allowed tells whether a row lets its room import path. Rooms may use the small
// shared pieces, but claims stands on the standard library alone.
func (list packages) allowed(room string, row []string, path string) bool {
	switch {
	case !isOwn(path):
		return !list.foreign(path) || matchAny(row, path)
	case strings.HasPrefix(path, module+"/internal/"):
		return room != "claims" && !strings.HasPrefix(room, "internal/")
	default:
		return slices.Contains(row, strings.TrimPrefix(path, module+"/"))
	}
}

func isOwn(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// rowOf returns a room's row, nil if it has none. Only examples are unrestricted.
func rowOf(room string) (row []string, restricted bool) {
	switch {
	case strings.HasPrefix(room, "examples/"):
		return []string{}, false
	case strings.HasPrefix(room, "internal/"):
		return []string{}, true
	default:
		return rooms[room], true
	}
}

// closure returns every foreign pattern that a row leads to. isLight is false if
// a library is among them whose own imports are not ours to say.
func closure(row []string) (reach []string, isLight bool) {
	for _, item := range row {
		brings, known := light[item]
		if !known {
			if brings, known = rooms[item]; !known {
				return nil, false
			}
		} else {
			reach = append(reach, item)
		}
		more, isLight := closure(brings)
		if !isLight {
			return nil, false
		}
		reach = append(reach, more...)
	}
	return reach, true
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		base, below := strings.CutSuffix(pattern, "/...")
		return path == base || below && strings.HasPrefix(path, base+"/")
	})
}

func gitignored(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(string(text), ""))
}

func matchesAnyGlob(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := filepath.Match(glob, name)
		return ok && err == nil
	})
}

func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
