package memory

import (
	"context"

	"github.com/slotq/slotq/shared/job"
)

// Retry implements store.Jobs.
func (s *Store) Retry(_ context.Context, id job.ID, now job.Time) (*job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.get(id, now)
	if err != nil {
		return nil, err
	}
	switch {
	case j.State == job.Retryable:
		s.due(id, now)
	case !j.State.Finished():
		return nil, job.ErrState
	default:
		if err := s.revive(j, now); err != nil {
			return nil, err
		}
	}
	return s.get(id, now)
}

// revive makes a finished job wait again: attempts and crashes granted anew, errors and runs kept, in a slot that the
// queue uses now. A concurrency key's place is given by the claim that meets the job.
func (s *Store) revive(j *job.Job, now job.Time) error {
	if j.UniqueKey != "" {
		u := uniqueKey{j.QueueID, j.UniqueKey}
		if _, taken := s.unique[u]; taken {
			return job.ErrState
		}
		s.unique[u] = j.ID
	}
	if j.ConcurrencyKey == "" {
		j.Slot = 1 + s.opts.IntN(s.queueByID(j.QueueID).Slots)
	}
	j.Token, j.CancelAt, j.Attempt, j.Crashes, j.Snoozes = job.Token{}, 0, 1, 0, 0
	j.State, j.Reason, j.FinishedAt, j.Output = job.Available, "", 0, nil
	j.RunAt, j.Blocked, j.KeyHeld = now, false, false
	if j.ExpiresAt <= now {
		j.ExpiresAt = 0 // whoever retries an expired job wants it to run
	}
	delete(s.history, j.ID)
	s.insert(j)
	return nil
}

// RunNow implements store.Jobs.
func (s *Store) RunNow(_ context.Context, id job.ID, now job.Time) (*job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.get(id, now)
	switch {
	case err != nil:
		return nil, err
	case j.State == job.Running || j.State.Finished():
		return nil, job.ErrState
	case j.State != job.Available:
		s.due(id, now)
	}
	return s.get(id, now)
}

// due makes a waiting job due now.
func (s *Store) due(id job.ID, now job.Time) {
	j := s.jobs[id]
	s.change(j, func() { j.RunAt = now })
}
