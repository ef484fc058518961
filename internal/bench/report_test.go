package bench_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/brickfed/brickfed/internal/bench/chart"
)

// The tables stand between these lines of README.md.
const (
	beginTables = "<!-- tables: go test -update -->\n"
	endTables   = "<!-- end of tables -->\n"
)

// report writes the tables and the charts.
func report() error {
	var page strings.Builder
	fmt.Fprintf(&page, "Measured with %s on %s/%s, %d CPUs (%s).\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel())
	for _, table := range tables {
		if err := table.write(&page); err != nil {
			return err
		}
		for _, p := range table.probes {
			if p.chart == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join("figures", p.chart+".svg"), p.draw(), 0o644); err != nil {
				return err
			}
		}
	}
	return replaceTables("README.md", page.String())
}

// write appends the table in Markdown.
func (t table) write(page *strings.Builder) error {
	var columns []string
	for _, p := range t.probes {
		if len(p.names) == 0 {
			return fmt.Errorf("nothing was measured for %q: -update goes without -run and -short", p.title)
		}
		for _, name := range p.names {
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	fmt.Fprintf(page, "\n### %s\n\n| | %s |\n|---|%s\n", t.title, strings.Join(columns, " | "), strings.Repeat("---:|", len(columns)))
	for _, p := range t.probes {
		page.WriteString("| " + p.title + " |")
		for _, name := range columns {
			text := "–"
			if v, ok := p.values[name]; ok {
				text = p.text(v)
			}
			if name == brickfed {
				text = "**" + text + "**"
			}
			page.WriteString(" " + text + " |")
		}
		page.WriteString("\n")
	}
	return nil
}

func (p *probe) draw() []byte {
	var bars []chart.Bar
	for _, name := range p.names {
		bars = append(bars, chart.Bar{
			Label: name, Value: p.values[name], Text: p.text(p.values[name]), Strong: strings.HasPrefix(name, brickfed),
		})
	}
	return chart.Bars(p.title, bars)
}

func replaceTables(file, tables string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(old), beginTables)
	_, after, ends := strings.Cut(rest, endTables)
	if !begins || !ends {
		return errors.New(file + " has no place for the tables")
	}
	return os.WriteFile(file, []byte(before+beginTables+"\n"+tables+"\n"+endTables+after), 0o644)
}

// cpuModel is what the kernel says of the processor.
func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // nothing is said elsewhere
	for line := range bytes.Lines(info) {
		if name, model, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(model))
		}
	}
	return "of unknown make"
}
