package server

import (
	"context"
	"net/http"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func (s *Server) listWorkers(_ http.ResponseWriter, r *http.Request) (answer, error) {
	list, err := within(r.Context(), s, s.Store.Workers)
	if err != nil {
		return answer{}, err
	}
	out := wire.WorkerList{Workers: make([]wire.Worker, len(list))}
	for i, w := range list {
		out.Workers[i] = wire.WorkerOf(w)
	}
	return answer{status: http.StatusOK, body: out}, nil
}

func (s *Server) quietWorker(w http.ResponseWriter, r *http.Request) (answer, error) {
	return s.commandWorker(w, r, false)
}

func (s *Server) stopWorker(w http.ResponseWriter, r *http.Request) (answer, error) {
	return s.commandWorker(w, r, true)
}

// commandWorker asks a worker to take no more jobs, and to end as well with stop; it hears of it with its next heartbeat.
func (s *Server) commandWorker(w http.ResponseWriter, r *http.Request, stop bool) (answer, error) {
	if err := s.noBody(w, r); err != nil {
		return answer{}, err
	}
	id, err := job.ParseWorkerID(parameter(r, "id"))
	if err != nil {
		return answer{}, wire.NewProblem(wire.CodeNotFound, "The path should name a worker by its 16 hexadecimal digits.")
	}
	worker, err := within(r.Context(), s, func(ctx context.Context) (job.Worker, error) {
		return s.Store.CommandWorker(ctx, id, true, stop)
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.WorkerOf(worker)}, nil
}
