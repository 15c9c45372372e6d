package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

func (s *Store) queueByID(id int32) *queue {
	for _, q := range s.queues {
		if q.ID == id {
			return q
		}
	}
	return nil
}

// ListQueues implements store.Queues.
func (s *Store) ListQueues(_ context.Context, deleted bool) (queues []job.Queue, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if q := s.queues[name]; deleted || !q.deleted {
			queues = append(queues, q.Queue)
		}
	}
	return queues, nil
}

// EnsureQueue implements store.Queues.
func (s *Store) EnsureQueue(_ context.Context, q job.Queue, now job.Time) (job.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := s.queues[q.Name]; there != nil {
		there.deleted = false
		return there.Queue, nil
	}
	if len(s.queues) >= job.MaxQueues {
		return job.Queue{}, job.ErrLimit
	}
	for q.ID = 0; q.ID == 0 || s.queueByID(q.ID) != nil; {
		q.ID = int32(1 + s.opts.IntN(1<<31-2))
	}
	q.KeySlots, q.CreatedAt = q.Slots, now
	s.queues[q.Name] = &queue{Queue: q}
	s.addSlots(q)
	return q, nil
}

// addSlots makes the rows that are not there.
func (s *Store) addSlots(q job.Queue) {
	for n := 1; n <= q.Slots; n++ {
		at := job.Slot{QueueID: q.ID, Slot: n}
		if s.slots[at] == nil {
			s.slots[at] = &job.SlotRow{Slot: at, Paused: q.Paused}
		}
	}
}

// there finds a queue that is not deleted.
func (s *Store) there(name string) (*queue, error) {
	if q := s.queues[name]; q != nil && !q.deleted {
		return q, nil
	}
	return nil, job.ErrNotFound
}

// UpdateQueue implements store.Queues.
func (s *Store) UpdateQueue(_ context.Context, name string, change func(*job.Queue) error) (job.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.there(name)
	if err != nil {
		return job.Queue{}, err
	}
	changed := q.Queue
	if err := change(&changed); err != nil {
		return job.Queue{}, err
	}
	changed.ID, changed.Name, changed.KeySlots, changed.Paused = q.ID, q.Name, q.KeySlots, q.Paused
	q.Queue = changed
	s.addSlots(changed)
	return changed, nil
}

// PauseQueue implements store.Queues.
func (s *Store) PauseQueue(_ context.Context, name string, paused bool) (job.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.there(name)
	if err != nil {
		return job.Queue{}, err
	}
	q.Paused = paused
	for at, row := range s.slots {
		if at.QueueID == q.ID {
			row.Paused = paused
		}
	}
	return q.Queue, nil
}

// DeleteQueue implements store.Queues.
func (s *Store) DeleteQueue(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.there(name)
	if err != nil {
		return err
	}
	for _, j := range s.jobs {
		if j.QueueID == q.ID {
			return job.ErrNotEmpty
		}
	}
	q.deleted = true
	return nil
}

// Purge implements store.Queues.
func (s *Store) Purge(_ context.Context, name string, before job.Time, limit int, now job.Time) (n int, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.there(name)
	if err != nil {
		return 0, false, err
	}
	var waiting []*job.Job
	for _, j := range s.jobs {
		if j.QueueID == q.ID && j.Token.IsZero() && j.CreatedAt <= before {
			waiting = append(waiting, j)
		}
	}
	slices.SortFunc(waiting, func(a, b *job.Job) int { return cmp.Or(cmp.Compare(a.Slot, b.Slot), compare(a, b)) })
	n = min(len(waiting), limit)
	for _, j := range waiting[:n] {
		s.archive(j, job.Cancelled, job.ReasonPurged, now)
	}
	return n, len(waiting) > n, nil
}

// Slots implements store.Queues.
func (s *Store) Slots(_ context.Context, queueID int32) (rows []job.SlotRow, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, row := range s.slots {
		if at.QueueID == queueID {
			rows = append(rows, *row)
		}
	}
	slices.SortFunc(rows, func(a, b job.SlotRow) int { return cmp.Compare(a.Slot.Slot, b.Slot.Slot) })
	return rows, nil
}

// Count implements store.Queues.
func (s *Store) Count(_ context.Context, at job.Slot, after job.Position, now job.Time) ([]job.Count, *job.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byKind := map[string]job.Count{}
	read := 0
	var next *job.Position
	for _, j := range s.lanes[at] {
		if after != (job.Position{}) && comparePositions(positionOf(j), after) <= 0 {
			continue
		}
		if read++; read > store.CountRows {
			break
		}
		sum := byKind[j.Kind]
		sum.Kind = j.Kind
		sum.Add(countOf(j, now))
		byKind[j.Kind] = sum
		if p := positionOf(j); read == store.CountRows {
			next = &p
		}
	}
	var counts []job.Count
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		counts = append(counts, byKind[kind])
	}
	return counts, next, nil
}

// countOf is a job as a count of one.
func countOf(j *job.Job, now job.Time) (c job.Count) {
	switch job.WaitingState(j.Token, j.RunAt, j.Run, now) {
	case job.Running:
		c.Running = 1
	case job.Scheduled:
		c.Scheduled = 1
	case job.Retryable:
		c.Retryable = 1
	default:
		if j.Blocked {
			c.Blocked = 1
		} else {
			c.Available, c.OldestAvailable = 1, j.RunAt
		}
	}
	return c
}
