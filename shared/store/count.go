package store

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// CountSlots counts up to CountRows jobs of each slot of all queues that are not deleted, and hands each slot's counts over.
// It begins no count and reads no queue's slots after end. capped = something was not counted, or not to its end.
func CountSlots(ctx context.Context, s Queues, now job.Time, end time.Time, take func(queue string, slot int, counts []job.Count)) (capped bool, err error) {
	queues, err := s.ListQueues(ctx, false)
	if err != nil {
		return false, err
	}
	for _, q := range queues {
		if !time.Now().Before(end) {
			return true, nil
		}
		rows, err := s.Slots(ctx, q.ID)
		if err != nil {
			return capped, err
		}
		for _, row := range rows {
			if !time.Now().Before(end) {
				return true, nil
			}
			counts, next, err := s.Count(ctx, row.Slot, job.Position{}, now)
			if err != nil {
				return capped, err
			}
			take(q.Name, row.Slot.Slot, counts)
			capped = capped || next != nil
		}
	}
	return capped, nil
}
