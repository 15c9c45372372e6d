package main

import (
	"bytes"
	"image/color"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
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
		for _, f := range r.figures() {
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

// fallbacks name typefaces with the widths of Liberation Sans, which the layout reckons with, and then any that a viewer has.
const fallbacks = "font-family:Liberation Sans,Arimo,Helvetica,Arial,sans-serif"

// chart draws one bar for each figure, the first at the top: the median, with a line from the smallest to the largest value.
// A bar's name stands above it: beside it, in a viewer's wider typeface, it would run into the bar.
func chart(title, measure string, figures []*figure, path string) error {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text = title + measure
	p.X.Label.Text = figures[0].unit + " (median, smallest and largest)"
	p.HideY()
	n := len(figures)
	mine, theirs := make(plotter.Values, n), make(plotter.Values, n)
	names := plotter.XYLabels{XYs: make(plotter.XYs, n), Labels: make([]string, n)}
	var span spans
	for i, f := range figures {
		at := n - 1 - i
		m, largest := f.median(), slices.Max(f.values)
		names.XYs[at].Y = float64(at)
		names.Labels[at] = f.database + ": " + strings.TrimSuffix(f.name, measure)
		if f.settings != "" {
			names.Labels[at] += " (" + f.settings + ")"
		}
		names.Labels[at] += ": " + number(m)
		if strings.HasPrefix(f.name, "slotq") {
			mine[at] = m
		} else {
			theirs[at] = m
		}
		p.X.Max = max(p.X.Max, 1.02*largest)
		span.XYs = append(span.XYs, plotter.XY{X: m, Y: float64(at)})
		span.XErrors = append(span.XErrors, struct{ Low, High float64 }{m - slices.Min(f.values), largest - m})
	}
	for _, set := range []struct {
		values plotter.Values
		color  color.Color
	}{{theirs, others}, {mine, ours}} {
		bars, err := plotter.NewBarChart(set.values, vg.Points(10))
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
	labels, err := plotter.NewLabels(names)
	if err != nil {
		return err
	}
	labels.Offset = vg.Point{Y: 7}
	p.Add(lines, labels)
	p.X.Min, p.X.Tick.Marker = -0.02*p.X.Max, plot.TickerFunc(ticks) // room for half of the first number
	p.Y.Min, p.Y.Max = -0.5, float64(n)-0.2
	return save(p, vg.Length(n)*vg.Points(30)+vg.Points(70), path)
}

// ticks are numbered as the tables are.
func ticks(least, most float64) []plot.Tick {
	all := plot.DefaultTicks{}.Ticks(least, most)
	for i, t := range all {
		if t.Label != "" {
			all[i].Label = number(t.Value)
		}
	}
	return all
}

func save(p *plot.Plot, height vg.Length, path string) error {
	canvas, err := p.WriterTo(24*vg.Centimeter, height, "svg")
	if err != nil {
		return err
	}
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	return os.WriteFile(path, bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans"), []byte(fallbacks)), 0o644)
}
