package server

import (
	"context"
	"net/http"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// scopes says which scope each call needs. A call that is not here needs admin, and a test fails for it.
var scopes = map[string]job.Scope{
	"POST /v1/jobs":             job.ScopeEnqueue,
	"POST /v1/jobs/batch":       job.ScopeEnqueue,
	"GET /v1/jobs":              job.ScopeRead,
	"GET /v1/jobs/{id}":         job.ScopeRead,
	"DELETE /v1/jobs/{id}":      job.ScopeOperate,
	"POST /v1/jobs/{id}/cancel": job.ScopeOperate,
	"POST /v1/jobs/{id}/retry":  job.ScopeOperate,
	"POST /v1/jobs/{id}/run":    job.ScopeOperate,

	"GET /v1/queues":                job.ScopeRead,
	"GET /v1/queues/{name}":         job.ScopeRead,
	"GET /v1/queues/{name}/slots":   job.ScopeRead,
	"PUT /v1/queues/{name}":         job.ScopeAdmin,
	"PATCH /v1/queues/{name}":       job.ScopeAdmin,
	"DELETE /v1/queues/{name}":      job.ScopeAdmin,
	"POST /v1/queues/{name}/pause":  job.ScopeOperate,
	"POST /v1/queues/{name}/resume": job.ScopeOperate,
	"POST /v1/queues/{name}/purge":  job.ScopeOperate,

	"GET /v1/stats":         job.ScopeRead,
	"GET /v1/kinds":         job.ScopeRead,
	"GET /v1/failures":      job.ScopeRead,
	"POST /v1/jobs/actions": job.ScopeOperate,
	"GET /v1/actions/{id}":  job.ScopeRead,

	"GET /v1/workers":             job.ScopeRead,
	"POST /v1/workers/{id}/quiet": job.ScopeOperate,
	"POST /v1/workers/{id}/stop":  job.ScopeOperate,
}

// public are the pages that show nothing of what the database holds, and those that show what the visitor's token may see:
// these call the api with the access of Admit, without which it answers nothing.
var public = map[string]bool{
	"/docs": true, "/assets/{name}": true, "/sign-in": true, "POST /sign-in": true, "POST /sign-out": true,

	"/": true, "/jobs": true, "/jobs/{id}": true, "POST /jobs/{id}": true, "/queues": true, "/queue": true, "POST /queue": true,
	"/workers": true, "POST /workers": true, "/enqueue": true, "POST /enqueue": true, "POST /demo": true, "/action": true, "POST /action": true,
}

// scopeOf is the scope that a call needs.
func scopeOf(call string) job.Scope {
	if s, ok := scopes[call]; ok {
		return s
	}
	return job.ScopeAdmin
}

// access is what the sender of a request may do. The zero access may do nothing.
type access struct {
	open  bool         // the api has no tokens yet: everything
	token job.APIToken // else
}

func (a access) can(s job.Scope) bool { return a.open || a.token.Can(s) }

func (a access) everywhere() bool { return a.open || len(a.token.Scopes) > 0 && a.token.Everywhere() }

func (a access) sees(queue string) bool {
	return a.everywhere() || len(a.token.Scopes) > 0 && a.token.Sees(queue)
}

// patterns are those of the queues that it sees, for a list; nil = all.
func (a access) patterns() []string {
	if a.everywhere() {
		return nil
	}
	return a.token.Queues
}

type accessKey struct{}

// accessOf is the access of the request that a context belongs to.
func accessOf(ctx context.Context) access {
	a, _ := ctx.Value(accessKey{}).(access)
	return a
}

// allowed lets those through who have the scope. Which queues they may touch is for the handler to ask, since each call
// names its queue in another place.
func (s *Server) allowed(scope job.Scope, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) (answer, error) {
		a, inside := r.Context().Value(accessKey{}).(access)
		if !inside { // it is no call of a page, which has its visitor's
			var err error
			if a, err = s.access(w, r, safe(r)); err != nil {
				return answer{}, err
			}
		}
		if !a.can(scope) {
			return answer{}, wire.NewProblem(wire.CodeForbidden, "This call needs a token with the scope "+string(scope)+
				": an operator makes one with `manager tokens create --scope="+string(scope)+"`.")
		}
		return h(w, r.WithContext(context.WithValue(r.Context(), accessKey{}, a)))
	}
}

// guarded lets those see a page who may read everything: it shows all queues.
func (s *Server) guarded(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := s.access(w, r, safe(r))
		if err == nil {
			err = a.readsAll()
		}
		if err != nil {
			s.problem(w, r, err)
			return
		}
		page.ServeHTTP(w, r)
	})
}

func (a access) readsAll() error {
	if a.can(job.ScopeRead) && a.everywhere() {
		return nil
	}
	return wire.NewProblem(wire.CodeForbidden, "This page shows all queues: it needs a token with the scope read for all of them.")
}

// notYours is the problem of a queue that the sender names and the token is not for. What is in such a queue is answered
// with 404 instead, so that nobody learns what is there.
func notYours(at string) *wire.Problem {
	return wire.NewProblem(wire.CodeForbidden, "", wire.FieldError{Pointer: at + "/queue", Detail: "is none of the queues that this token is for: `manager tokens` shows them"})
}

// shown converts a job for an answer.
func (a access) shown(j *job.Job) *wire.Job {
	out := wire.JobOf(j)
	if !a.can(job.ScopeReadPayload) {
		out.Conceal()
	}
	return &out
}
