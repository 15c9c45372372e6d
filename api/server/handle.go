package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// answer is what a handler gives back.
type answer struct {
	status   int
	location string // of what was created
	body     any    // nil = none
}

// handler carries out a request. What goes wrong comes back as an error: wire.ProblemOf knows its code.
type handler func(w http.ResponseWriter, r *http.Request) (answer, error)

// serve is the one place where answers and problems are written.
func (s *Server) serve(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := h(w, r)
		if err != nil {
			s.problem(w, r, err)
			return
		}
		if a.location != "" {
			w.Header().Set("Location", a.location)
		}
		if a.body == nil {
			w.WriteHeader(a.status)
			return
		}
		s.write(w, r, a.status, "application/json", a.body)
	}
}

// retryAfter is what a client should wait when the database is away: longer than a hiccup, shorter than a failover.
const retryAfter = 2

func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	p := wire.ProblemOf(err)
	s.advise(w, r, p, err)
	s.write(w, r, p.Status, "application/problem+json", p)
}

// advise completes a problem that is about to be shown, with its headers, and logs what only the log should know.
func (s *Server) advise(w http.ResponseWriter, r *http.Request, p *wire.Problem, err error) {
	switch p.Code() {
	case wire.CodeInternal:
		s.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p.Detail = "The server's log says more. Sending the request again may help."
	case wire.CodeRate:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(p.RetryAfter.Seconds(), 1)))))
	case wire.CodeUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		if p.Detail == "" {
			p.Detail = "Try again in " + strconv.Itoa(retryAfter) + " seconds."
		}
	}
	if p.Detail == "" && len(p.Errors) == 0 {
		p.Detail = advice[p.Code()]
	}
}

// advice is what a client may do about a domain's error that says no more by itself.
var advice = map[wire.Code]string{
	wire.CodeNotFound: "Nothing has this id or name: it was never there, was deleted, or its retention is over.",
	wire.CodeState:    "Get the job: its state says what can be done. A running one can be cancelled, a finished one retried or deleted.",
	wire.CodeNotEmpty: "Wait until its jobs have ended, or purge it: that cancels those that wait.",
	wire.CodeMismatch: "The id or Idempotency-Key belongs to a job with another body: use a new one for another job.",
	wire.CodeLimit:    "Delete what is not needed any more.",
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, kind string, body any) {
	b, err := wire.Marshal(body)
	if err != nil {
		s.Log.Error("an answer cannot be written as JSON", "method", r.Method, "path", r.URL.Path, "error", err)
		status, kind, b = http.StatusInternalServerError, "application/problem+json", []byte(`{"type":"about:blank","status":500}`)
	}
	w.Header().Set("Content-Type", kind)
	b = append(b, '\n') // for those who look at it in a terminal
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // who hung up does not read this
}

// within calls the store and waits for it until ctx ends, at most intake.Limit: a COMMIT heeds no context, and the answer
// must not wait for it. The call goes on without the request, whose end must not cut it.
func within[T any](ctx context.Context, s *Server, call func(context.Context) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	var none T
	limit := time.NewTimer(intake.Limit)
	defer limit.Stop()
	select {
	case s.calls <- struct{}{}:
	case <-limit.C:
		return none, job.ErrUnavailable
	case <-ctx.Done():
		return none, errors.Join(job.ErrUnavailable, ctx.Err())
	}
	done := make(chan result, 1)
	s.going.Go(func() {
		defer func() { <-s.calls }()
		ctx, cancel := context.WithTimeout(context.Background(), intake.Limit)
		defer cancel()
		v, err := call(ctx)
		if err != nil && ctx.Err() != nil {
			err = errors.Join(job.ErrUnavailable, err)
		}
		done <- result{v, err}
	})
	select {
	case r := <-done:
		return r.v, r.err
	case <-limit.C:
		return none, job.ErrUnavailable
	case <-ctx.Done():
		return none, errors.Join(job.ErrUnavailable, ctx.Err())
	}
}

// recovered answers for a handler that panicked, so that one request's fault stays its own.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				s.Log.Error("a handler panicked", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
				s.write(w, r, http.StatusInternalServerError, "application/problem+json", wire.NewProblem(wire.CodeInternal, ""))
			}
		}()
		next.ServeHTTP(w, r)
	})
}
