package command

import (
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type failuresCommand struct {
	Queue string `help:"Only of this queue."`
	Kind  string `help:"Only of this kind."`
	Limit int    `default:"20" help:"How many, 1 to 1000."`
}

func (f *failuresCommand) execute(c *call) error {
	if f.Limit < 1 || f.Limit > 1000 {
		return usage("--limit is %d; it must be between 1 and 1000", f.Limit)
	}
	l, err := c.store.Failures(c.ctx, job.Filter{Queue: f.Queue, Kind: f.Kind}, f.Limit, c.now)
	if err != nil {
		return err
	}
	return c.print(wire.FailuresOf(l), func(t *table) {
		n := counted{least: l.Capped}
		t.row("LAST", "FIRST", "RETRYABLE", "DISCARDED", "KIND", "EXAMPLE", "ERROR")
		for _, one := range l.Failures {
			t.row(c.ago(one.LastAt), c.ago(one.FirstAt), n.show(one.Retryable), n.show(one.Discarded), one.Kind, one.Example, one.Type+": "+one.Message)
		}
		if l.More {
			t.line("more with --limit")
		}
	})
}
