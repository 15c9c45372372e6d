package sqlstore

import (
	"context"
	"errors"

	"github.com/slotq/slotq/shared/job"
)

// Cancel implements store.Jobs.
func (s *Store) Cancel(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	j, err := s.get(ctx, id, now)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, "cancel", func(ctx context.Context, tx Tx, _ bool) error {
		done, err := cancel(ctx, tx, j, now)
		if err != nil || done {
			return err
		}
		// Neither free nor held without a mark: ended, marked before, or moving this moment.
		there, err := get(ctx, tx, id, now)
		if err != nil {
			return err
		}
		j = there // only when it was read: the next try begins with it
		switch {
		case j.State == job.Cancelled || j.CancelAt != 0 && !j.State.Finished():
			return errNothing
		case j.State.Finished():
			return job.ErrState
		}
		return errMoved
	})
	if err != nil {
		return nil, err
	}
	got, err := s.get(ctx, id, now)
	if errors.Is(err, job.ErrNotFound) { // its queue keeps no history: the answer is the last that is seen of it
		j.State, j.Reason, j.FinishedAt = job.Cancelled, job.ReasonCancelled, now
		return j, nil
	}
	return got, err
}

// cancel ends a job that nobody holds and marks one that runs; false = it is marked already, gone, or moving this moment.
func cancel(ctx context.Context, tx Tx, j *job.Job, now job.Time) (bool, error) {
	ended, err := endWaiting(ctx, tx, j, ending{job.Cancelled, job.ReasonCancelled}, now)
	if err != nil || ended {
		return ended, err
	}
	n, err := tx.Exec(ctx, "UPDATE slotq_jobs {by id} SET cancel_at = ? WHERE id = ? AND token <> ? AND cancel_at = 0", now, j.ID, zeroToken)
	return n == 1, err
}

// endWaiting moves a job that nobody holds to history; false = it is held or gone. j says which keys it has, which
// never change; the row's token decides.
func endWaiting(ctx context.Context, tx Tx, j *job.Job, e ending, now job.Time) (bool, error) {
	if err := fence(ctx, tx, keySlots([]*job.Job{j})); err != nil {
		return false, err
	}
	n, err := archive(ctx, tx, ofClaim([]*job.Job{{ID: j.ID}}), e, now)
	if err != nil || n == 0 {
		return false, err
	}
	return true, leave(ctx, tx, j)
}

// leave frees what a job has held that is gone from jobs, where nobody held it. When j was read somebody may have.
func leave(ctx context.Context, tx Tx, j *job.Job) error {
	if err := free(ctx, tx, []*job.Job{j}); err != nil {
		return err
	}
	waiting := *j
	waiting.Token = zeroToken
	return leaveKeys(ctx, tx, []*job.Job{&waiting})
}

// Delete implements store.Jobs.
func (s *Store) Delete(ctx context.Context, id job.ID) (*job.Job, error) {
	j, err := s.get(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, "delete", func(ctx context.Context, tx Tx, _ bool) error {
		if deleted, err := remove(ctx, tx, j); err != nil || deleted {
			return err
		}
		if _, err := get(ctx, tx, id, 0); err != nil {
			if errors.Is(err, job.ErrNotFound) {
				return errNothing // somebody else deleted it, or an earlier try of this call did
			}
			return err
		}
		return job.ErrState
	})
	return j, err
}

// remove deletes a job that nobody holds, wherever it is; false = it is held or gone.
func remove(ctx context.Context, tx Tx, j *job.Job) (bool, error) {
	if err := fence(ctx, tx, keySlots([]*job.Job{j})); err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, "{delete j} {by id} WHERE id = ? AND token = ?", j.ID, zeroToken)
	if err != nil {
		return false, err
	}
	if n == 1 {
		return true, leave(ctx, tx, j)
	}
	n, err = tx.Exec(ctx, "DELETE FROM slotq_history WHERE state IN (5, 6, 7) AND id = ?", j.ID)
	return n > 0, err
}

// expire ends jobs of a claim's slot, under its fence, that were found too late to start, and says how many.
func expire(ctx context.Context, tx Tx, jobs []*job.Job, now job.Time) (expired int, err error) {
	for _, j := range jobs {
		n, err := archive(ctx, tx, ofClaim([]*job.Job{{ID: j.ID}}), ending{job.Discarded, job.ReasonExpired}, now)
		if err != nil {
			return expired, err
		}
		if n == 1 {
			if err := leave(ctx, tx, j); err != nil {
				return expired, err
			}
			expired++
		}
	}
	return expired, nil
}

// expiryPause is how long, in microseconds, a sweep leaves a job alone that ran when its expires_at passed.
const expiryPause = 30_000_000

// Expire implements store.Manage. The table expiries says when to look; the job's row decides.
func (s *Store) Expire(ctx context.Context, limit int, now job.Time) (expired []*job.Job, err error) {
	type due struct {
		at job.Time
		id job.ID
	}
	var dues []due
	err = s.read(ctx, "expire", "SELECT expires_at, id FROM slotq_expiries WHERE expires_at <= ? ORDER BY expires_at, id LIMIT ?", []any{now, limit}, func(r Rows) error {
		var d due
		err := r.Scan(&d.at, &d.id)
		dues = append(dues, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, d := range dues {
		var j *job.Job
		ended := false
		err := s.write(ctx, "expire", func(ctx context.Context, tx Tx, _ bool) (err error) {
			ended = false
			j, err = get(ctx, tx, d.id, now)
			if err != nil && !errors.Is(err, job.ErrNotFound) {
				return err
			}
			// A job that ended after its entry was moved on, and is retried, may have another time to expire, or none.
			if err == nil && !j.State.Finished() && j.ExpiresAt != 0 && j.ExpiresAt <= now {
				if ended, err = endWaiting(ctx, tx, j, ending{job.Discarded, job.ReasonExpired}, now); err != nil {
					return err
				}
				if !ended {
					_, err = tx.Exec(ctx, "UPDATE slotq_expiries SET expires_at = ? WHERE expires_at = ? AND id = ?", now+expiryPause, d.at, d.id)
					return err
				}
			}
			_, err = tx.Exec(ctx, "DELETE FROM slotq_expiries WHERE expires_at = ? AND id = ?", d.at, d.id)
			return err
		})
		if err != nil {
			return expired, err
		}
		if ended {
			expired = append(expired, j)
		}
	}
	return expired, nil
}
