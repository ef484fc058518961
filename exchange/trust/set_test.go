package trust_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/exchange/trust"
)

// many returns n policies of one service principal, or of the account.
func many(n int, servicePrincipal string) []trust.Policy {
	policies := make([]trust.Policy, n)
	for i := range policies {
		policies[i] = valid()
		policies[i].ID = fmt.Sprintf("policy-%d", i)
		policies[i].ServicePrincipalID = servicePrincipal
		policies[i].Subject = fmt.Sprintf("subject-%d", i)
		if servicePrincipal == "" {
			policies[i].Subject, policies[i].Issuer = "", fmt.Sprintf("https://idp-%d.example.com", i)
		}
	}
	return policies
}

func TestValidateSet_ok(t *testing.T) {
	var all []trust.Policy
	for _, servicePrincipal := range []string{"", "1", "2"} {
		all = append(all, many(20, servicePrincipal)...)
	}
	elsewhere := many(20, "")
	for i := range elsewhere {
		elsewhere[i].AccountID = application
	}
	if err := trust.ValidateSet(append(all, elsewhere...)); err != nil {
		t.Error(err)
	}
	if err := trust.ValidateSet(nil); err != nil {
		t.Error(err)
	}
}

func TestValidateSet(t *testing.T) {
	tests := []struct {
		name     string
		policies func() []trust.Policy
		want     string
	}{
		{"21 account policies", func() []trust.Policy { return many(21, "") }, `policies[20] "policy-20": remove it: the account may have 20 policies, and they stand before it`},
		{"21 of a service principal", func() []trust.Policy { return many(21, "7") }, `policies[20] "policy-20": remove it: service principal "7" may have 20 policies`},
		{"one ID twice", func() []trust.Policy {
			p := many(3, "7")
			p[2].ID = p[0].ID
			return p
		}, `policies[2] "policy-0": use another policy_id: policies[0] has it`},
		{"twins", func() []trust.Policy {
			p := many(2, "7")
			p[1].Subject = p[0].Subject
			return p
		}, `policies[1] "policy-1": remove it: policies[0] says the same`},
		{"twins by default and order", func() []trust.Policy {
			p := many(2, "7")
			p[1].Subject, p[1].SubjectClaim = p[0].Subject, "sub"
			p[0].Audiences, p[1].Audiences = []string{"a", "b"}, []string{"b", "a"}
			return p
		}, `policies[1] "policy-1": remove it: policies[0] says the same`},
		{"twins by the account's audience", func() []trust.Policy {
			p := many(2, "")
			p[1].Issuer = p[0].Issuer
			p[0].Audiences, p[1].Audiences = nil, []string{account}
			return p
		}, `policies[1] "policy-1": remove it: policies[0] says the same`},
		{"a policy's own error", func() []trust.Policy {
			p := many(2, "7")
			p[1].Issuer = "http://idp.example.com"
			return p
		}, `trust: validate policies: policies[1]: issuer "http://idp.example.com": use https`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantOneError(t, trust.ValidateSet(tt.policies()), tt.want)
		})
	}
}

func TestValidateSet_notTwins(t *testing.T) {
	for name, change := range map[string]func(*trust.Policy){
		"issuer":            func(p *trust.Policy) { p.Issuer += "/" },
		"audience":          func(p *trust.Policy) { p.Audiences = []string{"other"} },
		"subject":           func(p *trust.Policy) { p.Subject += "x" },
		"subject claim":     func(p *trust.Policy) { p.SubjectClaim = "oid" },
		"keys":              func(p *trust.Policy) { p.JWKSURI = "https://keys.example.com" },
		"service principal": func(p *trust.Policy) { p.ServicePrincipalID = "2" }, // client_id decides
		"account":           func(p *trust.Policy) { p.AccountID = application },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := valid(), valid()
			a.ID, b.ID = "a1", "b1"
			change(&b)
			if err := trust.ValidateSet([]trust.Policy{a, b}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestValidateSet_allAtOnce(t *testing.T) {
	policies := append(many(23, "7"), trust.Policy{})
	policies[3].ID = "X"
	err := trust.ValidateSet(policies)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"policies[3]", "policies[20]", "policies[21]", "policies[22]", "policies[23]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
}
