package exchangetest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// apiCall is a call whose bearer token was accepted.
type apiCall struct {
	*call
	principal *Principal
	token     *accessToken
	rest      []string // path segments after /api/2.0/
}

// serveAPI checks the bearer token as every Databricks API does, and serves the
// few that are here.
func (s *Server) serveAPI(c *call) {
	a, err := s.authenticate(c)
	if err != nil {
		s.logReason(c, "access token: "+err.Error())
		s.refusalOf(err).send(c.w)
		return
	}
	switch {
	case c.kind != accountHost && a.under("preview", "scim", "v2"):
		s.serveSCIM(a)
	case c.kind != accountHost && a.under("sql", "statements"):
		s.serveStatements(a)
	case c.kind != workspaceHost && a.under("accounts", s.cfg.AccountID, "scim", "v2"):
		s.serveSCIM(a)
	case c.kind != workspaceHost && a.under("accounts", s.cfg.AccountID):
		s.servePolicies(a)
	default:
		a.notFound()
	}
}

func (s *Server) authenticate(c *call) (*apiCall, error) {
	raw, err := bearer(c.Header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	token, err := s.parse(raw)
	if err != nil {
		return nil, err
	}
	principal, err := s.inForce(token, s.issuer(c), c.now)
	if err != nil {
		return nil, err
	}
	path, found := strings.CutPrefix(strings.TrimSuffix(c.URL.Path, "/"), "/api/2.0/")
	if !found {
		path = ""
	}
	return &apiCall{c, principal, token, strings.Split(path, "/")}, nil
}

// refusalOf chooses the answer for a bad access token.
func (s *Server) refusalOf(err error) Fault {
	configured := s.cfg.Refusal
	switch {
	case errors.Is(err, errNoToken):
		return recorded["api no credential"]
	case configured.Status != 0 || configured.Body != "":
		return configured
	case errors.Is(err, errExpired):
		return recorded["api jwt expired"]
	case errors.Is(err, errExpiring):
		return recorded["api expiring"]
	case errors.Is(err, errForeign):
		return recorded["api invalid token"]
	}
	return recorded["api invalid access token"]
}

// under cuts a prefix off the rest of the path.
func (a *apiCall) under(prefix ...string) bool {
	if len(a.rest) < len(prefix) || !slices.Equal(a.rest[:len(prefix)], prefix) {
		return false
	}
	a.rest = a.rest[len(prefix):]
	return true
}

func (a *apiCall) notFound() {
	apiError(http.StatusNotFound, `"ENDPOINT_NOT_FOUND"`, "No API found for '"+a.Method+" "+strings.TrimPrefix(a.URL.Path, "/api/2.0")+"'").send(a.w)
}

func (a *apiCall) badParameter(message string) {
	apiError(http.StatusBadRequest, `"INVALID_PARAMETER_VALUE"`, message).send(a.w)
}

// allowed answers 403 if the token's scopes do not reach the API. A new token
// does not help.
func (s *Server) allowed(a *apiCall, scope string) bool {
	scopes := strings.Fields(a.token.Scope)
	if slices.Contains(scopes, "all-apis") || slices.Contains(scopes, scope) {
		return true
	}
	s.logReason(a.call, "scope: "+a.token.Scope)
	apiError(http.StatusForbidden, `"PERMISSION_DENIED"`, "Provided OAuth token does not have required scopes: "+scope).send(a.w)
	return false
}

// serveStatements runs the one statement that it understands:
//
//	SELECT current_user()
func (s *Server) serveStatements(a *apiCall) {
	if len(a.rest) != 0 || a.Method != http.MethodPost {
		a.notFound()
		return
	}
	if !s.allowed(a, "sql") {
		return
	}
	var request struct {
		Statement string `json:"statement"`
	}
	if err := json.Unmarshal(a.body, &request); err != nil {
		apiError(http.StatusBadRequest, `"MALFORMED_REQUEST"`, "The body is not JSON").send(a.w)
		return
	}
	answer := map[string]any{"statement_id": newUUID()}
	if strings.EqualFold(strings.Join(strings.Fields(strings.TrimSuffix(strings.TrimSpace(request.Statement), ";")), " "), "select current_user()") {
		answer["status"] = map[string]any{"state": "SUCCEEDED"}
		answer["manifest"] = map[string]any{
			"format": "JSON_ARRAY", "total_row_count": 1,
			"schema": map[string]any{
				"column_count": 1,
				"columns":      []any{map[string]any{"name": "current_user()", "position": 0, "type_name": "STRING", "type_text": "STRING"}},
			},
		}
		answer["result"] = map[string]any{"chunk_index": 0, "row_count": 1, "row_offset": 0, "data_array": [][]string{{a.principal.name()}}}
	} else {
		answer["status"] = map[string]any{
			"state": "FAILED",
			"error": map[string]any{"error_code": "BAD_REQUEST", "message": "[PARSE_SYNTAX_ERROR] only SELECT current_user() is understood here"},
		}
	}
	a.json(http.StatusOK, answer)
}
