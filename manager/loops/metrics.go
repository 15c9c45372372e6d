package loops

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

// Metrics are a manager's own: counters of what it did, and through the collector the cluster's gauges while it leads.
type Metrics struct {
	Rescued prometheus.Counter
	Pruned  prometheus.Counter
	Sweep   prometheus.Gauge
	Leader  prometheus.Gauge

	crashes *prometheus.CounterVec
	cluster *cluster
	queues  *service.LabelCap
	kinds   *service.LabelCap
}

// NewMetrics registers a manager's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{queues: &service.LabelCap{}, kinds: &service.LabelCap{}}
	m.Rescued = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "slotq_jobs_rescued_total", Help: "Jobs taken back from dead workers, crashes or not.",
	})
	m.Pruned = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "slotq_jobs_pruned_total", Help: "Finished jobs deleted because their retention is over.",
	})
	m.Sweep = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "slotq_sweep_timestamp_seconds", Help: "When this manager last looked for claims of dead workers without error.",
	})
	m.Leader = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "slotq_leader", Help: "1 in the manager that had the last turn to count, and so exports the cluster's gauges; else 0.",
	})
	m.crashes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "slotq_job_crashes_total", Help: "Runs that ended with the death of their worker.",
	}, []string{"queue", "kind"})
	m.cluster = newCluster(m.queues, m.kinds)
	r.MustRegister(m.Rescued, m.Pruned, m.Sweep, m.Leader, m.crashes, m.cluster)
	return m
}

// lead says whether this process leads, and exports the cluster's figures; nil = there are none, or not its own any
// more: the gauges are dropped, not left to age.
func (m *Metrics) lead(leads bool, f *figures) {
	m.cluster.now.Store(f)
	m.Leader.Set(truth(leads))
}

// seconds is a time as Prometheus wants it; 0 stays 0.
func seconds(t job.Time) float64 { return float64(t) / 1e6 }
