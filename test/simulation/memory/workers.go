package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Register implements store.Work.
func (s *Store) Register(_ context.Context, w job.Worker) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workers[w.ID] != nil {
		return fmt.Errorf("worker %s is registered already", w.ID)
	}
	w.Beat, w.Dead, w.Stop, w.Running, w.BeatAt = 0, false, false, 0, w.StartedAt
	s.workers[w.ID] = &w
	return nil
}

// alive finds a worker that nobody has declared dead.
func (s *Store) alive(id job.WorkerID) *job.Worker {
	if w := s.workers[id]; w != nil && !w.Dead {
		return w
	}
	return nil
}

// Beat implements store.Work.
func (s *Store) Beat(_ context.Context, id job.WorkerID, running []job.ID) (job.Beat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.alive(id)
	if w == nil {
		return job.Beat{}, job.ErrWorkerDead
	}
	w.Beat++
	w.BeatAt, w.Running = s.opts.Now(), len(running)
	b := job.Beat{Now: w.BeatAt, Quiet: w.Quiet, Stop: w.Stop}
	for _, j := range running {
		if held := s.jobs[j]; held != nil && held.CancelAt != 0 && held.Token.Worker() == id {
			b.Cancelled = append(b.Cancelled, j)
		}
	}
	return b, nil
}

// Leave implements store.Work.
func (s *Store) Leave(_ context.Context, id job.WorkerID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.workers[id]; w != nil && len(s.claims[id]) > 0 {
		w.Dead = true // it is gone; what it left is rescued at once
		return nil
	}
	delete(s.workers, id)
	return nil
}

// Workers implements store.Manage.
func (s *Store) Workers(context.Context) (workers []job.Worker, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		workers = append(workers, *w)
	}
	slices.SortFunc(workers, func(a, b job.Worker) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return workers, nil
}

// CommandWorker implements store.Manage.
func (s *Store) CommandWorker(_ context.Context, id job.WorkerID, quiet, stop bool) (job.Worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.alive(id)
	if w == nil {
		return job.Worker{}, job.ErrNotFound
	}
	w.Quiet, w.Stop = quiet || stop, stop
	return *w, nil
}

// DeclareDead implements store.Manage.
func (s *Store) DeclareDead(_ context.Context, id job.WorkerID, beat int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.alive(id)
	if w == nil || w.Beat != beat {
		return false, nil
	}
	w.Dead = true
	return true, nil
}

// Turn implements store.Manage. A next turn more than three intervals ahead was written by a clock that jumped.
func (s *Store) Turn(_ context.Context, loop string, holder job.WorkerID, interval time.Duration, now job.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.turns[loop]; ok && t.NextAt > now && t.NextAt <= now.Add(3*interval) {
		return false, nil
	}
	s.turns[loop] = job.Turn{Loop: loop, NextAt: now.Add(interval), Holder: holder}
	return true, nil
}

// Prune implements store.Manage.
func (s *Store) Prune(_ context.Context, limit int, now job.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var over []*finished
	for _, f := range s.history {
		if f.removeAt <= now {
			over = append(over, f)
		}
	}
	slices.SortFunc(over, func(a, b *finished) int { return cmp.Or(cmp.Compare(a.removeAt, b.removeAt), a.ID.Compare(b.ID)) })
	over = over[:min(len(over), limit)]
	for _, f := range over {
		delete(s.history, f.ID)
	}
	for key, k := range s.idempotency {
		if k.removeAt <= now && s.jobs[k.id] == nil {
			delete(s.idempotency, key)
		}
	}
	for id, w := range s.workers {
		if w.Dead && len(s.claims[id]) == 0 {
			delete(s.workers, id)
		}
	}
	s.pruneActions(now)
	return len(over), nil
}
