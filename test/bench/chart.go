package main

import (
	"image/color"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// charted are the parts that a picture helps with. A part with several measures shows the one named.
var charted = []struct{ part, measure string }{
	{"Drain", ""}, {"Enqueue one by one", ""}, {"Enqueue in batches", ""},
	{"Latency: answered to started, 300 jobs/s", ", p99"}, {"Growth: backlog", ", claimed and finished"}, {"Blocked fronts", ""},
}

// charts writes an SVG for each charted part and returns the paths by part.
func (r *report) charts(dir string) (map[string]string, error) {
	paths := map[string]string{}
	for _, c := range charted {
		var figures []*figure
		for _, f := range r.figures {
			if strings.HasPrefix(f.part, c.part) && strings.HasSuffix(f.name, c.measure) && len(f.values) > 0 {
				figures = append(figures, f)
			}
		}
		if len(figures) == 0 {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		part := figures[0].part
		path := filepath.Join(dir, fileName(c.part)+".svg")
		if err := chart(part, c.measure, figures, path); err != nil {
			return nil, err
		}
		paths[part] = path
	}
	return paths, nil
}

// fileName makes a part's name one for a file.
func fileName(part string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(part), "-"), "-")
}

var (
	ours   = color.RGBA{0x1f, 0x6f, 0xb2, 0xff}
	others = color.RGBA{0xb0, 0xb4, 0xba, 0xff}
)

// spans are the smallest and the largest values around the medians.
type spans struct {
	plotter.XYs
	plotter.XErrors
}

// chart draws one bar for each figure, the first at the top: the median, with a line from the smallest to the largest value.
func chart(title, measure string, figures []*figure, path string) error {
	p := plot.New()
	p.Title.Text = title + measure
	p.X.Label.Text = figures[0].unit + " (median, smallest and largest)"
	p.X.Min = 0
	n := len(figures)
	mine, theirs, names := make(plotter.Values, n), make(plotter.Values, n), make([]string, n)
	var span spans
	for i, f := range figures {
		at := n - 1 - i
		names[at] = f.database + ": " + strings.TrimSuffix(f.name, measure)
		if f.settings != "" {
			names[at] += " (" + f.settings + ")"
		}
		m := f.median()
		if strings.HasPrefix(f.name, "slotq") {
			mine[at] = m
		} else {
			theirs[at] = m
		}
		span.XYs = append(span.XYs, plotter.XY{X: m, Y: float64(at)})
		span.XErrors = append(span.XErrors, struct{ Low, High float64 }{m - slices.Min(f.values), slices.Max(f.values) - m})
	}
	for _, set := range []struct {
		values plotter.Values
		color  color.Color
	}{{theirs, others}, {mine, ours}} {
		bars, err := plotter.NewBarChart(set.values, vg.Points(12))
		if err != nil {
			return err
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, set.color, 0
		p.Add(bars)
	}
	lines, err := plotter.NewXErrorBars(span)
	if err != nil {
		return err
	}
	p.Add(lines)
	p.NominalY(names...)
	return p.Save(28*vg.Centimeter, vg.Length(n)*vg.Points(20)+vg.Points(90), path)
}
