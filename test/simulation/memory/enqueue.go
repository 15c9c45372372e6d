package memory

import (
	"bytes"
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// idempotencyWindow is how long an id or key that a client gave makes at most one job, in microseconds: 24 hours.
const idempotencyWindow = job.Time(24 * 3600 * 1_000_000)

// Enqueue implements store.Jobs. All answers are found before anything is written, so that an atomic call which is
// refused has nothing to undo.
func (s *Store) Enqueue(_ context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enqueue(jobs, atomic), nil
}

func (s *Store) enqueue(jobs []*job.Job, atomic bool) []job.Enqueued {
	e := &enqueue{store: s, jobs: jobs, out: make([]job.Enqueued, len(jobs)), done: make([]bool, len(jobs)), twin: map[int]int{},
		keys: map[string]*idempotency{}, unique: map[uniqueKey]job.ID{}}
	e.byID()
	e.byIdempotencyKey()
	e.byUniqueKey()
	for i, first := range e.twin {
		if e.out[first].By != "" || e.out[first].Err != nil {
			e.out[i] = e.out[first]
		}
	}
	if !atomic || !slices.ContainsFunc(e.out, func(o job.Enqueued) bool { return o.Err != nil }) {
		e.write()
	}
	return e.out
}

// enqueue is one call on its way into the tables.
type enqueue struct {
	store  *Store
	jobs   []*job.Job
	out    []job.Enqueued
	done   []bool      // answered: nothing to insert
	twin   map[int]int // jobs with the id of an earlier one of this call
	keys   map[string]*idempotency
	unique map[uniqueKey]job.ID
}

func (e *enqueue) answer(i int, o job.Enqueued) { e.done[i], e.out[i] = true, o }

// byID finds ids that are there already. One that no client gave is an earlier try of this call, so it is no duplicate.
func (e *enqueue) byID() {
	first := map[job.ID]int{}
	for i, j := range e.jobs {
		if k, ok := first[j.ID]; ok {
			e.twin[i] = k
			e.answer(i, duplicate(j, e.jobs[k].Digest))
			continue
		}
		first[j.ID] = i
		e.out[i] = job.Enqueued{ID: j.ID}
		there := e.store.jobs[j.ID]
		if f := e.store.history[j.ID]; f != nil {
			there = f.Job
		}
		switch {
		case there == nil:
		case !j.Given:
			e.answer(i, job.Enqueued{ID: j.ID})
		default:
			e.answer(i, duplicate(j, there.Digest))
		}
	}
}

func duplicate(j *job.Job, digest []byte) job.Enqueued {
	if !bytes.Equal(j.Digest, digest) {
		return job.Enqueued{ID: j.ID, Err: job.ErrMismatch}
	}
	return job.Enqueued{ID: j.ID, By: job.ByID}
}

// byIdempotencyKey: the first to send a key makes its job, the others get that one.
func (e *enqueue) byIdempotencyKey() {
	for i, j := range e.jobs {
		if e.done[i] || j.IdempotencyKey == "" {
			continue
		}
		winner := e.store.idempotency[j.IdempotencyKey]
		if winner == nil {
			winner = e.keys[j.IdempotencyKey]
		}
		switch {
		case winner == nil:
			e.keys[j.IdempotencyKey] = &idempotency{id: j.ID, digest: j.Digest, removeAt: j.CreatedAt + idempotencyWindow}
		case winner.id == j.ID:
		case !bytes.Equal(winner.digest, j.Digest):
			e.answer(i, job.Enqueued{ID: winner.id, Err: job.ErrMismatch})
		default:
			e.answer(i, job.Enqueued{ID: winner.id, By: job.ByIdempotencyKey})
		}
	}
}

// byUniqueKey: while a job with the key is unfinished, the others get that one; so does their idempotency key.
func (e *enqueue) byUniqueKey() {
	for i, j := range e.jobs {
		if e.done[i] || j.UniqueKey == "" {
			continue
		}
		u := uniqueKey{j.QueueID, j.UniqueKey}
		holder, ok := e.store.unique[u]
		if !ok {
			holder, ok = e.unique[u]
		}
		if !ok {
			e.unique[u] = j.ID
			continue
		}
		e.answer(i, job.Enqueued{ID: holder, By: job.ByUniqueKey})
		if k := e.keys[j.IdempotencyKey]; k != nil {
			k.id = holder
		}
	}
}

func (e *enqueue) write() {
	s := e.store
	for key, k := range e.keys {
		s.idempotency[key] = k
	}
	for u, id := range e.unique {
		s.unique[u] = id
	}
	for i, sent := range e.jobs {
		if e.done[i] {
			continue
		}
		j := *sent
		j.Given, j.IdempotencyKey, j.KeyHeld, j.Blocked = false, "", false, false
		j.Payload, j.Digest = bytes.Clone(j.Payload), bytes.Clone(j.Digest)
		if j.ConcurrencyKey != "" && j.RunAt <= j.CreatedAt {
			s.place(&j)
		}
		s.insert(&j)
	}
}
