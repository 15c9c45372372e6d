package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
)

// figures is a count of all queues; what of it is shown is for each request to say.
type figures struct {
	census.Census
	workers []job.Worker
}

// figures returns a count of all slots. To count costs up to store.CountRows rows a slot, so all requests share one, and it
// takes at most a twentieth of the time: as much as a manager takes for it. With less patience than intake.Limit a count
// may be a minute old.
func (s *Server) figures(ctx context.Context, patience time.Duration) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, intake.Limit)
	defer cancel()
	c, err := s.counts.Get(ctx, "", patience, func() (figures, error) {
		return within(context.Background(), s, func(ctx context.Context) (c figures, err error) {
			now, begun := s.Clock.Now(), time.Now()
			if c.workers, err = s.Store.Workers(ctx); err != nil {
				return c, err
			}
			c.Census, err = census.Take(ctx, s.Store, false, now, begun.Add(countTime))
			return c, err
		})
	})
	if err != nil && ctx.Err() != nil {
		err = errors.Join(job.ErrUnavailable, err)
	}
	return c, err
}

// seen is the part of a count, and those of the workers, that the sender of a request may see.
func (c figures) seen(a access) figures {
	c.Queues = slices.DeleteFunc(slices.Clone(c.Queues), func(q census.Queue) bool { return !a.sees(q.Queue.Name) })
	c.workers = slices.DeleteFunc(slices.Clone(c.workers), func(w job.Worker) bool {
		sees, _ := a.worker(w)
		return !sees
	})
	return c
}
