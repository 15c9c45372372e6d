package ui

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// BenchmarkOverview is how long the server takes for the overview, with ten jobs and with a million that wait. One that takes
// much longer with a million counts while somebody waits.
func BenchmarkOverview(b *testing.B) {
	for _, jobs := range []int{10, 1_000_000} {
		b.Run(fmt.Sprint(jobs), func(b *testing.B) {
			e := start(b)
			e.worker("host-1")
			now := e.clock.Now()
			q, err := e.store.EnsureQueue(b.Context(), job.NewQueue("mail"), now)
			e.ok(err)
			for left := jobs; left > 0; {
				batch := make([]*job.Job, min(left, 10_000))
				for i := range batch {
					batch[i] = (&job.Spec{Kind: "mail.send", Payload: []byte(`{"a": 1}`)}).Make(q, now)
				}
				_, err := e.store.Enqueue(b.Context(), batch, true)
				e.ok(err)
				left -= len(batch)
			}
			begun := time.Now()
			e.shows("/", "mail")
			first := time.Since(begun)
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				if g := e.get("/"); g.status != 200 {
					b.Fatal(g.status)
				}
				took = append(took, time.Since(begun))
			}
			b.ReportMetric(float64(first.Milliseconds()), "first-ms") // waits for the first count
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds()), "p95-µs")
		})
	}
}
