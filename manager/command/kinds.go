package command

import (
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type kindsCommand struct{}

func (*kindsCommand) execute(c *call) error {
	queues, err := c.store.ListQueues(c.ctx, false)
	if err != nil {
		return err
	}
	workers, err := c.store.Workers(c.ctx)
	if err != nil {
		return err
	}
	tally, capped := job.NewKindTally(workers), false
	end := time.Now().Add(countLimit)
	for _, q := range queues {
		rows, err := c.store.Slots(c.ctx, q.ID)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if !time.Now().Before(end) {
				capped = true
				break
			}
			counts, next, err := c.store.Count(c.ctx, row.Slot, job.Position{}, c.now)
			if err != nil {
				return err
			}
			tally.Add(q.Name, row.Slot.Slot, counts)
			capped = capped || next != nil
		}
	}
	list := wire.KindsOf(tally, c.now, capped)
	return c.print(list, func(t *table) {
		n := counted{least: list.Capped}
		t.row("KIND", "WORKERS", "WAITING", "RUNNING", "FAILING", "UNSERVED", "OLDEST DUE")
		for _, k := range list.Kinds {
			t.row(k.Kind, k.Workers, n.show(k.Waiting), n.show(k.Running), n.show(k.Failing), n.show(k.Unserved), c.ago(job.TimeOf(k.OldestAvailableAt)))
		}
	})
}
