package brickfed_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/brickfed/brickfed/exchange/exchangetest"
	"github.com/brickfed/brickfed/exchange/sdkauth"
	"github.com/brickfed/brickfed/exchange/sdkclient"
	"github.com/brickfed/brickfed/exchange/trust"
	"github.com/brickfed/brickfed/oidc"
	"github.com/brickfed/brickfed/oidc/oidctest"
)

func Example() {
	w, err := sdkclient.Workspace(&databricks.Config{
		Host: host,
	}, sdkauth.Strategy{
		ClientID: clientID, // the service principal's application ID
		Subject:  oidc.File(tokenFile),
	})
	if err != nil {
		log.Fatal(err)
	}
	me, err := w.CurrentUser.Me(context.Background(), iam.MeRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("I am", me.UserName)
	// Output: I am 3f0c2a1e-1111-4000-8000-000000000001
}

// What stands in the README in place of the example's variables.
var literals = strings.NewReplacer(
	`"https://dbc-a1b2c3d4-e5f6.cloud.databricks.com"`, "host",
	`"3f0c2a1e-1111-4000-8000-000000000001"`, "clientID",
	`"/var/run/secrets/databricks/token"`, "tokenFile",
)

// TestReadme holds the README's program to the example, to the letter.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	program := between(t, string(readme), "```go\n", "```")
	want := between(t, string(source), "\nfunc Example() {\n", "\t// Output:")
	if got := literals.Replace(between(t, program, "\nfunc main() {\n", "}\n\n")); got != want {
		t.Errorf("the README's program is\n%s\nand the example\n%s", got, want)
	}
	for _, path := range []string{"sdk-go\"", "service/iam\"", "exchange/sdkauth\"", "exchange/sdkclient\"", "brickfed/oidc\""} {
		if !strings.Contains(program, path) {
			t.Errorf("the README's program does not import …%s", path)
		}
	}
}

// between returns what stands between two marks, of which there must be both.
func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, text, found := strings.Cut(text+"\n\n", from)
	text, _, ended := strings.Cut(text, to)
	if !found || !ended {
		t.Fatalf("no text between %q and %q", from, to)
	}
	return text
}

// The world of the example: a workspace and a token of an identity provider that
// it trusts, in a file.
var host, clientID, tokenFile = "", "3f0c2a1e-1111-4000-8000-000000000001", ""

func TestMain(m *testing.M) {
	stop, err := startWorld()
	if err != nil {
		log.Fatal(err)
	}
	status := m.Run()
	stop()
	os.Exit(status)
}

func startWorld() (stop func(), err error) {
	idp, err := oidctest.New(oidctest.Config{})
	if err != nil {
		return nil, err
	}
	dbx, err := exchangetest.New(exchangetest.Config{
		IdP: idp.Client(),
		Principals: []exchangetest.Principal{{
			ApplicationID: clientID,
			Policies:      []trust.Policy{{Issuer: idp.Issuer(), Subject: "nightly-job"}},
		}},
	})
	if err != nil {
		return nil, err
	}
	host = dbx.URL()
	token, err := idp.Sign(map[string]any{"sub": "nightly-job", "aud": dbx.AccountID()})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "brickfed")
	if err != nil {
		return nil, err
	}
	tokenFile = filepath.Join(dir, "token")
	return func() {
		_ = os.RemoveAll(dir)
		_ = dbx.Close()
		_ = idp.Close()
	}, os.WriteFile(tokenFile, []byte(token+"\n"), 0o600)
}
