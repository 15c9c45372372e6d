package e2e

import (
	"fmt"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

func TestAResizeUnderLoadLosesNoJobAndEmptiesTheUpperSlots(t *testing.T) {
	t.Parallel()
	const queue = "resized"
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := system.New(t, db, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
		s.StartAPI()
		manager := s.StartManager()
		s.StartWorker("--slots=1-8", "--queues="+queue)
		s.StartWorker("--slots=9-24", "--queues="+queue)
		doomed := s.StartWorker("--slots=1-24", "--queues="+queue)
		must(s.Client.PutQueue(t.Context(), queue, wire.QueueSettings{}))(t)
		resize := func(slots int) {
			t.Helper()
			must(s.Client.PatchQueue(t.Context(), queue, wire.QueueSettings{Slots: &slots}))(t)
		}
		var ids []job.ID
		load := func(n int) {
			t.Helper()
			jobs := make([]wire.NewJob, n)
			for i := range jobs {
				jobs[i] = wire.NewJob{Kind: "w.run", Queue: queue, Payload: orders{"ms": 20}.payload()}
				if i%2 == 0 { // of 6 keys, half with a limit of 2
					key, limit := fmt.Sprint("key", i%12/2), 1+i%4/2
					jobs[i].ConcurrencyKey, jobs[i].ConcurrencyLimit = key, limit
					jobs[i].Payload = orders{"ms": 20, "key": key, "limit": limit}.payload()
				}
			}
			ids = append(ids, postAll(t, s, jobs)...)
		}
		load(150)
		resize(6)
		load(100)
		manager.Kill()
		doomed.Kill()
		s.StartManager()
		resize(12)
		load(100)
		crashed := 0
		for _, id := range ids {
			j := inState(t, s, id, 2*patience, job.Completed, job.Discarded, job.Cancelled)
			wants(t, j, job.Completed, "")
			if n := len(j.Errors); n != j.Crashes {
				t.Errorf("job %s: %d errors, %d crashes", id, n, j.Crashes)
			}
			crashed += j.Crashes
		}
		ends := map[job.ID]int{}
		for _, n := range s.Runs.Notes() {
			if n.What == system.Ended {
				ends[n.Job]++
			}
		}
		for _, id := range ids {
			if ends[id] == 0 {
				t.Errorf("job %s is completed and never ran to its end", id)
			}
		}
		slots := must(s.Client.Slots(t.Context(), queue))(t)
		if len(slots) != 24 {
			t.Errorf("%d slots are shown, want all 24 that there ever were", len(slots))
		}
		for _, slot := range slots {
			if slot.Draining != (slot.Slot > 12) || slot.Depth == nil || *slot.Depth != 0 {
				t.Errorf("%+v", slot)
			}
		}
		t.Logf("%d jobs; %d died with a worker", len(ids), crashed)
		isolated(t, s)
	})
}
