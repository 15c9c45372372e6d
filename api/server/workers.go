package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func (s *Server) listWorkers(_ http.ResponseWriter, r *http.Request) (answer, error) {
	list, err := within(r.Context(), s, s.Store.Workers)
	if err != nil {
		return answer{}, err
	}
	out, a := wire.WorkerList{Workers: []wire.Worker{}}, accessOf(r.Context())
	for _, w := range list {
		if sees, _ := a.worker(w); sees {
			shown := wire.WorkerOf(w)
			shown.Queues = slices.DeleteFunc(shown.Queues, func(q string) bool { return !a.sees(q) })
			out.Workers = append(out.Workers, shown)
		}
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
	a := accessOf(r.Context())
	worker, err := within(r.Context(), s, func(ctx context.Context) (job.Worker, error) {
		if err := s.mayCommand(ctx, a, id); err != nil {
			return job.Worker{}, err
		}
		return s.Store.CommandWorker(ctx, id, true, stop)
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.WorkerOf(worker)}, nil
}

// worker says whether the token sees a worker, which serves a queue of the token's, and whether it is the token's to
// command: it serves no others.
func (a access) worker(w job.Worker) (sees, commands bool) {
	if a.everywhere() {
		return true, true
	}
	foreign := func(q string) bool { return !a.sees(q) }
	if len(w.Queues) == 0 { // all
		return true, false
	}
	return slices.ContainsFunc(w.Queues, a.sees), !slices.ContainsFunc(w.Queues, foreign)
}

// mayCommand looks whose a worker is. What a worker serves never changes, so what it read still holds afterwards.
func (s *Server) mayCommand(ctx context.Context, a access, id job.WorkerID) error {
	if a.everywhere() {
		return nil
	}
	list, err := s.Store.Workers(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(w job.Worker) bool { return w.ID == id })
	if i < 0 {
		return job.ErrNotFound
	}
	switch sees, commands := a.worker(list[i]); {
	case !sees:
		return job.ErrNotFound
	case !commands:
		return wire.NewProblem(wire.CodeForbidden, "This worker also serves queues that the token is not for.")
	}
	return nil
}
