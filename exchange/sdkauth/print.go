package sdkauth

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// String says whose token is exchanged for whose. It holds no secret: a source
// names itself without one.
func (s Strategy) String() string {
	var parts []string
	switch {
	case s.Tokens != nil:
		parts = append(parts, fmt.Sprintf("tokens of type %T", s.Tokens))
	case s.Subject != nil:
		parts = append(parts, sourceName(s.Subject))
	}
	switch {
	case s.Policy != nil:
		parts = append(parts, "as its policy decides")
	case s.AccountWide:
		parts = append(parts, "account-wide")
	case s.ClientID != "":
		parts = append(parts, fmt.Sprintf("for service principal %q", s.ClientID))
	}
	return "sdkauth.Strategy(" + strings.Join(parts, ", ") + ")"
}

// Format implements fmt.Formatter: every verb prints String, because the fields
// may lead to secrets.
func (s Strategy) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.String()) }

// LogValue implements slog.LogValuer with String.
func (s Strategy) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON implements json.Marshaler with String.
func (s Strategy) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
