package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Settings implements store.Diagnose: there is nothing to set.
func (s *Store) Settings(context.Context) (string, []job.Setting, error) { return "memory", nil, nil }

// Turns implements store.Diagnose.
func (s *Store) Turns(context.Context) ([]job.Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.turns), func(a, b job.Turn) int { return cmp.Compare(a.Loop, b.Loop) }), nil
}

// Strays implements store.Diagnose.
func (s *Store) Strays(_ context.Context, limit int) (strays []job.Slot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot, jobs := range s.lanes {
		if len(jobs) > 0 && s.slots[slot] == nil && len(strays) < limit {
			strays = append(strays, slot)
		}
	}
	slices.SortFunc(strays, func(a, b job.Slot) int { return cmp.Or(cmp.Compare(a.QueueID, b.QueueID), cmp.Compare(a.Slot, b.Slot)) })
	return strays, nil
}
