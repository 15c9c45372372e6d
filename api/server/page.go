package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// What the pages ask of the api. All of it takes the context that Admit has returned, and answers as the calls would answer
// to that visitor; with another context it answers as to a token that may do nothing.

// Client calls the api within this process.
func (s *Server) Client() *wire.Client {
	c, err := wire.NewClient("http://api.invalid", &http.Client{Transport: inside{s.inside}})
	if err != nil {
		panic(err) // the address is a constant
	}
	return c
}

// inside answers a request by a handler. What the calls share with the world outside, such as the check of the Host, is the
// page's own request's, which has passed it.
type inside struct{ handler http.Handler }

func (t inside) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := context.WithValue(r.Context(), accessKey{}, accessOf(r.Context())) // also where there is none: nobody else may be asked for one
	ctx = context.WithValue(ctx, chi.RouteCtxKey, (*chi.Context)(nil))        // the page's own route is not this call's
	r = r.Clone(ctx)
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(w, r)
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
	}, nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }

func (s *Server) callsAlone() http.Handler {
	mux := chi.NewRouter()
	s.addCalls(mux)
	return s.recovered(mux)
}

// May says whether the visitor has a scope.
func (s *Server) May(ctx context.Context, scope job.Scope) bool { return accessOf(ctx).can(scope) }

// Sight is the same text for all visitors who see the same queues.
func (s *Server) Sight(ctx context.Context) string {
	return strings.Join(accessOf(ctx).patterns(), " ")
}

// Sees says whether the visitor sees a queue.
func (s *Server) Sees(ctx context.Context, queue string) bool { return accessOf(ctx).sees(queue) }

// Now is the database's time.
func (s *Server) Now() job.Time { return s.Clock.Now() }

// patience is how long a page waits for a new count while there is an older one.
const patience = 100 * time.Millisecond

// Census is the count of the queues that the visitor sees, which may be a minute old, and the workers of now that it sees.
func (s *Server) Census(ctx context.Context) (census.Census, []job.Worker, error) {
	if err := accessOf(ctx).reads(); err != nil {
		return census.Census{}, nil, err
	}
	c, err := s.figures(ctx, patience)
	if err != nil {
		return census.Census{}, nil, err
	}
	if c.workers, err = within(ctx, s, s.Store.Workers); err != nil {
		return census.Census{}, nil, err
	}
	c = c.seen(accessOf(ctx))
	return c.Census, c.workers, nil
}

// Held returns the jobs that a worker holds now, at most limit, of the queues that the visitor sees; more = there are others.
func (s *Server) Held(ctx context.Context, w job.WorkerID, limit int) (list []wire.Job, more bool, err error) {
	a := accessOf(ctx)
	if err := a.reads(); err != nil {
		return nil, false, err
	}
	jobs, err := within(ctx, s, func(ctx context.Context) (jobs []*job.Job, err error) {
		claims, err := s.Store.Claims(ctx, w)
		if err != nil {
			return nil, err
		}
		queues, err := s.Store.ListQueues(ctx, false)
		if err != nil {
			return nil, err
		}
		seen := map[int32]bool{} // a job of another queue is not read only to be left out
		for _, q := range queues {
			seen[q.ID] = a.sees(q.Name)
		}
		for _, c := range claims {
			for _, id := range c.IDs {
				if !seen[c.Slot.QueueID] {
					break
				}
				if len(jobs) > limit {
					return jobs, nil
				}
				j, err := s.Store.Get(ctx, id)
				if errors.Is(err, job.ErrNotFound) {
					continue // it has ended in the meantime, and nothing of it is kept
				}
				if err != nil {
					return nil, err
				}
				if j.State == job.Running && a.sees(j.Queue) {
					jobs = append(jobs, j)
				}
			}
		}
		return jobs, nil
	})
	more = len(jobs) > limit
	for _, j := range jobs[:min(len(jobs), limit)] {
		list = append(list, *a.shown(j))
	}
	return list, more, err
}
