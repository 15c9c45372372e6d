package prefer

import (
	"slices"
	"testing"

	"github.com/slotq/slotq/shared/job"
)

func workers(n int) []job.Worker {
	ws := make([]job.Worker, n)
	for i := range ws {
		ws[i].ID = job.WorkerID(i + 1)
	}
	return ws
}

func shares(ws []job.Worker, slots int) map[job.Slot]job.WorkerID {
	share := map[job.Slot]job.WorkerID{}
	for i := range slots {
		s := job.Slot{QueueID: 77, Slot: i + 1}
		if w, ok := Worker("mail", "", s, ws); ok {
			share[s] = w
		}
	}
	return share
}

func TestSlotsAreSpreadOverTheWorkers(t *testing.T) {
	count := map[job.WorkerID]int{}
	for _, w := range shares(workers(4), 1000) {
		count[w]++
	}
	for w := job.WorkerID(1); w <= 4; w++ {
		if count[w] < 200 || count[w] > 300 {
			t.Errorf("worker %d prefers %d of 1000 slots, want about 250", w, count[w])
		}
	}
}

func TestTheOrderOfWorkersIsOfNoMatter(t *testing.T) {
	ws := workers(7)
	before := shares(ws, 200)
	slices.Reverse(ws)
	for s, w := range shares(ws, 200) {
		if before[s] != w {
			t.Fatalf("slot %v: %v in one order, %v in the other", s, before[s], w)
		}
	}
}

func TestAWorkerThatGoesMovesOnlyItsOwnSlots(t *testing.T) {
	ws := workers(5)
	before := shares(ws, 500)
	ws[2].Dead = true
	after := shares(ws, 500)
	if len(after) != 500 {
		t.Fatalf("%d of 500 slots have a worker", len(after))
	}
	for s, w := range before {
		switch {
		case w == ws[2].ID && after[s] == w:
			t.Errorf("slot %v is still the dead worker's", s)
		case w != ws[2].ID && after[s] != w:
			t.Errorf("slot %v moved from %v to %v although its worker lives", s, w, after[s])
		}
	}
}

func TestOnlyWorkersThatTakeJobsOfTheSlotCount(t *testing.T) {
	slot := job.Slot{QueueID: 77, Slot: 3}
	for name, w := range map[string]job.Worker{
		"dead":         {ID: 1, Dead: true},
		"quiet":        {ID: 1, Quiet: true},
		"stopping":     {ID: 1, Stop: true},
		"other queues": {ID: 1, Queues: []string{"other"}},
		"other slots":  {ID: 1, Slots: []int{1, 2}},
	} {
		if got, ok := Worker("mail", "", slot, []job.Worker{w}); ok {
			t.Errorf("%s: %v", name, got)
		}
		live := job.Worker{ID: 2, Queues: []string{"mail"}, Slots: []int{3}}
		if got, ok := Worker("mail", "", slot, []job.Worker{w, live}); !ok || got != 2 {
			t.Errorf("beside a worker that serves the slot, %s: got %v %v, want 2", name, got, ok)
		}
	}
}

func TestTheAnswerIsTheSameInEveryVersion(t *testing.T) {
	var got []job.WorkerID
	for slot := 1; slot <= 12; slot++ {
		w, _ := Worker("mail", "", job.Slot{QueueID: -5, Slot: slot}, workers(3))
		got = append(got, w)
	}
	if want := []job.WorkerID{2, 1, 1, 1, 2, 1, 2, 3, 3, 3, 3, 2}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: processes of two versions would disagree", got, want)
	}
}
