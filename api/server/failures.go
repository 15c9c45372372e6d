package server

import (
	"context"
	"net/http"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func (s *Server) listFailures(_ http.ResponseWriter, r *http.Request) (answer, error) {
	f := job.Filter{Queues: accessOf(r.Context()).patterns()}
	limit := defaultPage
	q := query(r)
	q.text("queue", &f.Queue, job.CheckName)
	q.text("kind", &f.Kind, job.CheckName)
	q.count("limit", &limit, maxPage)
	if err := refuse(q.bad); err != nil {
		return answer{}, err
	}
	list, err := within(r.Context(), s, func(ctx context.Context) (job.FailureList, error) {
		return s.Store.Failures(ctx, f, limit, s.Clock.Now())
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.FailuresOf(list)}, nil
}
