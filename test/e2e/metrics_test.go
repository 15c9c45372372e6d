package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

var update = flag.Bool("update", false, "write testdata/metrics.txt anew")

// TestTheMetricsAreThoseOfTheGoldenListAndLintClean looks at what the three binaries export after a life in which all
// that is counted has happened once. Dashboards and alerts rely on the list: a change of it is a change for people.
func TestTheMetricsAreThoseOfTheGoldenListAndLintClean(t *testing.T) {
	t.Parallel()
	db := system.Database{Name: "sqlite", URL: "sqlite:" + t.TempDir() + "/slotq.db"}
	s := system.New(t, db, system.Short, handlersWith(hook(t).URL), hookEnviron)
	api, manager := s.StartAPI(), s.StartManager()
	doomed := s.StartWorker()
	crashed := post(t, s, wire.NewJob{Kind: "w.run", MaxCrashes: 1, Payload: orders{"kill_worker": true}.payload()})
	<-doomed.Done()
	parts := []*system.Process{api, manager, s.StartWorker(), s.StartGoHandler()}
	wants(t, ended(t, s, crashed), job.Discarded, job.ReasonMaxCrashes)
	for _, n := range []wire.NewJob{
		{Kind: "go.echo", UniqueKey: "once"}, {Kind: "http.echo"},
		{Kind: "w.run", Backoff: quick(0), Payload: orders{"fail_until": 2}.payload()},
		{Kind: "w.run", MaxAttempts: 1, TimeoutSeconds: 0.1, Payload: orders{"ms": 60_000}.payload()},
		{Kind: "w.run", Backoff: quick(0), Payload: orders{"exit": 75, "exit_until": 2}.payload()},
		{Kind: "w.run", Payload: orders{"exit": 100}.payload()},
	} {
		ran(t, s, n)
	}
	cancelled := post(t, s, wire.NewJob{Kind: "w.run", Payload: orders{"ms": 60_000}.payload()})
	started(t, s, cancelled, 1)
	must(s.Client.Cancel(t.Context(), cancelled))(t)
	ended(t, s, cancelled)
	post(t, s, wire.NewJob{Kind: "nobody", IdempotencyKey: "twice"})
	post(t, s, wire.NewJob{Kind: "nobody", IdempotencyKey: "twice"})
	eventually(t, patience, "the manager has counted the job that nobody serves", func() error {
		_, page, err := s.Read(manager.URL + "/metrics")
		if err == nil && !strings.Contains(page, `slotq_unserved_jobs{kind="nobody"} 1`) {
			err = fmt.Errorf("it has not")
		}
		return err
	})
	lockOut(t, s, parts)

	got := map[string]bool{}
	for _, p := range parts {
		_, page, err := s.Read(p.URL + "/metrics")
		check(t, err)
		problems, err := promlint.New(strings.NewReader(page)).Lint()
		check(t, err)
		for _, problem := range problems {
			t.Errorf("promlint of %s: %s: %s", p.Name, problem.Metric, problem.Text)
		}
		maps.Copy(got, series(t, page))
	}
	list := strings.Join(slices.Sorted(maps.Keys(got)), "\n") + "\n"
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(golden, []byte(list), 0o644))
	}
	want := map[string]bool{}
	for line := range strings.Lines(string(must(os.ReadFile(golden))(t))) {
		want[strings.TrimSpace(line)] = true
	}
	for line := range got {
		if !want[line] {
			t.Errorf("exported and not in the golden list (-update writes it): %s", line)
		}
	}
	for line := range want {
		if !got[line] {
			t.Errorf("in the golden list and not exported: %s", line)
		}
	}
}

// series are slotq's metrics on a page: name, type and the names of labels.
func series(t *testing.T, page string) map[string]bool {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	check(t, err)
	out := map[string]bool{}
	for name, family := range families {
		if !strings.HasPrefix(name, "slotq_") {
			continue // the Go runtime's and the process's
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, l.GetName())
			}
			slices.Sort(labels)
			out[fmt.Sprintf("%s %s{%s}", strings.ToLower(family.GetType().String()), name, strings.Join(labels, ","))] = true
		}
	}
	return out
}

var retried = regexp.MustCompile(`(?m)^slotq_db_retries_total\{.*\} [1-9]`)

// lockOut holds SQLite's write lock until some part has tried a transaction again, the one thing that does not happen in
// an undisturbed life.
func lockOut(t *testing.T, s *system.System, parts []*system.Process) {
	t.Helper()
	id := post(t, s, wire.NewJob{Kind: "w.run", Payload: orders{"ms": 500}.payload()})
	started(t, s, id, 1) // its outcome will wait for the lock
	conn := must(system.OpenRaw(t, s.DB.URL).Conn(t.Context()))(t)
	_, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	check(t, err)
	eventually(t, patience, "some part tries a transaction again", func() error {
		for _, p := range parts {
			_, page, err := s.Read(p.URL + "/metrics")
			if err == nil && retried.MatchString(page) {
				return nil
			}
		}
		return fmt.Errorf("none has")
	})
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	check(t, err)
	check(t, conn.Close())
	wants(t, ended(t, s, id), job.Completed, "")
}
