package sqlstore

import (
	"context"
	"math"

	"github.com/slotq/slotq/shared/job"
)

// Strays implements store.Diagnose. It asks for the first job in each gap between the slots that have a row: after the last
// slot of a queue, between two queues. One statement that looks the row of each job up would read all of a backlog.
func (s *Store) Strays(ctx context.Context, limit int) (strays []job.Slot, err error) {
	rows := map[int32][]int{}
	var ids []int32
	err = s.read(ctx, "strays", "SELECT id FROM slotq_queues ORDER BY id", nil, func(r Rows) error {
		var id int32
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		slots, err := s.Slots(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, row := range slots {
			rows[id] = append(rows[id], row.Slot.Slot)
		}
	}
	before := int64(math.MinInt32) - 1
	for _, id := range append(ids, math.MaxInt32) {
		for len(strays) < limit && before+1 < int64(id) {
			other, found, err := s.first(ctx, "j.queue_id > ? AND j.queue_id < ?", max(before, math.MinInt32), int64(id))
			if err != nil {
				return nil, err
			}
			if !found {
				break
			}
			if strays, err = s.straysOf(ctx, other.QueueID, nil, strays, limit); err != nil {
				return nil, err
			}
			before = int64(other.QueueID)
		}
		if strays, err = s.straysOf(ctx, id, rows[id], strays, limit); err != nil {
			return nil, err
		}
		before = int64(id)
	}
	return strays, nil
}

// straysOf adds those of one queue, whose slots with a row are given in order.
func (s *Store) straysOf(ctx context.Context, queueID int32, rows []int, strays []job.Slot, limit int) ([]job.Slot, error) {
	last := 0
	for _, slot := range append(rows, math.MaxInt16) {
		for len(strays) < limit && last+1 < slot {
			found, ok, err := s.first(ctx, "j.queue_id = ? AND j.slot > ? AND j.slot < ?", queueID, last, slot)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			if ok, err = s.hasRow(ctx, found); err != nil {
				return nil, err
			}
			if !ok {
				strays = append(strays, found)
			}
			last = found.Slot
		}
		last = slot
	}
	return strays, nil
}

// first is the slot of the first job for which cond holds.
func (s *Store) first(ctx context.Context, cond string, args ...any) (slot job.Slot, found bool, err error) {
	err = s.read(ctx, "strays", "SELECT j.queue_id, j.slot FROM slotq_jobs j {by key} WHERE "+cond+" ORDER BY j.queue_id, j.slot LIMIT ?", append(args, 1), func(r Rows) error {
		found = true
		return r.Scan(&slot.QueueID, &slot.Slot)
	})
	return slot, found, err
}

// hasRow looks once more after the job was seen: a queue may have been made, or have got more slots, since the rows were
// read. Rows are never removed, so what has none now has none for good.
func (s *Store) hasRow(ctx context.Context, slot job.Slot) (found bool, err error) {
	err = s.read(ctx, "strays", "SELECT s.slot FROM slotq_slots s JOIN slotq_queues q ON q.id = s.queue_id WHERE s.queue_id = ? AND s.slot = ?", []any{slot.QueueID, slot.Slot}, func(r Rows) error {
		found = true
		return r.Scan(&slot.Slot)
	})
	return found, err
}
