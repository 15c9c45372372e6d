// Package ui owns the pages for people: what slots, queues, workers and jobs do and what can be done about it, the
// documentation of the calls, and the form to sign in. A page is made on the server and calls the api as its visitor may, so
// it shows and changes what the visitor's token allows and nothing else; what a call means is the api's. The scripts make a
// page live and do nothing that cannot be done without them.
package ui

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/slotq/slotq/api/recent"
	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// API is what the pages ask. All that takes a context takes the one of Admit.
type API interface {
	Door
	Admit(w http.ResponseWriter, r *http.Request) (context.Context, error) // a *wire.Problem to show
	Client() *wire.Client
	May(ctx context.Context, scope job.Scope) bool
	Sight(ctx context.Context) string
	Sees(ctx context.Context, queue string) bool
	Census(ctx context.Context) (census.Census, []job.Worker, error)
	Held(ctx context.Context, w job.WorkerID, limit int) (list []wire.Job, more bool, err error)
	Now() job.Time
}

// Options are what the pages are made of.
type Options struct {
	API      API
	Document []byte // the OpenAPI document
	Log      *slog.Logger
	Lease    time.Duration // of workers that do not state their own
	Sweep    time.Duration // of the managers
	Demo     bool          // offer jobs for the example handlers
}

// site is all pages.
type site struct {
	Options
	client   *wire.Client
	failures recent.Answers[wire.FailureList]
	stats    recent.Answers[[]wire.QueueStats]
	colours  colours
}

// Pages are the routes of the pages by pattern: GET, or the method that it begins with.
func Pages(o Options) (map[string]http.Handler, error) {
	docs, err := newDocs(o.Document)
	if err != nil {
		return nil, err
	}
	s := &site{Options: o, client: o.API.Client()}
	return map[string]http.Handler{
		"/":               s.page("overview.html", "Overview", s.overview),
		"/jobs":           s.page("jobs.html", "Jobs", s.jobs),
		"/jobs/{id}":      s.page("job.html", "Jobs", s.job),
		"POST /jobs/{id}": s.form(changeJob),
		"/queues":         s.page("queues.html", "Queues", s.queues),
		"/queue":          s.page("queue.html", "Queues", s.queue),
		"POST /queue":     s.form(changeQueue),
		"/workers":        s.page("workers.html", "Workers", s.workers),
		"POST /workers":   s.form(commandWorker),
		"/action":         s.page("action.html", "", s.action),
		"POST /action":    s.form(act),
		"/enqueue":        s.page("enqueue.html", "Enqueue", s.enqueueForm),
		"POST /enqueue":   s.form(enqueue),
		"POST /demo":      s.form(demo),
		"/docs":           docs,
		"/assets/{name}":  http.HandlerFunc(asset),
		"/sign-in":        http.HandlerFunc(askToken),
		"POST /sign-in":   signIn(o.API),
		"POST /sign-out":  signOut(o.API),
	}, nil
}
