package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/oidc"
)

// compact makes a token of three texts, unsigned.
func compact(header, payload, signature string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(payload)) + "." + encode([]byte(signature))
}

const (
	someHeader  = `{"alg":"RS256","kid":"key-1","typ":"JWT"}`
	somePayload = `{"iss":"https://idp.example","sub":"service","exp":1893456000}`
)

func mustParse(t *testing.T, raw string) *oidc.Token {
	t.Helper()
	token, err := oidc.ParseToken(raw)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestParseToken(t *testing.T) {
	raw := compact(someHeader, somePayload, "signature")
	token := mustParse(t, "\r\n\t "+raw+" \n")
	if token.Raw() != raw {
		t.Error("Raw is not the trimmed token")
	}
	for _, tt := range []struct{ name, got, want string }{
		{"Algorithm", token.Algorithm(), "RS256"},
		{"KeyID", token.KeyID(), "key-1"},
		{"issuer", token.UnverifiedClaims().Issuer(), "https://idp.example"},
		{"subject", token.UnverifiedClaims().Subject(), "service"},
		{"Expiry", token.Expiry().Format(time.RFC3339), "2030-01-01T00:00:00Z"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	if got := token.Fingerprint(); len(got) != 16 || got == mustParse(t, raw+"AA").Fingerprint() {
		t.Errorf("Fingerprint is %q", got)
	}
	if bare := mustParse(t, compact(`{"alg":"ES256"}`, `{}`, "s")); !bare.Expiry().IsZero() || bare.KeyID() != "" {
		t.Error("a bare token has an expiry or a key ID")
	}
}

func TestParseToken_malformed(t *testing.T) {
	valid := compact(someHeader, somePayload, "signature")
	part := strings.Split(valid, ".")
	for _, tt := range []struct {
		name string
		raw  string
		want string // part of the error
	}{
		{"empty", "", "empty"},
		{"blank", " \r\n\t", "empty"},
		{"too long", valid + strings.Repeat("A", oidc.MaxToken), "more than 65536 bytes"},
		{"opaque", "0123456789abcdef0123456789abcdef", "opaque access token"},
		{"personal access token", "dapi0123456789abcdef0123456789abcdef", "personal access token"},
		{"JSON", `{"access_token":"` + valid + `"}`, "a JSON object"},
		{"web page", "<!DOCTYPE html><title>Sign in</title>", "a web page"},
		{"encrypted", "a.b.c.d.e", "encrypted"},
		{"two parts", part[0] + "." + part[1], "three parts"},
		{"four parts", valid + ".AAAA", "three parts"},
		{"no header", "." + part[1] + "." + part[2], "header is empty"},
		{"no payload", part[0] + ".." + part[2], "JSON object"},
		{"no signature", part[0] + "." + part[1] + ".", "signature is empty"},
		{"padding", part[0] + "." + part[1] + "." + part[2] + "==", "base64url"},
		{"standard alphabet", part[0] + "." + part[1] + ".ab+/", "base64url"},
		{"line break inside", part[0] + "." + part[1][:8] + "\n" + part[1][8:] + "." + part[2], "base64url"},
		{"space inside", part[0] + ". " + part[1] + "." + part[2], "base64url"},
		{"unused bits", part[0] + "." + part[1] + ".AB", "base64url"},
		{"two tokens", valid + "\n" + valid, "three parts"},
		{"quoted", `"` + valid + `"`, "quotation marks"},
		{"bearer", "Bearer " + valid, "Authorization header"},
		{"header is no JSON", compact("alg", somePayload, "s"), "header is not"},
		{"header is a list", compact(`["RS256"]`, somePayload, "s"), "header is not"},
		{"alg twice", compact(`{"alg":"none","alg":"RS256"}`, somePayload, "s"), "header is not"},
		{"no alg", compact(`{"kid":"k"}`, somePayload, "s"), "no alg"},
		{"alg in another case", compact(`{"ALG":"RS256"}`, somePayload, "s"), "no alg"},
		{"alg is a number", compact(`{"alg":256}`, somePayload, "s"), "alg"},
		{"kid is null", compact(`{"alg":"RS256","kid":null}`, somePayload, "s"), "kid"},
		{"payload is no JSON", compact(someHeader, "payload", "s"), "JSON object"},
		{"payload with a twin", compact(someHeader, `{"sub":"a","SUB":"b"}`, "s"), "case"},
		{"payload with a double", compact(someHeader, `{"sub":"a","sub":"b"}`, "s"), "twice"},
		{"exp is a text", compact(someHeader, `{"exp":"soon"}`, "s"), "exp"},
		{"exp is negative", compact(someHeader, `{"exp":-1}`, "s"), "exp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := oidc.ParseToken(tt.raw)
			if err == nil || token != nil {
				t.Fatalf("got %v, want an error", token)
			}
			if !errors.Is(err, oidc.ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want ErrMalformed with %q", err, tt.want)
			}
		})
	}
}

func TestToken_neverPrintsItself(t *testing.T) {
	raw := compact(someHeader, somePayload, "a signature that nobody may see")
	token := mustParse(t, raw)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("token", "token", token, "verified", &oidc.Verified{Token: token})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("token", "token", token)
	encoded, err := json.Marshal(map[string]any{"t": token, "v": oidc.Verified{Token: token, Claims: token.UnverifiedClaims()}})
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{log.String(), string(encoded), token.String(), fmt.Errorf("with %w %v", errors.New("x"), token).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%10.3s"} {
		outputs = append(
			outputs,
			fmt.Sprintf(verb, token),
			fmt.Sprintf(verb, struct{ T *oidc.Token }{token}),
			fmt.Sprintf(verb, struct{ t *oidc.Token }{token}),
			fmt.Sprintf(verb, *token),
			fmt.Sprintf(verb, []*oidc.Token{token}),
			fmt.Sprintf(verb, &oidc.Verified{Token: token, Claims: token.UnverifiedClaims()}),
		)
	}
	for _, output := range outputs {
		if shared := commonRun(output, raw); shared != "" {
			t.Errorf("%q shows %q", output, shared)
		}
	}
	if got, want := token.String(), "oidc.Token("+token.Fingerprint()+")"; got != want {
		t.Errorf("String is %q, want %q", got, want)
	}
	var none *oidc.Token
	if got := fmt.Sprint(none); got != "oidc.Token(none)" {
		t.Errorf("a nil token is %q", got)
	}
}

// commonRun returns 8 bytes that text shares with a part of secret, if it does.
func commonRun(text, secret string) string {
	for _, part := range strings.Split(secret, ".") {
		for i := 0; i+8 <= len(part); i++ {
			if strings.Contains(text, part[i:i+8]) {
				return part[i : i+8]
			}
		}
	}
	return ""
}

// FuzzParseToken checks that a token that parses is the trimmed text, that its
// claims are those of claims.Parse, and that an error shows nothing of it.
func FuzzParseToken(f *testing.F) {
	valid := compact(someHeader, somePayload, "signature")
	for _, seed := range []string{
		valid, " " + valid + "\n", valid + "==", "Bearer " + valid, "a.b.c", "{}", "dapi0123456789abcdef",
		compact(`{"alg":"none"}`, `{}`, "x"), compact(someHeader, `{"ISS":"a"}`, "x"), compact(`{"alg":"RS256","alg":"x"}`, `{}`, "x"),
	} {
		f.Add(seed, 0)
		f.Add(seed, len(seed)/2)
		f.Add(seed, len(seed))
	}
	const secret = "kTq7xK9vW2mP4zR8nB6cL1"
	f.Fuzz(func(t *testing.T, raw string, at int) {
		token, err := oidc.ParseToken(raw)
		if err == nil {
			checkParsed(t, raw, token)
		} else if !errors.Is(err, oidc.ErrMalformed) {
			t.Fatalf("%v is not ErrMalformed", err)
		}
		at = min(max(at, 0), len(raw))
		if _, err := oidc.ParseToken(raw[:at] + secret + raw[at:]); err != nil {
			if run := commonRun(err.Error(), secret); run != "" {
				t.Fatalf("%q shows %q", err, run)
			}
		}
	})
}

func checkParsed(t *testing.T, raw string, token *oidc.Token) {
	t.Helper()
	if token.Raw() != strings.Trim(raw, " \t\r\n") {
		t.Fatalf("Raw is %q", token.Raw())
	}
	parts := strings.Split(token.Raw(), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || base64.RawURLEncoding.EncodeToString(payload) != parts[1] {
		t.Fatalf("the payload is not canonical base64url: %v", err)
	}
	want, err := claims.Parse(payload)
	if err != nil || want.Subject() != token.UnverifiedClaims().Subject() {
		t.Fatalf("claims differ: %v", err)
	}
}
