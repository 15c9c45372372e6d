package memory

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Finish implements store.Work.
func (s *Store) Finish(_ context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verdicts := s.apply(outcomes, now)
	for _, t := range done {
		s.drop(w, t)
	}
	return verdicts, nil
}

// drop removes a claim; false = it is not there.
func (s *Store) drop(w job.WorkerID, t job.Token) bool {
	if s.claims[w][t] == nil {
		return false
	}
	if delete(s.claims[w], t); len(s.claims[w]) == 0 {
		delete(s.claims, w)
	}
	return true
}

// apply writes outcomes, each where its token still stands.
func (s *Store) apply(outcomes []job.Outcome, now job.Time) []job.Verdict {
	verdicts := make([]job.Verdict, len(outcomes))
	for i, o := range outcomes {
		j := s.jobs[o.Job.ID]
		switch {
		case j == nil || j.Token != o.Job.Token:
			verdicts[i] = job.Lost
		case o.Action.Ends():
			s.end(j, o, now)
			verdicts[i] = job.Committed
		case j.CancelAt != 0:
			s.archive(j, job.Cancelled, job.ReasonCancelled, now)
			verdicts[i] = job.EndedCancelled
		default:
			s.putBack(j, o)
			verdicts[i] = job.Committed
		}
	}
	return verdicts
}

// end moves a job to history with what its outcome says.
func (s *Store) end(j *job.Job, o job.Outcome, now job.Time) {
	f := s.archive(j, o.Action.Final(), o.Reason, now)
	if f.stub {
		return
	}
	f.Output = o.Output
	if o.Errors != nil {
		f.Errors = o.Errors
	}
	if o.Reason == job.ReasonMaxCrashes {
		f.Crashes++ // the one that was too many
	}
}

// putBack makes a job wait for its next run.
func (s *Store) putBack(j *job.Job, o job.Outcome) {
	s.change(j, func() {
		j.Token, j.KeyHeld = job.Token{}, false
		if o.Action == job.Release {
			return
		}
		switch j.RunAt = o.RunAt; o.Action {
		case job.Retry:
			j.Attempt++
		case job.Crash:
			j.Crashes++
		case job.Snooze:
			j.Snoozes++
		}
		if o.Errors != nil {
			j.Errors = o.Errors
		}
	})
	s.admit(keyOf(j))
}

// stubFor is how long an id outlives its job at least: it may be sent again after an answer that was lost.
const stubFor = time.Hour

// archive moves an unfinished job to history, and frees the keys that it has; its queue's retention counts from now.
func (s *Store) archive(j *job.Job, state job.State, reason string, now job.Time) *finished {
	s.remove(j)
	ended := *j
	ended.State, ended.Reason, ended.FinishedAt, ended.KeyHeld, ended.Blocked = state, reason, now, false, false
	q := s.queueByID(j.QueueID)
	keep := map[job.State]time.Duration{job.Completed: q.KeepCompleted, job.Discarded: q.KeepDiscarded, job.Cancelled: q.KeepCancelled}[state]
	f := &finished{Job: &ended, stub: keep == 0, removeAt: max(now.Add(keep), now.Add(stubFor))}
	if len(j.Digest) > 0 {
		f.removeAt = max(f.removeAt, j.CreatedAt+idempotencyWindow)
	}
	s.history[j.ID] = f
	s.free(j)
	return f
}

// free gives back the keys of a job that is gone.
func (s *Store) free(j *job.Job) {
	if u := (uniqueKey{j.QueueID, j.UniqueKey}); s.unique[u] == j.ID {
		delete(s.unique, u)
	}
	s.admit(keyOf(j))
}
