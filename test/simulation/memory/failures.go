package memory

import (
	"context"

	"github.com/slotq/slotq/shared/job"
)

// Failures implements store.Jobs. It reads all there is.
func (s *Store) Failures(_ context.Context, f job.Filter, limit int, now job.Time) (out job.FailureList, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f = job.Filter{Queue: f.Queue, Kind: f.Kind}
	var groups job.FailureGroups
	add := func(stored *job.Job) {
		out.Rows++
		if j := s.shown(stored, now); f.Matches(j) && (j.State == job.Retryable || j.State == job.Discarded) {
			groups.Add(j.ID, j.Kind, j.Errors, j.State == job.Discarded)
		}
	}
	for _, j := range s.jobs {
		add(j)
	}
	for _, h := range s.history {
		if !h.stub {
			add(h.Job)
		}
	}
	out.Failures, out.More = groups.Newest(limit)
	return out, nil
}
