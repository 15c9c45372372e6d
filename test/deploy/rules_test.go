package deploy

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/slotq/slotq/test/e2e/system"
)

const prometheusDir = "../../deploy/prometheus"

type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      struct{ Severity string }
	Annotations struct {
		Summary    string
		RunbookURL string `yaml:"runbook_url"`
	}
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	readYAML(t, prometheusDir+"/rules.yml", &file)
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// readYAML decodes a file and accepts no field that v does not have.
func readYAML(t *testing.T, path string, v any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(read(t, path)))
	decoder.KnownFields(true)
	if err := decoder.Decode(v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestEachAlertSaysWhatIsWrongAndLinksToItsChapterOfTheRunbook(t *testing.T) {
	const runbook = "https://github.com/slotq/slotq/blob/main/docs/operations.md#"
	chapters := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(read(t, "../../docs/operations.md"), -1) {
		chapters[runbook+strings.ToLower(heading[1])] = true
	}
	for _, a := range alerts(t) {
		if a.Annotations.Summary == "" || a.Labels.Severity != "warning" && a.Labels.Severity != "critical" {
			t.Errorf("%s: summary %q, severity %q", a.Alert, a.Annotations.Summary, a.Labels.Severity)
		}
		link := a.Annotations.RunbookURL
		if link != runbook+strings.ToLower(a.Alert) || !chapters[link] {
			t.Errorf("%s links to %q; chapters: %v", a.Alert, link, chapters)
		}
		delete(chapters, link)
	}
	for chapter := range chapters {
		t.Errorf("no alert is behind the chapter %s", chapter)
	}
}

func TestAlertsAskOnlyForMetricsAndLabelsThatThereAre(t *testing.T) {
	golden := goldenMetrics(t)
	for _, a := range alerts(t) {
		checkQuery(t, golden, map[string]bool{}, a.Alert, a.Expr)
	}
}

func TestEachAlertHasACaseInWhichItFiresAndOneInWhichItIsSilent(t *testing.T) {
	var file struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Interval    string
			InputSeries []struct{ Series, Values string } `yaml:"input_series"`
			Alerts      []struct {
				Name string `yaml:"alertname"`
				At   string `yaml:"eval_time"`
				Want []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, prometheusDir+"/rules_test.yml", &file)
	for _, a := range alerts(t) {
		fires, silent := false, false
		for _, test := range file.Tests {
			seen := false // silence counts only where there is something to be silent about
			for _, s := range test.InputSeries {
				seen = seen || strings.Contains(a.Expr, metricName.FindString(s.Series))
			}
			for _, c := range test.Alerts {
				fires = fires || c.Name == a.Alert && len(c.Want) > 0
				silent = silent || c.Name == a.Alert && len(c.Want) == 0 && seen
			}
		}
		if !fires || !silent {
			t.Errorf("%s: a case in which it fires: %v, in which it is silent: %v", a.Alert, fires, silent)
		}
	}
}

func TestPrometheusAcceptsItsConfigurationAndTheRulesPassTheirCases(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		system.Absent(t, "promtool of the package prometheus is not installed")
	}
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "--lint=all", "--lint-fatal", "rules.yml"},
		{"test", "rules", "rules_test.yml"},
	} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = prometheusDir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
