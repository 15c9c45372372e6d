package sqlstore

import (
	"context"
	"math/rand/v2"

	"github.com/slotq/slotq/shared/job"
)

// Retry implements store.Jobs.
func (s *Store) Retry(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	err := s.write(ctx, "retry", func(ctx context.Context, tx Tx, again bool) error {
		j, err := get(ctx, tx, id, now)
		if err != nil {
			return err
		}
		if again && !j.State.Finished() && j.State != job.Retryable {
			return errNothing // an earlier try of this call has put it back
		}
		return retry(ctx, tx, j, now)
	})
	if err != nil {
		return nil, err
	}
	return s.get(ctx, id, now)
}

// retry puts a job back that was read in this transaction. ErrState: it may not be, and nothing was written, so that an
// action can go on with the next one.
func retry(ctx context.Context, tx Tx, j *job.Job, now job.Time) error {
	switch {
	case j.State == job.Retryable:
		return due(ctx, tx, j.ID, now)
	case !j.State.Finished():
		return job.ErrState
	}
	if err := takeUnique(ctx, tx, j); err != nil {
		return err
	}
	// A finished row changes by nothing but this and Delete: the row deleted is the row read.
	n, err := tx.Exec(ctx, "DELETE FROM slotq_history WHERE state = ? AND id = ?", j.State, j.ID)
	if err != nil {
		return err
	}
	if n != 1 {
		return errMoved
	}
	return revive(ctx, tx, j, now)
}

// takeUnique takes the job's unique_key, if it has one. ErrState: another job has it.
func takeUnique(ctx context.Context, tx Tx, j *job.Job) error {
	if j.UniqueKey == "" {
		return nil
	}
	if err := tx.Insert(ctx, "slotq_unique_keys", []string{"queue_id", "unique_key", "id"}, [][]any{{j.QueueID, j.UniqueKey, j.ID}}, true); err != nil {
		return err
	}
	mine := false
	rows, err := tx.Query(ctx, "SELECT id FROM slotq_unique_keys WHERE queue_id = ? AND unique_key = ?", j.QueueID, j.UniqueKey)
	err = each(rows, err, func(r Rows) error {
		var holder job.ID
		err := r.Scan(&holder)
		mine = holder == j.ID
		return err
	})
	if err == nil && !mine {
		err = job.ErrState
	}
	return err
}

// revived is the nonce of a job that was put back: not that of any call, and not the 0 of somebody's own INSERT, since the job
// was counted when it was enqueued.
const revived = 1

// revive makes a finished job wait again: attempts and crashes granted anew, errors and runs kept, in a slot that the
// queue uses now.
func revive(ctx context.Context, tx Tx, j *job.Job, now job.Time) error {
	q, err := queueByID(ctx, tx, j.QueueID)
	if err != nil {
		return err
	}
	if j.ConcurrencyKey == "" {
		j.Slot = 1 + rand.IntN(q.Slots)
	}
	j.Token, j.CancelAt, j.Attempt, j.Crashes, j.Snoozes = job.Token{}, 0, 1, 0, 0
	j.RunAt, j.Blocked, j.KeyHeld = now, false, false
	if j.ExpiresAt <= now {
		j.ExpiresAt = 0 // whoever retries an expired job wants it to run
	}
	row, err := jobRow(j, revived)
	if err != nil {
		return err
	}
	// A concurrency key's place is given by the claim that meets the job.
	if err := tx.Insert(ctx, "slotq_jobs", jobColumns, [][]any{row}, false); err != nil {
		return err
	}
	if j.ExpiresAt != 0 {
		return tx.Insert(ctx, "slotq_expiries", []string{"expires_at", "id"}, [][]any{{j.ExpiresAt, j.ID}}, true)
	}
	return nil
}

// RunNow implements store.Jobs.
func (s *Store) RunNow(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	err := s.write(ctx, "run", func(ctx context.Context, tx Tx, _ bool) error {
		j, err := get(ctx, tx, id, now)
		switch {
		case err != nil:
			return err
		case j.State == job.Available:
			return errNothing
		case j.State == job.Running || j.State.Finished():
			return job.ErrState
		}
		return due(ctx, tx, id, now)
	})
	if err != nil {
		return nil, err
	}
	return s.get(ctx, id, now)
}

// due makes a waiting job due now.
func due(ctx context.Context, tx Tx, id job.ID, now job.Time) error {
	n, err := tx.Exec(ctx, "UPDATE slotq_jobs {by id} SET run_at = ? WHERE id = ? AND token = ?", now, id, zeroToken)
	if err == nil && n != 1 {
		return errMoved
	}
	return err
}
