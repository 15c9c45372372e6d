package sqlstore

import (
	"context"
	"errors"

	"github.com/slotq/slotq/shared/job"
)

func isNotFound(err error) bool { return errors.Is(err, job.ErrNotFound) }

// purgeScan is how many rows one Purge reads to find jobs that wait and were there before.
const purgeScan = 20_000

// Purge implements store.Queues.
func (s *Store) Purge(ctx context.Context, name string, before job.Time, limit int, now job.Time) (n int, more bool, err error) {
	q, err := oneQueue(ctx, s.db, "name = ? AND deleted = 0", name)
	if err != nil {
		return 0, false, s.fail("purge", s.db.Class(err), err)
	}
	var waiting []*job.Job
	seen := 0
	err = s.read(ctx, "purge", `SELECT id, slot, token, created_at, expires_at, unique_key, concurrency_key FROM
		(SELECT id, slot, token, created_at, expires_at, unique_key, concurrency_key FROM slotq_jobs WHERE queue_id = ? LIMIT ?) t
		WHERE token = ? AND created_at <= ? LIMIT ?`, []any{q.ID, purgeScan, zeroToken, before, limit + 1}, func(r Rows) error {
		j := &job.Job{QueueID: q.ID}
		seen++
		err := r.Scan(&j.ID, &j.Slot, &j.Token, &j.CreatedAt, &j.ExpiresAt, &j.UniqueKey, &j.ConcurrencyKey)
		if len(waiting) < limit {
			waiting = append(waiting, j)
		}
		return err
	})
	if err != nil || len(waiting) == 0 {
		return 0, false, err
	}
	c := care{dialect: s.db.Dialect()}
	err = s.write(ctx, "purge", func(ctx context.Context, tx Tx, again bool) error {
		n, c.again = 0, again
		if err := fence(ctx, tx, keySlots(waiting)); err != nil {
			return err
		}
		var outcomes []job.Outcome
		for _, j := range waiting {
			outcomes = append(outcomes, job.Outcome{Job: j, Action: job.Cancel, Reason: job.ReasonPurged})
		}
		verdicts, err := c.apply(ctx, tx, outcomes, now)
		for _, v := range verdicts {
			if v == job.Committed {
				n++
			}
		}
		return err
	})
	return n, seen > len(waiting) || n < len(waiting), err
}
