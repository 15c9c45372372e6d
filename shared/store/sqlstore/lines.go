package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// line is a concurrency key's places and who waits for them. It is read under the fence of the key's slot.
type line struct {
	taken   int
	waiters []waiter // the first ones, in the order of creation
	more    bool     // others may wait behind these
}

// waiter is a job that waits for a place of its key.
type waiter struct {
	key     job.Key
	created job.Time
	id      job.ID
	limit   int
}

// How much of a line is read at once, and of how many keys by one statement. One by one, with a look for the places and one for
// those who wait, a key cost two round trips, and jobs with keys of their own ended at a twentieth of the rate of others.
const (
	lineRows   = 16
	keysAtOnce = 16
)

// readLines reads the lines of the keys, each up to lineRows rows of it, and counts places beyond that.
func readLines(ctx context.Context, tx Tx, keys []job.Key) (map[job.Key]*line, error) {
	lines := make(map[job.Key]*line, len(keys))
	for some := range slices.Chunk(keys, keysAtOnce) {
		if err := readSome(ctx, tx, some, lines); err != nil {
			return nil, err
		}
	}
	for k, l := range lines {
		slices.SortFunc(l.waiters, func(a, b waiter) int { return cmp.Or(cmp.Compare(a.created, b.created), a.id.Compare(b.id)) })
		if l.more && len(l.waiters) == 0 { // its places alone are as much as was read
			if err := l.readFar(ctx, tx, k); err != nil {
				return nil, err
			}
		}
	}
	return lines, nil
}

func readSome(ctx context.Context, tx Tx, keys []job.Key, lines map[job.Key]*line) error {
	var branches []string
	var args []any
	for i, k := range keys {
		branches = append(branches, "{branch}SELECT "+strconv.Itoa(i)+" AS n, waiting, created_at, id, concurrency_limit FROM slotq_keyed {by key}"+
			" WHERE queue_id = ? AND slot = ? AND concurrency_key = ? ORDER BY waiting, created_at, id LIMIT ?)")
		args = append(args, k.QueueID, k.Slot.Slot, k.ConcurrencyKey, lineRows)
		lines[k] = &line{}
	}
	rows, err := tx.Query(ctx, strings.Join(branches, " UNION ALL "), args...)
	return each(rows, err, func(r Rows) error {
		var n, waiting int
		var w waiter
		if err := r.Scan(&n, &waiting, &w.created, &w.id, &w.limit); err != nil {
			return err
		}
		w.key = keys[n]
		l := lines[w.key]
		if waiting == 0 {
			l.taken++
		} else {
			l.waiters = append(l.waiters, w)
		}
		l.more = l.taken+len(l.waiters) == lineRows
		return nil
	})
}

// readFar reads the line of a key with more places than are read at once.
func (l *line) readFar(ctx context.Context, tx Tx, k job.Key) error {
	rows, err := tx.Query(ctx, "SELECT COUNT(*) FROM slotq_keyed WHERE queue_id = ? AND slot = ? AND concurrency_key = ? AND waiting = 0",
		k.QueueID, k.Slot.Slot, k.ConcurrencyKey)
	if err = each(rows, err, func(r Rows) error { return r.Scan(&l.taken) }); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, `SELECT created_at, id, concurrency_limit FROM slotq_keyed
		WHERE queue_id = ? AND slot = ? AND concurrency_key = ? AND waiting = 1 ORDER BY created_at, id LIMIT ?`, k.QueueID, k.Slot.Slot, k.ConcurrencyKey, lineRows)
	err = each(rows, err, func(r Rows) error {
		w := waiter{key: k}
		err := r.Scan(&w.created, &w.id, &w.limit)
		l.waiters = append(l.waiters, w)
		return err
	})
	l.more = len(l.waiters) == lineRows
	return err
}

// admit lets the first waiting jobs of keys in while their own limits leave a place; the fences are held.
func admit(ctx context.Context, tx Tx, keys []job.Key) (admitted int, err error) {
	for len(keys) > 0 {
		lines, err := readLines(ctx, tx, keys)
		if err != nil {
			return admitted, err
		}
		var let []waiter
		var again []job.Key
		for _, k := range keys {
			l := lines[k]
			for _, w := range l.waiters {
				if l.taken >= w.limit {
					l.more = false
					break
				}
				l.taken++
				let = append(let, w)
			}
			if l.more {
				again = append(again, k)
			}
		}
		gone, err := letIn(ctx, tx, let)
		if err != nil {
			return admitted, err
		}
		admitted += len(let) - len(gone)
		for _, w := range gone { // each has left a place
			if !slices.Contains(again, w.key) {
				again = append(again, w.key)
			}
		}
		keys = again
	}
	return admitted, nil
}

// letIn gives places to waiting jobs and returns those that are gone: only a defect leaves the row of such a one, and it must
// not stop its key.
func letIn(ctx context.Context, tx Tx, let []waiter) (gone []waiter, err error) {
	if len(let) == 0 {
		return nil, nil
	}
	ids := make([][]any, len(let))
	for i, w := range let {
		ids[i] = []any{w.id}
	}
	counts, err := tx.ExecMany(ctx, "UPDATE slotq_jobs {by id} SET blocked = 0 WHERE id = ? AND blocked = 1", ids)
	if err != nil {
		return nil, err
	}
	var moved, left [][]any
	for i, w := range let {
		row := []any{w.key.QueueID, w.key.Slot.Slot, w.key.ConcurrencyKey, 1, w.created, w.id}
		if counts[i] == 0 {
			gone, left = append(gone, w), append(left, row)
		} else {
			moved = append(moved, row)
		}
	}
	if len(moved) > 0 {
		if _, err := tx.ExecMany(ctx, "UPDATE slotq_keyed SET waiting = 0"+keyedRowIs, moved); err != nil {
			return nil, err
		}
	}
	if len(left) > 0 {
		_, err = tx.ExecMany(ctx, "DELETE FROM slotq_keyed"+keyedRowIs, left)
	}
	return gone, err
}
