package simulation

import "github.com/slotq/slotq/shared/job"

// stats compares what was counted with what took effect. A process that dies takes its last counts with it, so less may be
// counted; more never, whatever answer was lost and whichever manager died over a fold.
func (g *judge) stats() {
	now := g.w.now()
	for n := 1; n > 0; {
		n, _ = g.w.db.FoldStats(bg, 1000, now) // the store in memory has no errors
	}
	var queues []int32
	for _, q := range g.w.queues {
		queues = append(queues, q.ID)
	}
	list, _ := g.w.db.ListStats(bg, queues, now)
	var sum job.Counts
	for i := range list {
		if list[i].Span == job.Hour {
			sum.Add(&list[i].Counts)
		}
	}
	were := g.w.counts
	for _, c := range []struct {
		what      string
		got, most int
	}{
		{"completions", int(sum.Completed), were["completions"]}, {"retries", int(sum.Retries), were["retries"]},
		{"snoozes", int(sum.Snoozed), were["snoozes"]}, {"crashes", int(sum.Crashes), were["crashes counted"] + were["discarded at max_crashes"]},
	} {
		if c.got > c.most {
			g.breaks(0, "the stats have %d %s, there were %d", c.got, c.what, c.most)
		}
	}
	were["completions in the stats"] += int(sum.Completed)
}
