// Package census owns the count of what waits where: the slots of all queues, each up to a bounded number of jobs and all of
// them within a time, and the judgement of what stands still in it. The api, its page and the operator's command line ask
// here, so that they say the same. It changes nothing; how it is shown, and to whom, is for them to say.
package census

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Store is what a count asks of a store.
type Store interface {
	ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error)
	Slots(ctx context.Context, queueID int32) ([]job.SlotRow, error)
	Count(ctx context.Context, s job.Slot, after job.Position, now job.Time) ([]job.Count, *job.Position, error)
}

// Census is one count.
type Census struct {
	At     job.Time // when it began
	Queues []Queue  // by name
}

// Queue is a queue as it was counted.
type Queue struct {
	Queue job.Queue
	Slots []Slot // in order; none when no time was left to read them
}

// Slot is a slot as it was counted.
type Slot struct {
	job.SlotRow
	Kinds   []job.Count
	Counted bool // else no time was left
	Capped  bool // there is more than store.CountRows
}

// Take counts up to store.CountRows jobs of each slot. It begins no count and reads no queue's slots after end. Workers serve
// deleted queues too, since an api may still have added a job: who looks for jobs that nobody takes asks for those as well.
func Take(ctx context.Context, s Store, deleted bool, now job.Time, end time.Time) (Census, error) {
	c := Census{At: now}
	queues, err := s.ListQueues(ctx, deleted)
	if err != nil {
		return c, err
	}
	for _, q := range queues {
		counted := Queue{Queue: q}
		if time.Now().Before(end) {
			rows, err := s.Slots(ctx, q.ID)
			if err != nil {
				return c, err
			}
			counted.Slots = make([]Slot, len(rows))
			for i, row := range rows {
				slot := Slot{SlotRow: row}
				if time.Now().Before(end) {
					counts, next, err := s.Count(ctx, row.Slot, job.Position{}, now)
					if err != nil {
						return c, err
					}
					slot.Kinds, slot.Counted, slot.Capped = counts, true, next != nil
				}
				counted.Slots[i] = slot
			}
		}
		c.Queues = append(c.Queues, counted)
	}
	return c, nil
}

// Sum adds the kinds of a slot up.
func (s *Slot) Sum() (sum job.Count) {
	for _, k := range s.Kinds {
		sum.Add(k)
	}
	return sum
}

// Sum adds the slots of a queue up; least = there are more jobs than that.
func (q *Queue) Sum() (sum job.Count, least bool) {
	least = q.Slots == nil
	for i := range q.Slots {
		sum.Add(q.Slots[i].Sum())
		least = least || !q.Slots[i].Counted || q.Slots[i].Capped
	}
	return sum, least
}

// Skipped is how many slots were not counted.
func (c *Census) Skipped() (n int) {
	for _, q := range c.Queues {
		if q.Slots == nil {
			n += q.Queue.Slots
		}
		for _, s := range q.Slots {
			if !s.Counted {
				n++
			}
		}
	}
	return n
}

// Kinds adds up what was counted by kind, and who of the workers serves it; capped = there is more.
func (c *Census) Kinds(workers []job.Worker) (tally *job.KindTally, capped bool) {
	tally = job.NewKindTally(workers)
	for i := range c.Queues {
		q := &c.Queues[i]
		for _, s := range q.Slots {
			tally.Add(q.Queue.Name, s.Slot.Slot, s.Kinds)
		}
		_, least := q.Sum()
		capped = capped || least
	}
	return tally, capped
}
