package exchangetest

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brickfed/brickfed/claims"
	"github.com/brickfed/brickfed/exchange/trust"
)

var policyID = regexp.MustCompile(`\A[0-9a-z-]{2,63}\z`)

// policyMask are the paths that update_mask may name.
var policyMask = []string{
	"description", "oidc_policy", "oidc_policy.issuer", "oidc_policy.audiences", "oidc_policy.subject",
	"oidc_policy.subject_claim", "oidc_policy.jwks_json", "oidc_policy.jwks_uri",
}

// servePolicies answers the federation policy API of the account and of its
// service principals, for account admins.
func (s *Server) servePolicies(a *apiCall) {
	owner := ""
	if len(a.rest) >= 2 && a.rest[0] == "servicePrincipals" {
		owner = a.rest[1]
		a.rest = a.rest[2:]
	}
	if !a.under("federationPolicies") || len(a.rest) > 1 {
		a.notFound()
		return
	}
	if !a.principal.Admin {
		s.logReason(a.call, "the principal is no account admin")
		recorded["api permission denied"].send(a.w)
		return
	}
	if !s.allowed(a, "authentication") {
		return
	}
	s.mu.Lock()
	known := owner == "" || s.byID(owner) != nil && s.byID(owner).ApplicationID != ""
	s.mu.Unlock()
	if !known {
		apiError(http.StatusNotFound, `"NOT_FOUND"`, "Invalid service principal id").send(a.w)
		return
	}
	id := strings.Join(a.rest, "")
	switch {
	case id == "" && a.Method == http.MethodGet:
		s.listPolicies(a, owner)
	case id == "" && a.Method == http.MethodPost:
		s.createPolicy(a, owner)
	case id != "" && a.Method == http.MethodGet:
		s.getPolicy(a, owner, id)
	case id != "" && a.Method == http.MethodPatch:
		s.updatePolicy(a, owner, id)
	case id != "" && a.Method == http.MethodDelete:
		s.deletePolicy(a, owner, id)
	default:
		a.notFound()
	}
}

func (s *Server) listPolicies(a *apiCall, owner string) {
	query := a.URL.Query()
	size, err1 := number(query.Get("page_size"), maxPage)
	from, err2 := number(query.Get("page_token"), 0)
	s.mu.Lock()
	all := s.policiesOf(owner)
	s.mu.Unlock()
	if err1 != nil || err2 != nil || size < 0 || from < 0 || from > len(all) {
		a.badParameter("page_size or page_token is invalid")
		return
	}
	if size == 0 || size > maxPage {
		size = maxPage
	}
	end := min(from+size, len(all))
	list := []any{}
	for _, p := range all[from:end] {
		list = append(list, p.resource())
	}
	answer := map[string]any{"policies": list}
	if end < len(all) {
		answer["next_page_token"] = strconv.Itoa(end)
	}
	a.json(http.StatusOK, answer)
}

func (s *Server) getPolicy(a *apiCall, owner, id string) {
	s.mu.Lock()
	p := s.policy(owner, id)
	s.mu.Unlock()
	if p == nil {
		a.noPolicy()
		return
	}
	a.json(http.StatusOK, p.resource())
}

func (s *Server) createPolicy(a *apiCall, owner string) {
	var declared trust.Policy
	if err := json.Unmarshal(a.body, &declared); err != nil {
		a.badParameter(err.Error())
		return
	}
	id := a.URL.Query().Get("policy_id")
	if id != "" && !policyID.MatchString(id) { // for a length violation too
		a.badParameter("Must contain only 0-9, a-z, and hyphen")
		return
	}
	declared.ID, declared.AccountID, declared.ServicePrincipalID = id, s.cfg.AccountID, owner
	if !s.issuerReadable(a, declared) {
		return
	}
	s.mu.Lock()
	p, err := s.newPolicy(declared, owner, s.policiesOf(owner))
	if err == nil && !slices.Contains(s.policies, p) {
		p.effective = p.created.Add(s.cfg.PolicyDelay)
		s.policies = append(s.policies, p)
	}
	s.mu.Unlock()
	switch {
	case errors.Is(err, errExists): // not recorded of Databricks
		apiError(http.StatusConflict, `"ALREADY_EXISTS"`, "Federation policy "+id+" already exists").send(a.w)
	case err != nil:
		a.badParameter(err.Error())
	default:
		a.json(http.StatusOK, p.resource())
	}
}

func (s *Server) updatePolicy(a *apiCall, owner, id string) {
	s.mu.Lock()
	old := s.policy(owner, id)
	s.mu.Unlock()
	if old == nil {
		a.noPolicy()
		return
	}
	changed, err := merge(old.Policy, a.body, a.URL.Query())
	if err == nil {
		s.mu.Lock()
		err = validateSet(changed, s.policiesOf(owner))
		s.mu.Unlock()
	}
	if err != nil {
		a.badParameter(err.Error())
		return
	}
	if !s.issuerReadable(a, changed) {
		return
	}
	updated := *old // others hold the old one
	updated.Policy, updated.updated = changed, s.Now()
	s.mu.Lock()
	i := slices.Index(s.policies, old)
	if i >= 0 {
		s.policies[i] = &updated
	}
	s.mu.Unlock()
	if i < 0 {
		apiError(http.StatusConflict, `"ABORTED"`, "The policy was changed meanwhile").send(a.w)
		return
	}
	a.json(http.StatusOK, updated.resource())
}

func (s *Server) deletePolicy(a *apiCall, owner, id string) {
	s.mu.Lock()
	p := s.policy(owner, id)
	s.policies = slices.DeleteFunc(s.policies, func(o *policy) bool { return o == p })
	s.mu.Unlock()
	if p == nil {
		a.noPolicy()
		return
	}
	a.json(http.StatusOK, struct{}{})
}

// issuerReadable fetches the keys of a policy's issuer, as Databricks does when
// a policy is written.
func (s *Server) issuerReadable(a *apiCall, p trust.Policy) bool {
	if p.JWKSJSON != "" || p.JWKSURI != "" {
		return true
	}
	if _, err := s.keys.fetch(a.Context(), keySource{issuer: p.Issuer}); err != nil {
		s.logReason(a.call, err.Error())
		a.badParameter("Unable to load valid OpenID configuration for issuer " + p.Issuer)
		return false
	}
	return true
}

func (a *apiCall) noPolicy() {
	apiError(http.StatusNotFound, `"NOT_FOUND"`, "Federation policy not found").send(a.w)
}

// policy needs s.mu.
func (s *Server) policy(owner, id string) *policy {
	for _, p := range s.policiesOf(owner) {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// merge applies the fields of a body that update_mask names; without a mask,
// those that are there.
func merge(old trust.Policy, body []byte, query url.Values) (trust.Policy, error) {
	stored, err := json.Marshal(old)
	if err != nil {
		return old, err
	}
	document, rule, err := splitPolicy(stored)
	if err != nil {
		return old, err
	}
	change, ruleChange, err := splitPolicy(body)
	if err != nil {
		return old, err
	}
	for _, path := range fields(query, change) {
		name, nested := strings.CutPrefix(path, "oidc_policy.")
		switch {
		case !slices.Contains(policyMask, path):
			return old, errors.New("update_mask names an unknown field " + path)
		case nested:
			replace(rule, ruleChange, name)
		case path == "oidc_policy":
			rule = ruleChange
		default:
			replace(document, change, name)
		}
	}
	if document["oidc_policy"], err = json.Marshal(rule); err != nil {
		return old, err
	}
	merged, err := json.Marshal(document)
	if err != nil {
		return old, err
	}
	var changed trust.Policy // decodes as strictly as a create
	if err := json.Unmarshal(merged, &changed); err != nil {
		return old, err
	}
	changed.AccountID, changed.ServicePrincipalID, changed.ID = old.AccountID, old.ServicePrincipalID, old.ID
	return changed, nil
}

// fields reads update_mask.
func fields(query url.Values, change map[string]json.RawMessage) []string {
	switch mask := query.Get("update_mask"); mask {
	case "*":
		return []string{"description", "oidc_policy"}
	case "":
		present := []string{}
		for _, name := range []string{"description", "oidc_policy"} {
			if change[name] != nil {
				present = append(present, name)
			}
		}
		return present
	default:
		return strings.Split(mask, ",")
	}
}

// splitPolicy decodes the two levels of a policy's JSON form.
func splitPolicy(body []byte) (top, rule map[string]json.RawMessage, err error) {
	if _, err := claims.Parse(body); err != nil { // no member twice
		return nil, nil, errors.New("the body is not a JSON object: " + err.Error())
	}
	if err := json.Unmarshal(body, &top); err != nil {
		return nil, nil, err
	}
	rule = make(map[string]json.RawMessage)
	if top["oidc_policy"] != nil {
		err = json.Unmarshal(top["oidc_policy"], &rule)
	}
	return top, rule, err
}

func replace(in, from map[string]json.RawMessage, name string) {
	if delete(in, name); from[name] != nil {
		in[name] = from[name]
	}
}

// resource is the policy as the API shows it.
func (p *policy) resource() map[string]any {
	rule := map[string]any{"issuer": p.Issuer}
	for name, value := range map[string]string{
		"subject": p.Subject, "subject_claim": p.SubjectClaim, "jwks_json": p.JWKSJSON, "jwks_uri": p.JWKSURI,
	} {
		if value != "" {
			rule[name] = value
		}
	}
	if len(p.Audiences) > 0 {
		rule["audiences"] = p.Audiences
	}
	resource := map[string]any{
		"name":        "accounts/" + p.AccountID + "/federationPolicies/" + p.ID,
		"policy_id":   p.ID,
		"uid":         p.uid,
		"create_time": p.created.UTC().Format(time.RFC3339Nano),
		"update_time": p.updated.UTC().Format(time.RFC3339Nano),
		"oidc_policy": rule,
	}
	if p.Description != "" {
		resource["description"] = p.Description
	}
	if p.ServicePrincipalID != "" {
		resource["name"] = "accounts/" + p.AccountID + "/servicePrincipals/" + p.ServicePrincipalID + "/federationPolicies/" + p.ID
		resource["service_principal_id"] = json.Number(p.ServicePrincipalID)
	}
	return resource
}
