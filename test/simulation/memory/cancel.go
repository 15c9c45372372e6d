package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Cancel implements store.Jobs.
func (s *Store) Cancel(_ context.Context, id job.ID, now job.Time) (*job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown, err := s.get(id, now)
	if err != nil {
		return nil, err
	}
	j := s.jobs[id]
	switch {
	case j == nil && shown.State == job.Cancelled:
		return shown, nil
	case j == nil:
		return nil, job.ErrState
	case j.Token.IsZero():
		return s.shown(s.archive(j, job.Cancelled, job.ReasonCancelled, now).Job, now), nil
	case j.CancelAt == 0:
		j.CancelAt = now
	}
	return s.shown(j, now), nil
}

// Delete implements store.Jobs.
func (s *Store) Delete(_ context.Context, id job.ID) (*job.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown, err := s.get(id, s.opts.Now())
	if err != nil {
		return nil, err
	}
	j := s.jobs[id]
	switch {
	case j == nil:
		delete(s.history, id)
	case !j.Token.IsZero():
		return shown, job.ErrState
	default:
		s.remove(j)
		s.free(j)
	}
	return shown, nil
}

// Expire implements store.Manage.
func (s *Store) Expire(_ context.Context, limit int, now job.Time) (expired []*job.Job, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []*job.Job
	for _, j := range s.jobs {
		if j.Token.IsZero() && j.ExpiresAt != 0 && j.ExpiresAt <= now {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b *job.Job) int { return cmp.Or(cmp.Compare(a.ExpiresAt, b.ExpiresAt), a.ID.Compare(b.ID)) })
	due = due[:min(len(due), limit)]
	for _, j := range due {
		expired = append(expired, s.shown(j, now))
		s.archive(j, job.Discarded, job.ReasonExpired, now)
	}
	return expired, nil
}
