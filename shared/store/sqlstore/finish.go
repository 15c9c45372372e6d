package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Finish implements store.Work.
func (s *Store) Finish(ctx context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	var verdicts []job.Verdict
	c := care{dialect: s.db.Dialect()}
	err := s.write(ctx, "finish", func(ctx context.Context, tx Tx, again bool) (err error) {
		c.again = again
		if err := fence(ctx, tx, keySlots(jobsOf(outcomes))); err != nil {
			return err
		}
		if len(done) > 0 { // the claim goes first, as in a rescue, which so waits for this instead of meeting it
			if err := tx.Queue(ctx, nil, "{delete c} {by key} WHERE c.worker_id = ? AND c.token IN (??)", w, done); err != nil {
				return err
			}
		}
		verdicts, err = c.apply(ctx, tx, outcomes, now)
		return err
	})
	return verdicts, err
}

func jobsOf(outcomes []job.Outcome) []*job.Job {
	jobs := make([]*job.Job, len(outcomes))
	for i := range outcomes {
		jobs[i] = outcomes[i].Job
	}
	return jobs
}

// ending groups outcomes that one statement moves to history.
type ending struct {
	state  job.State
	reason string
}

// care is what the tries of one operation remember of each other.
type care struct {
	dialect Dialect
	tries   int
	again   bool // an earlier COMMIT had an unknown outcome: a token in history may be this operation's own
	apart   bool // some tokens of a statement were gone: one statement each tells whose
}

// apply writes outcomes, each where its token still stands. The fences of concurrency keys are held.
func (c *care) apply(ctx context.Context, tx Tx, outcomes []job.Outcome, now job.Time) ([]job.Verdict, error) {
	c.tries++
	verdicts := make([]job.Verdict, len(outcomes))
	ends := map[ending][]int{}
	var order []ending // maps have none, and a fixed order of locks is worth having
	var back, release []int
	for i, o := range outcomes {
		switch {
		case o.Action.Ends():
			e := ending{o.Action.Final(), o.Reason}
			if ends[e] == nil {
				order = append(order, e)
			}
			ends[e] = append(ends[e], i)
		case o.Action == job.Release:
			release = append(release, i)
		default:
			back = append(back, i)
		}
	}
	for _, e := range order {
		if err := c.end(ctx, tx, e, outcomes, ends[e], verdicts, now); err != nil {
			return nil, err
		}
	}
	if err := putBack(ctx, tx, outcomes, back, verdicts); err != nil {
		return nil, err
	}
	if err := giveBack(ctx, tx, outcomes, release, verdicts); err != nil {
		return nil, err
	}
	if err := c.endCancelled(ctx, tx, outcomes, verdicts, now); err != nil {
		return nil, err
	}
	var left []*job.Job
	for i, o := range outcomes {
		if verdicts[i] != job.Lost && o.Job.ConcurrencyKey != "" {
			left = append(left, o.Job)
		}
	}
	return verdicts, leaveKeys(ctx, tx, left)
}

// end moves jobs to history; payloads never travel. A job whose token has gone is lost: that the token stands in history
// says only that one outcome of that run was committed, which may have been another one.
func (c *care) end(ctx context.Context, tx Tx, e ending, outcomes []job.Outcome, which []int, verdicts []job.Verdict, now job.Time) error {
	slices.SortStableFunc(which, func(a, b int) int { // see together
		x, y := outcomes[a].Job, outcomes[b].Job
		return cmp.Or(bytes.Compare(x.Token[:], y.Token[:]), cmp.Compare(x.Priority, y.Priority))
	})
	jobs, outputs := make([]*job.Job, len(which)), make([][]byte, len(which))
	for k, i := range which {
		jobs[k], outputs[k] = outcomes[i].Job, outcomes[i].Output
	}
	if !slices.ContainsFunc(outputs, func(o []byte) bool { return len(o) > 0 }) {
		outputs = nil
	}
	mine, err := c.take(ctx, tx, jobs, outputs, e, now)
	if err != nil {
		return err
	}
	var details [][]any
	var ended []*job.Job
	for k, i := range which {
		o := outcomes[i]
		if !mine[k] {
			verdicts[i] = job.Lost
			continue
		}
		verdicts[i] = job.Committed
		ended = append(ended, o.Job)
		if len(o.Errors) > 0 {
			errs, err := encodeErrors(o.Errors)
			if err != nil {
				return err
			}
			crashes := o.Job.Crashes
			if e.reason == job.ReasonMaxCrashes {
				crashes++ // the one that was too many
			}
			details = append(details, []any{errs, crashes, e.state, o.Job.ID, o.Job.Token})
		}
	}
	if len(details) > 0 {
		if _, err := tx.ExecMany(ctx, "UPDATE slotq_history SET errors = ?, crashes = ? WHERE state = ? AND id = ? AND token = ? AND stub = 0", details); err != nil {
			return err
		}
	}
	return free(ctx, tx, ended)
}

func either(a, b []job.RunError) []job.RunError {
	if a != nil {
		return a
	}
	return b
}

// free frees the unique keys of jobs that have ended, by whatever path, and takes them off the list of expiries: it is
// the one place that does.
func free(ctx context.Context, tx Tx, jobs []*job.Job) error {
	var unique, expiries [][]any
	for _, j := range jobs {
		if j.UniqueKey != "" {
			unique = append(unique, []any{j.QueueID, j.UniqueKey, j.ID})
		}
		if j.ExpiresAt != 0 {
			expiries = append(expiries, []any{j.ExpiresAt, j.ID})
		}
	}
	if len(unique) > 0 {
		if _, err := tx.ExecMany(ctx, "DELETE FROM slotq_unique_keys WHERE queue_id = ? AND unique_key = ? AND id = ?", unique); err != nil {
			return err
		}
	}
	if len(expiries) > 0 {
		if _, err := tx.ExecMany(ctx, "DELETE FROM slotq_expiries WHERE expires_at = ? AND id = ?", expiries); err != nil {
			return err
		}
	}
	return nil
}

// putBack makes jobs wait for their next run, unless somebody asked to cancel them.
func putBack(ctx context.Context, tx Tx, outcomes []job.Outcome, which []int, verdicts []job.Verdict) error {
	if len(which) == 0 {
		return nil
	}
	args := make([][]any, len(which))
	for k, i := range which {
		o := outcomes[i]
		attempt, crashes, snoozes := o.Job.Attempt, o.Job.Crashes, o.Job.Snoozes
		switch o.Action {
		case job.Retry:
			attempt++
		case job.Crash:
			crashes++
		case job.Snooze:
			snoozes++
		}
		errs, err := encodeErrors(either(o.Errors, o.Job.Errors))
		if err != nil {
			return err
		}
		args[k] = []any{zeroToken, attempt, crashes, snoozes, o.RunAt, errs, o.Job.ID, o.Job.Token}
	}
	counts, err := tx.ExecMany(ctx, `UPDATE slotq_jobs {by id} SET token = ?, attempt = ?, crashes = ?, snoozes = ?, run_at = ?, errors = ?, key_held = 0
		WHERE id = ? AND token = ? AND cancel_at = 0`, args)
	for k, n := range counts {
		if n == 1 {
			verdicts[which[k]] = job.Committed
		}
	}
	return err
}

// giveBack puts jobs back as if they had not been taken, but for the run that was counted.
func giveBack(ctx context.Context, tx Tx, outcomes []job.Outcome, which []int, verdicts []job.Verdict) error {
	if len(which) == 0 {
		return nil
	}
	held := make([]job.Held, len(which))
	for k, i := range which {
		held[k] = job.Held{ID: outcomes[i].Job.ID, Token: outcomes[i].Job.Token}
	}
	still := map[job.Held]bool{}
	var found []job.Held
	var ids []job.ID
	rows, err := tx.Query(ctx, "SELECT j.id, j.token FROM slotq_jobs j {by id} WHERE {held ??} AND j.cancel_at = 0", held)
	err = each(rows, err, func(r Rows) error {
		var h job.Held
		err := r.Scan(&h.ID, &h.Token)
		still[h], found, ids = true, append(found, h), append(ids, h.ID)
		return err
	})
	if err != nil || len(found) == 0 {
		return err
	}
	// The ids stand there for MariaDB: in an UPDATE it does not look for rows by pairs, it reads the whole table and locks each row
	// of it in passing. With ten million jobs waiting a worker could not save its last outcomes within 10 s.
	n, err := tx.Exec(ctx, "UPDATE slotq_jobs AS j {by id} SET token = ?, key_held = 0 WHERE j.id IN (??) AND {held ??} AND j.cancel_at = 0", zeroToken, ids, found)
	if err != nil {
		return err
	}
	if int(n) != len(found) {
		return errMoved
	}
	for k, i := range which {
		if still[held[k]] {
			verdicts[i] = job.Committed
		}
	}
	return nil
}

// endCancelled ends, in the same transaction, those that were not put back because somebody asked to cancel them; the
// rest is lost.
func (c *care) endCancelled(ctx context.Context, tx Tx, outcomes []job.Outcome, verdicts []job.Verdict, now job.Time) error {
	var rest []int
	for i := range outcomes {
		if verdicts[i] == 0 {
			rest = append(rest, i)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	if err := c.end(ctx, tx, ending{job.Cancelled, job.ReasonCancelled}, outcomes, rest, verdicts, now); err != nil {
		return err
	}
	for _, i := range rest {
		if verdicts[i] == job.Committed {
			verdicts[i] = job.EndedCancelled
		}
	}
	return nil
}
