package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/brickfed/brickfed/oidc"
)

// group is vectors that share their keys.
type group struct {
	file    string
	Comment string          `json:"comment"`
	Public  json.RawMessage `json:"public"`  // a key or a key set; missing for symmetric keys
	Private json.RawMessage `json:"private"` // the same with its private part
	Vectors []vector        `json:"tests"`
}

// vector is one test vector.
type vector struct {
	name   string          // of the file, and tcId
	ID     int             `json:"tcId"`
	JWS    json.RawMessage `json:"jws"` // a string, or an object for JSON serialization
	JWE    json.RawMessage `json:"jwe"`
	Result string          `json:"result"` // valid or invalid
}

// readVectors returns all groups of a file of Wycheproof's.
func readVectors(t *testing.T, name string) []group {
	t.Helper()
	data, err := fs.ReadFile(wycheproof.TestVectors, name+"_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Count  int     `json:"numberOfTests"`
		Groups []group `json:"testGroups"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	count := 0
	for i := range file.Groups {
		g := &file.Groups[i]
		g.file = name
		count += len(g.Vectors)
		for i := range g.Vectors {
			g.Vectors[i].name = fmt.Sprintf("%s %d", name, g.Vectors[i].ID)
		}
	}
	if count == 0 || count != file.Count {
		t.Fatalf("%s: got %d vectors, want %d", name, count, file.Count)
	}
	return file.Groups
}

// token is what to verify.
func (v vector) token() string {
	raw := v.JWS
	if raw == nil {
		raw = v.JWE
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// alg is the algorithm in the header, or empty if that cannot be read.
func (v vector) alg() string {
	first, _, _ := strings.Cut(v.token(), ".")
	data, err := base64.RawURLEncoding.DecodeString(first)
	var header struct{ Alg string }
	if err != nil || json.Unmarshal(data, &header) != nil {
		return ""
	}
	return header.Alg
}

// keySet is what a provider with the group's keys would publish. Of symmetric
// keys that is the secret itself: even then they must not verify anything.
func (g group) keySet() []byte {
	keys := g.Public
	if keys == nil {
		keys = g.Private
	}
	return asSet(keys)
}

// asSet makes a key set of a key.
func asSet(keys json.RawMessage) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(keys, &members) == nil && members["keys"] != nil {
		return keys
	}
	return fmt.Appendf(nil, `{"keys":[%s]}`, keys)
}

// serve starts an issuer with a key set and returns its URL.
func serve(t *testing.T, keySet []byte) string {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case discoveryPath:
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, server.URL+keysPath)
		case keysPath:
			_, _ = w.Write(keySet)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestVectors(t *testing.T) {
	used := make([]int, len(decisions))
	for _, file := range []string{"json_web_signature", "json_web_key", "json_web_crypto"} {
		accepted, refused := 0, 0
		for _, g := range readVectors(t, file) {
			keys := &oidc.KeySet{URL: serve(t, g.keySet()) + keysPath}
			for _, v := range g.Vectors {
				i := slices.IndexFunc(decisions, func(d decision) bool { return d.covers(v) })
				payload, err := keys.VerifySignature(t.Context(), v.token())
				switch {
				case err == nil:
					accepted++
					checkAccepted(t, v, i, payload)
				case !errors.Is(err, oidc.ErrRefused):
					t.Errorf("%s: got %v, which is no refusal", v.name, err)
				default:
					refused++
					checkRefused(t, v, i, err)
				}
				if err != nil && v.Result == "valid" && i >= 0 {
					used[i]++
				}
			}
		}
		t.Logf("%s: %d accepted, %d refused", file, accepted, refused)
	}
	for i, d := range decisions {
		t.Logf("%d valid vectors refused on purpose: %s", used[i], d.why)
		if used[i] == 0 {
			t.Errorf("this decision is about nothing: %s", d.why)
		}
	}
}

func checkAccepted(t *testing.T, v vector, decided int, payload []byte) {
	t.Helper()
	if v.Result != "valid" {
		t.Errorf("%s is invalid and was accepted", v.name)
	}
	if decided >= 0 {
		t.Errorf("%s was accepted against the decision: %s", v.name, decisions[decided].why)
	}
	if got, want := base64.RawURLEncoding.EncodeToString(payload), strings.Split(v.token(), ".")[1]; got != want {
		t.Errorf("%s: got payload %q, want %q", v.name, got, want)
	}
}

func checkRefused(t *testing.T, v vector, decided int, err error) {
	t.Helper()
	says := causes[v.name]
	if v.Result == "valid" {
		if decided < 0 {
			t.Errorf("%s is valid and was refused without a decision: %v", v.name, err)
			return
		}
		says = decisions[decided].says
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want a refusal with %q", v.name, err, says)
	}
}

// Wycheproof's vectors about base64 are by HS256, which is refused anyway. So
// they must be malformed besides; and what they do is done to vectors that are
// accepted, in every part.
func TestVectors_base64(t *testing.T) {
	for _, g := range readVectors(t, "json_web_signature") {
		keys := &oidc.KeySet{URL: serve(t, g.keySet()) + keysPath}
		for _, v := range g.Vectors {
			_, err := keys.VerifySignature(t.Context(), v.token())
			if g.Comment == "base64" && v.Result == "invalid" && !slices.Contains(lost, v.name) && !errors.Is(err, oidc.ErrMalformed) {
				t.Errorf("%s: got %v, want ErrMalformed", v.name, err)
			}
			if err != nil {
				continue
			}
			for _, spelling := range spellings(v.token()) {
				if _, err := keys.VerifySignature(t.Context(), spelling); !errors.Is(err, oidc.ErrMalformed) {
					t.Errorf("%s, as %q: got %v, want ErrMalformed", v.name, spelling, err)
				}
			}
		}
	}
}

// spellings returns texts that a lax decoder takes for the same token.
func spellings(token string) (all []string) {
	parts := strings.Split(token, ".")
	for i, part := range parts {
		others := []string{part + "=", part + "==", part + "    ", "    " + part, part + "?", "####" + part, part + "\n", "\r\n" + part}
		if n := len(part); n%4 == 2 || n%4 == 3 { // bits are left over
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			last := strings.IndexByte(alphabet, part[n-1])
			others = append(others, part[:n-1]+alphabet[last+1:last+2])
		}
		for _, other := range others {
			changed := slices.Clone(parts)
			changed[i] = other
			all = append(all, strings.Join(changed, "."))
		}
	}
	return all
}
