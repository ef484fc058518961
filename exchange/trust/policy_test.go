package trust_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/exchange/trust"
)

const (
	account     = "7a99b43c-b46c-432b-b0a7-814217701909"
	principal   = "3711048827441"
	application = "3f0c2a1e-1111-4000-8000-000000000003"
)

func TestPolicy_MarshalJSON(t *testing.T) {
	p := trust.Policy{
		AccountID: account, ServicePrincipalID: principal, ID: "gh-prod", Description: "production",
		Issuer: "https://token.actions.githubusercontent.com", Audiences: []string{"https://github.com/acme"},
		Subject: "repo:acme/lakehouse:environment:prod", SubjectClaim: "sub", JWKSURI: "https://idp.example.com/keys",
	}
	const want = `{"description":"production","oidc_policy":{"issuer":"https://token.actions.githubusercontent.com",` +
		`"audiences":["https://github.com/acme"],"subject":"repo:acme/lakehouse:environment:prod","subject_claim":"sub",` +
		`"jwks_uri":"https://idp.example.com/keys"}}`
	got, err := json.Marshal(p)
	if err != nil || string(got) != want {
		t.Errorf("Marshal: %v\n got %s\nwant %s", err, got, want)
	}
	byPointer, err := json.Marshal(&p)
	if err != nil || string(byPointer) != want {
		t.Errorf("Marshal of a pointer: %v\n got %s\nwant %s", err, byPointer, want)
	}
	p.Subject = "not\xffUTF-8"
	if got, err := json.Marshal(p); err == nil {
		t.Errorf("Marshal of a subject that is not UTF-8 = %s, want an error", got)
	}
}

func TestPolicy_UnmarshalJSON(t *testing.T) {
	tests := []struct {
		name string
		json string
		want trust.Policy
	}{
		{"least", `{"oidc_policy":{"issuer":"https://idp.example.com"}}`, trust.Policy{Issuer: "https://idp.example.com"}},
		{
			"command line",
			`{"oidc_policy": {"issuer":"https://i.example","audiences":["a","b"],"subject":"s","subject_claim":"oid","jwks_json":"{}","jwks_uri":"u"}}`,
			trust.Policy{
				Issuer: "https://i.example", Audiences: []string{"a", "b"}, Subject: "s", SubjectClaim: "oid",
				JWKSJSON: "{}", JWKSURI: "u",
			},
		},
		{
			"answer, service principal",
			`{"name":"accounts/` + account + `/servicePrincipals/` + principal + `/federationPolicies/gh-prod","policy_id":"gh-prod",
			  "uid":"0c1d","description":"d","service_principal_id":` + principal + `,"create_time":"2026-01-01T00:00:00Z",
			  "update_time":"2026-01-01T00:00:00Z","oidc_policy":{"issuer":"https://i.example","subject":"s"}}`,
			trust.Policy{
				AccountID: account, ServicePrincipalID: principal, ID: "gh-prod", Description: "d",
				Issuer: "https://i.example", Subject: "s",
			},
		},
		{
			"answer, account",
			`{"name":"accounts/` + account + `/federationPolicies/okta","service_principal_id":0,"oidc_policy":{"issuer":"https://i.example"}}`,
			trust.Policy{AccountID: account, ID: "okta", Issuer: "https://i.example"},
		},
		{
			"without name",
			`{"policy_id":"x1","service_principal_id":"` + principal + `","oidc_policy":{"audiences":[]}}`,
			trust.Policy{ServicePrincipalID: principal, ID: "x1"},
		},
		{"escapes", `{"oidc_policy":{"subject":"\u00e9\ud83d\ude00"}}`, trust.Policy{Subject: "é😀"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := trust.Policy{Subject: "of an earlier life", AccountID: "earlier"}
			if err := json.Unmarshal([]byte(tt.json), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestPolicy_UnmarshalJSON_strict(t *testing.T) {
	const issuer = `"oidc_policy":{"issuer":"https://i.example"}`
	tests := []struct {
		name string
		json string
		want []string // parts of the error, all of them
	}{
		{"null", `null`, []string{"not a JSON object"}},
		{"list", `[]`, []string{"not a JSON object"}},
		{"nothing inside", `{}`, []string{"oidc_policy: it is missing"}},
		{"inner policy null", `{"oidc_policy":null}`, []string{"oidc_policy: it is not a JSON object"}},
		{"inner policy text", `{"oidc_policy":"x"}`, []string{"oidc_policy: it is not a JSON object"}},
		{"flat", `{"issuer":"https://i.example"}`, []string{"oidc_policy: it is missing", `"issuer": there is no such member`}},
		{"unknown", `{` + issuer + `,"extra":1}`, []string{`"extra": there is no such member`}},
		{"unknown inside", `{"oidc_policy":{"audience":["a"]}}`, []string{`oidc_policy."audience": there is no such member`}},
		{"other case", `{"oidc_policy":{"Issuer":"https://i.example"}}`, []string{`oidc_policy."Issuer"`}},
		{"twice", `{` + issuer + `,` + issuer + `}`, []string{`member "oidc_policy" stands twice`}},
		{"twice inside", `{"oidc_policy":{"subject":"a","subj\u0065ct":"b"}}`, []string{`oidc_policy: member "subject" stands twice`}},
		{"number for text", `{"oidc_policy":{"subject":1}}`, []string{"oidc_policy.subject: it is not a string"}},
		{"null text", `{"oidc_policy":{"subject":null}}`, []string{"oidc_policy.subject: it is not a string"}},
		{"text for list", `{"oidc_policy":{"audiences":"a"}}`, []string{"oidc_policy.audiences: it is not a list"}},
		{"null list", `{"oidc_policy":{"audiences":null}}`, []string{"oidc_policy.audiences: it is not a list"}},
		{"number in list", `{"oidc_policy":{"audiences":["a",1,null]}}`, []string{"element 1 is not", "element 2 is not"}},
		{"key set as object", `{"oidc_policy":{"jwks_json":{"keys":[]}}}`, []string{"oidc_policy.jwks_json: it is not a string"}},
		{"half a surrogate pair", `{"oidc_policy":{"subject":"\ud83d"}}`, []string{"oidc_policy.subject: it is not a string of Unicode"}},
		{"not UTF-8", "{\"oidc_policy\":{\"subject\":\"\xff\"}}", []string{"not UTF-8"}},
		{"fraction as ID", `{"service_principal_id":1.5,` + issuer + `}`, []string{"service_principal_id: it is not the numeric ID"}},
		{"large ID", `{"service_principal_id":9223372036854775808,` + issuer + `}`, []string{"service_principal_id: it is not the numeric ID"}},
		{"half a surrogate pair as ID", `{"service_principal_id":"\ud83d",` + issuer + `}`, []string{"service_principal_id: it is not a string of Unicode"}},
		{"list as ID", `{"service_principal_id":[1],` + issuer + `}`, []string{"service_principal_id: it is not the numeric ID"}},
		{"odd name", `{"name":"accounts/1/policies/2",` + issuer + `}`, []string{"not the resource name of a federation policy"}},
		{"name without IDs", `{"name":"accounts//federationPolicies/x",` + issuer + `}`, []string{"an ID in it is empty"}},
		{
			"name against ID", `{"name":"accounts/a/federationPolicies/b","policy_id":"c",` + issuer + `}`,
			[]string{"contradicts policy_id"},
		},
		{
			"account's name, ID of a service principal", `{"name":"accounts/a/federationPolicies/b","service_principal_id":7,` + issuer + `}`,
			[]string{"contradicts policy_id or service_principal_id"},
		},
		{
			"all at once", `{"policy_id":1,"nope":1,"oidc_policy":{"issuer":2,"audiences":3,"other":4}}`,
			[]string{"policy_id: ", `"nope": `, "oidc_policy.issuer: ", "oidc_policy.audiences: ", `oidc_policy."other": `},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := trust.Policy{Issuer: "before"}
			err := p.UnmarshalJSON([]byte(tt.json))
			if err == nil {
				t.Fatalf("no error, got %+v", p)
			}
			for _, part := range append(tt.want, "trust: decode policy: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if p.Issuer != "before" {
				t.Error("the policy was changed in spite of the error")
			}
		})
	}
}

// TestPolicy_UnmarshalJSON_syntax covers what json.Unmarshal refuses before the
// method is called, and who calls the method directly.
func TestPolicy_UnmarshalJSON_syntax(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `{"oidc_policy"`, `{"oidc_policy":`, `{"oidc_policy":{}`, `{"oidc_policy":{}}x`, `{"oidc_policy":{}}{}`,
		`{"oidc_policy":{},}`, `{1:2}`, `{"oidc_policy":{"issuer":"`, `{"oidc_policy":{"issuer"}}`, `{"a":[}`,
	} {
		if err := new(trust.Policy).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("UnmarshalJSON(%q): no error", text)
		}
	}
	large := `{"oidc_policy":{"jwks_json":"` + strings.Repeat("x", 256<<10) + `"}}`
	if err := json.Unmarshal([]byte(large), new(trust.Policy)); err == nil || !strings.Contains(err.Error(), "more than 262144") {
		t.Errorf("a large policy: %v", err)
	}
}
