package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/brickfed/brickfed/internal/httpx"
	"github.com/brickfed/brickfed/internal/redact"
)

// Bounds of one request.
const (
	callTimeout = 10 * time.Second // with the time that Config.Token takes
	maxToken    = 64 << 10         // bytes
	maxBody     = 1 << 20          // bytes; 11,000 IDs take 430 KB
	maxGroups   = 11_000           // where Graph itself gives up
	maxCode     = 64               // bytes of an error code
)

// userAgent names this library to Graph.
const userAgent = "brickfed"

// ask sends one request. The result is sorted and has no ID twice.
func (s *service) ask(ctx context.Context, who holder) ([]string, *Error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, noToken(err)
	}
	if !isToken(token) {
		return nil, &Error{Reason: "Config.Token returned no access token", Hint: "it must return the bare token, as one word of at most 64 KiB"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.origin+who.path()+"/getMemberGroups", strings.NewReader(s.request))
	if err != nil {
		return nil, &Error{Reason: "no request can be made for Config.Endpoint"}
	}
	secrets := []string{token, who.id, s.tenant} // never to be shown
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, unreachable(err, secrets)
	}
	defer resp.Body.Close()
	body, err := httpx.ReadBody(resp.Body, maxBody)
	var tooLarge *httpx.TooLargeError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, unreachable(err, secrets)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, s.refused(resp, body, who, secrets)
	}
	groups, problem := readGroups(body)
	if tooLarge != nil {
		problem = tooLarge.Error()
	}
	if problem != "" {
		return nil, &Error{
			Reason:    "the answer is not a list of groups: " + problem,
			Hint:      "check Config.Endpoint, and whether a proxy answers in Graph's place",
			Status:    resp.StatusCode,
			RequestID: requestID(resp.Header, secrets),
		}
	}
	return groups, nil
}

// isToken takes what RFC 6750, section 2.1, lets stand after the scheme, and more:
// every printable ASCII character but the space.
func isToken(s string) bool {
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// readGroups takes exactly the documented answer: {"value": ["UUID", …]}. Anything
// that might be a part of the truth is a problem.
func readGroups(body []byte) (groups []string, problem string) {
	object, err := readObject(body)
	if err != nil {
		return nil, err.Error()
	}
	if next, there := object["@odata.nextLink"]; there && string(next) != "null" {
		return nil, "it says that there are more pages, which Graph does not document for this request"
	}
	value, there := object["value"]
	if !there {
		return nil, "it has no member value"
	}
	if err := json.Unmarshal(value, &groups); err != nil || groups == nil {
		return nil, "its value is not a list of strings"
	}
	if len(groups) > maxGroups {
		return nil, fmt.Sprintf("it has %d entries, more than the %d that Graph documents", len(groups), maxGroups)
	}
	for i, id := range groups {
		id, ok := parseUUID(id)
		if !ok {
			return nil, fmt.Sprintf("its entry %d is not a UUID", i)
		}
		groups[i] = id
	}
	slices.Sort(groups)
	return slices.Compact(groups), ""
}

// readObject decodes one JSON object without folding names, and refuses a member
// that stands twice: of two lists of groups, one is wrong.
func readObject(body []byte) (map[string]json.RawMessage, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errors.New("it is empty")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	object := make(map[string]json.RawMessage)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errors.New("it is not valid JSON")
		}
		text, _ := name.(string) // always: the decoder refuses other names
		if _, twice := object[text]; twice {
			return nil, errors.New("it has a member twice")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("it is not valid JSON")
		}
		object[text] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("it is not valid JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return object, nil
}

// errorCode returns the code of Graph's error body ("Microsoft Graph error
// responses and resource types"), if it looks like one. The message is left where
// it is: it names people.
func errorCode(body []byte, secrets []string) string {
	var said struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	code := said.Error.Code
	if len(code) > maxCode || strings.ContainsFunc(code, notOfCode) || redact.Text(code, secrets...) != code {
		return ""
	}
	return code
}

func notOfCode(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.'
}

// requestID returns what Microsoft's support asks for.
func requestID(h http.Header, secrets []string) string {
	id, ok := parseUUID(h.Get("request-id"))
	if !ok || redact.Finds(id, secrets...) {
		return ""
	}
	return id
}
