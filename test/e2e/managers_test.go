package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

func TestTwoManagersRescueOnceAndOneCarriesOnWithoutTheOther(t *testing.T) {
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := system.New(t, db, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
		s.StartAPI()
		managers := []*system.Process{s.StartManager(), s.StartManager()}
		rescued := 0.0
		for round, name := range []string{"both", "one", "again"} {
			doomed := s.StartWorker()
			jobs := make([]wire.NewJob, 12)
			for i := range jobs {
				jobs[i] = wire.NewJob{Kind: "w.run", Payload: orders{"first_ms": 60_000}.payload()}
			}
			ids := postAll(t, s, jobs)
			for _, id := range ids {
				started(t, s, id, 1)
			}
			switch name {
			case "one": // the one that leads dies, and the other's count goes on
				leader := leading(t, s, managers)
				lost := value(t, s, managers[leader], "slotq_jobs_rescued_total")
				managers[leader].Kill()
				managers = append(managers[:leader:leader], managers[leader+1:]...)
				rescued -= lost
			case "again": // nobody is there when the worker dies: the next manager finds the claims
				rescued -= value(t, s, managers[0], "slotq_jobs_rescued_total")
				managers[0].Kill()
			}
			doomed.Kill()
			if name == "again" {
				managers = []*system.Process{s.StartManager()}
			}
			helper := s.StartWorker()
			for _, id := range ids {
				j := ended(t, s, id)
				wants(t, j, job.Completed, "")
				if n := len(s.Runs.Of(system.Started, id)); j.Crashes != 1 || n != 2 {
					t.Errorf("round %d: job %s: crashes %d, %d starts: it was rescued more or less than once", round, id, j.Crashes, n)
				}
			}
			rescued += float64(len(ids))
			eventually(t, patience, fmt.Sprintf("round %d: the managers count the rescued jobs", round), func() error { // after the commit
				sum := 0.0
				for _, m := range managers {
					sum += value(t, s, m, "slotq_jobs_rescued_total")
				}
				if sum != rescued {
					return fmt.Errorf("they count %v, want %v", sum, rescued)
				}
				return nil
			})
			leading(t, s, managers)
			helper.Signal(syscall.SIGTERM)
			if code := helper.Exit(t, patience); code != 0 {
				t.Errorf("a worker that drains ends with %d", code)
			}
		}
		isolated(t, s)
	})
}

// leading waits until exactly one of the managers leads.
func leading(t *testing.T, s *system.System, managers []*system.Process) (leader int) {
	t.Helper()
	eventually(t, patience, "one manager leads", func() error {
		n := 0
		for i, m := range managers {
			if value(t, s, m, "slotq_leader") == 1 {
				leader = i
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("%d do", n)
		}
		return nil
	})
	return leader
}

// value reads a metric without labels from a process.
func value(t *testing.T, s *system.System, p *system.Process, name string) float64 {
	t.Helper()
	status, page, err := s.Read(p.URL + "/metrics")
	check(t, err)
	if status != 200 {
		t.Fatalf("/metrics of %s: %d", p.Name, status)
	}
	for line := range strings.Lines(page) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			return must(strconv.ParseFloat(strings.TrimSpace(text), 64))(t)
		}
	}
	t.Fatalf("%s has no metric %s", p.Name, name)
	return 0
}
