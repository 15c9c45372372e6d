package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goldenMetrics are the metrics of the contract with their labels.
func goldenMetrics(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{}
	for line := range strings.Lines(read(t, filepath.Join("testdata", "metrics.txt"))) {
		fields := strings.Fields(line)
		metrics[fields[0]] = fields[1:]
	}
	return metrics
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	metricName = regexp.MustCompile(`\bslotq_[a-z_]+`)
	selector   = regexp.MustCompile(`\b(slotq_[a-z_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"[^"]*"`)
	grouping   = regexp.MustCompile(`(?:by|on) \(([a-z_, ]+)\)`)
	quantified = regexp.MustCompile(`_(bucket|sum|count)$`)
)

type dashboard struct {
	file       string
	UID        string
	Title      string
	Panels     []panel
	Templating struct {
		List []struct{ Query struct{ Query string } }
	}
}

type panel struct {
	ID      int
	Title   string
	Type    string
	GridPos grid
	Targets []struct{ Expr string }
}

type grid struct{ X, Y, W, H int }

func (a grid) overlaps(b grid) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

func dashboards(t *testing.T) (all []dashboard) {
	t.Helper()
	files, err := filepath.Glob("../../deploy/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no dashboards", err)
	}
	for _, file := range files {
		d := dashboard{file: filepath.Base(file)}
		if err := json.Unmarshal([]byte(read(t, file)), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}

// queries hands each query of a dashboard's panels to fn.
func (d dashboard) queries(fn func(where, expr string)) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			fn(d.file+": "+p.Title, target.Expr)
		}
	}
}

func TestDashboardsAskOnlyForMetricsAndLabelsThatThereAre(t *testing.T) {
	golden := goldenMetrics(t)
	for _, d := range dashboards(t) {
		used := map[string]bool{}
		check := func(where, expr string) { checkQuery(t, golden, used, where, expr) }
		d.queries(check)
		for _, variable := range d.Templating.List {
			check(d.file+": a variable", variable.Query.Query)
		}
		for name := range golden {
			if !used[name] {
				t.Logf("%s: no panel shows %s", d.file, name)
			}
		}
	}
}

func TestDashboardsHavePanelsThatDoNotOverlapAndAskForSomething(t *testing.T) {
	for _, d := range dashboards(t) {
		if d.UID == "" || d.Title == "" || len(d.Panels) < 10 {
			t.Errorf("%s: uid %q, title %q, %d panels: is this a dashboard?", d.file, d.UID, d.Title, len(d.Panels))
		}
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have the id %d", d.file, p.ID)
			}
			ids[p.ID] = true
			for _, q := range d.Panels[:i] {
				if p.GridPos.overlaps(q.GridPos) {
					t.Errorf("%s: the panels %q and %q overlap", d.file, p.Title, q.Title)
				}
			}
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: the panel %q asks for nothing", d.file, p.Title)
			}
		}
	}
}

// checkQuery checks the names of metrics and labels in a query, and adds the metrics to used.
func checkQuery(t *testing.T, golden map[string][]string, used map[string]bool, where, expr string) {
	t.Helper()
	names := metricName.FindAllString(expr, -1)
	if len(names) == 0 {
		t.Errorf("%s asks for no metric: %s", where, expr)
	}
	var labels []string
	for _, name := range names {
		base := name
		if _, ok := golden[name]; !ok {
			base = quantified.ReplaceAllString(name, "")
		}
		if _, ok := golden[base]; !ok {
			t.Errorf("%s asks for %s, which no service has", where, name)
		}
		used[base] = true
		labels = append(labels, golden[base]...)
	}
	// Prometheus adds these.
	labels = append(labels, "le", "instance", "job")
	for _, group := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(group[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(labels, label) {
				t.Errorf("%s groups by %s, which its metrics do not have: %s", where, label, expr)
			}
		}
	}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		own := append([]string{"le"}, golden[quantified.ReplaceAllString(s[1], "")]...)
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if !slices.Contains(own, m[1]) {
				t.Errorf("%s selects %s by %s, which it does not have", where, s[1], m[1])
			}
		}
	}
	if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
		t.Errorf("%s has a bracket too many: %s", where, expr)
	}
}
