package runner

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

// metrics are the worker's own. They are counted a batch at a time, and what a label value looks up is remembered: a
// counter's lookup by labels costs more than a no-op job may.
type metrics struct {
	queues, kinds *service.LabelCap

	attempts *prometheus.CounterVec
	retries  *prometheus.CounterVec
	wait     *prometheus.HistogramVec
	run      *prometheus.HistogramVec
	running  *prometheus.GaugeVec
	lost     prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, concurrency int) *metrics {
	m := &metrics{
		queues: &service.LabelCap{}, kinds: &service.LabelCap{},
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slotq_job_attempts_total",
			Help: "Runs that ended, by outcome. discarded: the job gave up with this run, by its handler's word or with its attempts used up.",
		}, []string{"queue", "kind", "outcome"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slotq_job_retries_total", Help: "Failed runs after which the job waits for its next attempt.",
		}, []string{"queue", "kind"}),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slotq_job_wait_seconds", Help: "From the time a job was due (or enqueued, if later) to its start.",
			Buckets: service.DurationBuckets(),
		}, []string{"queue"}),
		run: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slotq_job_run_seconds", Help: "How long handlers ran.", Buckets: service.DurationBuckets(),
		}, []string{"queue", "kind"}),
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "slotq_jobs_running", Help: "Jobs that this worker holds: running, or ended and not committed yet.",
		}, []string{"queue"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slotq_claims_lost_total", Help: "Outcomes dropped because the job was no longer this worker's.",
		}),
	}
	if registry != nil {
		places := prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "slotq_worker_concurrency", Help: "The most jobs that this worker runs at once.",
		})
		places.Set(float64(concurrency))
		registry.MustRegister(m.attempts, m.retries, m.wait, m.run, m.running, m.lost, places)
	}
	return m
}

// claimed counts jobs that a claim has brought; now is the database's time.
func (m *metrics) claimed(jobs []*job.Job, now job.Time) {
	queue := m.queues.Of(jobs[0].Queue) // a claim is of one queue
	m.running.WithLabelValues(queue).Add(float64(len(jobs)))
	wait := m.wait.WithLabelValues(queue)
	for _, j := range jobs {
		wait.Observe(max(0, now.Sub(max(j.CreatedAt, j.RunAt)).Seconds()))
	}
}

// settled counts outcomes by what the store did with them.
func (m *metrics) settled(batch []ending, verdicts []job.Verdict) {
	type series struct{ queue, kind, outcome string }
	type runs struct{ queue, kind string }
	counts := map[series]int{}
	times := map[runs]prometheus.Observer{}
	for i := range batch {
		e := &batch[i]
		if e.run == nil {
			continue // it was counted, or not, when it was lost sight of
		}
		j := e.outcome.Job
		queue, kind := m.queues.Of(j.Queue), m.kinds.Of(j.Kind)
		m.running.WithLabelValues(queue).Dec()
		if verdicts[i] == job.Lost {
			m.lost.Inc()
			continue
		}
		outcome := e.label
		switch {
		case verdicts[i] == job.EndedCancelled:
			outcome = "cancelled"
		case e.outcome.Action == job.Release:
			continue
		case e.outcome.Action == job.Discard:
			outcome = "discarded"
		case e.outcome.Action == job.Retry:
			m.retries.WithLabelValues(queue, kind).Inc()
		}
		counts[series{queue, kind, outcome}]++
		at := runs{queue, kind}
		if times[at] == nil {
			times[at] = m.run.WithLabelValues(queue, kind)
		}
		times[at].Observe(e.took.Seconds())
	}
	for s, n := range counts {
		m.attempts.WithLabelValues(s.queue, s.kind, s.outcome).Add(float64(n))
	}
}
