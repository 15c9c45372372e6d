package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// noise is what a promise in seconds is given on a machine that does other things too.
const noise = 500 * time.Millisecond

func TestJobsOfAKilledWorkerRunAgainWithinLeaseAndTwoSweepsAndLeaveNoProcess(t *testing.T) {
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		times := system.Short
		times.Sweep = time.Second // as by default: what a worker polls that others prefer, it polls once a second too
		s := system.New(t, db, times, handlersWith("http://127.0.0.1:1"), hookEnviron)
		s.StartAPI()
		s.StartManager()
		doomed := s.StartWorker()
		jobs := make([]wire.NewJob, 8)
		for i := range jobs {
			jobs[i] = wire.NewJob{Kind: "w.run", Payload: orders{"first_ms": 60_000, "grandchild": i == 0}.payload()}
		}
		ids := postAll(t, s, jobs)
		for _, id := range ids {
			started(t, s, id, 1)
		}
		s.StartWorker()
		doomed.Kill()
		killed := time.Now()
		stalled := stalls(t)
		eventually(t, 2*time.Second+noise, "no process of the killed runs is left", func() error {
			for _, id := range ids {
				if system.Alive(s.Runs.Of(system.Started, id)[0].Pid) {
					return fmt.Errorf("the first run of %s lives", id)
				}
				if left := system.ProcessesOf(id); len(left) > 0 && len(s.Runs.Of(system.Started, id)) == 1 {
					return fmt.Errorf("%v of %s live", left, id)
				}
			}
			return nil
		})
		limit, latest := s.Times.Lease+2*s.Times.Sweep, time.Duration(0)
		for _, id := range ids {
			latest = max(latest, started(t, s, id, 2).At.Sub(killed))
		}
		t.Logf("the last of %d jobs ran again %s after the kill; promised are %s", len(ids), latest.Round(time.Millisecond), limit)
		// While the machine stands still no manager can tell a silent worker from one that stands still too.
		if stood := stalled(); latest > limit+noise+stood {
			t.Errorf("a job ran again after %s, promised are %s; the machine stood still for %s", latest, limit, stood)
		}
		for _, id := range ids {
			j := ended(t, s, id)
			wants(t, j, job.Completed, "")
			if n := len(s.Runs.Of(system.Started, id)); j.Crashes != 1 || j.Attempt != 1 || n != 2 {
				t.Errorf("job %s: crashes %d, attempt %d, %d starts", id, j.Crashes, j.Attempt, n)
			}
		}
		isolated(t, s)
	})
}

func TestAJobThatKillsItsWorkerIsDiscardedAndEveryNeighbourCompletes(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := system.New(t, db, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
		s.StartAPI()
		s.StartManager()
		stop := s.Supervise()
		jobs := make([]wire.NewJob, 301)
		for i := range jobs {
			jobs[i] = wire.NewJob{Kind: "w.run", Payload: orders{"ms": 50}.payload()}
		}
		jobs[150] = wire.NewJob{Kind: "w.run", MaxCrashes: 3, Payload: orders{"kill_worker": true}.payload()}
		ids := postAll(t, s, jobs)
		killer := inState(t, s, ids[150], 2*time.Minute, job.Completed, job.Discarded, job.Cancelled)
		wants(t, killer, job.Discarded, job.ReasonMaxCrashes)
		if starts := len(s.Runs.Of(system.Started, killer.ID)); killer.Crashes != 3 || starts != 3 {
			t.Errorf("the killer has killed %d workers, %d crashes are counted, want 3 and 3", starts, killer.Crashes)
		}
		crashed := 0
		for i, id := range ids {
			if i == 150 {
				continue
			}
			j := ended(t, s, id)
			wants(t, j, job.Completed, "")
			if j.Crashes > 1 {
				t.Errorf("a neighbour counts %d crashes: only the suspect's may count from the second death on", j.Crashes)
			}
			crashed += j.Crashes
		}
		t.Logf("%d workers; %d neighbours died with theirs once", stop(), crashed)
		isolated(t, s)
	})
}
