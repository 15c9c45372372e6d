package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/slotq/slotq/api/openapi"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/wire"
)

// route is a call of the api: what the document says of it and what carries it out.
type route struct {
	openapi.Operation
	do handler
}

// table is all calls. Handlers of one noun are in the file of its name.
func (s *Server) table() []route {
	key := []openapi.Parameter{{Name: keyHeader, Doc: "Makes the request safe to send again for 24 h and as long as the job lives; 1 to 255 bytes, quoted or bare.", Schema: map[string]any{"type": "string"}}}
	type answers = map[int]any
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	return []route{
		{openapi.Operation{Method: post, Pattern: "/v1/jobs", Tag: "jobs", Summary: "Enqueue a job",
			Description: "Answers after the job is committed. With an id or an Idempotency-Key it is safe to send it again: 200 and the job that is there.",
			Headers:     key, Body: wire.NewJob{}, Answers: answers{200: wire.Enqueued{}, 201: wire.Enqueued{}}, Problems: []wire.Code{wire.CodeMismatch, wire.CodeLimit}}, s.postJob},
		{openapi.Operation{Method: post, Pattern: "/v1/jobs/batch", Tag: "jobs", Summary: "Enqueue up to 10,000 jobs",
			Description: "Atomic: 201, or 422 and nothing is stored. Not atomic: 200 and a result for each job.",
			Headers:     key, Body: wire.Batch{}, Answers: answers{200: wire.BatchResult{}, 201: wire.BatchResult{}}, Problems: []wire.Code{wire.CodeMismatch, wire.CodeLimit}}, s.postBatch},
		{openapi.Operation{Method: get, Pattern: "/v1/jobs", Tag: "jobs", Summary: "List jobs, newest first", Description: "Reads a bounded number of rows: a page may be short or empty; no next_cursor = the end.",
			Query: listParameters(), Answers: answers{200: wire.JobPage{}}}, s.listJobs},
		{openapi.Operation{Method: get, Pattern: "/v1/jobs/{id}", Tag: "jobs", Summary: "A job, whatever became of it",
			Answers: answers{200: wire.Job{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.getJob},
		{openapi.Operation{Method: del, Pattern: "/v1/jobs/{id}", Tag: "jobs", Summary: "Delete a job that does not run, without a trace",
			Answers: answers{200: wire.Job{}}, Problems: []wire.Code{wire.CodeNotFound, wire.CodeState}}, s.deleteJob},
		{openapi.Operation{Method: post, Pattern: "/v1/jobs/{id}/cancel", Tag: "jobs", Summary: "Cancel a job", Description: "202 while a running one is being stopped.",
			Answers: answers{200: wire.Job{}, 202: wire.Job{}}, Problems: []wire.Code{wire.CodeNotFound, wire.CodeState}}, s.cancelJob},
		{openapi.Operation{Method: post, Pattern: "/v1/jobs/{id}/retry", Tag: "jobs", Summary: "Run a finished job again, or a retryable one now", Description: "The same id; attempts are granted anew, errors are kept.",
			Answers: answers{200: wire.Job{}}, Problems: []wire.Code{wire.CodeNotFound, wire.CodeState}}, s.retryJob},
		{openapi.Operation{Method: post, Pattern: "/v1/jobs/{id}/run", Tag: "jobs", Summary: "Make a scheduled or retryable job due now",
			Answers: answers{200: wire.Job{}}, Problems: []wire.Code{wire.CodeNotFound, wire.CodeState}}, s.runJob},

		{openapi.Operation{Method: post, Pattern: "/v1/jobs/actions", Tag: "actions", Summary: "Retry, cancel, run or delete all jobs that a filter chooses", Description: "Answers at once; a manager carries it out in small steps. Jobs that are made or end later are not touched.",
			Headers: []openapi.Parameter{{Name: keyHeader, Doc: "Makes the request safe to send again while the action is known; 1 to 255 bytes, quoted or bare.", Schema: map[string]any{"type": "string"}}},
			Body:    wire.NewAction{}, Answers: answers{202: wire.Action{}}, Problems: []wire.Code{wire.CodeMismatch, wire.CodeLimit}}, s.postAction},
		{openapi.Operation{Method: get, Pattern: "/v1/actions/{id}", Tag: "actions", Summary: "How far an action is", Description: "It is known for 24 hours after its end.",
			Answers: answers{200: wire.Action{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.getAction},
		{openapi.Operation{Method: get, Pattern: "/v1/kinds", Tag: "kinds", Summary: "All kinds that have unfinished jobs or a worker, by name", Description: "Counts up to 10,000 jobs of each slot; counted_at says when.",
			Answers: answers{200: wire.KindList{}}}, s.listKinds},
		{openapi.Operation{Method: get, Pattern: "/v1/failures", Tag: "failures", Summary: "What retryable and discarded jobs failed with last, newest first", Description: "Grouped by kind and by the message's general form. Reads a bounded number of rows and says when there were more.",
			Query: failureParameters(), Answers: answers{200: wire.FailureList{}}}, s.listFailures},

		{openapi.Operation{Method: get, Pattern: "/v1/queues", Tag: "queues", Summary: "All queues, by name", Answers: answers{200: wire.QueueList{}}}, s.listQueues},
		{openapi.Operation{Method: get, Pattern: "/v1/queues/{name}", Tag: "queues", Summary: "A queue and its settings",
			Answers: answers{200: wire.Queue{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.getQueue},
		{openapi.Operation{Method: put, Pattern: "/v1/queues/{name}", Tag: "queues", Summary: "Make a queue, or set all its settings", Description: "Settings that are not given get their default.",
			Body: wire.QueueSettings{}, Answers: answers{200: wire.Queue{}, 201: wire.Queue{}}, Problems: []wire.Code{wire.CodeLimit}}, s.putQueue},
		{openapi.Operation{Method: patch, Pattern: "/v1/queues/{name}", Tag: "queues", Summary: "Change settings of a queue", Description: "A merge patch (RFC 7396): null brings a default back. Fewer slots: those above the number are worked off, nothing is lost or moved.",
			Body: wire.QueueSettings{}, BodyKinds: []string{"application/merge-patch+json"}, Answers: answers{200: wire.Queue{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.patchQueue},
		{openapi.Operation{Method: del, Pattern: "/v1/queues/{name}", Tag: "queues", Summary: "Delete an empty queue",
			Answers: answers{204: nil}, Problems: []wire.Code{wire.CodeNotFound, wire.CodeNotEmpty}}, s.deleteQueue},
		{openapi.Operation{Method: post, Pattern: "/v1/queues/{name}/pause", Tag: "queues", Summary: "Hand out no more jobs of a queue",
			Answers: answers{200: wire.Queue{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.pauseQueue},
		{openapi.Operation{Method: post, Pattern: "/v1/queues/{name}/resume", Tag: "queues", Summary: "End a pause",
			Answers: answers{200: wire.Queue{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.resumeQueue},
		{openapi.Operation{Method: post, Pattern: "/v1/queues/{name}/purge", Tag: "queues", Summary: "Cancel all jobs that wait in a queue",
			Answers: answers{200: wire.Purged{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.purgeQueue},
		{openapi.Operation{Method: get, Pattern: "/v1/queues/{name}/slots", Tag: "queues", Summary: "The slots of a queue: depth, oldest job, worker",
			Answers: answers{200: wire.SlotList{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.listSlots},

		{openapi.Operation{Method: get, Pattern: "/v1/workers", Tag: "workers", Summary: "All workers that are known", Answers: answers{200: wire.WorkerList{}}}, s.listWorkers},
		{openapi.Operation{Method: post, Pattern: "/v1/workers/{id}/quiet", Tag: "workers", Summary: "Ask a worker to take no more jobs",
			Answers: answers{200: wire.Worker{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.quietWorker},
		{openapi.Operation{Method: post, Pattern: "/v1/workers/{id}/stop", Tag: "workers", Summary: "Ask a worker to drain and end",
			Answers: answers{200: wire.Worker{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.stopWorker},

		{openapi.Operation{Method: get, Pattern: "/v1/stats", Tag: "stats", Summary: "What happened in the last hour and week, by queue", Description: "Counts and quantiles by minute and hour. A minute is complete 20 seconds after its end; one in which nothing was counted is absent.",
			Query: statsParameters(), Answers: answers{200: wire.StatsPage{}}, Problems: []wire.Code{wire.CodeNotFound}}, s.listStats},
	}
}

func listParameters() []openapi.Parameter {
	name := map[string]any{"type": "string", "minLength": 1, "maxLength": job.MaxName}
	key := map[string]any{"type": "string", "minLength": 1, "maxLength": job.MaxKey}
	return []openapi.Parameter{
		{Name: "queue", Doc: "Of this queue.", Schema: name},
		{Name: "kind", Doc: "Of this kind.", Schema: name},
		{Name: "state", Doc: "In one of these states, with commas between: " + stateNames() + ".", Schema: map[string]any{"type": "string", "minLength": 1}},
		{Name: "slot", Doc: "In this slot.", Schema: map[string]any{"type": "integer", "minimum": 1, "maximum": job.MaxSlots}},
		{Name: "tag", Doc: "With this tag.", Schema: key},
		{Name: "concurrency_key", Doc: "With this concurrency_key.", Schema: key},
		{Name: "unique_key", Doc: "With this unique_key.", Schema: key},
		{Name: "limit", Doc: "The most jobs of a page.", Schema: map[string]any{"type": "integer", "minimum": 1, "maximum": maxPage, "default": defaultPage}},
		{Name: "cursor", Doc: "next_cursor of the page before.", Schema: map[string]any{"type": "string", "minLength": 1}},
	}
}

func failureParameters() []openapi.Parameter {
	list := listParameters()
	limit := slices.IndexFunc(list, func(p openapi.Parameter) bool { return p.Name == "limit" })
	return []openapi.Parameter{list[0], list[1], {Name: "limit", Doc: "The most failures.", Schema: list[limit].Schema}}
}

// Document is the OpenAPI document of the calls.
func (s *Server) Document() ([]byte, error) {
	operations := make([]openapi.Operation, len(s.routes))
	for i, r := range s.routes {
		operations[i] = r.Operation
	}
	return openapi.Document(service.Version(), operations)
}

// Handler is the whole api: the calls, their document, and pages, which are further routes by
// their pattern: GET unless it begins with another method.
func (s *Server) Handler(document []byte, pages map[string]http.Handler) http.Handler {
	mux := chi.NewRouter()
	mux.Use(s.metrics.measured, s.recovered, hardened, s.knownHost, s.sameOrigin, middleware.GetHead)
	s.addCalls(mux)
	mux.Get("/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	for pattern, page := range pages {
		if !public[pattern] {
			page = s.guarded(page)
		}
		method, path, named := strings.Cut(pattern, " ")
		if !named {
			method, path = http.MethodGet, pattern
		}
		mux.Method(method, path, page)
	}
	mux.NotFound(s.serve(func(http.ResponseWriter, *http.Request) (answer, error) {
		return answer{}, wire.NewProblem(wire.CodeNotFound, "No call has this path: /docs lists them.")
	}))
	mux.MethodNotAllowed(s.serve(func(w http.ResponseWriter, r *http.Request) (answer, error) {
		allow := allowed(mux, r)
		w.Header().Set("Allow", allow)
		return answer{}, wire.NewProblem(wire.CodeMethod, "It knows "+allow+".")
	}))
	return mux
}

func (s *Server) addCalls(mux chi.Router) {
	for _, r := range s.routes {
		mux.Method(r.Method, r.Pattern, s.serve(s.allowed(r.Scope, known(r))))
	}
}

// known refuses parameters of the query that the call does not know, or that are given twice: a filter that is
// mistyped must not answer with everything.
func known(r route) handler {
	return func(w http.ResponseWriter, req *http.Request) (answer, error) {
		query, err := url.ParseQuery(req.URL.RawQuery)
		if err != nil {
			return answer{}, wire.NewProblem(wire.CodeInvalid, "The query is not well formed.")
		}
		var bad []wire.FieldError
		for name, values := range query {
			switch {
			case !slices.ContainsFunc(r.Query, func(p openapi.Parameter) bool { return p.Name == name }):
				bad = append(bad, wire.FieldError{Parameter: strings.TrimPrefix(pointerTo(name), "/"), Detail: "is not a parameter of this call"})
			case len(values) > 1:
				bad = append(bad, wire.FieldError{Parameter: name, Detail: "is given twice"})
			}
		}
		if err := refuse(bad); err != nil {
			return answer{}, err
		}
		return r.do(w, req)
	}
}

// allowed lists the methods that a path knows.
func allowed(mux chi.Routes, r *http.Request) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if mux.Match(chi.NewRouteContext(), m, r.URL.EscapedPath()) {
			methods = append(methods, m)
			if m == http.MethodGet {
				methods = append(methods, http.MethodHead)
			}
		}
	}
	return strings.Join(methods, ", ")
}

// parameter is a part of the path, unescaped.
func parameter(r *http.Request, name string) string {
	raw := chi.URLParam(r, name)
	if s, err := url.PathUnescape(raw); err == nil {
		return s
	}
	return raw
}

// String names a route for messages.
func (r route) String() string { return fmt.Sprintf("%s %s", r.Method, r.Pattern) }
