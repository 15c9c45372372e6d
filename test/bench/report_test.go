package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNumbersShowThreeDigitsThatSaySomething(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 3: "3", 0.0123: "0.012", 0.456: "0.46", 7.891: "7.89", 45.67: "45.7", 234.5: "235", 1234567: "1,234,567", -45000: "-45,000",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
}

// sample is a report with two databases in one part.
func sample(out *bytes.Buffer) *report {
	r := &report{out: out}
	r.begin(&measurement{Chapter: "drain", Database: "postgres", Command: "bench"})
	base := r.add(&figure{part: "Drain: no-op jobs", database: "postgres", name: "floor: bare statements", unit: "jobs/s", values: []float64{100, 300, 200}})
	r.add(&figure{part: base.part, database: "postgres", name: "slotq, 1 worker", unit: "jobs/s", values: []float64{90, 150, 180}, base: base})
	r.add(&figure{part: base.part, database: "postgres", name: "River, tuned", unit: "jobs/s", values: []float64{20, 60, 40}, base: base})
	r.begin(&measurement{Chapter: "drain", Database: "mariadb", Command: "bench"})
	r.add(&figure{part: base.part, database: "mariadb", name: "slotq, 1 worker", unit: "jobs/s", values: []float64{30}, note: "a | b"})
	r.begin(&measurement{Chapter: "drain", Database: "redis", Command: "bench"})
	r.add(&figure{part: base.part, database: "redis", name: "asynq", unit: "jobs/s", note: "not available here"})
	return r
}

func TestRowsShowMedianMinimumMaximumAndTheRatioOfThePairs(t *testing.T) {
	var out bytes.Buffer
	sample(&out)
	for _, want := range []string{"200 jobs/s (100 to 300)", "150 jobs/s (90 to 180)", "0.90 × floor: bare statements", "30 jobs/s", "not measured"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if n := strings.Count(out.String(), "Drain: no-op jobs"); n != 1 {
		t.Errorf("the part's name stands %d times", n)
	}
}

func TestBarsCompareMediansAcrossDatabases(t *testing.T) {
	got := map[string]judged{}
	for _, j := range sample(&bytes.Buffer{}).judge() {
		got[j.what] = j
	}
	if j := got["drain on PostgreSQL, of the floor"]; j.ratio != 0.9 || !j.kept {
		t.Errorf("got %+v", j)
	}
	if j := got["drain on MariaDB, of River tuned on PostgreSQL"]; j.ratio != 0.75 || j.kept {
		t.Errorf("got %+v", j)
	}
	if j := got["drain on PostgreSQL, of River tuned"]; j.ratio != 4.5 || j.floor != 5 || !j.kept {
		t.Errorf("got %+v", j)
	}
	if len(got) != 3 {
		t.Errorf("bars without figures were judged: %v", got)
	}
}

func TestMarkdownHasATableForEachPartAndChartsAsSVG(t *testing.T) {
	r := sample(&bytes.Buffer{})
	charts, err := r.charts(filepath.Join(t.TempDir(), "charts"))
	if err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(charts["Drain: no-op jobs"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "postgres: slotq, 1 worker: 150", "Liberation Sans,Arimo,"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the chart has no %q in %d bytes", want, len(svg))
		}
	}
	var s strings.Builder
	r.markdown(&s, charts)
	for _, want := range []string{"## Drain: no-op jobs\n", "![Drain: no-op jobs](docs/benchmarks/drain.svg)", "| mariadb | slotq, 1 worker |  | 30 jobs/s |  | a \\| b |"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("no %q in\n%s", want, &s)
		}
	}
	for line := range strings.Lines(s.String()) {
		if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, "\\|", ""), "|") != 7 {
			t.Errorf("a row of another width: %s", line)
		}
	}
}

func TestAPartThatIsMeasuredAgainReplacesItsFiguresOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures.json")
	if err := sample(&bytes.Buffer{}).save(path); err != nil {
		t.Fatal(err)
	}
	r := &report{out: &bytes.Buffer{}}
	if err := r.load(path); err != nil {
		t.Fatal(err)
	}
	r.begin(&measurement{Chapter: "enqueue", Database: "sqlite", Command: "bench --parts enqueue"})
	r.add(&figure{part: "Enqueue one by one", database: "sqlite", name: "slotq", values: []float64{7}})
	r.begin(&measurement{Chapter: "drain", Database: "mariadb", Command: "bench --parts drain"})
	r.add(&figure{part: "Drain: no-op jobs", database: "mariadb", name: "slotq, 1 worker", unit: "jobs/s", values: []float64{60}})
	var s strings.Builder
	r.markdownRuns(&s)
	r.markdown(&s, nil)
	for _, want := range []string{
		"| `bench` | drain on postgres, drain on redis |", "| `bench --parts drain` | drain on mariadb |", "| `bench --parts enqueue` | enqueue on sqlite |",
		"150 jobs/s (90 to 180) | 0.90 × floor: bare statements", "| mariadb | slotq, 1 worker |  | 60 jobs/s |", "| redis | asynq |  | not measured |  | not available here |",
	} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("no %q in\n%s", want, &s)
		}
	}
	if strings.Contains(s.String(), "| 30 jobs/s |") {
		t.Errorf("the figure measured before is still there:\n%s", &s)
	}
	if strings.Index(s.String(), "## Drain") > strings.Index(s.String(), "## Enqueue") {
		t.Errorf("the chapters are not in their order:\n%s", &s)
	}
}
