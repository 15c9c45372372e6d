package sqlstore

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/slotq/slotq/shared/job"
)

const queueQuery = `SELECT id, name, slots, key_slots, lifo, paused, priority, max_attempts, max_crashes, timeout_us, backoff,
	keep_completed_us, keep_discarded_us, keep_cancelled_us, created_at FROM slotq_queues`

func scanQueue(r Rows) (job.Queue, error) {
	var q job.Queue
	var lifo, paused int
	var timeout, completed, discarded, cancelled int64
	var backoff []byte
	err := r.Scan(&q.ID, &q.Name, &q.Slots, &q.KeySlots, &lifo, &paused, &q.Priority, &q.MaxAttempts, &q.MaxCrashes, &timeout, &backoff,
		&completed, &discarded, &cancelled, &q.CreatedAt)
	if err != nil {
		return q, err
	}
	q.LIFO, q.Paused = lifo != 0, paused != 0
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	q.Timeout, q.KeepCompleted, q.KeepDiscarded, q.KeepCancelled = us(timeout), us(completed), us(discarded), us(cancelled)
	if len(backoff) > 0 {
		err = json.Unmarshal(backoff, &q.Backoff)
	}
	return q, err
}

// ListQueues implements store.Queues.
func (s *Store) ListQueues(ctx context.Context, deleted bool) (queues []job.Queue, err error) {
	err = s.read(ctx, "queues", queueQuery+" WHERE deleted <= ? ORDER BY name", []any{flag(deleted)}, func(r Rows) error {
		q, err := scanQueue(r)
		queues = append(queues, q)
		return err
	})
	return queues, err
}

func oneQueue(ctx context.Context, q Querier, cond string, arg any) (job.Queue, error) {
	rows, err := q.Query(ctx, queueQuery+" WHERE "+cond, arg)
	return one(rows, err, scanQueue)
}

func queueByID(ctx context.Context, q Querier, id int32) (job.Queue, error) {
	return oneQueue(ctx, q, "id = ?", id)
}

// EnsureQueue implements store.Queues. The id is random, not counted: two callers that make one queue at once meet in
// its unique name, and two that make different ones do not meet at all.
func (s *Store) EnsureQueue(ctx context.Context, q job.Queue, now job.Time) (out job.Queue, err error) {
	out, err = oneQueue(ctx, s.db, "deleted = 0 AND name = ?", q.Name)
	if err == nil || !isNotFound(err) {
		return out, s.fail("ensure_queue", s.db.Class(err), err)
	}
	err = s.write(ctx, "ensure_queue", func(ctx context.Context, tx Tx, _ bool) error {
		shown, err := tx.Exec(ctx, "UPDATE slotq_queues SET deleted = 0 WHERE name = ? AND deleted = 1", q.Name)
		if err != nil {
			return err
		}
		if out, err = oneQueue(ctx, tx, "name = ?", q.Name); err == nil {
			if shown == 0 {
				return errNothing
			}
			return nil
		}
		if !isNotFound(err) {
			return err
		}
		n := 0
		rows, err := tx.Query(ctx, "SELECT COUNT(*) FROM slotq_queues")
		if err = each(rows, err, func(r Rows) error { return r.Scan(&n) }); err != nil {
			return err
		}
		if n >= job.MaxQueues {
			return job.ErrLimit
		}
		id := 1 + rand.Int32N(1<<31-2)
		backoff, err := encodeBackoff(q.Backoff)
		if err != nil {
			return err
		}
		err = tx.Insert(ctx, "slotq_queues", []string{"id", "name", "slots", "key_slots", "lifo", "paused", "deleted", "priority", "max_attempts", "max_crashes",
			"timeout_us", "backoff", "keep_completed_us", "keep_discarded_us", "keep_cancelled_us", "created_at"},
			[][]any{{id, q.Name, q.Slots, q.Slots, flag(q.LIFO), flag(q.Paused), 0, q.Priority, q.MaxAttempts, q.MaxCrashes,
				q.Timeout.Microseconds(), backoff, q.KeepCompleted.Microseconds(), q.KeepDiscarded.Microseconds(), q.KeepCancelled.Microseconds(), now}}, true)
		if err != nil {
			return err
		}
		if out, err = oneQueue(ctx, tx, "name = ?", q.Name); err != nil {
			return errMoved // the random id was taken, or another call's row is not visible yet
		}
		if out.ID != id {
			return errNothing
		}
		return addSlots(ctx, tx, out, 1)
	})
	return out, err
}

func encodeBackoff(b job.Backoff) ([]byte, error) {
	if b.Kind == "" {
		return []byte{}, nil
	}
	return json.Marshal(b)
}

// addSlots makes the rows from..q.Slots that are not there.
func addSlots(ctx context.Context, tx Tx, q job.Queue, from int) error {
	var rows [][]any
	for slot := from; slot <= q.Slots; slot++ {
		rows = append(rows, []any{q.ID, slot, 0, flag(q.Paused)})
	}
	if len(rows) == 0 {
		return nil
	}
	return tx.Insert(ctx, "slotq_slots", []string{"queue_id", "slot", "epoch", "paused"}, rows, true)
}

// change runs fn on the queue under its row lock and writes the result.
func (s *Store) change(ctx context.Context, operation, name string, fn func(ctx context.Context, tx Tx, q *job.Queue) error) (out job.Queue, err error) {
	err = s.write(ctx, operation, func(ctx context.Context, tx Tx, _ bool) error {
		// The write that locks the row; what is read after it is what it changes.
		n, err := tx.Exec(ctx, "UPDATE slotq_queues SET version = version + 1 WHERE name = ? AND deleted = 0", name)
		if err != nil {
			return err
		}
		if n != 1 {
			return job.ErrNotFound
		}
		if out, err = oneQueue(ctx, tx, "name = ?", name); err != nil {
			return err
		}
		if err := fn(ctx, tx, &out); err != nil {
			return err
		}
		backoff, err := encodeBackoff(out.Backoff)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE slotq_queues SET slots = ?, lifo = ?, paused = ?, priority = ?, max_attempts = ?, max_crashes = ?, timeout_us = ?, backoff = ?,
			keep_completed_us = ?, keep_discarded_us = ?, keep_cancelled_us = ? WHERE id = ?`,
			out.Slots, flag(out.LIFO), flag(out.Paused), out.Priority, out.MaxAttempts, out.MaxCrashes, out.Timeout.Microseconds(), backoff,
			out.KeepCompleted.Microseconds(), out.KeepDiscarded.Microseconds(), out.KeepCancelled.Microseconds(), out.ID)
		return err
	})
	return out, err
}

// UpdateQueue implements store.Queues.
func (s *Store) UpdateQueue(ctx context.Context, name string, change func(*job.Queue) error) (job.Queue, error) {
	return s.change(ctx, "update_queue", name, func(ctx context.Context, tx Tx, q *job.Queue) error {
		before := *q
		if err := change(q); err != nil {
			return err
		}
		q.ID, q.Name, q.KeySlots, q.Paused = before.ID, before.Name, before.KeySlots, before.Paused
		return addSlots(ctx, tx, *q, before.Slots+1)
	})
}

// PauseQueue implements store.Queues. Writing the slot rows waits for the claims that hold a fence; those that come
// after it find the slot paused.
func (s *Store) PauseQueue(ctx context.Context, name string, paused bool) (job.Queue, error) {
	return s.change(ctx, "pause_queue", name, func(ctx context.Context, tx Tx, q *job.Queue) error {
		q.Paused = paused
		_, err := tx.Exec(ctx, "UPDATE slotq_slots SET paused = ? WHERE queue_id = ?", flag(paused), q.ID)
		return err
	})
}

// DeleteQueue implements store.Queues. The row stays, hidden, so that history keeps its name; a job that an api with
// an older view still adds is served all the same.
func (s *Store) DeleteQueue(ctx context.Context, name string) error {
	_, err := s.change(ctx, "delete_queue", name, func(ctx context.Context, tx Tx, q *job.Queue) error {
		n := 0
		rows, err := tx.Query(ctx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM slotq_jobs WHERE queue_id = ? LIMIT 1) t", q.ID)
		if err = each(rows, err, func(r Rows) error { return r.Scan(&n) }); err != nil {
			return err
		}
		if n > 0 {
			return job.ErrNotEmpty
		}
		_, err = tx.Exec(ctx, "UPDATE slotq_queues SET deleted = 1 WHERE id = ?", q.ID)
		return err
	})
	return err
}

// Slots implements store.Queues.
func (s *Store) Slots(ctx context.Context, queueID int32) (slots []job.SlotRow, err error) {
	err = s.read(ctx, "slots", "SELECT queue_id, slot, epoch, paused FROM slotq_slots WHERE queue_id = ? ORDER BY slot", []any{queueID}, func(r Rows) error {
		var row job.SlotRow
		var paused int
		err := r.Scan(&row.QueueID, &row.Slot.Slot, &row.Epoch, &paused)
		row.Paused = paused != 0
		slots = append(slots, row)
		return err
	})
	return slots, err
}
