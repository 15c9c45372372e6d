package sqlstore

import (
	"context"

	"github.com/slotq/slotq/shared/job"
)

// countRows is store.CountRows: the most rows that one statement of Count reads.
const countRows = 10_000

const countQuery = `SELECT kind,
	SUM(CASE WHEN token <> ? THEN 1 ELSE 0 END),
	SUM(CASE WHEN token = ? AND run_at > ? AND run = 0 THEN 1 ELSE 0 END),
	SUM(CASE WHEN token = ? AND run_at > ? AND run > 0 THEN 1 ELSE 0 END),
	SUM(CASE WHEN token = ? AND run_at <= ? AND blocked = 0 THEN 1 ELSE 0 END),
	SUM(CASE WHEN token = ? AND run_at <= ? AND blocked = 1 THEN 1 ELSE 0 END),
	MIN(CASE WHEN token = ? AND run_at <= ? AND blocked = 0 THEN run_at END)
	FROM (SELECT kind, token, run_at, run, blocked FROM slotq_jobs WHERE queue_id = ? AND slot = ?`

// Count implements store.Queues. A slot with few jobs is counted in one statement. In a longer one each of the eight
// ranges of the primary key (blocked, priority) is followed on its own, so that no statement reads more than countRows.
func (s *Store) Count(ctx context.Context, slot job.Slot, after job.Position, now job.Time) ([]job.Count, *job.Position, error) {
	if after == (job.Position{}) {
		counts, n, err := s.count(ctx, slot, now, " LIMIT ?", countRows)
		if err != nil || n < countRows {
			return counts, nil, err
		}
		after.Priority = 1
	}
	cond, args := " AND blocked = ? AND priority = ?", []any{flag(after.Blocked), after.Priority}
	if after.RunAt != 0 {
		past, pastArgs := s.after([]string{"run_at", "id"}, []any{after.RunAt, after.ID}, false)
		cond, args = cond+" AND "+past, append(args, pastArgs...)
	}
	const order = " ORDER BY run_at, id LIMIT ?"
	counts, n, err := s.count(ctx, slot, now, cond+order, append(args, countRows)...)
	if err != nil {
		return nil, nil, err
	}
	if n == countRows {
		next := after
		err := s.read(ctx, "count", "SELECT run_at, id FROM slotq_jobs WHERE queue_id = ? AND slot = ?"+cond+order+" OFFSET ?",
			append(append([]any{slot.QueueID, slot.Slot}, args...), 1, countRows-1), func(r Rows) error { return r.Scan(&next.RunAt, &next.ID) })
		if err != nil || next != after {
			return counts, &next, err
		}
	}
	switch next := (job.Position{Blocked: after.Blocked, Priority: after.Priority + 1}); {
	case next.Priority <= 4:
		return counts, &next, nil
	case !after.Blocked:
		return counts, &job.Position{Blocked: true, Priority: 1}, nil
	}
	return counts, nil, nil
}

func (s *Store) count(ctx context.Context, slot job.Slot, now job.Time, cond string, args ...any) (counts []job.Count, rows int, err error) {
	all := []any{zeroToken, zeroToken, now, zeroToken, now, zeroToken, now, zeroToken, now, zeroToken, now, slot.QueueID, slot.Slot}
	err = s.read(ctx, "count", countQuery+cond+") t GROUP BY kind", append(all, args...), func(r Rows) error {
		var c job.Count
		var oldest *int64
		if err := r.Scan(&c.Kind, &c.Running, &c.Scheduled, &c.Retryable, &c.Available, &c.Blocked, &oldest); err != nil {
			return err
		}
		if oldest != nil {
			c.OldestAvailable = job.Time(*oldest)
		}
		counts, rows = append(counts, c), rows+int(c.Depth())
		return nil
	})
	return counts, rows, err
}
