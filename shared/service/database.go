package service

import "github.com/prometheus/client_golang/prometheus"

// DatabaseMetrics registers slotq_db_seconds{operation} and slotq_db_retries_total{reason} and returns the functions
// that feed them: how long an operation took, in seconds, and why one was tried again. Each of the reasons is exported from
// the start: a series that begins with its first retry has no rate until the second.
func DatabaseMetrics(reg prometheus.Registerer, reasons []string) (done func(operation string, seconds float64), retried func(reason string)) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "slotq_db_seconds", Help: "Time of a database operation with all its retries.", Buckets: DurationBuckets(),
	}, []string{"operation"})
	retries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "slotq_db_retries_total", Help: "Database transactions tried again, by reason.",
	}, []string{"reason"})
	reg.MustRegister(seconds, retries)
	for _, reason := range reasons {
		retries.WithLabelValues(reason)
	}
	return func(operation string, s float64) { seconds.WithLabelValues(operation).Observe(s) },
		func(reason string) { retries.WithLabelValues(reason).Inc() }
}
