package deploy

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	prom "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// scrapes starts a Prometheus with the shipped configuration and rules. Only what belongs to the containers' network is
// other: where the services are, and how often it asks, so that a test sees rates within seconds.
func scrapes(t *testing.T, targets map[string][]string) prom.API {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		system.Absent(t, "the package prometheus is not installed")
	}
	var config map[string]any
	if err := yaml.Unmarshal([]byte(read(t, prometheusDir+"/prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	config["global"] = map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
	for _, entry := range config["scrape_configs"].([]any) {
		job := entry.(map[string]any)
		name := job["job_name"].(string)
		if addresses, ok := targets[name]; ok {
			delete(job, "dns_sd_configs")
			job["static_configs"] = []any{map[string]any{"targets": addresses}}
			delete(targets, name)
		}
	}
	if len(targets) > 0 {
		t.Fatalf("prometheus.yml has no jobs for %v", targets)
	}
	content, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"prometheus.yml": string(content), "rules.yml": read(t, prometheusDir+"/rules.yml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen := "127.0.0.1:" + strconv.Itoa(system.FreePort(t))
	system.Start(t, "prometheus", dir, path, []string{
		"--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=" + listen,
	}, nil)
	client, err := api.NewClient(api.Config{Address: "http://" + listen})
	if err != nil {
		t.Fatal(err)
	}
	return prom.NewAPI(client)
}

// grafanaVariables are what Grafana puts into a query, with all queues chosen.
var grafanaVariables = strings.NewReplacer("$queue", ".*", "$__rate_interval", "15s")

// answers is nil when a query returns a number.
func answers(ctx context.Context, p prom.API, expr string) error {
	value, _, _, err := p.Query(ctx, grafanaVariables.Replace(expr), time.Now())
	if err != nil {
		return err
	}
	vector, ok := value.(model.Vector)
	if !ok || !slices.ContainsFunc(vector, func(s *model.Sample) bool { return !math.IsNaN(float64(s.Value)) }) {
		return fmt.Errorf("no number, but %v", value)
	}
	return nil
}

// raised are the alerts whose expression holds, whether or not for long enough to fire; since is a time after which each
// rule has to have been looked at.
func raised(ctx context.Context, p prom.API, since time.Time) ([]string, error) {
	rules, err := p.Rules(ctx, nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			rule := rule.(prom.AlertingRule)
			if rule.Health != prom.RuleHealthGood || rule.LastEvaluation.Before(since) {
				return nil, fmt.Errorf("%s: health %s, last looked at %s: %s", rule.Name, rule.Health, rule.LastEvaluation, rule.LastError)
			}
			if len(rule.Alerts) > 0 {
				names = append(names, rule.Name)
			}
		}
	}
	return names, nil
}

// TestPanelsHaveDataAndAlertsAreRaisedByWhatIsWrongAlone runs the real binaries under a real Prometheus, first well, then
// with failures, a kind that nobody serves and a job that kills its worker.
func TestPanelsHaveDataAndAlertsAreRaisedByWhatIsWrongAlone(t *testing.T) {
	t.Parallel() // most of it is waiting for scrapes
	s := system.New(t, system.Database{Name: "sqlite", URL: "sqlite:" + t.TempDir() + "/slotq.db"}, system.Short, "handlers:\n  load: {exec: [{witness}]}\n  fail: {exec: [{witness}]}\n")
	targets := map[string][]string{}
	for name, p := range map[string]*system.Process{"slotq-api": s.StartAPI(), "slotq-manager": s.StartManager()} {
		targets[name] = []string{strings.TrimPrefix(p.URL, "http://")}
	}
	for range 2 {
		targets["slotq-worker"] = append(targets["slotq-worker"], strings.TrimPrefix(s.StartWorker().URL, "http://"))
	}
	p := scrapes(t, targets)
	enqueue := func(n wire.NewJob) {
		t.Helper()
		if _, err := s.Client.Enqueue(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}

	enqueue(wire.NewJob{Kind: "load"})
	await(t, 30*time.Second, "figures of what has run and of what waits", func() error {
		if err := answers(t.Context(), p, "slotq_queue_depth and on () slotq_job_attempts_total > 0"); err != nil {
			return err
		}
		return answers(t.Context(), p, "slotq_sweep_timestamp_seconds > 0")
	})
	began := time.Now()
	await(t, 30*time.Second, "a healthy system without an alert", func() error {
		names, err := raised(t.Context(), p, began)
		if err == nil && len(names) > 0 {
			err = fmt.Errorf("raised: %v", names)
		}
		return err
	})

	enqueue(wire.NewJob{Kind: "nobody"})
	enqueue(wire.NewJob{Kind: "load", MaxCrashes: 1, Payload: []byte(`{"kill_worker": true}`)})
	for range 25 {
		// It fails again soon: Prometheus has no rate of a series that begins with its only failures.
		enqueue(wire.NewJob{Kind: "fail", Payload: []byte(`{"exit": 1}`), Backoff: &wire.Backoff{Kind: "list", List: []float64{2}}})
	}
	for _, d := range dashboards(t) {
		d.queries(func(where, expr string) {
			await(t, 30*time.Second, "data in "+where, func() error {
				// Quantiles and rates are of what happens now, so something does.
				enqueue(wire.NewJob{Kind: "load", IdempotencyKey: strconv.FormatInt(time.Now().Unix(), 10)})
				return answers(t.Context(), p, expr)
			})
		})
	}
	await(t, 30*time.Second, "the alerts of what is wrong, and no others", func() error {
		names, err := raised(t.Context(), p, began)
		if want := []string{"SlotqUnservedKind", "SlotqFailures"}; err == nil && !slices.Equal(names, want) {
			err = fmt.Errorf("raised: %v, want %v", names, want)
		}
		return err
	})
	// The worker is dead, and so the panel shows something.
	if err := answers(t.Context(), p, "slotq_job_crashes_total > 0"); err != nil {
		t.Error(err)
	}
}
