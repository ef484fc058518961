package redact_test

import (
	"strings"
	"testing"

	"github.com/brickfed/brickfed/internal/redact"
)

// BenchmarkText: a refused token of usual length, and the longest there is.
func BenchmarkText(b *testing.B) {
	const text = "Failed to process token: TOKEN_INVALID (Ensure a valid federation policy has been configured). Valid federation policy for provided token: {issuer: 'https://idp.example', subject: 's', audience: 'a'}"
	for name, n := range map[string]int{"1KiB": 30, "64KiB": 1700} {
		secret := strings.Repeat(opaque[:38], n)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				redact.Text(text, secret)
			}
		})
	}
}
