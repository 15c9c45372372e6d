package loops

import (
	"maps"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

// cluster exports the leader's figures. It is a collector over one snapshot rather than a set of gauges: a scrape sees
// one count, and a manager that no longer leads exports nothing instead of what it last knew.
type cluster struct {
	now    atomic.Pointer[figures]
	queues *service.LabelCap
	kinds  *service.LabelCap

	depth, oldest, paused, slot, workers, unserved, at *prometheus.Desc
}

func newCluster(queues, kinds *service.LabelCap) *cluster {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &cluster{
		queues: queues, kinds: kinds,
		depth:    desc("slotq_queue_depth", "Unfinished jobs by state; available includes those that wait for their concurrency_key.", "queue", "state"),
		oldest:   desc("slotq_queue_oldest_available_timestamp_seconds", "Since when the oldest available job could have started; 0 = none waits.", "queue"),
		paused:   desc("slotq_queue_paused", "1 while the queue is paused.", "queue"),
		slot:     desc("slotq_slot_depth", "Unfinished jobs by slot, of queues with up to 64 slots.", "queue", "slot"),
		workers:  desc("slotq_workers", "Workers by state.", "state"),
		unserved: desc("slotq_unserved_jobs", "Due jobs of kinds that no worker has a handler for.", "kind"),
		at:       desc("slotq_stats_timestamp_seconds", "When the oldest count in the cluster's gauges was made."),
	}
}

// Describe implements prometheus.Collector.
func (c *cluster) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.depth, c.oldest, c.paused, c.slot, c.workers, c.unserved, c.at} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *cluster) Collect(ch chan<- prometheus.Metric) {
	f := c.now.Load()
	if f == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.at, seconds(f.at))
	for state, n := range f.workers {
		gauge(c.workers, float64(n), state)
	}
	unserved := map[string]int64{}
	for _, kind := range slices.Sorted(maps.Keys(f.unserved)) {
		unserved[c.kinds.Of(kind)] += f.unserved[kind]
	}
	for kind, n := range unserved {
		gauge(c.unserved, float64(n), kind)
	}
	other, others := job.Count{}, false
	for _, q := range f.queues {
		name := c.queues.Of(q.name)
		if name == service.OtherLabel {
			other.Add(q.Count)
			others = true
			continue
		}
		c.queue(gauge, name, q.Count)
		gauge(c.paused, truth(q.paused), name)
		for slot, n := range q.depth {
			gauge(c.slot, float64(n), name, strconv.Itoa(slot))
		}
	}
	if others {
		c.queue(gauge, service.OtherLabel, other)
	}
}

func (c *cluster) queue(gauge func(*prometheus.Desc, float64, ...string), name string, n job.Count) {
	gauge(c.depth, float64(n.Scheduled), name, job.Scheduled.String())
	gauge(c.depth, float64(n.Available+n.Blocked), name, job.Available.String())
	gauge(c.depth, float64(n.Running), name, job.Running.String())
	gauge(c.depth, float64(n.Retryable), name, job.Retryable.String())
	gauge(c.oldest, seconds(n.OldestAvailable), name)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
