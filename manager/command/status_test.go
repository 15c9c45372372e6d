package command

import (
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestSlotsAndStatusShowWhatWaitsWhereAndForWhom(t *testing.T) {
	b := newBench(t)
	b.ok("queues", "set", "q", "--slots=3")
	b.worker("host-1", "k")
	b.enqueue("q", "k", nil)
	b.enqueue("q", "unheard", nil)
	b.enqueue("q", "k", func(s *job.Spec) { s.Delay = time.Hour })
	b.ok("queues", "set", "q", "--slots=2")
	slots := parse[wire.SlotList](t, b.ok("slots", "q", "--json")).Slots
	depth := int64(0)
	for _, s := range slots {
		depth += *s.Depth
		if s.WorkerName != "host-1" {
			t.Errorf("slot %d is preferred by %q, want the only worker", s.Slot, s.WorkerName)
		}
	}
	if len(slots) != 3 || depth != 3 || slots[1].Draining || !slots[2].Draining {
		t.Errorf("slots %+v, want 3 of depth 3 in all, the third draining", slots)
	}
	if out := b.ok("slots", "q"); !strings.Contains(out, "draining") || !strings.Contains(out, "host-1") {
		t.Errorf("table:\n%s", out)
	}
	b.fails(1, []string{"no queue other"}, "slots", "other")

	got := parse[status](t, b.ok("status", "--json"))
	if got.Jobs["available"] != 2 || got.Jobs["scheduled"] != 1 || got.Workers["active"] != 1 || got.Unserved["unheard"] != 1 || len(got.Unserved) != 1 || got.Queues != 1 {
		t.Errorf("status %+v", got)
	}
	if out := b.ok("status"); !strings.Contains(out, "unheard") {
		t.Errorf("screen:\n%s", out)
	}
}
