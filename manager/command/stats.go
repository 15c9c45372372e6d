package command

import (
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

type statsCommand struct {
	Queue string `arg:"" optional:"" help:"Show the minutes, or hours, of this queue one by one."`
	Hours bool   `help:"The last 7 days by hours instead of the last hour by minutes."`
}

func (s *statsCommand) execute(c *call) error {
	queues, err := c.store.ListQueues(c.ctx, false)
	if err != nil {
		return err
	}
	if s.Queue != "" {
		queues = slices.DeleteFunc(queues, func(q job.Queue) bool { return q.Name != s.Queue })
		if len(queues) == 0 {
			return ofQueue(s.Queue, job.ErrNotFound)
		}
	}
	out := wire.StatsPage{Queues: []wire.QueueStats{}}
	var all []job.Stats
	for part := range slices.Chunk(queues, store.StatsQueues) {
		ids := make([]int32, len(part))
		for i, q := range part {
			ids[i] = q.ID
		}
		list, err := c.store.ListStats(c.ctx, ids, c.now)
		if err != nil {
			return err
		}
		out.Queues = append(out.Queues, wire.QueueStatsOf(part, list)...)
		all = append(all, list...)
	}
	all = slices.DeleteFunc(all, func(st job.Stats) bool { return (st.Span == job.Hour) != s.Hours })
	return c.print(out, func(t *table) {
		t.row(append([]any{"QUEUE"}, statsHead...)...)
		if s.Queue != "" {
			for i := range all {
				t.row(append([]any{s.at(all[i].At)}, statsRow(&all[i].Counts)...)...)
			}
			return
		}
		for _, q := range queues {
			var sum job.Counts
			for i := range all {
				if all[i].QueueID == q.ID {
					sum.Add(&all[i].Counts)
				}
			}
			t.row(append([]any{q.Name}, statsRow(&sum)...)...)
		}
	})
}

// at is a minute or an hour in the time of whoever reads it.
func (s *statsCommand) at(at job.Time) string {
	if s.Hours {
		return at.Time().Local().Format("Mon 15:04")
	}
	return at.Time().Local().Format("15:04")
}

var statsHead = []any{"ENQUEUED", "COMPLETED", "FAILED", "TIMED OUT", "SNOOZED", "DISCARDED", "CANCELLED", "CRASHES", "WAIT P50", "P95", "P99", "RUN P50", "P95", "P99"}

func statsRow(n *job.Counts) []any {
	cells := []any{n.Enqueued, n.Completed, n.Failed, n.TimedOut, n.Snoozed, n.Discarded, n.Cancelled, n.Crashes}
	for _, h := range []*job.Histogram{&n.Wait, &n.Run} {
		for _, q := range []float64{.5, .95, .99} {
			cells = append(cells, took(h.Quantile(q)))
		}
	}
	return cells
}

// took is a quantile to the two digits that it is good for.
func took(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d <= time.Millisecond:
		return "≤ 1ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	case d < 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d < time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return rough(d)
}
