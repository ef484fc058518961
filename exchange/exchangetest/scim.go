package exchangetest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const schemaUser, schemaGroup, schemaList = "urn:ietf:params:scim:schemas:core:2.0:User",
	"urn:ietf:params:scim:schemas:core:2.0:Group", "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// maxPage is how many groups one page of a listing holds at most.
const maxPage = 100

// serveSCIM answers Me, Groups and Groups/{id}. See RFC 7644, sections 3.4 and
// 3.11.
func (s *Server) serveSCIM(a *apiCall) {
	switch {
	case a.Method != http.MethodGet:
		a.notFound()
	case len(a.rest) == 1 && a.rest[0] == "Me" && a.kind != accountHost:
		a.json(http.StatusOK, s.me(a))
	case len(a.rest) == 1 && a.rest[0] == "Groups":
		s.listGroups(a)
	case len(a.rest) == 2 && a.rest[0] == "Groups":
		s.mu.Lock()
		g := s.group(a.rest[1])
		s.mu.Unlock()
		if g == nil {
			apiError(http.StatusNotFound, `"RESOURCE_DOES_NOT_EXIST"`, "Group with id "+a.rest[1]+" not found.").send(a.w)
			return
		}
		a.json(http.StatusOK, groupResource(*g))
	default:
		a.notFound()
	}
}

// me is the holder of the token. With an assumed group it has the permissions
// of that group only, so that one is listed alone.
func (s *Server) me(a *apiCall) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := a.principal
	ids := p.Groups
	if a.token.Group != "" {
		ids = []string{a.token.Group}
	}
	groups := []any{}
	for _, id := range ids {
		if g := s.group(id); g != nil {
			groups = append(groups, map[string]any{
				"value": g.ID, "display": g.Name, "type": "direct", "$ref": "Groups/" + g.ID,
			})
		}
	}
	me := map[string]any{
		"schemas":     []string{schemaUser},
		"id":          p.ID,
		"userName":    p.name(),
		"displayName": p.DisplayName,
		"active":      true,
		"groups":      groups,
	}
	if p.UserName != "" {
		me["emails"] = []any{map[string]any{"type": "work", "value": p.UserName, "primary": true}}
	}
	return me
}

func (s *Server) listGroups(a *apiCall) {
	query := a.URL.Query()
	start, err1 := number(query.Get("startIndex"), 1)
	count, err2 := number(query.Get("count"), maxPage)
	name, filtered, ok := nameFilter(query.Get("filter"))
	if err1 != nil || err2 != nil || !ok {
		apiError(http.StatusBadRequest, `"INVALID_FILTER"`, `Only displayName eq "…", startIndex and count are understood here`).send(a.w)
		return
	}
	s.mu.Lock()
	groups := slices.Clone(s.groups)
	s.mu.Unlock()
	groups = slices.DeleteFunc(groups, func(g Group) bool { return filtered && g.Name != name })
	total := len(groups)
	from := min(max(start, 1)-1, total)
	page := groups[from:min(from+min(max(count, 0), maxPage), total)]
	resources := make([]any, len(page))
	for i, g := range page {
		resources[i] = groupResource(g)
	}
	a.json(http.StatusOK, map[string]any{
		"schemas": []string{schemaList}, "totalResults": total, "startIndex": from + 1, "itemsPerPage": len(page), "Resources": resources,
	})
}

func groupResource(g Group) map[string]any {
	return map[string]any{"schemas": []string{schemaGroup}, "id": g.ID, "displayName": g.Name, "meta": map[string]any{"resourceType": "Group"}}
}

// nameFilter reads displayName eq "name" (RFC 7644, section 3.4.2.2). Attribute
// and operator have no case.
func nameFilter(filter string) (name string, filtered, ok bool) {
	if filter == "" {
		return "", false, true
	}
	parts := strings.SplitN(filter, " ", 3)
	if len(parts) != 3 || !strings.EqualFold(parts[0], "displayName") || !strings.EqualFold(parts[1], "eq") {
		return "", false, false
	}
	name, err := strconv.Unquote(parts[2])
	return name, true, err == nil
}

func number(text string, missing int) (int, error) {
	if text == "" {
		return missing, nil
	}
	return strconv.Atoi(text)
}
