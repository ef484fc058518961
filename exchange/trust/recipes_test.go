package trust_test

import (
	"slices"
	"testing"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/trust"
)

// TestMatch_recipes has a policy for each provider that Databricks' documentation
// or its users name, and a token of that provider.
func TestMatch_recipes(t *testing.T) {
	const github, acme = "https://token.actions.githubusercontent.com", "https://github.com/acme"
	const tenant = "3f9c1a20-5b7d-4e8f-9a01-b2c3d4e5f607"
	type set = map[string]any
	tests := []struct {
		name     string
		claims   *claims.Claims
		issuer   string
		audience string // empty: the account ID
		subject  string // empty: an account policy
		claim    string
	}{
		{name: "GitHub Actions, environment", claims: fixture(t, "github-actions", nil), issuer: github, audience: acme, subject: "repo:acme/lakehouse:environment:prod"},
		{name: "GitHub Actions, branch", claims: fixture(t, "github-actions", set{"sub": "repo:acme/lakehouse:ref:refs/heads/main", "aud": account}), issuer: github, subject: "repo:acme/lakehouse:ref:refs/heads/main"},
		{name: "GitHub Actions, pull request", claims: fixture(t, "github-actions-pull-request", nil), issuer: github, audience: acme, subject: "repo:acme/lakehouse:pull_request"},
		{name: "GitHub Actions, immutable", claims: fixture(t, "github-actions-immutable", nil), issuer: github, audience: acme, subject: "repo:acme@1234567/lakehouse-next@912345678:ref:refs/heads/main"},
		{name: "GitHub Actions, reusable workflow", claims: fixture(t, "github-actions", nil), issuer: github, audience: acme, subject: "acme/workflows/.github/workflows/dbx.yml@refs/tags/v3", claim: "job_workflow_ref"},
		{name: "GitHub Enterprise Server", claims: fixture(t, "github-actions", set{"iss": "https://github.acme.example/_services/token"}), issuer: "https://github.acme.example/_services/token", audience: acme, subject: "repo:acme/lakehouse:environment:prod"},
		{name: "GitLab", claims: fixture(t, "gitlab-ci", nil), issuer: "https://gitlab.acme.example", audience: "databricks", subject: "project_path:acme/data/lakehouse:ref_type:branch:ref:main"},
		{name: "Azure DevOps, pipeline", claims: fixture(t, "azure-devops", nil), issuer: "https://vstoken.dev.azure.com/0ca3ddd9-f0b0-4635-a98c-5866526961b6", audience: "api://AzureADTokenExchange", subject: "p://acme/lakehouse/deploy-prod"},
		{name: "Azure DevOps, service connection", claims: fixture(t, "azure-devops-service-connection", nil), issuer: "https://vstoken.dev.azure.com/0ca3ddd9-f0b0-4635-a98c-5866526961b6", audience: "api://AzureADTokenExchange", subject: "sc://acme/lakehouse/dbx-prod"},
		{name: "CircleCI", claims: fixture(t, "circleci", nil), issuer: "https://oidc.circleci.com/org/7f8091a2-b3c4-45d6-97e8-f90a1b2c3d4e", audience: "7f8091a2-b3c4-45d6-97e8-f90a1b2c3d4e", subject: "91a2b3c4-d5e6-47f8-8a90-1b2c3d4e5f60", claim: "oidc.circleci.com/project-id"},
		{name: "Bitbucket", claims: fixture(t, "bitbucket", nil), issuer: "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", audience: "ari:cloud:bitbucket::workspace/91a2b3c4-d5e6-47f8-89a0-1b2c3d4e5f60", subject: "{6e7f8091-a2b3-44c5-96d7-e8f90a1b2c3d}:{7f8091a2-b3c4-45d6-a7e8-f90a1b2c3d4e}:{8091a2b3-c4d5-46e7-b8f9-0a1b2c3d4e5f}"},
		{name: "HCP Terraform", claims: fixture(t, "terraform-cloud", nil), issuer: "https://app.terraform.io", audience: "databricks", subject: "organization:acme:project:Data Platform:workspace:lakehouse-prod:run_phase:apply"},
		{name: "Jenkins", claims: parse(t, `{"iss":"https://jenkins.acme.example/oidc","aud":"databricks","sub":"https://jenkins.acme.example/job/lakehouse/"}`), issuer: "https://jenkins.acme.example/oidc", audience: "databricks", subject: "https://jenkins.acme.example/job/lakehouse/"},
		{name: "Kubernetes", claims: fixture(t, "kubernetes-sa", set{"aud": []string{"databricks"}}), issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/5E5D7BAA84911ACC36EE4D978F209DD7", audience: "databricks", subject: "system:serviceaccount:data:etl"},
		{name: "AWS IAM", claims: fixture(t, "aws-sts", nil), issuer: "https://4f2c9d1e-7b3a-4856-9c0d-1e2f3a4b5c6d.tokens.sts.global.api.aws", audience: "databricks", subject: "arn:aws:iam::111122223333:role/etl-runner"},
		{name: "Google service account", claims: fixture(t, "google-service-account", nil), issuer: "https://accounts.google.com", audience: "databricks", subject: "108765432109876543210"},
		{name: "Entra ID, application", claims: fixture(t, "entra-app", nil), issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0", audience: "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", subject: "f2b8d4e0-5c3a-4972-ad1e-8a9fb0c1d2e3"},
		{name: "Entra ID version 2, people", claims: fixture(t, "entra-v2", nil), issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0", audience: "7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", claim: "preferred_username"},
		{name: "Entra ID version 1, people", claims: fixture(t, "entra-v1", nil), issuer: "https://sts.windows.net/" + tenant + "/", audience: "api://7d1f0c52-2a3b-4c4d-8e5f-1a2b3c4d5e6f", claim: "upn"},
		{name: "Okta, people", claims: fixture(t, "okta-access", nil), issuer: "https://acme.okta.example/oauth2/aus1f3k9z2QpLx8Rt5d7", audience: "databricks"},
		{name: "Okta, machine", claims: fixture(t, "okta-access", set{"sub": "0oa4n8c1vYpKd6HsW5d7", "uid": nil}), issuer: "https://acme.okta.example/oauth2/aus1f3k9z2QpLx8Rt5d7", audience: "databricks", subject: "0oa4n8c1vYpKd6HsW5d7"},
		{name: "Auth0, machine", claims: fixture(t, "auth0", set{"sub": "k3VbN8yQx1LmRt5WcZpHsJ7dGf2TaUe9@clients"}), issuer: "https://acme.eu.auth0.example/", audience: "https://databricks.acme.example", subject: "k3VbN8yQx1LmRt5WcZpHsJ7dGf2TaUe9@clients"},
		{name: "Keycloak", claims: fixture(t, "keycloak", nil), issuer: "https://sso.acme.example/realms/data", audience: "databricks", claim: "email"},
		{name: "SPIFFE", claims: fixture(t, "spiffe", nil), issuer: "https://oidc-discovery.acme.example", audience: "databricks", subject: "spiffe://acme.example/ns/data/sa/etl"},
	}
	var all []trust.Policy
	for _, tt := range tests {
		p := trust.Policy{AccountID: account, Issuer: tt.issuer, Subject: tt.subject, SubjectClaim: tt.claim}
		if tt.audience != "" {
			p.Audiences = []string{tt.audience}
		}
		if tt.subject != "" {
			p.ServicePrincipalID = principal
		}
		all = append(all, p)
		t.Run(tt.name, func(t *testing.T) {
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
			if err := trust.Match(p, tt.claims); err != nil {
				t.Error(err)
			}
			for field, changed := range eachFieldChanged(p) {
				m := mismatch(t, trust.Match(changed, tt.claims))
				if m.Field != field || !m.Only {
					t.Errorf("%s was changed, but: %v", field, m)
				}
			}
		})
	}
	for i, tt := range tests { // no provider's token passes for another's
		for j, p := range all {
			if (trust.Match(p, tt.claims) == nil) != (i == j) && !alike(tests[i].name, tests[j].name) {
				t.Errorf("token of %s, policy of %s: %v", tt.name, tests[j].name, trust.Match(p, tt.claims))
			}
		}
	}
}

// eachFieldChanged returns the policy with one field changed, by that field.
func eachFieldChanged(p trust.Policy) map[string]trust.Policy {
	issuer, audience, subject := p, p, p
	issuer.Issuer += "x"
	audience.Audiences = []string{"elsewhere"}
	subject.Subject += "x"
	subject.ServicePrincipalID = principal
	return map[string]trust.Policy{"issuer": issuer, "audience": audience, "subject": subject}
}

// alike names the recipes whose tokens both match: an account policy takes every
// subject of its issuer, and one job has several claims to be known by.
func alike(token, policy string) bool {
	return slices.Contains([][2]string{
		{"Okta, machine", "Okta, people"},
		{"GitHub Actions, environment", "GitHub Actions, reusable workflow"},
		{"GitHub Actions, reusable workflow", "GitHub Actions, environment"},
	}, [2]string{token, policy})
}
