package claims

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// linter finds what is legal and probably not meant.
type linter struct {
	found  []Finding
	broker []Finding // errors where the policy is the authority
}

// provider is what is known of an issuer: claims whose value can pass to
// somebody else, and those whose value never does.
type provider struct {
	is        func(issuer string) bool
	mutable   []string
	immutable []string
	advice    string
}

func host(names ...string) func(string) bool {
	return func(issuer string) bool {
		rest, ok := strings.CutPrefix(issuer, "https://")
		h, _, _ := strings.Cut(rest, "/")
		return ok && slices.ContainsFunc(names, func(n string) bool { return h == n || strings.HasSuffix(h, "."+n) })
	}
}

// providers lists issuers whose documentation says which claims can change
// hands: a name is free again after a rename or a deletion.
var providers = []provider{
	{
		host("actions.githubusercontent.com"),
		[]string{"repository", "repository_owner", "actor", "sub", "job_workflow_ref", "workflow_ref"},
		[]string{"repository_id", "repository_owner_id", "actor_id", "enterprise_id"},
		"pin repository_id or repository_owner_id",
	},
	{
		host("gitlab.com"),
		[]string{"project_path", "namespace_path", "user_login", "user_email", "sub", "ref_path", "ci_config_ref_uri"},
		[]string{"project_id", "namespace_id", "user_id"},
		"pin project_id or namespace_id",
	},
	{
		host("login.microsoftonline.com", "sts.windows.net", "login.microsoftonline.us", "login.partner.microsoftonline.cn"),
		[]string{"preferred_username", "upn", "email", "unique_name", "name"},
		[]string{"oid", "sub", "groups", "roles", "wids"},
		"use oid with tid",
	},
	{
		host("agent.buildkite.com"),
		[]string{"organization_slug", "pipeline_slug", "sub"},
		[]string{"organization_id", "pipeline_id", "cluster_id"},
		"pin organization_id and pipeline_id",
	},
	{
		host("accounts.google.com"),
		[]string{"email", "name"},
		[]string{"sub", "azp"},
		"pin sub; an address can be given to somebody else",
	},
}

func (l *linter) add(path, format string, args ...any) {
	l.found = append(l.found, Finding{path, fmt.Sprintf(format, args...)})
}

func (l *linter) check(issuers []*issuer) {
	for _, is := range issuers {
		l.issuer(is)
		for _, r := range is.deny {
			l.below(r)
		}
		for _, r := range is.grant {
			l.rule(is, r)
		}
		if is.other != nil {
			l.rule(is, is.other)
		}
	}
}

// below finds denials of the groups under a path that leave the path itself alone.
func (l *linter) below(r *rule) {
	for i := range r.when {
		texts := r.when[i].subjects()
		for _, text := range texts {
			top, ok := strings.CutSuffix(text, "/**")
			if ok && strings.HasPrefix(top, "/") && !strings.Contains(top, "*") && !slices.Contains(texts, top) {
				l.add(r.path+".when."+r.when[i].path, "%q does not match %q itself; list both", text, top)
			}
		}
	}
}

func (l *linter) issuer(is *issuer) {
	if !slices.ContainsFunc(is.require, func(m matcher) bool {
		return (m.top == "aud" || m.top == "client_id") && m.op != opPresent && m.op != opNone
	}) {
		l.broker = append(l.broker, Finding{is.path + ".require", "it does not ask for an aud: a token that was issued for another service is taken too"})
	}
	for _, part := range []string{"/common", "/organizations", "/consumers"} {
		if host("login.microsoftonline.com")(is.name) && strings.Contains(is.name, part) {
			l.add(is.path+".issuer", "no token has this iss: Entra puts the tenant's ID there, so name the tenant")
		}
	}
}

func (l *linter) rule(is *issuer, r *rule) {
	all := slices.Concat(is.require, r.when)
	l.mutable(is, r, all)
	for i := range r.when {
		l.matcher(is, r, &r.when[i])
	}
	if r.target != nil && r.target.ClientID != "" && !slices.ContainsFunc(all, pins) {
		l.add(r.path+".target", "nothing that the rule asks for is one exact value, so no federation policy of the service principal can trust all whom it matches; exchange a token of the service's own for them, or narrow the rule")
	}
}

// pins reports whether a federation policy could name what the matcher asks for.
func pins(m matcher) bool {
	if m.op != opExact || len(m.exact) != 1 || m.fold {
		return false
	}
	_, text := m.exact[0].(string)
	return text && m.top != "aud" && m.top != "iss"
}

func (l *linter) mutable(is *issuer, r *rule, all []matcher) {
	for _, p := range providers {
		if !p.is(is.name) {
			continue
		}
		place := r.path
		if len(r.when) > 0 {
			place += ".when"
		}
		uses, pinned := "", r.lookup != nil && slices.Contains(p.immutable, is.claims[r.lookup.claim].top)
		if r.lookup != nil && slices.Contains(p.mutable, is.claims[r.lookup.claim].top) {
			uses = r.lookup.path
		}
		for _, m := range all {
			switch {
			case slices.Contains(p.immutable, m.top) && m.op == opExact:
				pinned = true
			case slices.Contains(p.mutable, m.top) && m.op != opNone && m.op != opPresent && !m.immutableSubject():
				uses = m.path
			case m.top == "sub" && m.immutableSubject():
				pinned = true
			}
		}
		if uses != "" && !pinned {
			l.broker = append(l.broker, Finding{place, fmt.Sprintf("%s can pass to somebody else and nothing else identifies them; %s", uses, p.advice)})
		}
	}
}

// immutableSubject reports whether every text that the matcher names is one of
// GitHub's subjects with ids in them, repo:OWNER@ID/REPO@ID:….
func (m *matcher) immutableSubject() bool {
	texts := m.subjects()
	return m.top == "sub" && len(texts) > 0 && !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(owner(s), "@") })
}

func (m *matcher) subjects() []string {
	var all []string
	for _, v := range m.exact {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	for _, g := range m.globs {
		text := g.literals[0]
		for i, deep := range g.deep {
			text += map[bool]string{true: "**", false: "*"}[deep] + g.literals[i+1]
		}
		all = append(all, text)
	}
	return all
}

// owner returns the first part of a subject such as repo:acme/lakehouse:….
func owner(subject string) string {
	rest := strings.TrimPrefix(subject, "repo:")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func (l *linter) matcher(is *issuer, r *rule, m *matcher) {
	path := r.path + ".when." + m.path
	if m.top == "sub" {
		l.subject(is, path, m)
	}
	if m.top == "groups" && strings.Contains(is.name, "/realms/") {
		for _, s := range m.subjects() {
			if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "*") {
				l.add(path, "Keycloak sends groups as paths that begin with a slash; if full paths are off, a group of the same name elsewhere in the tree matches as well")
				break
			}
		}
	}
}

func (l *linter) subject(is *issuer, path string, m *matcher) {
	for _, g := range m.globs {
		all := strings.Join(g.literals, "")
		first := strings.TrimPrefix(g.literals[0], "repo:")
		if len(g.deep) > 0 && strings.ContainsAny(all, "/:") && !strings.ContainsAny(first, "/:") {
			l.add(path, "a wildcard stands before the first separator of sub, in the owner's part: it takes in owners that you do not know")
			break
		}
	}
	if !host("actions.githubusercontent.com")(is.name) {
		return
	}
	texts := m.subjects()
	with := 0
	for _, s := range texts {
		if strings.Contains(owner(s), "@") {
			with++
		}
	}
	if len(texts) > 0 && (with == 0 || with == len(texts)) {
		form := "repo:OWNER@ID/REPO@ID (repositories made since July 2026)"
		if with > 0 {
			form = "repo:OWNER/REPO (older repositories)"
		}
		l.add(path, "GitHub has two forms of sub, and this one does not match %s; match repository_id and the like instead, or both forms", form)
	}
}

// untested finds rules that no test made fire.
func (l *linter) untested(issuers []*issuer, fired map[string]map[string]bool) {
	for _, is := range issuers {
		for _, r := range slices.Concat(is.deny, is.grant) {
			if !fired[is.name][r.name] {
				l.add(r.path, "no test makes rule %q fire", r.name)
			}
		}
	}
}

func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text)) })
	return findings
}
