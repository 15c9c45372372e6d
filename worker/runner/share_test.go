package runner

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// in runs a worker on a fake inside a bubble of false time, and ends it with the test.
func in(t *testing.T, f *fake, o Options, handlers func(r *Runner), test func(t *testing.T, r *Runner)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Store = f
		r := newRunner(t, o)
		if handlers != nil {
			handlers(r)
		}
		stop := work(t, r)
		synctest.Wait()
		test(t, r)
		stop()
	})
}

func nothing(context.Context, *Job) (any, error) { return nil, nil }

func TestAnIdleWorkerReadsOnceAPollAndWritesOnlyItsBeats(t *testing.T) {
	f := newFake(24)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(10 * time.Second) // the pauses between polls have grown
		before := map[string]int{}
		f.with(func() {
			for name, n := range f.calls {
				before[name] = n
			}
		})
		time.Sleep(time.Minute)
		total := 0
		f.with(func() {
			for name, n := range f.calls {
				total += n - before[name]
			}
		})
		if got := f.count("poll") - before["poll"]; got < 50 || got > 70 {
			t.Errorf("%d polls in a minute, want about one a second", got)
		}
		if got := f.count("claim"); got != 0 {
			t.Errorf("%d claims without a job: a claim writes", got)
		}
		if total > 2*60 {
			t.Errorf("%d calls of the database in an idle minute, want at most 2 a second", total)
		}
	})
}

// idle runs a worker that has had nothing to do for a while, and tells when its handler of kind a starts.
func idle(t *testing.T, f *fake, test func(t *testing.T, r *Runner, started <-chan time.Time)) {
	t.Helper()
	var started chan time.Time // made in the bubble
	in(t, f, Options{}, func(r *Runner) {
		started = make(chan time.Time, 1)
		r.Handle("a", func(context.Context, *Job) (any, error) { started <- time.Now(); return nil, nil })
	}, func(t *testing.T, r *Runner) {
		time.Sleep(9700 * time.Millisecond)
		test(t, r, started)
	})
}

func TestANudgeIsFollowedAtOnce(t *testing.T) {
	f := newFake(24)
	idle(t, f, func(t *testing.T, r *Runner, started <-chan time.Time) {
		polls := f.count("poll")
		f.add("a", inSlot(5))
		at := time.Now()
		r.Nudge(job.Slot{QueueID: 7, Slot: 5})
		synctest.Wait()
		select {
		case got := <-started:
			if got != at {
				t.Errorf("started %s after the nudge", got.Sub(at))
			}
		default:
			t.Fatal("a nudged job was not started")
		}
		if got := f.count("poll"); got != polls {
			t.Errorf("%d polls for a nudge, want none", got-polls)
		}
	})
}

// The run_at of a job is older than its COMMIT, and a scan may have passed its place in between.
func TestANudgedJobIsFoundThoughAScanHasPassedItsPlace(t *testing.T) {
	f := newFake(24)
	idle(t, f, func(t *testing.T, r *Runner, started <-chan time.Time) {
		slot := job.Slot{QueueID: 7, Slot: 5}
		nobodys := f.add("nobody's", inSlot(5))
		r.Nudge(slot)
		synctest.Wait()
		f.add("a", inSlot(5), func(j *job.Job) { j.RunAt = nobodys.RunAt - 1 })
		at := time.Now()
		r.Nudge(slot)
		if got := <-started; got != at {
			t.Errorf("started %s after the nudge", got.Sub(at))
		}
	})
}

func TestABacklogHidesNoNudgedJobBehindAScanThatHasPassedItsPlace(t *testing.T) {
	f := newFake(24)
	var started chan time.Time // made in the bubble
	in(t, f, Options{Concurrency: 2}, func(r *Runner) {
		started = make(chan time.Time, 1)
		r.Handle("a", func(context.Context, *Job) (any, error) { time.Sleep(50 * time.Millisecond); return nil, nil })
		r.Handle("late", func(context.Context, *Job) (any, error) { started <- time.Now(); return nil, nil })
	}, func(t *testing.T, r *Runner) {
		time.Sleep(9700 * time.Millisecond)
		slot := job.Slot{QueueID: 7, Slot: 5}
		nobodys := f.add("nobody's", inSlot(5))
		for n := range 2000 {
			f.add("a", inSlot(5), func(j *job.Job) { j.RunAt += job.Time(n + 1) })
		}
		r.Nudge(slot)
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		f.add("late", inSlot(5), func(j *job.Job) { j.RunAt = nobodys.RunAt - 1 })
		f.with(func() { // as a database has them
			slices.SortStableFunc(f.jobs, func(a, b *job.Job) int { return cmp.Compare(a.RunAt, b.RunAt) })
		})
		at := time.Now()
		r.Nudge(slot)
		if wait := (<-started).Sub(at); wait > time.Second {
			t.Errorf("started %s after the nudge", wait)
		}
	})
}

func TestANudgeThatComesBeforeItsJobIsDueIsFollowedByAPoll(t *testing.T) {
	f := newFake(24)
	idle(t, f, func(t *testing.T, r *Runner, started <-chan time.Time) {
		at := time.Now()
		f.add("a", inSlot(5), func(j *job.Job) { j.RunAt += 2000 }) // by the api's clock, which is 2 ms ahead of this worker's
		r.Nudge(job.Slot{QueueID: 7, Slot: 5})
		if wait := (<-started).Sub(at); wait > 2*firstPoll {
			t.Errorf("started after %s, want no wait for an idle worker's poll", wait)
		}
	})
}

func TestTheNextJobOfAKeyStartsAtOnceWhenTheOneBeforeItHasEnded(t *testing.T) {
	f := newFake(24)
	keyed := func(j *job.Job) { j.Slot, j.ConcurrencyKey = 5, "one" }
	var started chan time.Time // made in the bubble
	in(t, f, Options{}, func(r *Runner) {
		started = make(chan time.Time, 2)
		r.Handle("a", func(_ context.Context, j *Job) (any, error) {
			if j.Tags == nil {
				f.add("a", keyed, func(j *job.Job) { j.Tags = job.MarshalTags([]string{"second"}) }) // as if it had waited for its place
			}
			started <- time.Now()
			return nil, nil
		})
	}, func(t *testing.T, r *Runner) {
		time.Sleep(9700 * time.Millisecond)
		f.add("a", keyed)
		r.Nudge(job.Slot{QueueID: 7, Slot: 5})
		first := <-started
		if wait := (<-started).Sub(first); wait > r.opts.Gather {
			t.Errorf("the next of the key started %s after the first, want no wait for a poll", wait)
		}
	})
}

func TestAJobWithoutANudgeIsFoundWithinAPoll(t *testing.T) {
	f := newFake(24)
	var started chan time.Time // made in the bubble
	in(t, f, Options{}, func(r *Runner) {
		started = make(chan time.Time, 1)
		r.Handle("a", func(context.Context, *Job) (any, error) { started <- time.Now(); return nil, nil })
	}, func(t *testing.T, r *Runner) {
		time.Sleep(9 * time.Second)
		f.add("a", inSlot(17))
		at := time.Now()
		if wait := (<-started).Sub(at); wait > 1100*time.Millisecond {
			t.Errorf("found after %s, want within the poll of 1s", wait)
		}
	})
}

func TestASlotOfAnotherWorkerAndADrainingSlotAreRead(t *testing.T) {
	f := newFake(24)
	other := job.Worker{ID: job.NewWorkerID(), Name: "busy elsewhere"}
	f.workers[other.ID] = &other
	var ran chan int // made in the bubble
	in(t, f, Options{}, func(r *Runner) {
		ran = make(chan int, 30)
		r.Handle("a", func(_ context.Context, j *Job) (any, error) { ran <- j.Slot; return nil, nil })
	}, func(t *testing.T, r *Runner) {
		time.Sleep(time.Second)
		f.with(func() { f.queues[0].Slots = 6 })
		for n := 1; n <= 24; n++ {
			f.add("a", inSlot(n))
		}
		time.Sleep(5 * time.Second)
		if len(ran) != 24 {
			t.Errorf("%d of 24 slots were served", len(ran))
		}
	})
}

func TestANewQueueIsFoundByANudgeAndByTheRefresh(t *testing.T) {
	f := newFake(24)
	var ran chan string // made in the bubble
	in(t, f, Options{}, func(r *Runner) {
		ran = make(chan string, 2)
		r.Handle("a", func(_ context.Context, j *Job) (any, error) { ran <- j.Queue; return nil, nil })
	}, func(t *testing.T, r *Runner) {
		time.Sleep(10 * time.Second)
		for i, name := range []string{"nudged", "refreshed"} {
			q := job.NewQueue(name)
			q.ID = int32(100 + i)
			f.with(func() { f.queues = append(f.queues, q) })
			f.add("a", func(j *job.Job) { j.Queue, j.QueueID, j.Slot = name, q.ID, 3 })
			limit := 5 * time.Second
			if i == 0 {
				r.Nudge(job.Slot{QueueID: q.ID, Slot: 3})
				limit = 300 * time.Millisecond
			}
			at := time.Now()
			if got := <-ran; got != name || time.Since(at) > limit {
				t.Errorf("%s: ran %s after %s, want within %s", name, got, time.Since(at), limit)
			}
		}
	})
}

func TestAWorkerPinnedToASlotThatIsNotThereStaysAndSaysSoOnce(t *testing.T) {
	f := newFake(6)
	var log bytes.Buffer
	in(t, f, Options{Slots: []int{9}, Log: slog.New(slog.NewTextHandler(&log, nil))},
		func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := strings.Count(log.String(), "slot 9"); got != 1 {
				t.Errorf("said %d times that slot 9 is not there, want once:\n%s", got, &log)
			}
			if err := r.Ready(t.Context()); err != nil {
				t.Errorf("not ready: %v", err)
			}
			f.with(func() { f.queues[0].Slots = 12 })
			j := f.add("a", inSlot(9))
			f.add("a", inSlot(8))
			time.Sleep(time.Minute)
			if _, ok := f.outcome(j.ID); !ok {
				t.Error("the job of slot 9 did not run once the slot was there")
			}
			f.with(func() {
				if len(f.jobs) != 1 {
					t.Errorf("%d jobs are left, want the one of slot 8, which this worker does not serve", len(f.jobs))
				}
			})
			if !strings.Contains(log.String(), "are there now") {
				t.Errorf("did not say that the slot has come:\n%s", &log)
			}
		})
}

func TestAPausedQueueCostsNoClaimsAndItsEndIsSeen(t *testing.T) {
	f := newFake(2)
	f.queues[0].Paused = true
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		j := f.add("a")
		time.Sleep(time.Minute)
		if got := f.count("claim"); got != 0 {
			t.Errorf("%d claims from a paused queue", got)
		}
		f.with(func() { f.queues[0].Paused = false })
		time.Sleep(5 * time.Second)
		if _, ok := f.outcome(j.ID); !ok {
			t.Error("the job did not run within 5 s of the end of the pause")
		}
	})
}
