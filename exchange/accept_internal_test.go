package exchange

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/oidc"
)

const (
	testClient  = "3f0c2a1e-1111-4000-8000-000000000001"
	otherClient = "3f0c2a1e-2222-4000-8000-000000000002"
)

// tokenOf makes a JSON Web Token whose signature nobody checks here.
func tokenOf(t *testing.T, payload map[string]any) *oidc.Token {
	t.Helper()
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	token, err := oidc.ParseToken(encode([]byte(`{"alg":"RS256"}`)) + "." + encode(data) + "." + encode([]byte("signature")))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// accepting returns an attempt that has sent its request for the target and is
// about to judge the answer.
func accepting(t *testing.T, target claims.Target, subject map[string]any) *try {
	t.Helper()
	cfg := Config{Host: "https://h.databricks.com", ClientID: target.ClientID, AccountWide: target.ClientID == ""}
	x, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &try{Exchanger: x, question: question{
		subject: tokenOf(t, subject), target: target, scope: joinScopes(target.Scopes),
	}}
}

func TestAccept_contradiction(t *testing.T) {
	subject := map[string]any{"iss": "https://idp.example", "sub": "job-7", "email": "ada@acme.example"}
	sp := claims.Target{ClientID: testClient}
	databricks := func(more map[string]any) map[string]any {
		payload := map[string]any{"iss": "https://h.databricks.com/oidc", "exp": time.Now().Add(time.Hour).Unix()}
		for k, v := range more {
			payload[k] = v
		}
		return payload
	}
	tests := []struct {
		name     string
		target   claims.Target
		strict   bool
		token    map[string]any // nil: opaque
		scopes   []string
		wantErr  string // empty: accepted
		identity Certainty
		scope    Certainty
	}{
		{"opaque", sp, false, nil, nil, "", Unknown, Unknown},
		{"opaque, strict", sp, true, nil, nil, "Strict", "", ""},
		{"client_id confirms", sp, true, databricks(map[string]any{"client_id": testClient}), nil, "", Confirmed, Unknown},
		{"client_id in upper case", sp, true, databricks(map[string]any{"client_id": strings.ToUpper(testClient)}), nil, "", Confirmed, Unknown},
		{"another client_id", sp, false, databricks(map[string]any{"client_id": otherClient}), nil, "was asked for", "", ""},
		{"sub confirms", sp, true, databricks(map[string]any{"sub": testClient}), nil, "", Confirmed, Unknown},
		{"another sub", sp, false, databricks(map[string]any{"sub": otherClient}), nil, "was asked for", "", ""},
		{"client_id right, sub wrong", sp, false, databricks(map[string]any{"client_id": testClient, "sub": otherClient}), nil, "was asked for", "", ""},
		{"numeric sub says nothing", sp, false, databricks(map[string]any{"sub": "7001"}), nil, "", Unknown, Unknown},
		{"numeric sub, strict", sp, true, databricks(map[string]any{"sub": "7001"}), nil, "Strict", "", ""},
		{"the provider's token", sp, false, map[string]any{"iss": "https://idp.example", "sub": "other", "exp": time.Now().Add(time.Hour).Unix()}, nil, "identity provider", "", ""},
		{"scope confirmed", sp, false, nil, []string{"all-apis"}, "", Unknown, Confirmed},
		{"scope wider", sp, false, nil, []string{"all-apis", "offline_access"}, "was asked for", "", ""},
		{"scope different", sp, false, nil, []string{"sql"}, "was asked for", "", ""},
		{"scope narrower", claims.Target{ClientID: testClient, Scopes: []string{"sql", "jobs"}}, false, nil, []string{"sql"}, "was asked for", "", ""},
		{"scope in another order", claims.Target{ClientID: testClient, Scopes: []string{"sql", "jobs"}}, false, nil, []string{"sql", "jobs", "sql"}, "", Unknown, Confirmed},
		{"scope claim differs", sp, false, databricks(map[string]any{"scope": "sql"}), nil, "was asked for", "", ""},
		{"scope claim as a list", sp, false, databricks(map[string]any{"scope": []string{"all-apis"}}), nil, "", Unknown, Confirmed},
		{"answer and claim differ", sp, false, databricks(map[string]any{"scope": "sql"}), []string{"all-apis"}, "different scopes", "", ""},
		{"account-wide by email", claims.Target{}, true, databricks(map[string]any{"sub": "ada@acme.example"}), nil, "", Confirmed, Unknown},
		{"account-wide, unknown name", claims.Target{}, false, databricks(map[string]any{"sub": "7001"}), nil, "", Unknown, Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			try := accepting(t, tt.target, subject)
			try.cfg.Strict = tt.strict
			raw := "opaque-token"
			if tt.token != nil {
				raw = tokenOf(t, tt.token).Raw()
			}
			now := time.Now()
			_, err := try.accept(tokenResponse{accessToken: raw, lifetime: time.Hour, scope: strings.Join(tt.scopes, " ")}, answer{sent: now, received: now})
			if tt.wantErr == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if try.event.Identity != tt.identity || try.event.Scope != tt.scope {
					t.Errorf("identity %q, scope %q; want %q, %q", try.event.Identity, try.event.Scope, tt.identity, tt.scope)
				}
				return
			}
			var failure *Error
			if !errors.As(err, &failure) || failure.Kind != KindContradiction || !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("got %v, want a contradiction that says %q", err, tt.wantErr)
			}
			if strings.Contains(err.Error(), raw) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

func TestAccept_echo(t *testing.T) {
	try := accepting(t, claims.Target{ClientID: testClient}, map[string]any{"sub": "job-7"})
	now := time.Now()
	_, err := try.accept(tokenResponse{accessToken: try.question.subject.Raw(), lifetime: time.Hour}, answer{sent: now, received: now})
	var failure *Error
	if !errors.As(err, &failure) || failure.Kind != KindContradiction {
		t.Fatalf("got %v, want a contradiction", err)
	}
}

func TestAccept_expiry(t *testing.T) {
	const hour = time.Hour
	type at map[string]time.Duration // claim name to its distance from the server's now
	tests := []struct {
		name      string
		expiresIn time.Duration
		returned  at            // nil: opaque
		subject   at            // of the subject token
		ahead     time.Duration // local clock minus server's
		date      bool          // the server sends Date
		want      time.Duration // from sent; 0: refused
	}{
		{"expires_in alone", hour, nil, nil, 0, true, hour},
		{"exp earlier", hour, at{"exp": 10 * time.Minute}, nil, 0, true, 10 * time.Minute},
		{"exp later", 10 * time.Minute, at{"exp": hour}, nil, 0, true, 10 * time.Minute},
		{"exp alone, by the server's clock, ours ahead", 0, at{"exp": hour}, nil, 2 * hour, true, hour},
		{"exp alone, by the server's clock, ours behind", 0, at{"exp": hour}, nil, -2 * hour, true, hour},
		{"exp and iat, no date, ours ahead", 0, at{"exp": hour, "iat": 0}, nil, 2 * hour, false, hour},
		{"exp alone, no date", 0, at{"exp": hour}, nil, 0, false, hour},
		{"expires_in beats a guess by our wrong clock", hour, at{"exp": hour}, nil, 2 * hour, false, hour},
		{"nothing but the subject", 0, nil, at{"exp": 10 * time.Minute, "iat": -50 * time.Minute}, 0, true, 10 * time.Minute},
		{"the subject is not asked otherwise", hour, nil, at{"exp": 10 * time.Minute}, 0, true, hour},
		{"nothing at all", 0, nil, nil, 0, true, 5 * time.Minute},
		{"days", 0, at{"exp": 72 * hour}, nil, 0, true, 24 * hour},
		{"ended when it was issued", hour, at{"exp": 0, "iat": 0}, at{"exp": hour}, 0, true, 0},
		{"ended before it was issued", hour, at{"exp": -hour, "iat": 0}, nil, 0, true, 0},
		{"ended by every clock", 0, at{"exp": -hour}, nil, 0, true, 0},
		{"dead by both clocks, whatever its iat and expires_in", hour, at{"exp": -hour, "iat": -2 * hour}, nil, 0, true, 0},
		{"iat against a wrong date", 0, at{"exp": hour, "iat": 0}, nil, -2 * hour, true, hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := time.Now().Add(-tt.ahead)
				stamp := func(claims at, payload map[string]any) map[string]any {
					for name, d := range claims {
						payload[name] = server.Add(d).Unix()
					}
					return payload
				}
				try := accepting(t, claims.Target{ClientID: testClient}, stamp(tt.subject, map[string]any{"sub": "job-7"}))
				a := answer{header: http.Header{}, sent: time.Now(), received: time.Now()}
				if tt.date {
					a.header.Set("Date", server.UTC().Format(http.TimeFormat))
				}
				try.clock.Observe(a.header, a.sent, a.received)
				raw := "opaque-token"
				if tt.returned != nil {
					raw = tokenOf(t, stamp(tt.returned, map[string]any{"iss": "https://h.databricks.com/oidc"})).Raw()
				}
				token, err := try.accept(tokenResponse{accessToken: raw, lifetime: tt.expiresIn}, a)
				if tt.want == 0 {
					var failure *Error
					if !errors.As(err, &failure) || failure.Kind != KindBadResponse {
						t.Errorf("got %v, want it refused", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := (token.Expiry.Sub(a.sent) - tt.want).Abs(); diff > time.Second {
					t.Errorf("the token lives %v, want %v", token.Expiry.Sub(a.sent), tt.want)
				}
			})
		})
	}
}

// A slow exchange must not add life: the lifetime counts from the moment the
// request left.
func TestAccept_countsFromSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		try := accepting(t, claims.Target{ClientID: testClient}, map[string]any{"sub": "job-7"})
		sent := time.Now()
		time.Sleep(7 * time.Second)
		token, err := try.accept(tokenResponse{accessToken: "opaque-token", lifetime: time.Hour}, answer{sent: sent, received: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if want := sent.Add(time.Hour); !token.Expiry.Equal(want) {
			t.Errorf("expiry %v, want %v", token.Expiry, want)
		}
		if _, err = try.accept(tokenResponse{accessToken: "opaque-token", lifetime: 7 * time.Second}, answer{sent: sent, received: time.Now()}); err == nil {
			t.Error("a token that ended on the way was accepted")
		}
	})
}
