package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// actionJobs is how many jobs one step of an action changes: some four statements each, and with a lock on the fences of
// their concurrency keys, whose claims wait so long.
const actionJobs = 50

var actionColumns = []string{"id", "verb", "dry_run", "choice", "digest", "created_at", "finished_at", "remove_at",
	"step", "source", "after_id", "matched", "done", "failed"}

const actionQuery = "SELECT id, verb, dry_run, choice, digest, created_at, finished_at, step, source, after_id, matched, done, failed" +
	" FROM slotq_actions WHERE id = ?"

// Act implements store.Jobs.
func (s *Store) Act(ctx context.Context, a job.BulkAction) (there job.BulkAction, err error) {
	choice, err := json.Marshal(a.Choice)
	if err != nil {
		return a, fmt.Errorf("act: write the choice: %w", err)
	}
	row := []any{a.ID, string(a.Verb), flag(a.DryRun), choice, blob(a.Digest), a.CreatedAt, 0, 0, 0, int(a.Source), a.After, 0, 0, 0}
	err = s.write(ctx, "act", func(ctx context.Context, tx Tx, _ bool) error {
		there, err = readAction(ctx, tx, a.ID)
		switch {
		case errors.Is(err, job.ErrNotFound):
			there, err = addAction(ctx, tx, row)
		case err == nil:
			err = s.confirm(ctx, tx) // it may be an earlier try's
		}
		if err == nil && !bytes.Equal(there.Digest, a.Digest) {
			err = job.ErrMismatch
		}
		return err
	})
	return there, err
}

// addAction stores a new action, unless too many are open.
func addAction(ctx context.Context, tx Tx, row []any) (there job.BulkAction, err error) {
	open := 0
	rows, err := tx.Query(ctx, "SELECT COUNT(*) FROM (SELECT id FROM slotq_actions WHERE remove_at = 0 LIMIT ?) t", job.MaxOpenActions)
	err = each(rows, err, func(r Rows) error { return r.Scan(&open) })
	if err == nil && open >= job.MaxOpenActions {
		err = job.ErrLimit
	}
	if err == nil {
		// Quiet: two of one id may come at once, and the one that waited here reads the other's.
		err = tx.Insert(ctx, "slotq_actions", actionColumns, [][]any{row}, true)
	}
	if err != nil {
		return there, err
	}
	return readAction(ctx, tx, row[0].(job.ID))
}

// Action implements store.Jobs.
func (s *Store) Action(ctx context.Context, id job.ID) (job.BulkAction, error) {
	return readOne(ctx, s, "action", actionQuery, []any{id}, scanAction)
}

func readAction(ctx context.Context, tx Tx, id job.ID) (job.BulkAction, error) {
	rows, err := tx.Query(ctx, actionQuery, id)
	return one(rows, err, scanAction)
}

func scanAction(r Rows) (a job.BulkAction, err error) {
	var verb string
	var dryRun, source int
	var choice []byte
	err = r.Scan(&a.ID, &verb, &dryRun, &choice, &a.Digest, &a.CreatedAt, &a.FinishedAt, &a.Step, &source, &a.After, &a.Matched, &a.Done, &a.Failed)
	if err != nil {
		return a, err
	}
	a.Verb, a.DryRun, a.Source = job.Verb(verb), dryRun != 0, job.State(source)
	if err := json.Unmarshal(choice, &a.Choice); err != nil {
		return a, fmt.Errorf("action %s: choice: %w", a.ID, err)
	}
	return a, nil
}

// OpenActions implements store.Manage.
func (s *Store) OpenActions(ctx context.Context, limit int) (ids []job.ID, err error) {
	err = s.read(ctx, "open_actions", "SELECT id FROM slotq_actions WHERE remove_at = 0 ORDER BY created_at, id LIMIT ?", []any{limit}, func(r Rows) error {
		var id job.ID
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// StepAction implements store.Manage. The page of jobs is read without a lock; the step's number is the token. Whoever
// moves it on looks at each job once more and changes it in the same transaction, so a manager that dies leaves a
// step done or not begun, and of two that do the same step one finds the number moved.
func (s *Store) StepAction(ctx context.Context, id job.ID, now job.Time) (job.BulkAction, error) {
	a, err := s.Action(ctx, id)
	if err != nil || a.FinishedAt != 0 {
		return a, err
	}
	next, jobs, err := s.actionPage(ctx, a, now)
	if err != nil {
		return a, err
	}
	err = s.write(ctx, "step_action", func(ctx context.Context, tx Tx, _ bool) error {
		n, err := tx.Exec(ctx, "UPDATE slotq_actions SET step = step + 1 WHERE id = ? AND step = ? AND remove_at = 0", id, a.Step)
		if err != nil {
			return err
		}
		if n != 1 {
			return errNothing // somebody else did this step, or an earlier try of this call whose answer was lost
		}
		sum := next
		if a.DryRun {
			sum.Matched += int64(len(jobs))
		} else if err := actOn(ctx, tx, &sum, jobs, now); err != nil {
			return err
		}
		removeAt := job.Time(0)
		if sum.FinishedAt != 0 {
			removeAt = sum.FinishedAt.Add(job.KeepActions)
		}
		_, err = tx.Exec(ctx, "UPDATE slotq_actions SET source = ?, after_id = ?, matched = ?, done = ?, failed = ?, finished_at = ?, remove_at = ? WHERE id = ?",
			int(sum.Source), sum.After, sum.Matched, sum.Done, sum.Failed, sum.FinishedAt, removeAt, id)
		return err
	})
	if err != nil {
		return a, err
	}
	return s.Action(ctx, id)
}

// actionPage reads the jobs of the next step, and where the action stands after it.
func (s *Store) actionPage(ctx context.Context, a job.BulkAction, now job.Time) (next job.BulkAction, jobs []*job.Job, err error) {
	next = a
	most := actionJobs
	if a.DryRun {
		most = listRows
	}
	var end bool
	if len(a.Choice.IDs) > 0 {
		jobs, next.After, end, err = s.actionIDs(ctx, &a, now)
	} else {
		jobs, next.After, end, err = s.listSource(ctx, a.Source, a.Chooses, a.After, most, now)
		if len(jobs) > most {
			jobs, end = jobs[:most], false
			next.After = jobs[most-1].ID
		}
	}
	if err != nil || !end {
		return next, jobs, err
	}
	all := sources(a.Choice.Filter)
	if i := slices.Index(all, a.Source) + 1; i < len(all) && len(a.Choice.IDs) == 0 {
		next.Source, next.After = all[i], newest
	} else {
		next.FinishedAt = now
	}
	return next, jobs, nil
}

// actionIDs looks up the next of the ids that the action names.
func (s *Store) actionIDs(ctx context.Context, a *job.BulkAction, now job.Time) (jobs []*job.Job, reached job.ID, end bool, err error) {
	ids := a.Choice.IDs // the highest first
	if i := slices.IndexFunc(ids, func(id job.ID) bool { return id.Compare(a.After) < 0 }); i >= 0 {
		ids = ids[i:]
	} else {
		ids = nil
	}
	end, reached = len(ids) <= actionJobs, a.After
	for _, id := range ids[:min(len(ids), actionJobs)] {
		reached = id
		j, err := s.get(ctx, id, now)
		if errors.Is(err, job.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, reached, false, err
		}
		if a.Chooses(j) {
			jobs = append(jobs, j)
		}
	}
	return jobs, reached, end, nil
}

// actOn does the action's verb to jobs, each of which is read again: one that has moved on since is left alone.
func actOn(ctx context.Context, tx Tx, a *job.BulkAction, jobs []*job.Job, now job.Time) error {
	if a.Verb == job.VerbCancel || a.Verb == job.VerbDelete {
		// All fences first and in order, as everybody takes them. A key's slot never changes.
		if err := fence(ctx, tx, keySlots(jobs)); err != nil {
			return err
		}
	}
	for _, listed := range jobs {
		j, err := get(ctx, tx, listed.ID, now)
		if errors.Is(err, job.ErrNotFound) || err == nil && !a.Chooses(j) {
			continue
		}
		if err != nil {
			return err
		}
		a.Matched++
		switch err := actOnOne(ctx, tx, a.Verb, j, now); {
		case err == nil:
			a.Done++
		case errors.Is(err, job.ErrState):
			a.Failed++
		default:
			return err
		}
	}
	return nil
}

func actOnOne(ctx context.Context, tx Tx, verb job.Verb, j *job.Job, now job.Time) (err error) {
	done := true
	switch verb {
	case job.VerbRetry:
		return retry(ctx, tx, j, now)
	case job.VerbRun:
		return due(ctx, tx, j.ID, now)
	case job.VerbCancel:
		done, err = cancel(ctx, tx, j, now)
		done = done || j.CancelAt != 0 // somebody has asked for it before
	case job.VerbDelete:
		done, err = remove(ctx, tx, j)
	}
	if err == nil && !done {
		err = errMoved
	}
	return err
}
