package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func (s *Server) postJob(w http.ResponseWriter, r *http.Request) (answer, error) {
	key, err := idempotencyKey(r)
	if err != nil {
		return answer{}, err
	}
	v, release, err := s.body(w, r)
	defer release()
	if err != nil {
		return answer{}, err
	}
	ctx, until := r.Context(), time.Now().Add(intake.Limit) // a context that ends then would be a twentieth of the api's time
	now := s.Clock.Now()
	spec, bad := s.spec(v, "#", now)
	if err := refuse(bad); err != nil {
		return answer{}, err
	}
	if !accessOf(ctx).sees(spec.Queue) {
		return answer{}, notYours("#")
	}
	if spec.IdempotencyKey = key; key != "" || spec.ID != nil {
		spec.Digest = digest(v)
	}
	q, err := s.queues.Get(ctx, spec.Queue)
	if err != nil {
		return answer{}, unanswered(noQueue(err, "#"))
	}
	j := spec.Make(q, now)
	e, err := s.intake.One(ctx, j, until)
	switch {
	case err != nil:
		return answer{}, unanswered(err)
	case e.Err != nil:
		return answer{}, rejected(e, j, "#")
	}
	s.stored(j, e)
	if e.By == "" {
		out := &wire.Enqueued{Job: wire.JobOf(j)}
		out.Payload = nil
		return answer{status: http.StatusCreated, location: "/v1/jobs/" + j.ID.String(), body: out}, nil
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	out, err := s.duplicate(ctx, e, j)
	return answer{status: http.StatusOK, body: out}, err
}

// duplicate is the answer for a job that was there already.
func (s *Server) duplicate(ctx context.Context, e job.Enqueued, sent *job.Job) (*wire.Enqueued, error) {
	only := &job.Job{ID: e.ID, Queue: sent.Queue, Kind: sent.Kind}
	if !accessOf(ctx).can(job.ScopeRead) {
		return &wire.Enqueued{Job: wire.JobOf(only), Deduplicated: true, DeduplicatedBy: e.By}, nil
	}
	there, err := within(ctx, s, func(ctx context.Context) (*job.Job, error) { return s.Store.Get(ctx, e.ID) })
	if errors.Is(err, job.ErrNotFound) {
		// Its retention is over, the memory of its key is not: all that is left to say is which job it was.
		there, err = only, nil
	}
	if err == nil && !accessOf(ctx).sees(there.Queue) {
		there = only // somebody gave the id of a job of others
	}
	if err != nil {
		return nil, err
	}
	out := &wire.Enqueued{Job: wire.JobOf(there), Deduplicated: true, DeduplicatedBy: e.By}
	out.Conceal()
	return out, nil
}

// stored counts a job that is committed and wakes who should look after it.
func (s *Server) stored(j *job.Job, e job.Enqueued) {
	if e.By != "" {
		s.metrics.deduplicated.Inc()
		return
	}
	s.metrics.enqueued.WithLabelValues(s.metrics.queues.Of(j.Queue), s.metrics.kinds.Of(j.Kind)).Inc()
	if j.State == job.Available && !j.Blocked && !e.Claimed { // the worker of one that is claimed has been told
		s.Nudge(j.Queue, j.Kind, j.InSlot())
	}
}

// unanswered says what became of jobs when the store did not answer, so far as it is known.
func unanswered(err error) error {
	un := (*intake.Unanswered)(nil)
	switch {
	case errors.As(err, &un) && !un.MaybeStored:
		return wire.NewProblem(wire.CodeUnavailable, "Nothing was stored: send it again.")
	case errors.Is(err, job.ErrUnavailable):
		return wire.NewProblem(wire.CodeUnavailable, "It may have been stored or not: with an id or an Idempotency-Key it is safe to send again.")
	}
	return err
}

// rejected is the problem of one job that the store refused; at points to the job.
func rejected(e job.Enqueued, j *job.Job, at string) *wire.Problem {
	if bad := (job.Invalid)(nil); errors.As(e.Err, &bad) {
		return wire.NewProblem(wire.CodeInvalid, "", wire.Fields(at, bad)...)
	}
	if errors.Is(e.Err, job.ErrMismatch) {
		field := wire.FieldError{Pointer: at + "/id", Detail: "was sent before with another body: a new job needs a new id"}
		if j.IdempotencyKey != "" && (!j.Given || e.ID != j.ID) {
			field = wire.FieldError{Header: keyHeader, Detail: "was sent before with another body: a new request needs a new key"}
		}
		return wire.NewProblem(wire.CodeMismatch, "", field)
	}
	return wire.ProblemOf(e.Err)
}
