package command

import (
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/prefer"
	"github.com/slotq/slotq/shared/wire"
)

type slotsCommand struct {
	Queue string `arg:"" help:"The queue."`
}

func (s *slotsCommand) execute(c *call) error {
	queues, err := c.store.ListQueues(c.ctx, false)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(queues, func(q job.Queue) bool { return q.Name == s.Queue })
	if i < 0 {
		return ofQueue(s.Queue, job.ErrNotFound)
	}
	q := queues[i]
	rows, err := c.store.Slots(c.ctx, q.ID)
	if err != nil {
		return err
	}
	workers, err := c.store.Workers(c.ctx)
	if err != nil {
		return err
	}
	list := wire.SlotList{Slots: []wire.Slot{}}
	oldest := make([]job.Time, len(rows))
	end := time.Now().Add(countLimit)
	for i, row := range rows {
		w := wire.Slot{Slot: row.Slot.Slot, Draining: row.Slot.Slot > q.Slots, Paused: row.Paused}
		if time.Now().Before(end) {
			n, err := c.countSlot(row.Slot, end)
			if err != nil {
				return err
			}
			w.SetCount(n.Count, n.least)
			oldest[i] = n.OldestAvailable
		}
		if id, ok := prefer.Worker(q.Name, "", row.Slot, workers); ok {
			w.WorkerID = id
			w.WorkerName = workers[slices.IndexFunc(workers, func(w job.Worker) bool { return w.ID == id })].Name
		}
		list.Slots = append(list.Slots, w)
	}
	return c.print(list, func(t *table) {
		t.row("SLOT", "DEPTH", "AVAILABLE", "RUNNING", "SCHEDULED", "RETRYABLE", "OLDEST", "PREFERRED BY", "")
		for i, w := range list.Slots {
			note := ""
			switch {
			case w.Draining:
				note = "draining"
			case w.Paused:
				note = "paused"
			}
			if w.States == nil {
				t.row(w.Slot, "?", "?", "?", "?", "?", "?", orDash(w.WorkerName), note)
				continue
			}
			n := counted{least: w.Capped}
			t.row(w.Slot, n.show(*w.Depth), n.show(w.States.Available), n.show(w.States.Running), n.show(w.States.Scheduled),
				n.show(w.States.Retryable), c.ago(oldest[i]), orDash(w.WorkerName), note)
		}
	})
}
