package runner

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var slotOne = job.Slot{QueueID: 7, Slot: 1}

// taken is what another worker does: jobs that wait are gone.
func (f *fake) taken() {
	f.with(func() { f.jobs = slices.DeleteFunc(f.jobs, func(j *job.Job) bool { return j.Token.IsZero() }) })
}

// lasting is a handler that takes so long.
func lasting(d time.Duration) Func {
	return func(context.Context, *Job) (any, error) { time.Sleep(d); return nil, nil }
}

func TestASlotThatWaitsForAJobAnotherWorkerTookIsClaimedFromAsAnyOther(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{Concurrency: 500}, func(r *Runner) {
		r.Handle("limited", lasting(time.Second), HandlerOptions{Concurrency: 1})
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		f.add("limited")
		f.add("limited")
		r.Nudge(slotOne)
		time.Sleep(900 * time.Millisecond)
		f.taken()
		for range 8000 {
			f.add("free")
		}
		f.with(func() {
			f.delay = 100 * time.Millisecond // the kind has room again long before the others' jobs are all claimed
			f.single = 0
		})
		r.Nudge(slotOne)
		time.Sleep(5 * time.Second)
		f.with(func() {
			if len(f.jobs) > 0 || f.single > 4 {
				t.Errorf("%d jobs have not run, %d claims were for one job", len(f.jobs), f.single)
			}
		})
	})
}

func TestSlotsWhoseJobsOtherWorkersTookAreNotClaimedFromInVain(t *testing.T) {
	f := newFake(500)
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("limited", lasting(20*time.Second), HandlerOptions{Concurrency: 2})
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		for slot := 1; slot <= 500; slot++ {
			f.add("limited", inSlot(slot))
		}
		time.Sleep(10 * time.Second)
		f.taken()
		time.Sleep(9 * time.Second)
		before := f.count("claim")
		time.Sleep(30 * time.Second)
		if n := f.count("claim") - before; n > 10 {
			t.Errorf("%d claims with no job anywhere", n)
		}
	})
}

func TestSlotsThatWaitForAKindDelayNoNudgedJobOfAnother(t *testing.T) {
	for _, limits := range [][]int{{2}, {20}, {1, 3, 6}} {
		for _, claims := range []int{1, 3} {
			t.Run(fmt.Sprint("limits ", limits, ", claims at once ", claims), func(t *testing.T) {
				f, stuck := newFake(501), make(chan struct{})
				in(t, f, Options{Claims: claims}, func(r *Runner) {
					for i, limit := range limits {
						r.Handle(fmt.Sprint("limited", i), func(context.Context, *Job) (any, error) {
							<-stuck
							time.Sleep(time.Millisecond)
							return nil, nil
						}, HandlerOptions{Concurrency: limit})
					}
					r.Handle("free", nothing)
				}, func(t *testing.T, r *Runner) {
					stuck = make(chan struct{}) // of this bubble
					for slot := 1; slot <= 500; slot++ {
						f.add(fmt.Sprint("limited", slot%len(limits)), inSlot(slot))
					}
					time.Sleep(6 * time.Second) // all of them are claimed from, and refused
					f.with(func() { f.delay = 3 * time.Millisecond })
					close(stuck)
					for range 10 {
						free := f.add("free", inSlot(501))
						r.Nudge(job.Slot{QueueID: 7, Slot: 501})
						time.Sleep(50 * time.Millisecond)
						if _, ended := f.outcome(free.ID); !ended {
							t.Fatal("a nudged job of a kind with room has not run after 50 ms")
						}
					}
				})
			})
		}
	}
}

func TestABacklogHasItsTurnWhileOtherSlotsAreNudgedWithoutEnd(t *testing.T) {
	for _, claims := range []int{1, 3} {
		f, ran := newFake(24), make(chan struct{})
		in(t, f, Options{Concurrency: 4, Claims: claims}, func(r *Runner) {
			ran = make(chan struct{}, 1000) // of this bubble
			r.Handle("old", func(context.Context, *Job) (any, error) { ran <- struct{}{}; return nil, nil })
			r.Handle("new", lasting(10*time.Millisecond))
		}, func(t *testing.T, r *Runner) {
			for range 1000 {
				f.add("old", inSlot(24))
			}
			for i := range 1000 { // 1,000 jobs a second where 400 can run
				slot := 1 + i%23
				for range 2 {
					f.add("new", inSlot(slot))
				}
				r.Nudge(job.Slot{QueueID: 7, Slot: slot})
				time.Sleep(2 * time.Millisecond)
			}
			if len(ran) < 50 {
				t.Errorf("%d claims at once: %d of 1,000 jobs of a backlog have run in two seconds", claims, len(ran))
			}
		})
	}
}

func TestWhatASlotWaitsForIsFoundAfterClaimsThatCouldNotLookIntoIt(t *testing.T) {
	for name, trouble := range map[string]func(f *fake){
		"closed": func(f *fake) { f.closed = true },
		"failed": func(f *fake) { f.refused = errRefused },
	} {
		t.Run(name, func(t *testing.T) {
			f, g := newFake(1), &gauge{}
			in(t, f, Options{}, func(r *Runner) {
				r.Handle("limited", g.handler(5*time.Second), HandlerOptions{Concurrency: 1})
				r.Handle("free", nothing)
			}, func(t *testing.T, r *Runner) {
				f.add("limited")
				f.add("limited")
				for range 24 { // from the second second on each leads to a claim that begins behind the job that waits
					r.Nudge(slotOne)
					time.Sleep(200 * time.Millisecond)
					f.add("free")
				}
				f.with(func() { trouble(f) })
				time.Sleep(500 * time.Millisecond)
				f.with(func() { f.closed, f.refused = false, nil })
				time.Sleep(2 * time.Second)
				if g.total.Load() != 2 {
					t.Error("the job waits though its kind has room")
				}
			})
		})
	}
}

func TestASuspectOfAKindWithALimitStartsWhenTheOtherSuspectHasEnded(t *testing.T) {
	f, g := newFake(2), &gauge{}
	suspect := func(j *job.Job) { j.Crashes, j.RunAt = 1, j.RunAt-5_000_000 }
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("limited", g.handler(0), HandlerOptions{Concurrency: 1})
		r.Handle("other", lasting(3*time.Second))
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		f.add("other", inSlot(2), suspect)
		r.Nudge(job.Slot{QueueID: 7, Slot: 2})
		time.Sleep(100 * time.Millisecond)
		f.add("limited", suspect)
		r.Nudge(slotOne)
		time.Sleep(time.Second)
		f.add("free")
		r.Nudge(slotOne)
		time.Sleep(2 * time.Second)
		if g.total.Load() != 1 {
			t.Error("the suspect waits though it is the only one")
		}
	})
}

func TestAFrontThatNobodyServesIsPassedOnceForAKindWithALimit(t *testing.T) {
	f, g := newFake(1), &gauge{}
	f.budget = 1000
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("limited", g.handler(0), HandlerOptions{Concurrency: 1})
		r.Handle("free", nothing)
	}, func(t *testing.T, r *Runner) {
		for range 3500 {
			f.add("nobody")
		}
		f.add("limited")
		before := f.count("claim")
		r.Nudge(slotOne)
		time.Sleep(time.Second)
		if n := f.count("claim") - before; g.total.Load() != 1 || n > 40 {
			t.Errorf("the job behind it has run %d times after %d claims", g.total.Load(), n)
		}
	})
}
