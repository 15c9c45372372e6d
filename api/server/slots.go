package server

import (
	"context"
	"net/http"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/prefer"
	"github.com/slotq/slotq/shared/wire"
)

// countTime is how long one request counts jobs; the slots after that are shown without figures. Each count reads at
// most store.CountRows rows.
const countTime = 2500 * time.Millisecond

func (s *Server) listSlots(_ http.ResponseWriter, r *http.Request) (answer, error) {
	name, err := queueName(r)
	if err != nil {
		return answer{}, err
	}
	out, err := within(r.Context(), s, func(ctx context.Context) (wire.SlotList, error) { return s.slots(ctx, name) })
	return answer{status: http.StatusOK, body: out}, err
}

func (s *Server) slots(ctx context.Context, name string) (wire.SlotList, error) {
	begun := time.Now()
	q, err := s.queueNamed(ctx, name)
	if err != nil {
		return wire.SlotList{}, err
	}
	rows, err := s.Store.Slots(ctx, q.ID)
	if err != nil {
		return wire.SlotList{}, err
	}
	workers, err := s.Store.Workers(ctx)
	if err != nil {
		return wire.SlotList{}, err
	}
	names := make(map[job.WorkerID]string, len(workers))
	for _, w := range workers {
		names[w.ID] = w.Name
	}
	now := s.Clock.Now()
	out := wire.SlotList{Slots: make([]wire.Slot, len(rows))}
	for i, row := range rows {
		slot := wire.Slot{Slot: row.Slot.Slot, Draining: row.Slot.Slot > q.Slots, Paused: row.Paused}
		if w, ok := prefer.Worker(q.Name, "", row.Slot, workers); ok {
			slot.WorkerID, slot.WorkerName = w, names[w]
		}
		if time.Since(begun) < countTime {
			counts, next, err := s.Store.Count(ctx, row.Slot, job.Position{}, now)
			if err != nil {
				return out, err
			}
			var sum job.Count
			for _, c := range counts {
				sum.Add(c)
			}
			slot.SetCount(sum, next != nil)
		}
		out.Slots[i] = slot
	}
	return out, nil
}
