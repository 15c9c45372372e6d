package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

// kinds is the last count of kinds. To count costs up to store.CountRows rows a slot, so all requests share one count, one
// of them at a time counts, and counting takes at most a twentieth of the time: as much as a manager takes for it.
type kinds struct {
	turn  chan struct{}
	last  kindCount
	until time.Time // when to count again
}

// kindCount is a count of all queues; what of it is shown is for each request to say.
type kindCount struct {
	workers []job.Worker
	slots   []countedSlot
	at      job.Time
	capped  bool
}

type countedSlot struct {
	queue  string
	slot   int
	counts []job.Count
}

// kinds adds up what the sender of a request may see.
func (c kindCount) kinds(a access) wire.KindList {
	tally := job.NewKindTally(slices.DeleteFunc(slices.Clone(c.workers), func(w job.Worker) bool {
		sees, _ := a.worker(w)
		return !sees
	}))
	for _, s := range c.slots {
		if a.sees(s.queue) {
			tally.Add(s.queue, s.slot, s.counts)
		}
	}
	return wire.KindsOf(tally, c.at, c.capped)
}

const (
	kindsShare   = 20
	kindsAtLeast = time.Second
)

func (s *Server) listKinds(_ http.ResponseWriter, r *http.Request) (answer, error) {
	out, err := within(r.Context(), s, func(ctx context.Context) (kindCount, error) {
		select {
		case s.kinds.turn <- struct{}{}:
		case <-ctx.Done():
			return kindCount{}, job.ErrUnavailable
		}
		defer func() { <-s.kinds.turn }()
		if begun := time.Now(); !begun.Before(s.kinds.until) {
			list, err := s.countKinds(ctx, begun.Add(countTime))
			if err != nil {
				return list, err
			}
			s.kinds.last = list
			s.kinds.until = time.Now().Add(max(kindsShare*time.Since(begun), kindsAtLeast))
		}
		return s.kinds.last, nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: out.kinds(accessOf(r.Context()))}, nil
}

// countKinds counts up to store.CountRows jobs of each slot, until the end of its time.
func (s *Server) countKinds(ctx context.Context, end time.Time) (c kindCount, err error) {
	c.at = s.Clock.Now()
	if c.workers, err = s.Store.Workers(ctx); err != nil {
		return c, err
	}
	c.capped, err = store.CountSlots(ctx, s.Store, c.at, end, func(queue string, slot int, counts []job.Count) {
		c.slots = append(c.slots, countedSlot{queue, slot, counts})
	})
	return c, err
}
