// Package chart draws bar charts as SVG, for pages that nobody wants to install a
// plotting program for.
//
//	svg := chart.Bars("Calls in an outage", []chart.Bar{
//		{Label: "peer", Value: 611, Text: "611"},
//		{Label: "brickfed", Value: 124, Text: "124", Strong: true},
//	})
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// Bar is one bar of a chart.
type Bar struct {
	Label  string  // to the left of it
	Value  float64 // its length; less than zero counts as zero
	Text   string  // to the right of it
	Strong bool    // drawn in the strong colour
}

// Sizes in pixels.
const (
	width    = 720
	left     = 150 // where bars begin
	right    = 90  // for the text behind the longest one
	top      = 48
	pitch    = 28 // from bar to bar
	thick    = 18
	lineLong = 86 // characters of a title in one line
)

// Bars returns a chart of horizontal bars, the longest of which fills the width.
// It has a background of its own, so that it can be read on any page.
func Bars(title string, bars []Bar) []byte {
	longest := 0.0
	for _, b := range bars {
		longest = max(longest, b.Value)
	}
	var svg bytes.Buffer
	height := top + pitch*len(bars) + 12
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#24292f" role="img">`+"\n", width, height)
	fmt.Fprintf(&svg, "<title>%s</title>\n", escape(title))
	fmt.Fprintf(&svg, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&svg, `<text x="16" y="28" font-size="%d" font-weight="bold">%s</text>`+"\n", titleSize(title), escape(title))
	for i, b := range bars {
		y := top + pitch*i
		length, colour := 0.0, "#8c959f"
		if longest > 0 {
			length = max(b.Value, 0) / longest * (width - left - right)
		}
		if b.Strong {
			colour = "#1f6feb"
		}
		middle := y + thick/2 + 5
		fmt.Fprintf(&svg, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, middle, escape(b.Label))
		fmt.Fprintf(&svg, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`+"\n", left, y, max(length, 1), thick, colour)
		fmt.Fprintf(&svg, `<text x="%.1f" y="%d">%s</text>`+"\n", left+max(length, 1)+6, middle, escape(b.Text))
	}
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

// titleSize makes a long title small enough for the width.
func titleSize(title string) int {
	if n := len([]rune(title)); n > lineLong {
		return max(14*lineLong/n, 8)
	}
	return 14
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer takes everything
	return b.String()
}
