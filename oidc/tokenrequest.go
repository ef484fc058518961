package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/internal/redact"
)

// maxTokenAnswer is how many bytes the answer of a token endpoint may have. One
// answer may hold two tokens, and Entra tokens with many groups have 8 KiB.
const maxTokenAnswer = 64 << 10

// tokenRequest is one request to a token endpoint (RFC 6749, section 3.2),
// repeated only while a client secret rotates.
type tokenRequest struct {
	client   *http.Client
	endpoint string
	auth     ClientAuth
	form     url.Values
}

// tokenAnswer is the part of a successful answer that is used. See RFC 6749,
// section 5.1, and OpenID Connect Core 1.0, section 3.1.3.3.
type tokenAnswer struct {
	AccessToken string
	IDToken     string
}

func (r *tokenRequest) do(ctx context.Context) (*tokenAnswer, error) {
	rotating, ok := r.auth.(secretAuth)
	if !ok {
		return r.try(ctx, func(form url.Values, h http.Header) error {
			return r.auth.Apply(ctx, r.endpoint, form, h)
		})
	}
	var refusal error
	for value, err := range rotating.secret().candidates(ctx) {
		if err != nil {
			return nil, err
		}
		answer, err := r.try(ctx, func(form url.Values, h http.Header) error {
			return rotating.apply(value, form, h)
		}, value, url.QueryEscape(value))
		switch {
		case err == nil:
			rotating.secret().accept(value)
			return answer, nil
		case refusal != nil && !isInvalidClient(err):
			return nil, err // another value got further
		case refusal == nil:
			refusal = err
		}
		if !isInvalidClient(err) {
			break
		}
	}
	return nil, refusal
}

// isInvalidClient reports whether the provider did not believe who asks. Some
// answer 401 without a word.
func isInvalidClient(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == "invalid_client" || e.Code == "" && e.Status == http.StatusUnauthorized)
}

// try sends the request once. secrets are kept out of the error, besides what
// prove put into the request.
func (r *tokenRequest) try(ctx context.Context, prove func(url.Values, http.Header) error, secrets ...string) (*tokenAnswer, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	form := url.Values{}
	for name, values := range r.form {
		form[name] = slices.Clone(values)
	}
	h := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	if err := prove(form, h); err != nil {
		return nil, err
	}
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("oidc: token request: the endpoint is not a URL")
	}
	req.Header = h
	secrets = append(secrets, r.secretsIn(form, h)...)
	res, err := send(r.client, req, opToken, maxTokenAnswer, secrets...)
	if err != nil {
		return nil, err
	}
	return readTokenAnswer(res, r.endpoint, secrets)
}

const opToken = "token request"

// secretsIn lists what the client authentication added to a request.
func (r *tokenRequest) secretsIn(form url.Values, h http.Header) []string {
	var secrets []string
	for name, values := range form {
		if _, ours := r.form[name]; ours || name == "client_id" {
			continue
		}
		for _, value := range values {
			secrets = append(secrets, value, url.QueryEscape(value))
		}
	}
	for name, values := range h {
		if name == "Accept" || name == "Content-Type" {
			continue
		}
		for _, value := range values {
			_, credentials, found := strings.Cut(value, " ")
			if !found {
				credentials = value
			}
			secrets = append(secrets, credentials)
		}
	}
	return secrets
}

// readTokenAnswer tells a token from an error. A provider may send an error with
// status 200, and JSON as text/plain.
func readTokenAnswer(res *result, endpoint string, secrets []string) (*tokenAnswer, error) {
	where, _, _ := strings.Cut(endpoint, "?")
	e := &Error{Op: opToken, URL: where, Status: res.status, Wait: res.wait()}
	members, err := parseTokenAnswer(res.body)
	if err == nil && members["error"] != "" {
		e.Code = redact.Text(members["error"], secrets...)
		e.Description = redact.Text(members["error_description"], secrets...)
		e.Hint = codeHint(members["error"])
		return nil, e
	}
	switch {
	case res.looksLikePage():
		e.Err = errors.New("the answer is a web page")
		e.Hint = "check that the token endpoint is one, and that no proxy or login page stands before it"
	case res.status < 200 || res.status >= 300:
		e.Hint = tokenStatusHint(res.status)
	case err != nil:
		e.Err = err
	default:
		return &tokenAnswer{AccessToken: members["access_token"], IDToken: members["id_token"]}, nil
	}
	return nil, e
}

// parseTokenAnswer returns the members that are looked at. Absent and null ones
// are empty.
func parseTokenAnswer(data []byte) (map[string]string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, errors.New("the answer is not a JSON object")
	}
	texts := map[string]string{"access_token": "", "id_token": "", "error": "", "error_description": ""}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		value, there := members[name]
		if !there || string(value) == "null" {
			continue
		}
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, fmt.Errorf("the answer's %s is not a string", name)
		}
		texts[name] = text
	}
	return texts, nil
}

func tokenStatusHint(status int) string {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return "the provider refused the client without saying why; check the client ID and secret"
	}
	return statusHint(status, "check the token endpoint")
}

// codeHint explains the codes of RFC 6749, section 5.2, and RFC 8707, section 2.
func codeHint(code string) string {
	switch code {
	case "invalid_client":
		return "check the client ID, the secret (Entra shows its value once; its ID is not the value) and whether the provider wants SecretBasic or SecretPost"
	case "unauthorized_client":
		return "allow this client the grant client_credentials at the provider"
	case "unsupported_grant_type":
		return "the provider does not offer the grant client_credentials at this endpoint"
	case "invalid_scope":
		return "ask for scopes that the client was granted: Okta wants one of the authorization server's own, Entra exactly the application's ID URI followed by /.default"
	case "invalid_target":
		return "the provider does not know this resource or audience; register it there, or correct Resource, Audience or AudienceParam"
	case "access_denied":
		return "grant the client access to the audience at the provider"
	}
	return ""
}
