package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotq/slotq/shared/service"
)

type metrics struct {
	enqueued     *prometheus.CounterVec
	deduplicated prometheus.Counter
	requests     *prometheus.HistogramVec

	queues, kinds service.LabelCap
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		enqueued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slotq_jobs_enqueued_total", Help: "Jobs stored, by queue and kind.",
		}, []string{"queue", "kind"}),
		deduplicated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slotq_jobs_deduplicated_total", Help: "Jobs sent that were there already.",
		}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slotq_http_request_seconds", Help: "Time to answer a request, by route.", Buckets: service.DurationBuckets(),
		}, []string{"route", "method", "code"}),
	}
	r.MustRegister(m.enqueued, m.deduplicated, m.requests)
	return m
}

// measured times requests under the pattern of their route: a path holds ids, and each would be a series of its own.
func (m *metrics) measured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r)
		route := chi.RouteContext(r.Context()).RoutePattern() // known now that it has been routed
		if route == "" {
			route = service.OtherLabel
		}
		m.requests.WithLabelValues(route, methodLabel(r.Method), strconv.Itoa(max(ww.Status(), 200))).Observe(time.Since(begun).Seconds())
	})
}

// methodLabel keeps a client from making series out of methods that it invents.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return service.OtherLabel
}
