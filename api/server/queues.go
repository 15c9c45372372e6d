package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// queueFields are the settings of a queue; wire.QueueSettings has the same, which a test checks. null brings a setting's
// default back, as a merge patch (RFC 7396) removes what is null.
var queueFields = fields[job.Queue]{
	"slots": setting(func(q *job.Queue) *int { return &q.Slots }, integer),
	"order": setting(func(q *job.Queue) *bool { return &q.LIFO }, func(lifo *bool, v strict.Value) string {
		var name string
		return text(&name, v, func(string) string {
			if *lifo = name == wire.LIFO; *lifo || name == wire.FIFO {
				return ""
			}
			return "must be fifo or lifo"
		})
	}),
	"priority":               setting(func(q *job.Queue) *int { return &q.Priority }, integer),
	"max_attempts":           setting(func(q *job.Queue) *int { return &q.MaxAttempts }, integer),
	"max_crashes":            setting(func(q *job.Queue) *int { return &q.MaxCrashes }, integer),
	"timeout_seconds":        setting(func(q *job.Queue) *time.Duration { return &q.Timeout }, seconds),
	"backoff":                setting(func(q *job.Queue) *job.Backoff { return &q.Backoff }, backoff),
	"keep_completed_seconds": setting(func(q *job.Queue) *time.Duration { return &q.KeepCompleted }, seconds),
	"keep_discarded_seconds": setting(func(q *job.Queue) *time.Duration { return &q.KeepDiscarded }, seconds),
	"keep_cancelled_seconds": setting(func(q *job.Queue) *time.Duration { return &q.KeepCancelled }, seconds),
}

func setting[V any](of func(*job.Queue) *V, read func(*V, strict.Value) string) func(*job.Queue, strict.Value) string {
	return func(q *job.Queue, v strict.Value) string {
		if v.Is() == 'n' {
			byDefault := job.NewQueue("")
			*of(q) = *of(&byDefault)
			return ""
		}
		return read(of(q), v)
	}
}

func (s *Server) listQueues(_ http.ResponseWriter, r *http.Request) (answer, error) {
	list, err := within(r.Context(), s, func(ctx context.Context) ([]job.Queue, error) { return s.Store.ListQueues(ctx, false) })
	if err != nil {
		return answer{}, err
	}
	out, a := wire.QueueList{Queues: []wire.Queue{}}, accessOf(r.Context())
	for _, q := range list {
		if a.sees(q.Name) {
			out.Queues = append(out.Queues, wire.QueueOf(q))
		}
	}
	return answer{status: http.StatusOK, body: out}, nil
}

func (s *Server) getQueue(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return s.withQueue(r, func(ctx context.Context, name string) (job.Queue, error) { return s.queueNamed(ctx, name) })
}

// queueNamed finds a queue as it stands; the cache may be two seconds old.
func (s *Server) queueNamed(ctx context.Context, name string) (job.Queue, error) {
	list, err := s.Store.ListQueues(ctx, false)
	if err != nil {
		return job.Queue{}, err
	}
	i := slices.IndexFunc(list, func(q job.Queue) bool { return q.Name == name })
	if i < 0 {
		return job.Queue{}, job.ErrNotFound
	}
	return list[i], nil
}

// settings reads a body of settings and returns what it does to a queue.
func (s *Server) settings(w http.ResponseWriter, r *http.Request, kinds ...string) (apply func(*job.Queue) error, err error) {
	v, release, err := s.body(w, r, kinds...)
	defer release()
	if err != nil {
		return nil, err
	}
	trial := job.NewQueue("")
	if err := refuse(decode(v, "#", queueFields, &trial)); err != nil {
		return nil, err
	}
	return func(q *job.Queue) error {
		decode(v, "#", queueFields, q)
		if bad := q.Check(); len(bad) > 0 {
			return bad
		}
		return nil
	}, nil
}

func (s *Server) patchQueue(w http.ResponseWriter, r *http.Request) (answer, error) {
	apply, err := s.settings(w, r, "application/merge-patch+json")
	if err != nil {
		return answer{}, err
	}
	return s.changeQueue(r, func(ctx context.Context, name string) (job.Queue, error) {
		return s.Store.UpdateQueue(ctx, name, apply)
	})
}

// putQueue makes a queue, for those who want to set it up before its first job or let jobs make none; one that is there
// gets the settings.
func (s *Server) putQueue(w http.ResponseWriter, r *http.Request) (answer, error) {
	apply, err := s.settings(w, r)
	if err != nil {
		return answer{}, err
	}
	if wrong := job.CheckName(parameter(r, "name")); wrong != "" {
		return answer{}, wire.NewProblem(wire.CodeInvalid, "A queue's name "+wrong+".", wire.FieldError{Parameter: "name", Detail: wrong})
	}
	if !accessOf(r.Context()).sees(parameter(r, "name")) {
		return answer{}, wire.NewProblem(wire.CodeForbidden, "This token is not for a queue of that name: `manager tokens` shows which it is for.")
	}
	status := http.StatusOK
	a, err := s.changeQueue(r, func(ctx context.Context, name string) (job.Queue, error) {
		byDefault := job.NewQueue(name)
		if err := apply(&byDefault); err != nil {
			return byDefault, err
		}
		if _, err := s.queueNamed(ctx, name); err == job.ErrNotFound {
			status = http.StatusCreated
			if _, err := s.Store.EnsureQueue(ctx, byDefault, s.Clock.Now()); err != nil {
				return byDefault, err
			}
		}
		return s.Store.UpdateQueue(ctx, name, func(q *job.Queue) error {
			for field := range queueFields { // settings that are not given get their default
				queueFields[field](q, strict.Value("null"))
			}
			return apply(q)
		})
	})
	if err == nil && status == http.StatusCreated {
		a.status, a.location = status, "/v1/queues/"+parameter(r, "name")
	}
	return a, err
}

func (s *Server) pauseQueue(w http.ResponseWriter, r *http.Request) (answer, error) {
	return s.setPaused(w, r, true)
}

func (s *Server) resumeQueue(w http.ResponseWriter, r *http.Request) (answer, error) {
	return s.setPaused(w, r, false)
}

func (s *Server) setPaused(w http.ResponseWriter, r *http.Request, paused bool) (answer, error) {
	if err := s.noBody(w, r); err != nil {
		return answer{}, err
	}
	return s.changeQueue(r, func(ctx context.Context, name string) (job.Queue, error) {
		return s.Store.PauseQueue(ctx, name, paused)
	})
}

func (s *Server) deleteQueue(w http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.noBody(w, r); err != nil {
		return answer{}, err
	}
	_, err := s.changeQueue(r, func(ctx context.Context, name string) (job.Queue, error) {
		return job.Queue{}, s.Store.DeleteQueue(ctx, name)
	})
	return answer{status: http.StatusNoContent}, err
}

// How a purge goes on: in steps of one transaction each, for as long as one request may take.
const (
	purgeStep = 500
	purgeTime = 3 * time.Second
)

func (s *Server) purgeQueue(w http.ResponseWriter, r *http.Request) (answer, error) {
	if err := s.noBody(w, r); err != nil {
		return answer{}, err
	}
	name, err := queueName(r)
	if err != nil {
		return answer{}, err
	}
	out, err := within(r.Context(), s, func(ctx context.Context) (out wire.Purged, err error) {
		before, begun := s.Clock.Now(), time.Now()
		for out.More = true; out.More && time.Since(begun) < purgeTime; {
			var n int
			n, out.More, err = s.Store.Purge(ctx, name, before, purgeStep, s.Clock.Now())
			if err != nil {
				return out, err
			}
			out.Purged += n
		}
		return out, nil
	})
	return answer{status: http.StatusOK, body: out}, err
}

// changeQueue does something that may change settings, after which this process believes no older ones.
func (s *Server) changeQueue(r *http.Request, do func(context.Context, string) (job.Queue, error)) (answer, error) {
	defer s.queues.Forget()
	return s.withQueue(r, do)
}

func (s *Server) withQueue(r *http.Request, do func(context.Context, string) (job.Queue, error)) (answer, error) {
	name, err := queueName(r)
	if err != nil {
		return answer{}, err
	}
	q, err := within(r.Context(), s, func(ctx context.Context) (job.Queue, error) { return do(ctx, name) })
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: wire.QueueOf(q)}, nil
}

// queueName is the queue that the path names, if the token is for it.
func queueName(r *http.Request) (string, error) {
	name := parameter(r, "name")
	if !accessOf(r.Context()).sees(name) {
		return "", job.ErrNotFound
	}
	return name, nil
}
