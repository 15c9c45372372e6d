package loops

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/slotq/slotq/shared/job"
)

func oneQueue(slots int) []job.Queue { return []job.Queue{{ID: 1, Name: "q", Slots: slots}} }

func slotOf(n int) job.Slot { return job.Slot{QueueID: 1, Slot: n} }

func TestLargeSlotIsCountedOverSeveralRoundsAndTheLastFigureStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{queues: oneQueue(2), jobs: map[job.Slot]int{slotOf(1): 95_000, slotOf(2): 10}, counted: 10 * time.Millisecond}
		c := newCounting(f, func() job.Time { return job.TimeOf(time.Now()) })
		round := func() *figures {
			t.Helper()
			figures, err := c.round(t.Context(), 40*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			return figures
		}
		if got := round().queues[0].depth[1]; got != 30_000 {
			t.Fatalf("depth %d after a first round of 4 pieces, want what was counted so far, 30000", got)
		}
		rounds := 1
		for c.slots[slotOf(1)].at == 0 {
			round()
			rounds++
		}
		if rounds != 4 {
			t.Fatalf("%d rounds for 10 pieces, want 4", rounds)
		}
		f.set(func() { f.jobs[slotOf(1)] = 50_000 })
		next := round()
		if got := next.queues[0].depth[1]; got != 95_000 {
			t.Fatalf("depth %d while the next count is under way, want the last full one, 95000", got)
		}
		if next.at >= job.TimeOf(time.Now()) || next.queues[0].Available != 95_010 {
			t.Fatalf("figures of %v: %+v", next.at, next.queues[0])
		}
		for c.slots[slotOf(1)].next != nil {
			next = round()
		}
		if got := next.queues[0].depth[1]; got != 50_000 {
			t.Fatalf("depth %d after the next full count, want 50000", got)
		}
	})
}

func TestCountingTakesFivePercentOfTheTimeWhateverThereIsToCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 300 slots of 10 ms each are 12 rounds of 250 ms in 5 s; and one of them has no end.
		f := &fakeStore{queues: oneQueue(300), jobs: map[job.Slot]int{slotOf(7): 50_000_000}, counted: 10 * time.Millisecond}
		m := newManager(f, io.Discard)
		defer run(t, m.stats)()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if testutil.CollectAndCount(m.Metrics.cluster) != 0 {
			t.Error("exports figures before every slot was looked at once")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		saw := f.saw()
		spent := time.Duration(saw.counts) * f.counted
		if share := spent.Seconds() / time.Hour.Seconds(); share > 0.052 || share < 0.045 {
			t.Errorf("counted %.1f %% of the time, want 5 %%", 100*share)
		}
		if testutil.CollectAndCount(m.Metrics.cluster) == 0 || testutil.ToFloat64(m.Metrics.Leader) != 1 {
			t.Error("no figures after an hour of leading")
		}
		if n := saw.turnsBy[m.holder]; n < 720 {
			t.Errorf("%d turns in an hour, want one each 5 s: a long count must not cost the turn", n)
		}
	})
}

func TestNewQueueDoesNotDropTheFiguresOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{queues: oneQueue(1), counted: time.Millisecond}
		c := newCounting(f, func() job.Time { return job.TimeOf(time.Now()) })
		if figures, err := c.round(t.Context(), time.Second); err != nil || len(figures.queues) != 1 {
			t.Fatal(figures, err)
		}
		f.set(func() { f.queues = append(f.queues, job.Queue{ID: 2, Name: "new", Slots: 30}) })
		figures, err := c.round(t.Context(), 10*time.Millisecond)
		if err != nil || figures == nil || len(figures.queues) != 2 {
			t.Fatalf("figures %v, error %v; want those of both queues, as far as they are known", figures, err)
		}
	})
}

func TestClusterGauges(t *testing.T) {
	f := &fakeStore{
		queues: []job.Queue{{ID: 1, Name: "q", Slots: 2}, {ID: 2, Name: "wide", Slots: 65, Paused: true}},
		jobs:   map[job.Slot]int{slotOf(2): 3, {QueueID: 2, Slot: 65}: 4},
		workers: []job.Worker{
			{ID: 1, Queues: []string{"q"}, Kinds: []string{"k"}}, {ID: 2, Kinds: []string{"*"}, Quiet: true},
			{ID: 3, Stop: true}, {ID: 4, Dead: true},
		},
	}
	figures, err := newCounting(f, func() job.Time { return 5_000_000 }).round(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	m := NewMetrics(r)
	m.lead(true, figures)
	want := `
# HELP slotq_queue_depth Unfinished jobs by state; available includes those that wait for their concurrency_key.
# TYPE slotq_queue_depth gauge
slotq_queue_depth{queue="q",state="available"} 3
slotq_queue_depth{queue="q",state="retryable"} 0
slotq_queue_depth{queue="q",state="running"} 0
slotq_queue_depth{queue="q",state="scheduled"} 0
slotq_queue_depth{queue="wide",state="available"} 4
slotq_queue_depth{queue="wide",state="retryable"} 0
slotq_queue_depth{queue="wide",state="running"} 0
slotq_queue_depth{queue="wide",state="scheduled"} 0
# HELP slotq_queue_oldest_available_timestamp_seconds Since when the oldest available job could have started; 0 = none waits.
# TYPE slotq_queue_oldest_available_timestamp_seconds gauge
slotq_queue_oldest_available_timestamp_seconds{queue="q"} 7e-06
slotq_queue_oldest_available_timestamp_seconds{queue="wide"} 7e-06
# HELP slotq_queue_paused 1 while the queue is paused.
# TYPE slotq_queue_paused gauge
slotq_queue_paused{queue="q"} 0
slotq_queue_paused{queue="wide"} 1
# HELP slotq_slot_depth Unfinished jobs by slot, of queues with up to 64 slots.
# TYPE slotq_slot_depth gauge
slotq_slot_depth{queue="q",slot="1"} 0
slotq_slot_depth{queue="q",slot="2"} 3
# HELP slotq_stats_timestamp_seconds When the oldest count in the cluster's gauges was made.
# TYPE slotq_stats_timestamp_seconds gauge
slotq_stats_timestamp_seconds 5
# HELP slotq_unserved_jobs Due jobs of kinds that no worker has a handler for.
# TYPE slotq_unserved_jobs gauge
slotq_unserved_jobs{kind="k"} 4
# HELP slotq_workers Workers by state.
# TYPE slotq_workers gauge
slotq_workers{state="active"} 1
slotq_workers{state="dead"} 1
slotq_workers{state="quiet"} 1
slotq_workers{state="stopping"} 1
`
	if err := testutil.CollectAndCompare(m.cluster, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	m.crashes.WithLabelValues("q", "k").Inc()
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}

func TestQueuesBeyondTheCapAreAddedUp(t *testing.T) {
	f := &fakeStore{jobs: map[job.Slot]int{}}
	for i := range 103 {
		f.queues = append(f.queues, job.Queue{ID: int32(i), Name: fmt.Sprint("q", i), Slots: 1})
		f.jobs[job.Slot{QueueID: int32(i), Slot: 1}] = 1
	}
	figures, err := newCounting(f, func() job.Time { return 5_000_000 }).round(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewRegistry()
	NewMetrics(r).lead(true, figures)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "slotq_queue_depth" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == "_other" && metric.GetLabel()[1].GetValue() == "available" {
				if metric.GetGauge().GetValue() != 3 {
					t.Errorf("_other has %v available jobs, want 3", metric.GetGauge().GetValue())
				}
				return
			}
		}
	}
	t.Error("no series for _other")
}
