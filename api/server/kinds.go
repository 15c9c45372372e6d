package server

import (
	"context"
	"net/http"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// kinds is the last count of kinds. To count costs up to store.CountRows rows a slot, so all requests share one count, one
// of them at a time counts, and counting takes at most a twentieth of the time: as much as a manager takes for it.
type kinds struct {
	turn  chan struct{}
	last  wire.KindList
	until time.Time // when to count again
}

const (
	kindsShare   = 20
	kindsAtLeast = time.Second
)

func (s *Server) listKinds(_ http.ResponseWriter, r *http.Request) (answer, error) {
	out, err := within(r.Context(), s, func(ctx context.Context) (wire.KindList, error) {
		select {
		case s.kinds.turn <- struct{}{}:
		case <-ctx.Done():
			return wire.KindList{}, job.ErrUnavailable
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
	return answer{status: http.StatusOK, body: out}, err
}

// countKinds counts up to store.CountRows jobs of each slot, until the end of its time.
func (s *Server) countKinds(ctx context.Context, end time.Time) (wire.KindList, error) {
	now := s.Clock.Now()
	queues, err := s.Store.ListQueues(ctx, false)
	if err != nil {
		return wire.KindList{}, err
	}
	workers, err := s.Store.Workers(ctx)
	if err != nil {
		return wire.KindList{}, err
	}
	tally, capped := job.NewKindTally(workers), false
	for _, q := range queues {
		if !time.Now().Before(end) {
			capped = true
			break
		}
		rows, err := s.Store.Slots(ctx, q.ID)
		if err != nil {
			return wire.KindList{}, err
		}
		for _, row := range rows {
			if !time.Now().Before(end) {
				capped = true
				break
			}
			counts, next, err := s.Store.Count(ctx, row.Slot, job.Position{}, now)
			if err != nil {
				return wire.KindList{}, err
			}
			tally.Add(q.Name, row.Slot.Slot, counts)
			capped = capped || next != nil
		}
	}
	return wire.KindsOf(tally, now, capped), nil
}
