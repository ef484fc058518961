package claims_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
)

func TestParse_providers(t *testing.T) {
	files, err := filepath.Glob("testdata/idp/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 31 {
		t.Fatalf("got %d payloads, want 31", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c := parse(t, read(t, file))
			if c.Subject() == "" {
				t.Error("no subject")
			}
			if c.Issuer() == "" {
				t.Error("no issuer")
			}
			for _, name := range []string{"exp", "iat"} {
				at, ok, err := c.Time(name)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if ok && at.Year() != 2026 && at.Year() != 2025 {
					t.Errorf("%s is %v, which no fixture says", name, at)
				}
			}
		})
	}
}

// TestStrings_providers reads the claims for which each provider is known.
func TestStrings_providers(t *testing.T) {
	tests := []struct {
		file, path string
		want       []string
	}{
		{"keycloak", "aud", []string{"databricks", "account"}},
		{"keycloak", "/realm_access/roles", []string{"offline_access", "default-roles-data", "dbx-user"}},
		{"keycloak", "/resource_access/databricks/roles", []string{"workspace-user", "sql-analyst"}},
		{"keycloak", "groups", []string{"/data/engineering", "/data/engineering/risk", "/corp/all"}},
		{"keycloak", "scope", []string{"openid email profile groups"}}, // one value: nothing is split
		{"buildkite", "step_key", nil}, // null
		{"google", "groups", nil},
	}
	for _, tt := range tests {
		t.Run(tt.file+" "+tt.path, func(t *testing.T) {
			got, ok, err := parse(t, read(t, "testdata/idp/"+tt.file+".json")).Strings(tt.path)
			if err != nil || ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v, %v; want %q", got, ok, err, tt.want)
			}
		})
	}
}

// TestStrings_literalNames reads names that contain dots, colons and slashes:
// only a leading slash makes a pointer.
func TestStrings_literalNames(t *testing.T) {
	tests := []struct{ file, path string }{
		{"cognito", "cognito:groups"},
		{"cognito", "custom:groups"},
		{"circleci", "oidc.circleci.com/project-id"},
		{"pingone", "memberOfGroupNames"},
		{"kubernetes-sa", "/kubernetes.io/namespace"},
		{"aws-sts", "/https:~1~1sts.amazonaws.com~1/aws_account"},
		{"google-service-account", "/google/compute_engine/instance_id"},
	}
	for _, tt := range tests {
		t.Run(tt.file+" "+tt.path, func(t *testing.T) {
			got, ok, err := parse(t, read(t, "testdata/idp/"+tt.file+".json")).Strings(tt.path)
			if err != nil || !ok || len(got) == 0 {
				t.Errorf("got %q, %v, %v; want values", got, ok, err)
			}
		})
	}
}

func TestParse_hostile(t *testing.T) {
	tests := []struct{ file, want string }{
		{"dup-groups", "stands twice"},
		{"dup-nested", "stands twice"},
		{"trailing-data", "follows the object"},
		{"invalid-utf8", "UTF-8"},
		{"deep", "deeper than 16"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			_, err := claims.Parse(read(t, "testdata/idp/hostile/"+tt.file+".json"))
			if !errors.Is(err, claims.ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want malformed: … %s …", err, tt.want)
			}
		})
	}
}

func TestStrings_hostile(t *testing.T) {
	tests := []struct {
		file, path string
		want       []string
		wantErr    string
	}{
		{"case-shadow", "groups", []string{"vpn-users"}, ""},
		{"groups-string", "groups", []string{"not-dbx-data-engineers-really"}, ""},
		{"groups-csv-string", "groups", []string{"vpn-users,dbx-data-engineers"}, ""},
		{"groups-object", "groups", nil, "an object"},
		{"groups-mixed", "groups", nil, "element 1 is a number"},
		{"groups-null", "groups", nil, ""},
		{"groups-empty", "groups", []string{}, ""},
		{"big-numbers", "tenant_id", nil, "a number"},
		{"bool-strings", "email_verified", []string{"false"}, ""},
		{"email-double-at", "email_verified", nil, "a boolean"},
		{"email-double-at", "email", []string{"attacker@evil.example@acme.example"}, ""},
		{"issuer-lookalike", "iss", []string{"https://sso.acme.example/realms/data/"}, ""},
		{"github-branch-prefix", "ref", []string{"refs/heads/main-attacker"}, ""},
		{"overage-evil-endpoint", "groups", nil, ""},
		{"overage-evil-endpoint", "/_claim_names/groups", []string{"src1"}, ""},
		{"groups-system-names", "groups", []string{
			"admins", "users", "account users", "Admins", "dbx-admins",
			"dbx-team-admins", "dbx-team-", "dbx-team-../admins", "dbx-team-a/b",
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.file+" "+tt.path, func(t *testing.T) {
			got, ok, err := parse(t, read(t, "testdata/idp/hostile/"+tt.file+".json")).Strings(tt.path)
			checkError(t, err, tt.wantErr)
			if ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
	truncated := parse(t, read(t, "testdata/idp/hostile/groups-100-truncated.json"))
	if got, _, err := truncated.Strings("groups"); err != nil || len(got) != 100 {
		t.Errorf("got %d groups, %v; want 100", len(got), err)
	}
}

func TestTime_hostile(t *testing.T) {
	c := parse(t, read(t, "testdata/idp/hostile/big-numbers.json"))
	got, ok, err := c.Time("exp")
	if want := time.Unix(1767229200, 0); err != nil || !ok || !got.Equal(want) {
		t.Errorf("exp: got %v, %v, %v; want %v", got, ok, err, want)
	}
	for _, name := range []string{"huge", "neg_zero", "tenant_id"} {
		if _, ok, err := c.Time(name); !errors.Is(err, claims.ErrMalformed) || ok {
			t.Errorf("%s: got ok=%v, %v; want an error", name, ok, err)
		}
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t testing.TB, payload []byte) *claims.Claims {
	t.Helper()
	c, err := claims.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkError compares an error with a part of its text; none is wanted when
// the part is empty.
func checkError(t testing.TB, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case want != "" && err == nil:
		t.Errorf("got no error, want … %s …", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("got error %v, want … %s …", err, want)
	}
}
