// Command policy shows what a claims policy makes of a token: which rules match,
// which nearly do and why not, and the grant that comes out.
//
//	go run ./examples/policy
//	go run ./examples/policy -lint policy.yaml
//	go run ./examples/policy -tests claims/testdata/idp policy.json < payload.json
//
// The argument is a policy file: JSON, or YAML if its name ends in .yaml or .yml.
// Standard input is the payload of a token, one JSON object. Without an argument
// the program takes a policy and a payload of its own, policy.yaml and
// payload.json beside this file, and does not read standard input.
//
// The flags are
//
//	-values     show the values of claims in the explanation; they are personal data
//	-lint       print what in the policy is legal and probably not meant, and read no payload
//	-tests DIR  the folder of the payloads that the policy's own tests name
//
// The policy's tests run whenever it is loaded, so that -lint is a check for a
// repository of policies too. The exit status is 1 if the policy does not load or
// gives the token's holder nothing, and 2 after a wrong flag.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/claims/yamlpolicy"
)

//go:embed policy.yaml payload.json
var own embed.FS

// maxRead bounds both files, in bytes. It is more than [claims.Load] and
// [claims.Parse] take, so that they, and nobody else, refuse what is too long.
const maxRead = 1<<20 + 1

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2) // the flag set has said why
	case err != nil:
		fmt.Fprintln(os.Stderr, "policy:", err)
		os.Exit(1)
	}
}

// errUsage says that the command line makes no sense.
var errUsage = errors.New("usage")

// command is what the command line asks for.
type command struct {
	values bool
	lint   bool
	tests  string
	policy string // empty for the program's own
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	cmd, err := parse(args)
	if err != nil {
		return err
	}
	policy, err := cmd.load()
	if err != nil {
		return err
	}
	if cmd.lint {
		return lint(policy, out)
	}
	c, err := cmd.claims(in)
	if err != nil {
		return err
	}
	return cmd.explain(ctx, policy, c, out)
}

func parse(args []string) (command, error) {
	var cmd command
	flags := flag.NewFlagSet("policy", flag.ContinueOnError)
	flags.BoolVar(&cmd.values, "values", false, "show the values of claims; they are personal data")
	flags.BoolVar(&cmd.lint, "lint", false, "print what is legal and probably not meant, and read no payload")
	flags.StringVar(&cmd.tests, "tests", "", "`folder` of the payloads that the policy's tests name")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: policy [-values] [-lint] [-tests DIR] [POLICY.json|POLICY.yaml] < PAYLOAD.json")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return command{}, err
	case err != nil:
		return command{}, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 1:
		flags.Usage()
		return command{}, fmt.Errorf("%w: there is more than one policy", errUsage)
	}
	cmd.policy = flags.Arg(0)
	return cmd, nil
}

// load reads, compiles and tests the policy.
func (c command) load() (*claims.Policy, error) {
	name, open := c.policy, func(name string) (fs.File, error) { return os.Open(name) }
	files := fs.FS(own)
	if name == "" {
		name, open = "policy.yaml", own.Open
	} else {
		files = nil
	}
	if c.tests != "" {
		files = os.DirFS(c.tests)
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRead))
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		if data, err = yamlpolicy.JSON(data); err != nil {
			return nil, err
		}
	}
	var opts []claims.Option
	if files != nil {
		opts = append(opts, claims.WithTestFiles(files))
	}
	return claims.Load(data, opts...)
}

// claims reads the payload. Who maps a token for real has verified it before;
// this program only tells what would come of one.
func (c command) claims(in io.Reader) (*claims.Claims, error) {
	if c.policy == "" {
		data, err := own.ReadFile("payload.json")
		if err != nil {
			return nil, err
		}
		return claims.Parse(data)
	}
	data, err := io.ReadAll(io.LimitReader(in, maxRead))
	if err != nil {
		return nil, fmt.Errorf("read the payload: %w", err)
	}
	return claims.Parse(data)
}

func (c command) explain(ctx context.Context, policy *claims.Policy, payload *claims.Claims, out io.Writer) error {
	var opts []claims.TraceOption
	if c.values {
		opts = append(opts, claims.WithValues())
	}
	trace := policy.Explain(ctx, payload, opts...)
	fmt.Fprint(out, trace)
	if trace.Err != nil {
		return trace.Err
	}
	grant, err := json.MarshalIndent(trace.Grant, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", grant)
	return nil
}

func lint(policy *claims.Policy, out io.Writer) error {
	findings := policy.Lint()
	for _, f := range findings {
		fmt.Fprintln(out, f)
	}
	if len(findings) == 0 {
		fmt.Fprintln(out, "nothing found")
	}
	return nil
}
