package memory

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// actionJobs is how many jobs a step changes, as in the other stores.
const actionJobs = 50

// Act implements store.Jobs.
func (s *Store) Act(_ context.Context, a job.BulkAction) (job.BulkAction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := s.actions[a.ID]; there != nil {
		if !bytes.Equal(there.Digest, a.Digest) {
			return *there, job.ErrMismatch
		}
		return *there, nil
	}
	if len(s.open()) >= job.MaxOpenActions {
		return a, job.ErrLimit
	}
	s.actions[a.ID] = &a
	return a, nil
}

// Action implements store.Jobs.
func (s *Store) Action(_ context.Context, id job.ID) (job.BulkAction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.actions[id]; a != nil {
		return *a, nil
	}
	return job.BulkAction{}, job.ErrNotFound
}

// OpenActions implements store.Manage.
func (s *Store) OpenActions(_ context.Context, limit int) (ids []job.ID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open()
	for _, a := range open[:min(len(open), limit)] {
		ids = append(ids, a.ID)
	}
	return ids, nil
}

func (s *Store) open() (open []*job.BulkAction) {
	for _, a := range s.actions {
		if a.FinishedAt == 0 {
			open = append(open, a)
		}
	}
	slices.SortFunc(open, func(a, b *job.BulkAction) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), a.ID.Compare(b.ID))
	})
	return open
}

func (s *Store) pruneActions(now job.Time) {
	maps.DeleteFunc(s.actions, func(_ job.ID, a *job.BulkAction) bool {
		return a.FinishedAt != 0 && a.FinishedAt.Add(job.KeepActions) <= now
	})
}

// StepAction implements store.Manage. Unfinished jobs are Source 0, all of history is any other.
func (s *Store) StepAction(_ context.Context, id job.ID, now job.Time) (job.BulkAction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actions[id]
	if a == nil {
		return job.BulkAction{}, job.ErrNotFound
	}
	if a.FinishedAt != 0 {
		return *a, nil
	}
	a.Step++
	page := s.actionPage(a, now)
	for _, j := range page[:min(len(page), actionJobs)] {
		a.After = j.ID
		a.Matched++
		if a.DryRun {
			continue
		}
		if err := s.actOn(a.Verb, j, now); err != nil {
			a.Failed++
		} else {
			a.Done++
		}
	}
	switch {
	case len(page) > actionJobs:
	case a.Source == 0 && a.Choice.States[len(a.Choice.States)-1].Finished():
		a.Source, a.After = job.Completed, newest
	default:
		a.FinishedAt = now
	}
	return *a, nil
}

var newest = job.ID(bytes.Repeat([]byte{0xff}, len(job.ID{})))

// actionPage are the jobs of the action's source below its cursor, the highest ids first.
func (s *Store) actionPage(a *job.BulkAction, now job.Time) (page []*job.Job) {
	add := func(stored *job.Job) {
		j := s.shown(stored, now)
		if j.ID.Compare(a.After) < 0 && a.Chooses(j) && (len(a.Choice.IDs) == 0 || slices.Contains(a.Choice.IDs, j.ID)) {
			page = append(page, j)
		}
	}
	if a.Source == 0 {
		for _, j := range s.jobs {
			add(j)
		}
	} else {
		for _, h := range s.history {
			if !h.stub {
				add(h.Job)
			}
		}
	}
	slices.SortFunc(page, func(a, b *job.Job) int { return b.ID.Compare(a.ID) })
	return page
}

func (s *Store) actOn(verb job.Verb, shown *job.Job, now job.Time) error {
	j := s.jobs[shown.ID]
	switch verb {
	case job.VerbRetry:
		if j == nil {
			return s.revive(shown, now)
		}
		s.due(j.ID, now)
	case job.VerbRun:
		s.due(j.ID, now)
	case job.VerbCancel:
		switch {
		case j.Token.IsZero():
			s.archive(j, job.Cancelled, job.ReasonCancelled, now)
		case j.CancelAt == 0:
			j.CancelAt = now
		}
	case job.VerbDelete:
		if j == nil {
			delete(s.history, shown.ID)
			return nil
		}
		s.remove(j)
		s.free(j)
	}
	return nil
}
