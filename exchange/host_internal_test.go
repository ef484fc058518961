package exchange

import (
	"net/url"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/internal/httpx"
)

func TestParseHost(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"bare name", "dbc-a1.cloud.databricks.com", "https://dbc-a1.cloud.databricks.com"},
		{"url", "https://dbc-a1.cloud.databricks.com", "https://dbc-a1.cloud.databricks.com"},
		{"trailing slash", "https://dbc-a1.cloud.databricks.com/", "https://dbc-a1.cloud.databricks.com"},
		{"upper case", "HTTPS://DBC-A1.Cloud.Databricks.com", "https://dbc-a1.cloud.databricks.com"},
		{"default port", "https://h.databricks.com:443", "https://h.databricks.com"},
		{"other port", "https://h.databricks.com:8443", "https://h.databricks.com:8443"},
		{"trailing dot", "https://h.databricks.com.", "https://h.databricks.com"},
		{"loopback http", "http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"IPv6 loopback", "http://[::1]:8080", "http://[::1]:8080"},
		{"bare IPv6 loopback with default port", "https://[::1]:443", "https://[::1]"},
		{"bare name with port", "h.databricks.com:8443", "https://h.databricks.com:8443"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseHost(tt.in)
			if err != nil {
				t.Fatalf("parseHost(%q): %v", tt.in, err)
			}
			if got.String() != tt.want {
				t.Errorf("parseHost(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseHost_refused(t *testing.T) {
	tests := []struct{ name, in, wantIn string }{
		{"empty", "", "required"},
		{"http", "http://h.databricks.com", "https"},
		{"other scheme", "ftp://h.databricks.com", "scheme"},
		{"path", "https://h.databricks.com/oidc", "without a path"},
		{"query of a browser", "https://h.databricks.com/?o=123", "without a path or query"},
		{"user information", "https://token:dapi0123456789abcdef@h.databricks.com", "user information"},
		{"fragment", "https://h.databricks.com#x", "fragment"},
		{"no host", "https://", "absolute"},
		{"another script", "https://dbс.databricks.com", "host name"}, // a Cyrillic letter
		{"dots", "..", "host name"},
		{"empty label", "h..databricks.com", "host name"},
		{"two trailing dots", "h.databricks.com..", "host name"},
		{"leading dot", ".databricks.com", "host name"},
		{"space", "h databricks.com", "not a URL"},
		{"newline", "h.databricks.com\n", "not a URL"},
		{"percent", "https://h%2edatabricks.com", ""},
		{"long", "https://" + strings.Repeat("a", 600), "512"},
		{"http to a name that begins like loopback", "http://127.0.0.1.evil.example", "https"},
		{"http to localhost.evil", "http://localhost.evil.example", "https"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseHost(tt.in)
			if err == nil {
				t.Fatalf("parseHost(%q) = %q, want an error", tt.in, got)
			}
			if !strings.Contains(err.Error(), tt.wantIn) {
				t.Errorf("parseHost(%q): %q, want it to contain %q", tt.in, err, tt.wantIn)
			}
			if strings.Contains(err.Error(), "dapi0123456789abcdef") {
				t.Errorf("the error shows a credential: %q", err)
			}
		})
	}
}

func FuzzParseHost(f *testing.F) {
	for _, seed := range []string{
		"", "h", "https://h.databricks.com", "http://127.0.0.1:1", "http://[::1]", "https://u:p@h", "//h", "h:443",
		"https://h/../x", "https://h\\@evil", "https://h@evil", "https://h?x", "https://[fe80::1%25eth0]", "h\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := parseHost(in)
		if err != nil {
			return
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !httpx.IsLoopback(u.Hostname())) {
			t.Errorf("parseHost(%q) = %q: neither https nor loopback", in, u)
		}
		if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Hostname() == "" {
			t.Errorf("parseHost(%q) = %q: more or less than an origin", in, u)
		}
		again, err := parseHost(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("parseHost(%q) = %q, then %q, %v: not stable", in, u, again, err)
		}
	})
}

func TestAcceptable(t *testing.T) {
	const ws, acc, uni = "https://dbc-a1.cloud.databricks.com", "https://accounts.cloud.databricks.com", "https://acme.databricks.com"
	const accountPath = "/oidc/accounts/0a1b2c3d-0000-4000-8000-000000000000/v1/token"
	tests := []struct {
		name, origin, endpoint string
		kind                   hostKind
		want                   bool
	}{
		{"workspace, own", ws, ws + "/oidc/v1/token", workspaceHost, true},
		{"workspace, its account's host", ws, acc + accountPath, workspaceHost, false},
		{"workspace, account path at home", ws, ws + accountPath, workspaceHost, false},
		{"workspace, another workspace", ws, "https://dbc-b2.cloud.databricks.com/oidc/v1/token", workspaceHost, false},
		{"workspace, another port", ws, ws + ":8443/oidc/v1/token", workspaceHost, false},
		{"workspace, evil", ws, "https://evil.example/oidc/v1/token", workspaceHost, false},
		{"account, own", acc, acc + accountPath, accountHost, true},
		{"account, workspace path", acc, acc + "/oidc/v1/token", accountHost, false},
		{"account, elsewhere", acc, ws + accountPath, accountHost, false},
		{"unified, own", uni, uni + accountPath, unifiedHost, true},
		{"unified, account's host", uni, acc + accountPath, unifiedHost, true},
		{"unified, GovCloud", uni, "https://x.cloud.databricks.us/oidc", unifiedHost, true},
		{"unified, China", uni, "https://accounts.databricks.azure.cn/oidc", unifiedHost, true},
		{"unified, no label boundary", uni, "https://evildatabricks.com/oidc", unifiedHost, false},
		{"unified, suffix in front", uni, "https://databricks.com.evil.example/oidc", unifiedHost, false},
		{"unified, http", uni, "http://accounts.cloud.databricks.com/oidc", unifiedHost, false},
		{"unified, port", uni, "https://accounts.cloud.databricks.com:444/oidc", unifiedHost, false},
		{"unified on a private name, Databricks", "https://proxy.example", acc + accountPath, unifiedHost, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			origin, endpoint := mustURL(t, tt.origin), mustURL(t, tt.endpoint)
			if got := acceptable(origin, endpoint, tt.kind); got != tt.want {
				t.Errorf("acceptable(%s, %s, %s) = %t, want %t", tt.origin, tt.endpoint, tt.kind, got, tt.want)
			}
		})
	}
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
