package server

import (
	"context"
	"net/http"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func (s *Server) getJob(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return s.withJob(r, func(ctx context.Context, id job.ID) (*job.Job, error) { return s.Store.Get(ctx, id) })
}

func (s *Server) cancelJob(w http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.noBody(w, r); err != nil {
		return answer{}, err
	}
	a, err := s.changeJob(r, func(ctx context.Context, id job.ID) (*job.Job, error) {
		return s.Store.Cancel(ctx, id, s.Clock.Now())
	})
	if err == nil && a.body.(*wire.Job).State == job.Running {
		a.status = http.StatusAccepted // its worker hears of it with its next heartbeat
	}
	return a, err
}

func (s *Server) retryJob(w http.ResponseWriter, r *http.Request) (answer, error) {
	return s.wake(w, r, s.Store.Retry)
}

func (s *Server) runJob(w http.ResponseWriter, r *http.Request) (answer, error) {
	return s.wake(w, r, s.Store.RunNow)
}

// wake makes a job due and nudges its worker.
func (s *Server) wake(w http.ResponseWriter, r *http.Request, do func(context.Context, job.ID, job.Time) (*job.Job, error)) (answer, error) {
	if err := s.noBody(w, r); err != nil {
		return answer{}, err
	}
	return s.changeJob(r, func(ctx context.Context, id job.ID) (*job.Job, error) {
		j, err := do(ctx, id, s.Clock.Now())
		if err == nil && j.State == job.Available && !j.Blocked {
			s.Nudge(j.Queue, j.Kind, j.InSlot())
		}
		return j, err
	})
}

func (s *Server) deleteJob(w http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.noBody(w, r); err != nil {
		return answer{}, err
	}
	return s.changeJob(r, func(ctx context.Context, id job.ID) (*job.Job, error) { return s.Store.Delete(ctx, id) })
}

// changeJob is withJob for what changes the job: it looks first whose the job is. A job never changes its queue, so what
// it read still holds when it acts.
func (s *Server) changeJob(r *http.Request, do func(context.Context, job.ID) (*job.Job, error)) (answer, error) {
	a := accessOf(r.Context())
	if a.everywhere() {
		return s.withJob(r, do)
	}
	return s.withJob(r, func(ctx context.Context, id job.ID) (*job.Job, error) {
		j, err := s.Store.Get(ctx, id)
		if err == nil && !a.sees(j.Queue) {
			err = job.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		return do(ctx, id)
	})
}

// withJob does something with the job that the path names, and answers with the job.
func (s *Server) withJob(r *http.Request, do func(context.Context, job.ID) (*job.Job, error)) (answer, error) {
	id, err := job.ParseID(parameter(r, "id"))
	if err != nil {
		return answer{}, wire.NewProblem(wire.CodeNotFound, "The path should name a job by its UUID.")
	}
	j, err := within(r.Context(), s, func(ctx context.Context) (*job.Job, error) { return do(ctx, id) })
	if err != nil {
		return answer{}, err
	}
	a := accessOf(r.Context())
	if !a.sees(j.Queue) {
		return answer{}, job.ErrNotFound
	}
	return answer{status: http.StatusOK, body: a.shown(j)}, nil
}
