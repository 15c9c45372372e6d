package sqlstore

import (
	"context"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// Poll implements store.Work. Each slot is looked into by its primary key, priority by priority, and only up to the
// first hit; a paused slot is none.
func (s *Store) Poll(ctx context.Context, slots []job.Slot, now job.Time) ([]job.Slot, error) {
	byQueue := map[int32][]int{}
	var order []int32
	for _, slot := range slots {
		if byQueue[slot.QueueID] == nil {
			order = append(order, slot.QueueID)
		}
		byQueue[slot.QueueID] = append(byQueue[slot.QueueID], slot.Slot)
	}
	if len(order) == 0 {
		return nil, nil
	}
	var branches []string
	var args []any
	// A scalar subquery with LIMIT, not EXISTS: a planner may turn EXISTS into one pass over all jobs. It reads the first job that is
	// free, due or not: MariaDB does not end the walk of a subquery at run_at <= ?, so where nothing was due it read all that is scheduled.
	lane := func(priority string) string {
		return "(SELECT j.run_at FROM slotq_jobs j {by key} WHERE j.queue_id = s.queue_id AND j.slot = s.slot AND j.blocked = 0 AND j.priority = " + priority +
			" AND j.token = ? ORDER BY j.run_at, j.id LIMIT 1) <= ?"
	}
	for _, queue := range order {
		branches = append(branches, "SELECT s.queue_id, s.slot FROM slotq_slots s WHERE s.queue_id = ? AND s.slot IN (??) AND s.paused = 0 AND ("+
			lane("1")+" OR "+lane("2")+" OR "+lane("3")+" OR "+lane("4")+")")
		args = append(args, queue, byQueue[queue], zeroToken, now, zeroToken, now, zeroToken, now, zeroToken, now)
	}
	var hits []job.Slot
	err := s.read(ctx, "poll", strings.Join(branches, " UNION ALL "), args, func(r Rows) error {
		var hit job.Slot
		err := r.Scan(&hit.QueueID, &hit.Slot)
		hits = append(hits, hit)
		return err
	})
	return hits, err
}
