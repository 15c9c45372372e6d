package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Concurrency keys. A job with KeyHeld holds a place of its key or, Blocked, waits for one. Who is put back gives its
// place away, and the claim that meets it again gives it one or lets it wait.

func keyOf(j *job.Job) job.Key {
	return job.Key{Slot: j.InSlot(), ConcurrencyKey: j.ConcurrencyKey}
}

// held is how many places of a key are taken.
func (s *Store) held(k job.Key) (n int) {
	for _, j := range s.lanes[k.Slot] {
		if j.ConcurrencyKey == k.ConcurrencyKey && j.KeyHeld && !j.Blocked {
			n++
		}
	}
	return n
}

// place gives a job that stands in no lane a place of its key, if its own limit leaves one, or lets it wait.
func (s *Store) place(j *job.Job) {
	j.Blocked = s.held(keyOf(j)) >= j.ConcurrencyLimit
	j.KeyHeld = true
}

// admit lets the first waiting jobs of a key in while their own limits leave a place.
func (s *Store) admit(k job.Key) (admitted int) {
	if k.ConcurrencyKey == "" {
		return 0
	}
	var waiting []*job.Job
	for _, j := range s.lanes[k.Slot] {
		if j.ConcurrencyKey == k.ConcurrencyKey && j.Blocked {
			waiting = append(waiting, j)
		}
	}
	slices.SortFunc(waiting, func(a, b *job.Job) int { return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), a.ID.Compare(b.ID)) })
	for _, j := range waiting {
		if s.held(k) >= j.ConcurrencyLimit {
			break
		}
		s.change(j, func() { j.Blocked = false })
		admitted++
	}
	return admitted
}

// Unblock implements store.Manage. Places are counted from the jobs themselves, so there is nothing to repair unless a
// job vanished without a trace.
func (s *Store) Unblock(_ context.Context, after *job.Key, limit int) (next *job.Key, freed int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[job.Key]bool{}
	for _, j := range s.jobs {
		if k := keyOf(j); j.Blocked && (after == nil || compareKeys(k, *after) > 0) {
			found[k] = true
		}
	}
	keys := slices.SortedFunc(maps.Keys(found), compareKeys)
	if len(keys) >= limit {
		keys = keys[:limit]
		next = &keys[limit-1]
	}
	for _, k := range keys {
		freed += s.admit(k)
	}
	return next, freed, nil
}

func compareKeys(a, b job.Key) int {
	return cmp.Or(cmp.Compare(a.QueueID, b.QueueID), cmp.Compare(a.Slot.Slot, b.Slot.Slot), cmp.Compare(a.ConcurrencyKey, b.ConcurrencyKey))
}
