// Package server owns the HTTP side of the api: what a request must look like, which call of the domain it is, and what
// the answer says, problems included. How jobs get into the store is intake's, what JSON is is strict's, the words of
// bodies and errors are wire's, and the page for people is ui's.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/api/recent"
	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// Store is what the api asks of a store.
type Store interface {
	store.Jobs
	store.Queues
	store.APITokens
	Now(ctx context.Context) (job.Time, error)
	Workers(ctx context.Context) ([]job.Worker, error)
	Claims(ctx context.Context, w job.WorkerID) ([]job.Claim, error)
	CommandWorker(ctx context.Context, w job.WorkerID, quiet, stop bool) (job.Worker, error)
	ListStats(ctx context.Context, queues []int32, now job.Time) ([]job.Stats, error)
}

// Options are what a server is made of. Store and Clock are needed.
type Options struct {
	Store    Store
	Clock    *clock.Clock
	Log      *slog.Logger                            // nil = nothing is logged
	Registry prometheus.Registerer                   // nil = nothing is measured
	Nudge    func(queue, kind string, slot job.Slot) // told of every new job that is due and free; nil = nobody is
	Places   intake.Places                           // of workers for which jobs are claimed as they are stored; nil = none

	Hosts      []string // names answered to besides localhost and loopback addresses; "*" = any
	MaxPayload int      // bytes; 0 = 256 KiB
	MaxBody    int64    // bytes; 0 = 16 MiB
	NoCreate   bool     // refuse jobs for unknown queues
	TokensOnly bool     // refuse those without a token even before the first token exists
	RateLimit  float64  // requests a second that one token may send; 0 = any number
}

// The defaults of the limits.
const (
	DefaultMaxPayload = 256 << 10
	DefaultMaxBody    = 16 << 20
)

// Server answers the api's requests. Run must be running for jobs to be stored.
type Server struct {
	Options
	intake  *intake.Intake
	queues  *intake.Queues
	metrics *metrics
	routes  []route
	tokens  *tokens
	rates   *limiter[job.ID] // by token; nil = no limit
	counts  recent.Answers[figures]
	inside  http.Handler // the calls alone, for pages: see Client

	bodies *semaphore.Weighted // bytes of large bodies in memory at once
	calls  chan struct{}       // calls to the store under way, but for intake's
	going  sync.WaitGroup
}

// callsAtOnce bounds the goroutines that a store which hangs can hold.
const callsAtOnce = 64

// largeBodies is how many bodies of the full size may be in memory at once.
const largeBodies = 8

// New makes a server.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Nudge == nil {
		o.Nudge = func(string, string, job.Slot) {}
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = DefaultMaxPayload
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	s := &Server{
		Options: o,
		intake:  intake.New(o.Store, o.Places),
		queues:  intake.NewQueues(o.Store, o.Clock.Now, !o.NoCreate),
		metrics: newMetrics(o.Registry),
		bodies:  semaphore.NewWeighted(largeBodies * o.MaxBody),
		calls:   make(chan struct{}, callsAtOnce),
	}
	s.routes = s.table()
	for i := range s.routes {
		s.routes[i].Scope = scopeOf(s.routes[i].String())
	}
	s.inside = s.callsAlone()
	s.tokens = newTokens(s)
	if o.RateLimit > 0 {
		s.rates = newLimiter[job.ID](o.RateLimit, o.RateLimit)
	}
	return s
}

// Run works until ctx ends, then stores what is still under way and returns nil. Stop listening before.
func (s *Server) Run(ctx context.Context) error {
	err := s.intake.Run(ctx)
	s.going.Wait()
	return err
}
