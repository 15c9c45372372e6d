package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Get implements store.Jobs.
func (s *Store) Get(_ context.Context, id job.ID) (*job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(id, s.opts.Now())
}

func (s *Store) get(id job.ID, now job.Time) (*job.Job, error) {
	if j := s.jobs[id]; j != nil {
		return s.shown(j, now), nil
	}
	if f := s.history[id]; f != nil && !f.stub {
		return s.shown(f.Job, now), nil
	}
	return nil, job.ErrNotFound
}

// shown is a copy of a job with all that is derived. Its slices are never written to, here or by callers.
func (s *Store) shown(j *job.Job, now job.Time) *job.Job {
	c := *j
	if q := s.queueByID(j.QueueID); q != nil {
		c.Queue = q.Name
	}
	if !j.State.Finished() {
		c.State, c.Reason = job.WaitingState(j.Token, j.RunAt, j.Run, now), ""
		if c.Blocked && c.State == job.Available {
			c.Reason = job.ReasonBlocked
		}
	}
	return &c
}

// List implements store.Jobs.
func (s *Store) List(_ context.Context, f job.Filter, p job.Page) (out job.Listed, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	all := slices.Collect(maps.Values(s.jobs))
	for _, h := range s.history {
		if !h.stub {
			all = append(all, h.Job)
		}
	}
	slices.SortFunc(all, func(a, b *job.Job) int { return b.ID.Compare(a.ID) })
	size := 0
	for _, stored := range all {
		j := s.shown(stored, now)
		j.Payload, j.Output = nil, nil
		if p.Before != (job.ID{}) && j.ID.Compare(p.Before) >= 0 || !f.Matches(j) {
			continue
		}
		if len(out.Jobs) == p.Limit || size > pageBytes {
			out.Next = out.Jobs[len(out.Jobs)-1].ID
			break
		}
		out.Jobs = append(out.Jobs, j)
		size += len(j.Metadata)
	}
	return out, nil
}

// pageBytes is about how much a page of jobs takes, as in the other stores.
const pageBytes = 1 << 20
