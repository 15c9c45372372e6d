package service

import (
	"runtime"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry with the metrics of every binary: slotq_build_info{version,goversion,component}, the
// Go runtime's and the process's. component is api, worker or manager.
func NewRegistry(component string) *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "slotq_build_info",
		Help: "1, with the build in the labels.",
		ConstLabels: prometheus.Labels{
			"version": Version(), "goversion": runtime.Version(), "component": component,
		},
	})
	build.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// durationBuckets reach from a pickup of 1 ms to a job of 6 h, closest together where requests and short jobs are.
var durationBuckets = []float64{
	.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 300, 1800, 6 * 3600,
}

// DurationBuckets returns the bounds, in seconds, that all of slotq's histograms of durations use: 16 of them, from 1
// ms to 6 h. One set for all lets dashboards add and compare them.
func DurationBuckets() []float64 { return slices.Clone(durationBuckets) }

// MaxLabels is how many queues, and how many kinds, of a process get time series of their own.
const MaxLabels = 100

// OtherLabel stands for all values beyond MaxLabels.
const OtherLabel = "_other"

// LabelCap bounds how many values a label takes. Queues and kinds are named by clients: without a bound, one client
// that puts an id into a kind would grow the memory of every process and of Prometheus without end. The zero value is
// ready; use one for each label and process, so that its metrics agree on who is counted apart. It may be used by
// several goroutines.
type LabelCap struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

// Of returns value for the first 100 different values, and for these ever after; "_other" for all further ones.
func (c *LabelCap) Of(value string) string {
	c.mu.RLock()
	_, known := c.seen[value]
	full := len(c.seen) >= MaxLabels
	c.mu.RUnlock()
	switch {
	case known:
		return value
	case full:
		return OtherLabel
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known = c.seen[value]; !known && len(c.seen) >= MaxLabels {
		return OtherLabel
	}
	if c.seen == nil {
		c.seen = make(map[string]struct{}, MaxLabels)
	}
	c.seen[value] = struct{}{}
	return value
}
