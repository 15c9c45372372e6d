package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// slotsOf are the numbers of all slots of a claim, in the order in which whoever takes several fences takes them.
func slotsOf(r job.ClaimRequest) []int {
	return slices.Sorted(slices.Values(append([]int{r.Slot.Slot}, r.Beside...)))
}

// fromAll takes all that is due in the slot and in those beside it, when there is nothing to weigh: see store.Work. Its cost is
// that of one claim; on a busy queue, where each slot has a job or two, one claim for each was most of the databases' time, and a
// job waited until all other slots had had theirs. Which slot comes first when there are more jobs than places is not for a
// statement to say: such a claim is left to the slot that was asked for. The jobs are not in a row (see mayStretch): each is found
// by itself when it is stamped and when it ends.
func (c *candidates) fromAll(ctx context.Context, tx Tx) error {
	jobs, err := c.dueInAll(ctx, tx)
	c.fenced = err == nil
	if err == nil && len(jobs) < c.request.Max && c.takesAll(jobs) {
		c.chosen, c.lookedBeside = jobs, true
	}
	return err
}

// dueInAll reads the first jobs that are due in each slot: all of them, if they are fewer than Max.
func (c *candidates) dueInAll(ctx context.Context, tx Tx) ([]*job.Job, error) {
	of := c.request.Slot.QueueID
	switch {
	case c.dialect.Walk:
		return c.read(ctx, tx, true, c.look("j.queue_id = ? AND j.slot IN (??)", "j.priority IN (1, 2, 3, 4)", "")+" ORDER BY j.slot, j.priority, j.run_at, j.id LIMIT ?",
			of, slotsOf(c.request), c.request.Now, zeroToken, c.request.Max)
	case c.dialect.Lateral:
		var branches []string
		var args []any
		for priority := 1; priority <= 4; priority++ {
			branches = append(branches, "("+c.look("j.queue_id = s.queue_id AND j.slot = s.slot", "j.priority = ?", "")+" ORDER BY j.run_at, j.id LIMIT ?)")
			args = append(args, priority, c.request.Now, zeroToken, c.request.Max)
		}
		return c.read(ctx, tx, true, "SELECT due.* FROM slotq_slots s CROSS JOIN LATERAL ("+strings.Join(branches, " UNION ALL ")+") due WHERE s.queue_id = ? AND s.slot IN (??) LIMIT ?",
			append(args, of, slotsOf(c.request), c.request.Max)...)
	}
	// Without a round trip for each there is nothing to gain from one statement.
	var jobs []*job.Job
	for _, slot := range slotsOf(c.request) {
		one := candidates{request: c.request, dialect: c.dialect, limits: [5]int{1: c.request.Max, c.request.Max, c.request.Max, c.request.Max}}
		one.request.Slot.Slot = slot
		more, err := one.branches(ctx, tx, [5]string{}, [5][]any{})
		if jobs = append(jobs, more...); err != nil || len(jobs) >= c.request.Max {
			return jobs, err
		}
	}
	return jobs, nil
}
