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
	grouping   = regexp.MustCompile(`by \(([a-z_, ]+)\)`)
	quantified = regexp.MustCompile(`_(bucket|sum|count)$`)
)

func TestDashboardsAskOnlyForMetricsAndLabelsThatThereAre(t *testing.T) {
	golden := goldenMetrics(t)
	files, err := filepath.Glob("../../deploy/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no dashboards", err)
	}
	for _, file := range files {
		var dashboard struct {
			UID        string
			Title      string
			Panels     []panel
			Templating struct {
				List []struct{ Query struct{ Query string } }
			}
		}
		if err := json.Unmarshal([]byte(read(t, file)), &dashboard); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if dashboard.UID == "" || dashboard.Title == "" || len(dashboard.Panels) < 10 {
			t.Errorf("%s: uid %q, title %q, %d panels: is this a dashboard?", file, dashboard.UID, dashboard.Title, len(dashboard.Panels))
		}
		used := map[string]bool{}
		check := func(where, expr string) {
			names := metricName.FindAllString(expr, -1)
			if len(names) == 0 {
				t.Errorf("%s: %s asks for no metric: %s", file, where, expr)
			}
			var labels []string
			for _, name := range names {
				base := name
				if _, ok := golden[name]; !ok {
					base = quantified.ReplaceAllString(name, "")
				}
				if _, ok := golden[base]; !ok {
					t.Errorf("%s: %s asks for %s, which no service has", file, where, name)
				}
				used[base] = true
				labels = append(labels, golden[base]...)
			}
			// Prometheus adds these.
			labels = append(labels, "le", "instance", "job")
			for _, group := range grouping.FindAllStringSubmatch(expr, -1) {
				for label := range strings.SplitSeq(group[1], ",") {
					if label = strings.TrimSpace(label); !slices.Contains(labels, label) {
						t.Errorf("%s: %s groups by %s, which its metrics do not have: %s", file, where, label, expr)
					}
				}
			}
			for _, s := range selector.FindAllStringSubmatch(expr, -1) {
				own := append([]string{"le"}, golden[quantified.ReplaceAllString(s[1], "")]...)
				for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
					if !slices.Contains(own, m[1]) {
						t.Errorf("%s: %s selects %s by %s, which it does not have", file, where, s[1], m[1])
					}
				}
			}
			if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
				t.Errorf("%s: %s has a bracket too many: %s", file, where, expr)
			}
		}
		ids := map[int]bool{}
		for i, p := range dashboard.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have the id %d", file, p.ID)
			}
			ids[p.ID] = true
			for _, q := range dashboard.Panels[:i] {
				if p.GridPos.overlaps(q.GridPos) {
					t.Errorf("%s: the panels %q and %q overlap", file, p.Title, q.Title)
				}
			}
			if p.Type == "row" {
				continue
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s: the panel %q asks for nothing", file, p.Title)
			}
			for _, target := range p.Targets {
				check(p.Title, target.Expr)
			}
		}
		for _, variable := range dashboard.Templating.List {
			check("a variable", variable.Query.Query)
		}
		for name := range golden {
			if !used[name] {
				t.Logf("%s: no panel shows %s", file, name)
			}
		}
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
