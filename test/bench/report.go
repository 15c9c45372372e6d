package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// figure is one row of the table: what was measured on what, with a value for each pair.
type figure struct {
	part, database, name string
	settings             string
	unit                 string
	values               []float64
	base                 *figure // measured in the same pairs; nil = none
	note                 string
}

// id names a figure within a report.
func (f *figure) id() string { return f.part + "/" + f.database + "/" + f.name }

func (f *figure) median() float64 { return median(f.values) }

// value is the median, with minimum and maximum beside it when there was more than one pair.
func (f *figure) value() string {
	switch len(f.values) {
	case 0:
		return "not measured"
	case 1:
		return number(f.values[0]) + " " + f.unit
	}
	return fmt.Sprintf("%s %s (%s to %s)", number(f.median()), f.unit, number(slices.Min(f.values)), number(slices.Max(f.values)))
}

// ratio is the median of the pairs' ratios, or empty.
func (f *figure) ratio() string {
	if f.base == nil || f.base == f || len(f.values) == 0 {
		return ""
	}
	r := ratios(f.values, f.base.values)
	if len(r) == 0 {
		return ""
	}
	return number(median(r)) + " × " + f.base.name
}

// number has three digits that say something.
func number(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) || a >= 100:
		return thousands(int64(math.Round(v)))
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// report is the table. A row is printed when it is added, so that a long run shows how far it is.
type report struct {
	out     io.Writer
	runs    []*measurement // what was measured, now or before
	current *measurement
	printed string // the part of the last row
	ratios  bool   // print ratios only
}

func (r *report) add(f *figure) *figure {
	if r.printed != f.part {
		fmt.Fprintf(r.out, "\n%s\n", f.part)
	}
	r.printed = f.part
	r.current.figures = append(r.current.figures, f)
	name := f.name
	if f.settings != "" {
		name += " [" + f.settings + "]"
	}
	switch {
	case !r.ratios:
		fmt.Fprintf(r.out, "  %-8s  %-66s  %-44s  %s  %s\n", f.database, name, f.value(), f.ratio(), f.note)
	case f.ratio() != "" || len(f.values) == 0:
		fmt.Fprintf(r.out, "  %-8s  %-66s  %s  %s\n", f.database, name, f.ratio(), f.note)
	}
	return f
}

// version notes what took part in the current run, once.
func (r *report) version(v string) {
	if v != "" && !slices.Contains(r.current.Versions, v) {
		r.current.Versions = append(r.current.Versions, v)
	}
}
