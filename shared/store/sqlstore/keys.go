package sqlstore

import (
	"context"
	"fmt"
	"sort"

	"github.com/slotq/slotq/shared/job"
)

// Concurrency keys. The table keyed has a row for each job that holds a place of its key (waiting = 0: it may be claimed
// or runs) and for each that waits for one (waiting = 1: blocked in jobs, a range of its own there, so that it costs
// nothing at the head). Rows change only under the fence of their slot. A job that is put back, for whatever
// reason, gives its place away, so that the next one passes; when it is due, the claim that meets it gives it a place
// or lets it wait, in the order of creation, so it keeps its turn.

// fence takes the slots' fences in order, whether they are paused or not.
func fence(ctx context.Context, tx Tx, slots map[job.Slot]bool) error {
	order := make([]job.Slot, 0, len(slots))
	for s := range slots {
		order = append(order, s)
	}
	sort.Slice(order, func(a, b int) bool {
		if order[a].QueueID != order[b].QueueID {
			return order[a].QueueID < order[b].QueueID
		}
		return order[a].Slot < order[b].Slot
	})
	for _, s := range order {
		err := tx.Queue(ctx, func(n int64) error {
			if n != 1 {
				return fmt.Errorf("slot %d of queue %d has no row", s.Slot, s.QueueID)
			}
			return nil
		}, "UPDATE slotq_slots SET epoch = epoch + 1 WHERE queue_id = ? AND slot = ?", s.QueueID, s.Slot)
		if err != nil {
			return err
		}
	}
	return nil
}

// keySlots are the slots whose fences an operation on these jobs needs.
func keySlots(jobs []*job.Job) map[job.Slot]bool {
	var slots map[job.Slot]bool
	for _, j := range jobs {
		if j.ConcurrencyKey != "" {
			if slots == nil {
				slots = map[job.Slot]bool{}
			}
			slots[j.InSlot()] = true
		}
	}
	return slots
}

// placeKeyed decides, under the fence, which of the new jobs with a concurrency key may start and which wait. One that
// is not due yet takes no place: it is looked at when it is claimed.
func placeKeyed(ctx context.Context, tx Tx, in *insertion) error {
	var due []*job.Job
	for i, j := range in.jobs {
		if in.done[i] || j.ConcurrencyKey == "" {
			continue
		}
		j.KeyHeld, j.Blocked = false, false
		if j.RunAt <= j.CreatedAt {
			due = append(due, j)
		}
	}
	if len(due) == 0 {
		return nil
	}
	if err := fence(ctx, tx, keySlots(due)); err != nil {
		return err
	}
	there := map[job.ID]bool{}
	if in.again { // an earlier try may have landed by now; it held this fence, so the look is exact
		ids := make([]job.ID, len(due))
		for i, j := range due {
			ids[i] = j.ID
		}
		if err := in.lookup(ctx, tx, ids, func(id job.ID, _ bool, _ []byte) { there[id] = true }); err != nil {
			return err
		}
	}
	p := places{}
	if err := p.read(ctx, tx, due); err != nil {
		return err
	}
	var rows [][]any
	for _, j := range due {
		if there[j.ID] {
			continue
		}
		free, err := p.take(ctx, tx, j)
		if err != nil {
			return err
		}
		j.KeyHeld, j.Blocked = true, !free
		rows = append(rows, keyedRow(j))
	}
	if len(rows) == 0 {
		return nil
	}
	// Quiet: a job that is there already has its row; the look after the insert of the jobs finds that out.
	return tx.Insert(ctx, "slotq_keyed", keyedColumns, rows, true)
}

var keyedColumns = []string{"queue_id", "slot", "concurrency_key", "waiting", "created_at", "id", "concurrency_limit"}

func keyedRow(j *job.Job) []any {
	return []any{j.QueueID, j.Slot, j.ConcurrencyKey, flag(j.Blocked), j.CreatedAt, j.ID, j.ConcurrencyLimit}
}

// places counts the places taken per key within one transaction that holds the fence.
type places map[job.Key]int

// read counts the places of the keys of many jobs at once.
func (p places) read(ctx context.Context, tx Tx, jobs []*job.Job) error {
	lines, err := readLines(ctx, tx, keysOf(jobs))
	for k, l := range lines {
		p[k] = l.taken
	}
	return err
}

// take takes a place of the job's key if its own limit leaves one.
func (p places) take(ctx context.Context, tx Tx, j *job.Job) (bool, error) {
	k := keyOf(j)
	if _, ok := p[k]; !ok {
		if err := p.read(ctx, tx, []*job.Job{j}); err != nil {
			return false, err
		}
	}
	if p[k] >= j.ConcurrencyLimit {
		return false, nil
	}
	p[k]++
	return true, nil
}

func keyOf(j *job.Job) job.Key {
	return job.Key{Slot: j.InSlot(), ConcurrencyKey: j.ConcurrencyKey}
}

// keysOf are the concurrency keys of the jobs that have one, each once, in their order.
func keysOf(jobs []*job.Job) (keys []job.Key) {
	seen := map[job.Key]bool{}
	for _, j := range jobs {
		if k := keyOf(j); j.ConcurrencyKey != "" && !seen[k] {
			seen[k], keys = true, append(keys, k)
		}
	}
	return keys
}

// place gives a place to a due job that the claim has met without one, or sends it to wait; the fence is held.
func place(ctx context.Context, tx Tx, p places, j *job.Job) (bool, error) {
	free, err := p.take(ctx, tx, j)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, "UPDATE slotq_jobs {by id} SET key_held = 1, blocked = ? WHERE id = ? AND token = ? AND key_held = 0", flag(!free), j.ID, zeroToken)
	if err != nil {
		return false, err
	}
	if n != 1 {
		return false, errMoved
	}
	j.KeyHeld, j.Blocked = true, !free
	return free, tx.Insert(ctx, "slotq_keyed", keyedColumns, [][]any{keyedRow(j)}, false)
}

// leaveKeys takes the jobs, which have just ended or been put back, out of their keys' places and lets the next ones in.
// The fences are held.
func leaveKeys(ctx context.Context, tx Tx, jobs []*job.Job) error {
	var rows [][]any
	for _, j := range jobs {
		if j.ConcurrencyKey == "" {
			continue
		}
		row := func(waiting int) []any {
			return []any{j.QueueID, j.Slot, j.ConcurrencyKey, waiting, j.CreatedAt, j.ID}
		}
		rows = append(rows, row(0))
		if j.Token.IsZero() { // nobody held it, so it may have waited; what a claim held has a place
			// Two statements with equal keys, not one with IN: on a small table that one may lock other slots' rows.
			rows = append(rows, row(1))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := tx.ExecMany(ctx, "DELETE FROM slotq_keyed"+keyedRowIs, rows); err != nil {
		return err
	}
	_, err := admit(ctx, tx, keysOf(jobs))
	return err
}

const keyedRowIs = " WHERE queue_id = ? AND slot = ? AND concurrency_key = ? AND waiting = ? AND created_at = ? AND id = ?"
