package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/brickfed/brickfed/internal/bench/chart"
)

func TestBars(t *testing.T) {
	svg := string(chart.Bars(`a < b & "c"`, []chart.Bar{
		{Label: "long", Value: 200, Text: "200"},
		{Label: "half", Value: 100, Text: "100", Strong: true},
		{Label: "none", Value: 0, Text: "0"},
		{Label: "less", Value: -1, Text: "-1"},
	}))
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, svg)
		}
	}
	for _, want := range []string{
		`<title>a &lt; b &amp; `, `width="480.0"`, `width="240.0" height="18" rx="2" fill="#1f6feb"`, ">half<", ">100<",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in\n%s", want, svg)
		}
	}
	if got := strings.Count(svg, `width="1.0"`); got != 2 {
		t.Errorf("%d bars without length, want 2", got)
	}
}

func TestBars_empty(t *testing.T) {
	if svg := string(chart.Bars("nothing", nil)); strings.Contains(svg, "NaN") || !strings.Contains(svg, "</svg>") {
		t.Errorf("got\n%s", svg)
	}
}
