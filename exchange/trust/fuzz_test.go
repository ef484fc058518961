package trust_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/trust"
)

// FuzzPolicy holds that what decodes encodes to a body that decodes to the same
// policy, but for the address, which is not in the body; and that judging it
// neither panics nor writes an error without bound.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte(`{"oidc_policy":{"issuer":"https://i.example","audiences":["a"],"subject":"s"}}`))
	f.Add([]byte(`{"name":"accounts/a/servicePrincipals/7/federationPolicies/p1","service_principal_id":7,"policy_id":"p1",` +
		`"uid":"u","description":"<d>","oidc_policy":{"issuer":"https://[::1]:x/?#","subject_claim":"/a","jwks_uri":"http://k"}}`))
	f.Add([]byte(`{"oidc_policy":{"jwks_json":"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}"}}`))
	f.Add([]byte(`{"oidc_policy":{"jwks_json":"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\"}]}","subject":"\u2028\ud83d\ude00"}}`))
	f.Add([]byte(`{"service_principal_id":"x","oidc_policy":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p trust.Policy
		if err := p.UnmarshalJSON(data); err != nil {
			if len(err.Error()) > 1000+len(data)*20 {
				t.Errorf("an error of %d bytes for %d bytes of input", len(err.Error()), len(data))
			}
			return
		}
		body, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("it was decoded, but: %v", err)
		}
		var again trust.Policy
		if err := json.Unmarshal(body, &again); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		want := p
		want.AccountID, want.ServicePrincipalID, want.ID = "", "", ""
		if !reflect.DeepEqual(again, want) {
			t.Errorf("encoded and decoded\n got %+v\nwant %+v", again, want)
		}
		if err := p.Validate(); err == nil {
			if err := trust.ValidateSet([]trust.Policy{p}); err != nil {
				t.Errorf("valid alone, but not in a set: %v", err)
			}
		}
	})
}

// FuzzMatch holds that a policy that takes a token agrees with it in every field
// as an ordinary decoder reads them, and that a mismatch is true.
func FuzzMatch(f *testing.F) {
	f.Add("https://i", "a", "s", "", "7", []byte(`{"iss":"https://i","aud":"a","sub":"s"}`))
	f.Add("https://i", "a", "", "email", "", []byte(`{"iss":"https://i","aud":["b","a"],"email":"x"}`))
	f.Add("https://sts.windows.net/t/", "api://a", "repo:a/b:c", "/x~", "7", []byte(`{"iss":"https://login.microsoftonline.com/t/v2.0","aud":"a","/x~":"repo:a@1/b@2:c"}`))
	f.Add("", "", "", "", "", []byte(`{"iss":"","aud":[""],"sub":""}`))
	f.Add("i", "a", "s", "groups", "7", []byte(`{"iss":"i","aud":"a","groups":["s"]}`))
	f.Fuzz(func(t *testing.T, issuer, audience, subject, claim, servicePrincipal string, payload []byte) {
		c, err := claims.Parse(payload)
		if err != nil {
			return
		}
		var raw map[string]any
		if err := json.Unmarshal(payload, &raw); err != nil {
			return
		}
		p := trust.Policy{
			ServicePrincipalID: servicePrincipal, Issuer: issuer, Audiences: []string{audience}, Subject: subject, SubjectClaim: claim,
		}
		if claim == "" {
			claim = "sub"
		}
		agrees := map[string]bool{
			"issuer":   issuer != "" && slices.Equal(texts(raw["iss"]), []string{issuer}),
			"audience": audience != "" && slices.Contains(texts(raw["aud"]), audience),
			"subject":  subjectAgrees(texts(raw[claim]), subject, servicePrincipal),
		}
		found, err := trust.Find([]trust.Policy{p}, c)
		if found == nil || (err == nil) != (trust.Match(p, c) == nil) {
			t.Fatalf("Find and Match disagree: %v", err)
		}
		if err == nil {
			if !agrees["issuer"] || !agrees["audience"] || !agrees["subject"] {
				t.Errorf("a match, but %v", agrees)
			}
			return
		}
		var m *trust.Mismatch
		if !errors.As(err, &m) || agrees[m.Field] {
			t.Errorf("%v, but %v", err, agrees)
		}
	})
}

// texts reads a string or a list of strings.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil
			}
			all = append(all, s)
		}
		return all
	}
	return nil
}

func subjectAgrees(got []string, want, servicePrincipal string) bool {
	if len(got) != 1 || got[0] == "" {
		return false
	}
	return got[0] == want || want == "" && servicePrincipal == ""
}
