package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// counter is what a process has reported last.
type counter struct {
	seq, taken int64
	at         job.Time
	sum        job.StatsTable
}

// ReportStats implements store.Stats.
func (s *Store) ReportStats(_ context.Context, r job.StatsReport) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters[r.Process]
	if c == nil {
		c = &counter{taken: r.Taken}
		s.counters[r.Process] = c
	}
	sum, seq := job.StatsTable{}, int64(0)
	for _, p := range r.Parts {
		if p.Seq > c.taken {
			sum.Add(p.Stats)
			seq = p.Seq
		}
	}
	if seq > 0 && seq >= c.seq { // else it is taken, or comes late
		c.seq, c.at, c.sum = seq, r.Now, sum
	}
	return c.taken, nil
}

// FoldStats implements store.Stats.
func (s *Store) FoldStats(_ context.Context, limit int, now job.Time) (folded int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, process := range slices.Sorted(maps.Keys(s.counters)) {
		c := s.counters[process]
		switch {
		case c.taken < c.seq && folded < limit:
			c.taken = c.seq
			s.stats.Add(c.sum.Fold(now).List())
			folded++
		case c.taken >= c.seq && c.at < now.Add(-2*job.StatsGood):
			delete(s.counters, process)
		}
	}
	maps.DeleteFunc(s.stats, func(k job.StatsKey, _ *job.Counts) bool { return k.At < k.Span.Oldest(now) })
	return folded, nil
}

// ListStats implements store.Stats.
func (s *Store) ListStats(_ context.Context, queues []int32, now job.Time) (list []job.Stats, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stats.List() {
		if slices.Contains(queues, st.QueueID) && st.At >= st.Span.Oldest(now) {
			list = append(list, st)
		}
	}
	return list, nil
}
