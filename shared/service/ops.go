package service

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/singleflight"
)

// readyLimit bounds a readiness check: probes give up after a few seconds, and a late answer helps nobody.
const readyLimit = 2 * time.Second

// NewOpsHandler serves /healthz (200 as long as the process answers), /readyz (200, or 503 and the reason when ready
// fails or takes over 2 s) and /metrics. ready's error is shown to whoever asks, so it must not name a password; at
// most one check runs at a time, however many ask. ready must end soon after its context does.
func NewOpsHandler(registry *prometheus.Registry, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.Handle("GET /readyz", &readiness{check: ready, limit: readyLimit})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry:            registry,
		MaxRequestsInFlight: 4, // a scrape costs memory, and the endpoint has no password
	}))
	return mux
}

// readiness shares one running check among all who ask: while a database hangs, probes must not pile up on it.
type readiness struct {
	check  func(context.Context) error
	limit  time.Duration
	flight singleflight.Group
}

func (h *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result := h.flight.DoChan("", func() (any, error) {
		// Not the request's context: the check also answers those who joined later.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.limit)
		defer cancel()
		return nil, h.check(ctx)
	})
	late := time.NewTimer(h.limit)
	defer late.Stop()
	select {
	case done := <-result:
		if done.Err != nil {
			answer(w, http.StatusServiceUnavailable, done.Err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	case <-late.C:
		answer(w, http.StatusServiceUnavailable, fmt.Sprintf("no answer within %s", h.limit))
	case <-r.Context().Done():
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
