package exchange

import (
	"strings"
	"testing"

	"github.com/brickfed/brickfed/internal/redact"
)

// TestCensor_strangers: tokens that nobody named here, and words that look a
// little like them.
func TestCensor_strangers(t *testing.T) {
	tests := []struct {
		name string
		word string
		kept bool
	}{
		{"a signature", "dQw4w9WgXcQ-vV7nQ2k_LmP0sN4bT8wLc2RjY6uHf3Gi9Eo5Ka", false},
		{"twenty characters of one", "dQw4w9WgXcQvV7nQ2kLm", false},
		{"in lower case", "dqw4w9wgxcqvv7nq2klmp0sn4bt8wlc2rjy6uhf3gi9eo5ka", false},
		{"in upper case", "DQW4W9WGXCQVV7NQ2KLMP0SN4BT8WLC2RJY6UHF3GI9EO5KA", false},
		{"a key in hexadecimal", "0123456789abcdef0123456789abcdef0123456789abcdef", false},
		{"letters alone, very long", "abcdefghijABCDEFGHIJabcdefghijABCDEFGHIJ", false},
		{"a UUID", "5e0d0b6c-3d5e-4d0c-9d1b-0c8f1f6f7a11", true},
		{"a UUID in upper case", "5E0D0B6C-3D5E-4D0C-9D1B-0C8F1F6F7A11", true},
		{"a trace id", "4bf92f3577b34da6a3ce929d0e0e4736", true},
		{"a number", "12345678901234567890123456789012345678901234", true},
		{"an error code", "REQUEST_LIMIT_EXCEEDED_FOR_THIS_ENDPOINT_AND_PRINCIPAL", true},
		{"an exception", "InvalidParameterValueException", true},
		{"a name with a year", "prod_customer_events_enriched_2024", true},
		{"a short word", "dQw4w9WgXcQvV7nQ2kL", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			said := "the value " + tt.word + ", is bad"
			got := censor{}.text(said, 1024)
			if kept := got == said; kept != tt.kept || !kept && got != "the value "+redact.Mark+", is bad" {
				t.Errorf("text = %q", got)
			}
			if hides := (censor{}).hides(said); hides == tt.kept {
				t.Errorf("hides = %t", hides)
			}
		})
	}
}

// A subject may look like a token, as Entra ID's pairwise ones do; whoever
// writes the federation policy needs it.
func TestCensor_facts(t *testing.T) {
	const pairwise = "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"
	q := ask(t)
	q.subject = mint(t, "RS256", map[string]any{"sub": pairwise})
	_, err := parseAnswer(q, reply(400, strings.ReplaceAll(bodyNoPolicy, askedSubject, pairwise)))
	for _, text := range []string{err.Description, err.Hint, err.Subject} {
		if !strings.Contains(text, pairwise) {
			t.Errorf("the subject is hidden in %q", text)
		}
	}
	if by := (censor{secrets: []string{"secret-" + pairwise}, known: []string{pairwise}}); !by.hides(pairwise) {
		t.Error("a fact that is a piece of a secret is shown")
	}
}
