package ui

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestAWorkerKeepsItsColourAndNobodyTakesItWhileItIsRemembered(t *testing.T) {
	var c colours
	now := time.Unix(1e9, 0)
	worker := func(id, started int64) job.Worker {
		return job.Worker{ID: job.WorkerID(id), StartedAt: job.Time(started)}
	}
	a, b, young := worker(9, 1), worker(8, 2), worker(1, 3)
	letters := func(now time.Time, workers ...job.Worker) (text string) {
		marks := c.of(workers, now)
		for _, w := range workers {
			text += marks[w.ID].Letter
		}
		return text
	}
	for i, step := range []struct {
		after   time.Duration
		workers []job.Worker
		want    string
	}{
		{0, []job.Worker{b, a}, "BA"}, // by their start
		{time.Second, []job.Worker{b}, "B"},
		{time.Second, []job.Worker{young, b}, "CB"}, // A is another's yet
		{2 * rest, []job.Worker{b, a, young}, "BAC"},
	} {
		if i == 3 {
			now = now.Add(rest / 2)
			letters(now, b, young)
			now = now.Add(rest / 2)
			letters(now, b, young)
			step.after = time.Second
		}
		now = now.Add(step.after)
		if got := letters(now, step.workers...); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	for n, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 27: "AB", 701: "ZZ", 702: "AAA"} {
		if got := letter(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

func TestWhatWaitsNowHadWaitedLessAMinuteAgo(t *testing.T) {
	now := time.Unix(1_000_000_020, 0)
	minute := func(ago int, m wire.Stats) wire.Stats {
		m.BeganAt = now.Truncate(time.Minute).Add(time.Duration(-ago) * time.Minute)
		return m
	}
	stats := []wire.QueueStats{{Minutes: []wire.Stats{
		minute(10, wire.Stats{Enqueued: 3, Completed: 2, Discarded: 2, Expired: 1, Cancelled: 1, Failed: 4, TimedOut: 1, Wait: &wire.Quantiles{P99: 150}}),
		minute(0, wire.Stats{Enqueued: 1}), minute(60, wire.Stats{Enqueued: 99}), minute(-1, wire.Stats{Enqueued: 99}),
	}}}
	b := busy{census: census.Census{Queues: []census.Queue{{Slots: []census.Slot{{Kinds: []job.Count{{Available: 1, OldestAvailable: job.TimeOf(now.Add(-90 * time.Second))}}}}}}}}
	f := figures(stats, b, now)
	if got := fmt.Sprint(f[0].Value, f[1].Value, f[2].Value, f[3].Value); got != "4561 min" {
		t.Errorf("in, out, failed, oldest: %s", got)
	}
	for i, want := range map[int]string{0: "0", 49: "3", 59: "1"} {
		if got := strings.Split(f[0].Points, ",")[i]; got != want {
			t.Errorf("minute %d of in: %s, want %s", i, got, want)
		}
	}
	waits := strings.Split(f[3].Points, ",")
	if got := slices.Concat(waits[46:51], waits[57:]); strings.Join(got, " ") != "0 30 90 150 0 0 30 90" {
		t.Errorf("the oldest wait was %v", waits)
	}
}

func TestALaneIsAsFullAsItsSlot(t *testing.T) {
	q := job.NewQueue("mail")
	q.Slots = 2
	b := busy{queues: []wire.Queue{wire.QueueOf(q)}, workers: []job.Worker{{ID: 7, Name: "host-1", Kinds: []string{"*"}}}, marks: map[job.WorkerID]mark{7: {3, "D"}}}
	slot := func(n int, counted bool, counts ...job.Count) census.Slot {
		return census.Slot{SlotRow: job.SlotRow{Slot: job.Slot{Slot: n}}, Counted: counted, Kinds: counts}
	}
	b.census.Queues = []census.Queue{{Queue: q, Slots: []census.Slot{
		slot(1, true, job.Count{Available: 40, Retryable: 10, Running: 9}), slot(2, true, job.Count{Blocked: 1}), slot(3, true, job.Count{Scheduled: 25}), slot(4, true), slot(5, false),
	}}}
	v := lanesOf(b, "mail")
	if len(v.Lanes) != 4 || v.Scale != 50 { // the fourth has drained
		t.Fatalf("%+v", v)
	}
	one, two, three, unknown := v.Lanes[0], v.Lanes[1], v.Lanes[2], v.Lanes[3]
	if one.Fill != laneHeight || one.Top != 0 || len(one.Dots) != dotsAcross*dotsDown || one.More != 3 || one.Depth != "59" || one.Draining || one.Mark.Letter != "D" {
		t.Errorf("%+v", one)
	}
	if two.Fill != 2 || three.Fill != laneHeight/2 || math.Abs(three.Top-laneHeight/2) > 1e-9 || !three.Draining || unknown.Counted {
		t.Errorf("%+v %+v %+v", two, three, unknown)
	}
	if got := one.Says(); got != "slot 1: 50 wait, 9 run, worker D, host-1" {
		t.Error(got)
	}
	b.workers[0].Quiet = true
	if v := lanesOf(b, "mail"); v.Lanes[0].Mark != nil || !strings.HasSuffix(v.Lanes[2].Says(), "nobody serves it, draining") {
		t.Errorf("%+v", v)
	}
	many := make([]census.Slot, shownLanes+5)
	for i := range many {
		many[i] = slot(i+1, true, job.Count{Available: int64(i)})
	}
	b.census.Queues[0].Slots, b.queues[0].Slots = many, len(many)
	if v := lanesOf(b, "mail"); len(v.Lanes) != shownLanes || v.Hidden != 5 || v.Lanes[0].Slot != 6 {
		t.Errorf("of many slots %d are shown from %d on, %d are not", len(v.Lanes), v.Lanes[0].Slot, v.Hidden)
	}
	if lanesOf(b, "new") != nil {
		t.Error("a queue that was not counted has lanes")
	}
}

func TestTheStateIsOneSentenceWithWhatMendsIt(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := &look{site: &site{Options: Options{Lease: 20 * time.Second, Sweep: time.Second}}, now: now}
	due := func(queue string, kind string, n int64) census.Queue {
		c := job.Count{Kind: kind, Available: n, Running: 2, OldestAvailable: job.TimeOf(now.Add(-6 * time.Minute))}
		return census.Queue{Queue: job.Queue{Name: queue, Slots: 24}, Slots: []census.Slot{{SlotRow: job.SlotRow{Slot: job.Slot{Slot: 3}}, Kinds: []job.Count{c}, Counted: true}}}
	}
	paused, pinned := due("mail", "mail.send", 1204), job.Worker{Kinds: []string{"*"}, Slots: []int{1}}
	paused.Queue.Paused = true
	all, some, quiet := job.Worker{Kinds: []string{"*"}}, job.Worker{Kinds: []string{"news"}}, job.Worker{Quiet: true}
	elsewhere := job.Worker{Kinds: []string{"*"}, Queues: []string{"news"}}
	silent := job.Worker{Name: "host-9", Kinds: []string{"*"}, BeatAt: job.TimeOf(now.Add(-40 * time.Second))}
	for _, c := range []struct {
		queues  []census.Queue
		workers []job.Worker
		good    bool
		says
		also int
	}{
		{nil, []job.Worker{all}, true, says{Text: "All is well: 1 worker runs 0 jobs, nothing waits."}, 0},
		{[]census.Queue{due("mail", "k", 1204), due("news", "k", 1)}, []job.Worker{all, all}, true, says{Text: "All is well: 2 workers run 4 jobs, 1,205 wait, oldest 6 min."}, 0},
		{[]census.Queue{due("mail", "mail.send", 1204)}, []job.Worker{some}, false,
			says{"mail stands still: 1,204 waiting, oldest 6 min, no worker serves mail.send.", "jobs?kind=mail.send&queue=mail&state=available", "See its jobs"}, 0},
		{[]census.Queue{paused, due("late", "k", 1)}, []job.Worker{some}, false, says{"mail is paused: 1,204 waiting, oldest 6 min.", "queue?name=mail", "Resume it"}, 1},
		{[]census.Queue{due("mail", "k", 1)}, nil, false, says{"Nothing starts: 1 waiting, oldest 6 min, no worker is alive.", "workers", "See the workers"}, 0},
		{[]census.Queue{due("mail", "k", 1)}, []job.Worker{quiet}, false, says{"Nothing starts: 1 waiting, oldest 6 min, all workers are quiet or stopping.", "workers", "See the workers"}, 0},
		{nil, nil, false, says{"Nothing waits, and nothing will start: no worker is alive.", "workers", "See the workers"}, 0},
		{[]census.Queue{due("mail", "k", 1)}, []job.Worker{elsewhere}, false, says{"mail stands still: 1 waiting, oldest 6 min, no worker serves the queue.", "queue?name=mail", "See the queue"}, 0},
		{[]census.Queue{due("mail", "k", 1)}, []job.Worker{pinned}, false, says{"mail stands still in slot 3: 1 waiting, oldest 6 min, no worker takes jobs there.", "queue?name=mail", "See its slots"}, 0},
		{nil, []job.Worker{all, silent}, false, says{"The worker host-9 has been silent for 40 s and nobody has declared it dead: does a manager run?", "workers", "See the workers"}, 0},
	} {
		for i := range c.workers {
			if c.workers[i].BeatAt == 0 {
				c.workers[i].BeatAt = job.TimeOf(now)
			}
		}
		b := busy{census: census.Census{Queues: c.queues}, workers: c.workers}
		b.takers = census.Takers(b.workers, job.TimeOf(now), l.Lease, l.Sweep)
		if got := l.state(b); got.Good != c.good || got.says != c.says || len(got.Also) != c.also {
			t.Errorf("%+v\nwant %+v", got, c.says)
		}
	}
}

func TestWhatFailedIsToldInItsPlaceAndTheRestIsShown(t *testing.T) {
	e := start(t)
	e.enqueue("mail", job.Spec{Kind: "k"})
	e.store.failures.Store(true)
	body := e.shows("/", "mail", `class="problem" role="alert"`, "The database does not answer in time")
	if strings.Contains(body, "No job is retryable or discarded") {
		t.Error("failures that could not be read are shown as none")
	}
}

func TestNumbersAndTimesAreShownAsPeopleSayThem(t *testing.T) {
	now := time.Unix(1e9, 0)
	for d, want := range map[time.Duration]string{0: "now", 90 * time.Second: "1 min ago", 25 * time.Hour: "25 h ago", -time.Hour: "in 1 h", 3 * time.Second: "3 s ago", 72 * time.Hour: "3 days ago"} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1204: "1,204", 1234567: "1,234,567", -1204: "-1,204", -999: "-999"} {
		if got := num(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if ago(time.Time{}, now) != "–" || age(time.Time{}, now) != "–" || least(1204, true) != "≥ 1,204" || count(1, false) != "1 job" {
		t.Error("a time that is none, or a bound, or one job")
	}
}
