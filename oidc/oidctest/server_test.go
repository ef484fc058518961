package oidctest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/oidc/oidctest"
)

func start(t *testing.T, cfg oidctest.Config) *oidctest.Server {
	t.Helper()
	s, err := oidctest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// get returns an answer and its body.
func get(t *testing.T, s *oidctest.Server, url string) (*http.Response, string) {
	t.Helper()
	res, err := s.Client().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return res, read(t, res)
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// post sends a token request. A form with basic_id authenticates by HTTP Basic.
func post(t *testing.T, s *oidctest.Server, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	id, secret := form.Get("basic_id"), form.Get("basic_secret")
	form.Del("basic_id")
	form.Del("basic_secret")
	// Hiding the length makes the client send it in chunks.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(oidctest.Token), io.MultiReader(strings.NewReader(form.Encode())))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		req.SetBasicAuth(id, secret)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(read(t, res)), &answer); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, answer
}

// claims reads a token's payload and checks its signature with the published
// key of its kid, by nothing but the standard library.
func claims(t *testing.T, s *oidctest.Server, raw string) map[string]any {
	t.Helper()
	part := strings.Split(raw, ".")
	decode := func(text string) []byte {
		data, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var header struct{ Alg, Kid string }
	var set struct {
		Keys []struct{ Kid, Kty, N, E, X, Y, Alg, Use string }
	}
	_, body := get(t, s, s.URL(oidctest.Keys))
	if err := errors.Join(json.Unmarshal(decode(part[0]), &header), json.Unmarshal([]byte(body), &set)); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(part[0] + "." + part[1]))
	signature := decode(part[2])
	number := func(text string) *big.Int { return new(big.Int).SetBytes(decode(text)) }
	verified := false
	for _, k := range set.Keys {
		switch {
		case k.Kid != header.Kid || k.Alg != header.Alg || k.Use != "sig":
		case k.Kty == "RSA":
			key := &rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}
			verified = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
		case k.Kty == "EC":
			key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, decode(k.X), decode(k.Y)))
			if err != nil {
				t.Fatal(err)
			}
			verified = ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}
	}
	if !verified {
		t.Fatalf("no published key verifies the token with kid %q", header.Kid)
	}
	var payload map[string]any
	if err := json.Unmarshal(decode(part[1]), &payload); err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestServer_documents(t *testing.T) {
	for _, cfg := range []oidctest.Config{{}, {Path: "/realms/acme"}, {Path: "/tenant/"}, {OAuthOnly: true}, {Pipe: true}} {
		s := start(t, cfg)
		for _, e := range []oidctest.Endpoint{oidctest.Discovery, oidctest.Metadata} {
			res, body := get(t, s, s.URL(e))
			if cfg.OAuthOnly && e == oidctest.Discovery {
				if res.StatusCode != http.StatusNotFound {
					t.Errorf("OAuthOnly: %s has status %d", e, res.StatusCode)
				}
				continue
			}
			var doc map[string]any
			if err := json.Unmarshal([]byte(body), &doc); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"issuer": s.Issuer(), "token_endpoint": s.URL(oidctest.Token), "jwks_uri": s.URL(oidctest.Keys)} {
				if doc[name] != want {
					t.Errorf("%q: %s is %v, want %s", cfg.Path, name, doc[name], want)
				}
			}
		}
		if !strings.HasSuffix(s.Issuer(), cfg.Path) {
			t.Errorf("the issuer is %q", s.Issuer())
		}
	}
	if res, _ := get(t, start(t, oidctest.Config{Pipe: true}), "https://idp.example/elsewhere"); res.StatusCode != http.StatusNotFound {
		t.Errorf("elsewhere: status %d", res.StatusCode)
	}
}

func TestNew_refuses(t *testing.T) {
	for _, cfg := range []oidctest.Config{{Path: "realms"}, {Algorithm: "HS256"}} {
		if s, err := oidctest.New(cfg); err == nil {
			_ = s.Close()
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestServer_sign(t *testing.T) {
	for _, alg := range []string{oidctest.RS256, oidctest.ES256} {
		s := start(t, oidctest.Config{Algorithm: alg, TokenLifetime: time.Minute})
		raw, err := s.Sign(map[string]any{"sub": "a", "jti": nil, "iss": "https://other.example"})
		if err != nil {
			t.Fatal(err)
		}
		got := claims(t, s, raw)
		if got["sub"] != "a" || got["iss"] != "https://other.example" || got["exp"].(float64)-got["iat"].(float64) != 60 {
			t.Errorf("%s: %v", alg, got)
		}
		if _, there := got["jti"]; there {
			t.Errorf("%s: a nil value does not leave the claim out", alg)
		}
		raw, err = s.SignWith(map[string]any{"alg": "none", "kid": nil}, nil)
		if err != nil {
			t.Fatal(err)
		}
		header, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
		if err != nil || string(header) != `{"alg":"none","typ":"JWT"}` {
			t.Errorf("%s: header %s, %v", alg, header, err)
		}
		for _, bad := range []map[string]any{{"x": func() {}}} {
			if _, err := s.Sign(bad); err == nil {
				t.Error("a claim that is no JSON was signed")
			}
			if _, err := s.SignWith(bad, nil); err == nil {
				t.Error("a header that is no JSON was signed")
			}
		}
	}
}

func TestServer_keysRotate(t *testing.T) {
	s := start(t, oidctest.Config{})
	first := s.KeyID()
	old, err := s.Sign(nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Rotate()
	if err != nil || second == first || s.KeyID() != second {
		t.Fatalf("%q after %q, %v", second, first, err)
	}
	fresh, err := s.Sign(nil)
	if err != nil {
		t.Fatal(err)
	}
	claims(t, s, old)
	claims(t, s, fresh)
	s.Withdraw(first)
	claims(t, s, fresh)
	if _, body := get(t, s, s.URL(oidctest.Keys)); strings.Contains(body, first) || !strings.Contains(body, second) {
		t.Errorf("the set is %s", body)
	}
	s.Withdraw(second)
	if _, body := get(t, s, s.URL(oidctest.Keys)); body != `{"keys":[]}` || s.KeyID() != second {
		t.Errorf("the set is %s, %s signs", body, s.KeyID())
	}
}

func TestServer_clients(t *testing.T) {
	s := start(t, oidctest.Config{Clients: []oidctest.Client{
		{ID: "basic:1", Secrets: []string{"old secret", "new/secret+"}, Audience: "usual"},
		{ID: "public", Claims: map[string]any{"groups": []string{"a"}, "jti": nil}},
	}})
	secret := func(text string) string { return url.QueryEscape(text) }
	for _, tt := range []struct {
		name string
		form url.Values
		want string // an error code, or aud
	}{
		{"basic", url.Values{"basic_id": {secret("basic:1")}, "basic_secret": {secret("new/secret+")}}, "usual"},
		{"basic with the older secret", url.Values{"basic_id": {secret("basic:1")}, "basic_secret": {secret("old secret")}}, "usual"},
		{"basic that is not encoded", url.Values{"basic_id": {secret("basic:1")}, "basic_secret": {"new/secret+"}}, "invalid_client"},
		{"basic that cannot be decoded", url.Values{"basic_id": {"%zz"}, "basic_secret": {"x"}}, "invalid_client"},
		{"post", url.Values{"client_id": {"basic:1"}, "client_secret": {"new/secret+"}}, "usual"},
		{"both", url.Values{"basic_id": {secret("basic:1")}, "basic_secret": {secret("new/secret+")}, "client_secret": {"new/secret+"}}, "invalid_client"},
		{"wrong secret", url.Values{"client_id": {"basic:1"}, "client_secret": {"new"}}, "invalid_client"},
		{"no secret", url.Values{"client_id": {"basic:1"}}, "invalid_client"},
		{"no such client", url.Values{"client_id": {"nobody"}}, "invalid_client"},
		{"nothing", url.Values{}, "invalid_client"},
		{"public", url.Values{"client_id": {"public"}}, oidctest.DefaultAudience},
		{"public with a secret", url.Values{"client_id": {"public"}, "client_secret": {"x"}}, "invalid_client"},
		{"another grant", url.Values{"client_id": {"public"}, "grant_type": {"password"}}, "unsupported_grant_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.form.Has("grant_type") {
				tt.form.Set("grant_type", "client_credentials")
			}
			status, answer := post(t, s, tt.form)
			if code, failed := answer["error"]; failed {
				if code != tt.want || status != map[bool]int{true: 401, false: 400}[tt.want == "invalid_client"] {
					t.Errorf("got %v with status %d, want %q", code, status, tt.want)
				}
				return
			}
			got := claims(t, s, answer["access_token"].(string))
			if got["aud"] != tt.want || got["sub"] != got["client_id"] || answer["expires_in"] != 300.0 {
				t.Errorf("got %v, %v", got, answer)
			}
			if _, there := got["jti"]; tt.name == "public" && (there || got["groups"] == nil) {
				t.Errorf("the client's own claims are not there: %v", got)
			}
		})
	}
	s.SetSecrets("basic:1", "third")
	for secret, want := range map[string]int{"new/secret+": 401, "third": 200} {
		if status, _ := post(t, s, url.Values{"client_id": {"basic:1"}, "client_secret": {secret}, "grant_type": {"client_credentials"}}); status != want {
			t.Errorf("%q: status %d, want %d", secret, status, want)
		}
	}
	if res, _ := get(t, s, s.URL(oidctest.Token)); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", res.StatusCode)
	}
}

func TestServer_tokens(t *testing.T) {
	credentials := url.Values{"client_id": {oidctest.ClientID}, "client_secret": {oidctest.ClientSecret}, "grant_type": {"client_credentials"}}
	s := start(t, oidctest.Config{})
	for query, want := range map[string]any{
		"resource=a":                  "a",
		"resource=a&resource=b":       []any{"a", "b"},
		"audience=a":                  "a",
		"scope=x+api://a/.default":    "api://a",
		"scope=x":                     oidctest.DefaultAudience,
		"resource=r&audience=a&scope": "r",
	} {
		form, err := url.ParseQuery(query + "&" + credentials.Encode())
		if err != nil {
			t.Fatal(err)
		}
		_, answer := post(t, s, form)
		got, _ := json.Marshal(claims(t, s, answer["access_token"].(string))["aud"])
		wanted, _ := json.Marshal(want)
		if string(got) != string(wanted) {
			t.Errorf("%s: aud is %s, want %s", query, got, wanted)
		}
		if _, there := answer["id_token"]; there {
			t.Errorf("%s: an ID token that nobody asked for", query)
		}
	}
	credentials.Set("scope", "openid databricks")
	_, answer := post(t, s, credentials)
	if got := claims(t, s, answer["id_token"].(string)); got["aud"] != oidctest.ClientID || answer["scope"] != "openid databricks" {
		t.Errorf("ID token %v, scope %v", got, answer["scope"])
	}
	_, answer = post(t, start(t, oidctest.Config{Opaque: true}), credentials)
	if raw := answer["access_token"].(string); strings.Contains(raw, ".") {
		t.Errorf("an opaque token is %q", raw)
	}
}

func TestServer_drift(t *testing.T) {
	s := start(t, oidctest.Config{})
	for _, drift := range []time.Duration{time.Hour, -time.Hour} {
		s.SetDrift(drift)
		res, _ := get(t, s, s.URL(oidctest.Keys))
		date, err := http.ParseTime(res.Header.Get("Date"))
		if off := time.Until(date) - drift; err != nil || off.Abs() > 10*time.Second {
			t.Errorf("Date is off by %v, %v", off, err)
		}
		raw, err := s.Sign(nil)
		if err != nil {
			t.Fatal(err)
		}
		iat := time.Unix(int64(claims(t, s, raw)["iat"].(float64)), 0)
		if off := time.Until(iat) - drift; off.Abs() > 10*time.Second {
			t.Errorf("iat is off by %v", off)
		}
	}
}

func TestServer_requests(t *testing.T) {
	s := start(t, oidctest.Config{})
	get(t, s, s.URL(oidctest.Keys))
	post(t, s, url.Values{
		"client_id": {oidctest.ClientID}, "client_secret": {oidctest.ClientSecret}, "client_assertion": {"x"},
		"grant_type": {"client_credentials"}, "scope": {"a"},
	})
	got := s.Requests()
	if len(got) != 2 || s.Count(oidctest.Keys) != 1 || s.Count(oidctest.Token) != 1 || s.Count(oidctest.Discovery) != 0 {
		t.Fatalf("requests %+v", got)
	}
	want := url.Values{"client_id": {oidctest.ClientID}, "grant_type": {"client_credentials"}, "scope": {"a"}}
	if r := got[1]; r.Form.Encode() != want.Encode() || r.Status != 200 || r.Method != http.MethodPost || r.Path != "/token" || r.Time.IsZero() {
		t.Errorf("the token request is %+v", r)
	}
	got[0].Path = "changed"
	if s.Requests()[0].Path == "changed" {
		t.Error("Requests hands out its own memory")
	}
}

func TestServer_faults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, oidctest.Config{Pipe: true, Algorithm: oidctest.ES256})
		s.Fail(
			oidctest.Keys,
			oidctest.Fault{Status: 503, Header: http.Header{"retry-after": {"7"}}, Body: "later", Times: 2},
			oidctest.Fault{Delay: time.Minute, Header: http.Header{"X-Slow": {"1"}}},
			oidctest.Fault{Body: "abc", Drip: time.Second},
			oidctest.Fault{Size: 10},
			oidctest.Fault{Handler: http.RedirectHandler("https://elsewhere.example/", http.StatusFound)},
			oidctest.Fault{},
		)
		client := *s.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for i, want := range []struct {
			status       int
			body, header string
			took         time.Duration
		}{
			{503, "later", "Retry-After: 7", 0},
			{503, "later", "Retry-After: 7", 0},
			{200, `{"keys":`, "X-Slow: 1", time.Minute},
			{200, "abc", "", 3 * time.Second},
			{200, "          ", "", 0},
			{302, "<a href", "Location: https://elsewhere.example/", 0},
			{200, `{"keys":`, "", 0},
			{200, `{"keys":`, "", 0},
		} {
			began := time.Now()
			res, err := client.Get(s.URL(oidctest.Keys))
			if err != nil {
				t.Fatal(err)
			}
			body := read(t, res)
			name, value, _ := strings.Cut(want.header, ": ")
			if res.StatusCode != want.status || !strings.HasPrefix(body, want.body) || name != "" && res.Header.Get(name) != value || time.Since(began) != want.took {
				t.Errorf("%d: status %d, body %q, header %v, after %v; want %+v", i, res.StatusCode, body, res.Header, time.Since(began), want)
			}
		}
		for _, fault := range []oidctest.Fault{{Drop: true, Times: -1}, {Hang: true, Times: -1}} {
			s.Heal()
			s.Fail(oidctest.Keys, fault)
			client.Timeout = time.Hour
			began := time.Now()
			res, err := client.Get(s.URL(oidctest.Keys))
			if err == nil {
				_ = res.Body.Close()
				t.Error("an answer")
			}
			want := map[bool]time.Duration{true: time.Hour}[fault.Hang]
			if time.Since(began) != want {
				t.Errorf("%+v: it took %v, want %v", fault, time.Since(began), want)
			}
		}
		s.Heal()
		if res, _ := get(t, s, s.URL(oidctest.Keys)); res.StatusCode != 200 {
			t.Errorf("after Heal: status %d", res.StatusCode)
		}
	})
}

func TestServer_closeEndsEverything(t *testing.T) {
	// The bubble ends only when no goroutine of the server is left.
	synctest.Test(t, func(t *testing.T) {
		s, err := oidctest.New(oidctest.Config{Pipe: true, Algorithm: oidctest.ES256})
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range []oidctest.Fault{{Hang: true}, {Delay: time.Hour}, {Drip: time.Hour, Size: 10}} {
			s.Fail(oidctest.Keys, fault)
			go func() {
				res, err := s.Client().Get(s.URL(oidctest.Keys))
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				if err == nil {
					t.Error("an answer")
				}
			}()
			synctest.Wait()
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if res, err := s.Client().Get(s.URL(oidctest.Keys)); err == nil {
			_ = res.Body.Close()
			t.Error("a closed server answers")
		}
	})
}
