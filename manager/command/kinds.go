package command

import (
	"time"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type kindsCommand struct{}

func (*kindsCommand) execute(c *call) error {
	workers, err := c.store.Workers(c.ctx)
	if err != nil {
		return err
	}
	counts, err := census.Take(c.ctx, c.store, false, c.now, time.Now().Add(countLimit))
	if err != nil {
		return err
	}
	tally, capped := counts.Kinds(workers)
	list := wire.KindsOf(tally, c.now, capped)
	return c.print(list, func(t *table) {
		n := counted{least: list.Capped}
		t.row("KIND", "WORKERS", "WAITING", "RUNNING", "FAILING", "UNSERVED", "OLDEST DUE")
		for _, k := range list.Kinds {
			t.row(k.Kind, k.Workers, n.show(k.Waiting), n.show(k.Running), n.show(k.Failing), n.show(k.Unserved), c.ago(job.TimeOf(k.OldestAvailableAt)))
		}
	})
}
