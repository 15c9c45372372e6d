package runner

import (
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// A claim may take from other slots than its own, in the same transaction. On a busy queue each slot has a job or two, and without
// that a job waited until all other slots had had their claim: at 1,000 jobs a second 12 ms at the median and 80 at the 99th
// percentile on MariaDB, 6 and 19 with it; 57 and 164 on SQLite, 15 and 40 with it.

// beside takes at most n others out of their turn for a claim from s that may take from them too, those first that are nudged. None
// that may need a look of its own: with it the claim would become one of s alone.
func (ss *slots) beside(s *slot, n int, now job.Time) (taken []*slot) {
	if n = min(n, job.MaxBeside); n <= 0 || !s.plain(now) {
		return nil
	}
	take := func(b *slot) bool {
		if len(taken) == n || !b.ready || b.gone || b.QueueID != s.QueueID || b.alone || !b.plain(now) {
			return false
		}
		b.ready, b.claiming, b.again, b.owed, b.polling = false, true, false, false, false
		taken = append(taken, b)
		return true
	}
	ss.first = slices.DeleteFunc(ss.first, take)
	ss.ready = slices.DeleteFunc(ss.ready, take)
	return taken
}

// plain says that no claim has lately met anything in the slot but jobs that it took, all that were there.
func (s *slot) plain(now job.Time) bool {
	for _, m := range s.marks {
		if !m.Empty(now) {
			return false
		}
	}
	return !s.queue.LIFO && !s.rich && !s.narrow && !s.goesOn && len(s.waits) == 0
}

func numbers(slots []*slot) []int {
	list := make([]int, len(slots))
	for i, s := range slots {
		list[i] = s.Slot.Slot
	}
	return list
}

// apart gives a slot the next claim by itself.
func (l *loop) apart(s *slot, fromPoll bool) {
	s.alone, s.polled = true, fromPoll && !s.again
	l.slots.push(s, !s.polled)
}
