package loops

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// counting counts the unfinished jobs of all slots, round by round, those first that were looked at longest ago. A
// slot of up to store.CountRows jobs is counted in one statement; a larger one piece by piece, over as many rounds as
// it takes, and until its end is reached its last full figure stands. A count that stopped at a limit instead would
// hide how bad a backlog is, and one statement over all of it would hold a snapshot open while the queue runs.
type counting struct {
	store Store
	now   func() job.Time
	slots map[job.Slot]*slotCount
	rows  map[int32]slotRows

	complete bool // every slot was looked at once; those that come later are left out until their turn
}

// slotCount is what is known of one slot.
type slotCount struct {
	slot    job.Slot
	touched time.Time // the last piece
	full    byKind    // the last full count
	at      job.Time  // when that began
	part    byKind    // the count under way
	partAt  job.Time  // when that began
	next    *job.Position
}

// slotRows are a queue's slots as they were read. Rows are never removed, so a reading that knows all slots in use is
// good for rowsTTL; only a queue that grew and shrank within that time has others, and they drain.
type slotRows struct {
	slots []job.SlotRow
	at    time.Time
}

const rowsTTL = time.Minute

type byKind map[string]job.Count

func (k byKind) add(counts []job.Count) {
	for _, c := range counts {
		sum := k[c.Kind]
		sum.Kind = c.Kind
		sum.Add(c)
		k[c.Kind] = sum
	}
}

func (k byKind) depth() (n int64) {
	for _, c := range k {
		n += c.Depth()
	}
	return n
}

func newCounting(s Store, now func() job.Time) *counting {
	return &counting{store: s, now: now, slots: map[job.Slot]*slotCount{}, rows: map[int32]slotRows{}}
}

// round counts until the budget is used up, one piece at least, and returns the figures as they stand; nil until
// every slot was looked at once, since part of a backlog would pass for all of it.
func (c *counting) round(ctx context.Context, budget time.Duration) (*figures, error) {
	end := time.Now().Add(budget)
	queues, err := c.store.ListQueues(ctx, false)
	if err != nil {
		return nil, err
	}
	workers, err := c.store.Workers(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.learn(ctx, queues); err != nil {
		return nil, err
	}
	order := slices.SortedFunc(maps.Values(c.slots), func(a, b *slotCount) int {
		return cmp.Or(a.touched.Compare(b.touched), cmp.Compare(a.slot.QueueID, b.slot.QueueID), cmp.Compare(a.slot.Slot, b.slot.Slot))
	})
	for len(order) > 0 {
		var large []*slotCount
		for i, s := range order {
			if i > 0 && !time.Now().Before(end) {
				break
			}
			if err := c.piece(ctx, s); err != nil {
				return nil, err
			}
			if s.next != nil {
				large = append(large, s)
			}
		}
		if !time.Now().Before(end) {
			break
		}
		order = large // the time that is left is theirs
	}
	if !c.complete {
		for _, s := range c.slots {
			if s.touched.IsZero() {
				return nil, nil
			}
		}
		c.complete = true
	}
	return newFigures(c.now(), queues, c.slots, workers), nil
}

// learn brings the slots up to date with the queues that there are.
func (c *counting) learn(ctx context.Context, queues []job.Queue) error {
	known := make(map[job.Slot]*slotCount, len(c.slots))
	rows := make(map[int32]slotRows, len(queues))
	for _, q := range queues {
		r := c.rows[q.ID]
		if q.Slots > len(r.slots) || time.Since(r.at) > rowsTTL {
			slots, err := c.store.Slots(ctx, q.ID)
			if err != nil {
				return err
			}
			r = slotRows{slots, time.Now()}
		}
		rows[q.ID] = r
		for _, row := range r.slots {
			s := c.slots[row.Slot]
			if s == nil {
				s = &slotCount{slot: row.Slot}
			}
			known[row.Slot] = s
		}
	}
	c.slots, c.rows = known, rows
	return nil
}

// piece counts the next piece of a slot.
func (c *counting) piece(ctx context.Context, s *slotCount) error {
	var after job.Position
	if s.next == nil {
		s.part, s.partAt = byKind{}, c.now()
	} else {
		after = *s.next
	}
	counts, next, err := c.store.Count(ctx, s.slot, after, c.now())
	if err != nil {
		return err
	}
	s.part.add(counts)
	s.next, s.touched = next, time.Now()
	if next == nil {
		s.full, s.at, s.part = s.part, s.partAt, nil
	}
	return nil
}

// best is the figure to show: the last full one, unless the count under way has found more already, as when a slot
// has grown large at once.
func (s *slotCount) best() (byKind, job.Time) {
	if s.at == 0 || s.part.depth() > s.full.depth() {
		return s.part, s.partAt
	}
	return s.full, s.at
}
