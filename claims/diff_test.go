package claims_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/claims"
)

func TestDiff(t *testing.T) {
	d := claims.Diff([]string{"b", "a", "b", "c"}, []string{"c", "z", "y"})
	if !slices.Equal(d.Missing, []string{"a", "b"}) || !slices.Equal(d.Extra, []string{"y", "z"}) {
		t.Errorf("got %+v", d)
	}
	if text := d.String(); !strings.Contains(text, `grants "a", "b"`) || !strings.Contains(text, "provision") {
		t.Errorf("got %s", text)
	}
	if text := claims.Diff([]string{"a"}, []string{"a", "b"}).String(); text != "" {
		t.Errorf("got %s, want nothing", text)
	}
}
