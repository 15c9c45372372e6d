package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// batch is a batch on its way from the body to the answer: one item for each of its jobs, in order.
type batch struct {
	jobs   strict.Value
	atomic bool
	items  []item
}

type item struct {
	job     *job.Job
	problem *wire.Problem // why it is not stored; nil = nothing is wrong with it so far
}

var batchFields = fields[batch]{
	"jobs": func(b *batch, v strict.Value) string {
		if v.Is() != '[' {
			return "must be an array"
		}
		b.jobs = v
		return ""
	},
	"atomic": func(b *batch, v strict.Value) string { return boolean(&b.atomic, v) },
}

func (s *Server) postBatch(w http.ResponseWriter, r *http.Request) (answer, error) {
	key, err := idempotencyKey(r)
	if err != nil {
		return answer{}, err
	}
	v, release, err := s.body(w, r)
	defer release()
	if err != nil {
		return answer{}, err
	}
	var b batch
	if bad := decode(v, "#", batchFields, &b); len(bad) > 0 {
		return answer{}, refuse(bad)
	}
	if err := s.read(r.Context(), &b, key); err != nil {
		return answer{}, err
	}
	if b.atomic {
		if err := b.refused(); err != nil {
			return answer{}, err
		}
	}
	out := wire.BatchResult{Results: make([]wire.ItemResult, len(b.items))}
	if err := s.storeBatch(r.Context(), &b, &out); err != nil {
		return answer{}, err
	}
	if b.atomic {
		if err := b.refused(); err != nil {
			return answer{}, err
		}
		return answer{status: http.StatusCreated, body: out}, nil
	}
	return answer{status: http.StatusOK, body: out}, nil
}

// read makes the jobs of a batch.
func (s *Server) read(ctx context.Context, b *batch, key string) error {
	ctx, cancel := context.WithTimeout(ctx, intake.Limit) // for all their queues together
	defer cancel()
	n := 0
	if b.jobs != nil {
		for range b.jobs.Elements() {
			if n++; n > wire.MaxBatch {
				break
			}
		}
	}
	if n == 0 || n > wire.MaxBatch {
		return refuse([]wire.FieldError{{Pointer: "#/jobs", Detail: "must have 1 to 10000 jobs"}})
	}
	b.items = make([]item, n)
	given := map[job.ID]bool{}
	now, a := s.Clock.Now(), accessOf(ctx)
	for i, v := range b.jobs.Elements() {
		at := "#/jobs/" + strconv.Itoa(i)
		spec, bad := s.spec(v, at, now)
		if spec.ID != nil {
			if given[*spec.ID] {
				bad = append(bad, wire.FieldError{Pointer: at + "/id", Detail: "is the id of another job of this batch"})
			}
			given[*spec.ID] = true
		}
		if len(bad) == 0 && !a.sees(spec.Queue) {
			b.items[i].problem = notYours(at)
			continue
		}
		if len(bad) > 0 {
			b.items[i].problem = wire.NewProblem(wire.CodeInvalid, "", bad...)
			continue
		}
		if spec.IdempotencyKey = itemKey(key, i); key != "" || spec.ID != nil {
			spec.Digest = digest(v)
		}
		q, err := s.queues.Get(ctx, spec.Queue)
		if err != nil {
			if !errors.As(noQueue(err, at), &b.items[i].problem) {
				return unanswered(err)
			}
			continue
		}
		b.items[i].job = spec.Make(q, now)
	}
	return nil
}

// storeBatch stores the jobs that are in order, and notes what became of each.
func (s *Server) storeBatch(ctx context.Context, b *batch, out *wire.BatchResult) error {
	var jobs []*job.Job
	for _, it := range b.items {
		if it.problem == nil {
			jobs = append(jobs, it.job)
		}
	}
	var stored []job.Enqueued
	if len(jobs) > 0 {
		var err error
		if stored, err = s.intake.Many(ctx, jobs, b.atomic); err != nil {
			return unanswered(err)
		}
	}
	for i := range b.items {
		it, result := &b.items[i], &out.Results[i]
		if it.problem == nil {
			e := stored[0]
			stored = stored[1:]
			switch {
			case e.Err != nil:
				it.problem = rejected(e, it.job, "#/jobs/"+strconv.Itoa(i))
			case e.By != "":
				*result = wire.ItemResult{Status: wire.Deduplicated, ID: e.ID, DeduplicatedBy: e.By}
				out.Deduplicated++
			default:
				*result = wire.ItemResult{Status: wire.Created, ID: e.ID}
				out.Created++
			}
		}
		if it.problem != nil {
			*result = wire.ItemResult{Status: wire.Rejected, Problem: it.problem}
			out.Rejected++
		}
	}
	if b.atomic && out.Rejected > 0 {
		return nil // nothing was stored; the caller refuses the whole
	}
	for i, it := range b.items {
		if it.problem == nil {
			s.stored(it.job, job.Enqueued{By: out.Results[i].DeduplicatedBy})
		}
	}
	return nil
}

// refused is the problem of a whole batch of which nothing is stored because of some; nil = nothing is wrong.
func (b *batch) refused() error {
	var first *wire.Problem
	var bad []wire.FieldError
	for i, it := range b.items {
		if it.problem == nil {
			continue
		}
		if first == nil {
			first = it.problem
		}
		for _, f := range it.problem.Errors {
			if f.Pointer == "" {
				f.Pointer = "#/jobs/" + strconv.Itoa(i)
			}
			if len(bad) < maxFieldErrors {
				bad = append(bad, f)
			}
		}
	}
	if first == nil {
		return nil
	}
	return wire.NewProblem(first.Code(), "Nothing was stored: the batch is atomic.", bad...)
}
