package runner

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// claimedFor stores jobs that are claimed for a worker, as an api does.
func (f *fake) claimedFor(w job.WorkerID, kinds ...string) (c job.Claim, jobs []*job.Job) {
	c = job.Claim{Worker: w, Token: job.NewToken(w), Slot: job.Slot{QueueID: 7, Slot: 1}}
	for _, k := range kinds {
		j := f.add(k, func(j *job.Job) { j.Token, j.Run = c.Token, 1 })
		jobs, c.IDs = append(jobs, j), append(c.IDs, j.ID)
	}
	f.with(func() { f.claims = append(f.claims, c) })
	return c, jobs
}

func TestJobsThatWereClaimedForAWorkerStartWhenItIsTold(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(time.Minute)
		claims := f.count("claim")
		c, jobs := f.claimedFor(r.Worker(), "a", "a")
		r.Claimed(c)
		synctest.Wait()
		for _, j := range jobs {
			if o, ok := f.outcome(j.ID); !ok || o.Action != job.Complete || o.Job.Run != 1 {
				t.Errorf("the outcome is %+v, want that of the first run", o)
			}
		}
		f.with(func() {
			if len(f.claims) != 0 {
				t.Errorf("claims are left: %+v", f.claims)
			}
		})
		if n := f.count("claim") - claims; n != 0 {
			t.Errorf("the worker claimed %d times, want none", n)
		}
	})
}

func TestAClaimThatAWorkerIsToldOfTwiceStartsOnce(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		c, _ := f.claimedFor(r.Worker(), "a")
		for range 3 {
			r.Claimed(c)
		}
		<-w.started
		r.Claimed(c)
		synctest.Wait()
		if n := len(w.started); n != 0 {
			t.Errorf("it started %d times more", n)
		}
		close(w.release)
		synctest.Wait()
		r.Claimed(c) // it has ended
		synctest.Wait()
		if n := len(w.started); n != 0 || r.places.busy() {
			t.Errorf("an ended job started %d times more; places are taken: %t", n, r.places.busy())
		}
	})
}

func TestWhatAWorkerWasNotToldOfItFindsWithinTwoSecondsOfItsOffer(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(time.Minute)
		if n := f.count("new claims"); n != 0 {
			t.Errorf("it looked %d times although nobody counts on its places", n)
		}
		if id, free := r.Places(); id != r.Worker() || free != 24 {
			t.Fatalf("it offers %d places of %v, want all of its own", free, id)
		}
		_, jobs := f.claimedFor(r.Worker(), "a")
		time.Sleep(findEvery + 100*time.Millisecond)
		if _, ok := f.outcome(jobs[0].ID); !ok {
			t.Error("the job has not run")
		}
		time.Sleep(time.Minute)
		if n := f.count("new claims"); n > 2 {
			t.Errorf("it looked %d times within a minute of its offer", n)
		}
	})
}

func TestAMadeUpClaimStartsNothing(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		theirs, jobs := f.claimedFor(job.NewWorkerID(), "a")
		for _, c := range []job.Claim{theirs, {Worker: r.Worker(), Token: job.NewToken(r.Worker()), IDs: theirs.IDs}} {
			r.Claimed(c)
		}
		synctest.Wait()
		if _, ok := f.outcome(jobs[0].ID); ok || r.places.busy() {
			t.Errorf("another worker's job ran: %t; places are taken: %t", ok, r.places.busy())
		}
		if n := f.count("fetch"); n != 1 {
			t.Errorf("%d claims were looked for, want the one that names this worker", n)
		}
	})
}

func TestPlacesAreOfferedOnlyWhileTheWorkerHasThem(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{Concurrency: 2}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		for want := 2; want >= 0; want-- {
			if _, free := r.Places(); free != want {
				t.Errorf("%d places are offered, want %d", free, want)
			}
			if want > 0 {
				c, _ := f.claimedFor(r.Worker(), "a")
				r.Claimed(c)
				<-w.started
			}
		}
		close(w.release)
		synctest.Wait()
		r.quiet.Store(true)
		if _, free := r.Places(); free != 0 {
			t.Errorf("a quiet worker offers %d places", free)
		}
		r.quiet.Store(false)
		f.setAway(true)
		time.Sleep(time.Minute)
		if _, free := r.Places(); free != 0 {
			t.Errorf("a worker without a lease offers %d places", free)
		}
		f.setAway(false)
	})
}

func TestAWorkerWithALimitedHandlerOffersNoPlacesAndGivesBackWhatIsClaimedForIt(t *testing.T) {
	for name, kind := range map[string]string{"the handler has a limit": "a", "no handler": "b"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(1)
			in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing, HandlerOptions{Concurrency: 1}) }, func(t *testing.T, r *Runner) {
				if _, free := r.Places(); free != 0 {
					t.Errorf("%d places are offered, want none", free)
				}
				c, jobs := f.claimedFor(r.Worker(), kind)
				r.Claimed(c)
				synctest.Wait()
				f.with(func() {
					if !jobs[0].Token.IsZero() || jobs[0].Attempt != 1 || len(f.claims) != 0 {
						t.Errorf("the job is held: %t, attempt %d, %d claims; want it free", !jobs[0].Token.IsZero(), jobs[0].Attempt, len(f.claims))
					}
				})
			})
		})
	}
}

func TestADrainGivesBackWhatIsClaimedForTheWorkerToTheLast(t *testing.T) {
	f := newFake(1)
	var last []*job.Job
	took := drained(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(r *Runner) {
		time.AfterFunc(3*time.Second-time.Millisecond, func() {
			if _, free := r.Places(); free == 0 {
				t.Error("no places are offered before the drain")
			}
		})
		time.AfterFunc(3*time.Second+400*time.Millisecond, func() { // by an api that counts on them
			c, jobs := f.claimedFor(r.Worker(), "a")
			r.Claimed(c)
			last = jobs
		})
	})
	if took < 400*time.Millisecond || took > time.Second {
		t.Errorf("the drain took %s, want it to wait until nobody counts on places, and no longer", took)
	}
	if len(last) != 1 || !last[0].Token.IsZero() || !slices.Contains(f.jobs, last[0]) {
		t.Errorf("the job that came during the drain is not free: %+v", last)
	}
}

func TestADrainOfAnIdleWorkerWaitsForNobody(t *testing.T) {
	took := drained(t, newFake(1), Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(*Runner) {})
	if took > 100*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

func TestJobsOfAHandlerThatTakesLongAreGivenBackWhenPlacesWereFilledTwice(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{Concurrency: 1}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		first, _ := f.claimedFor(r.Worker(), "a")
		r.Claimed(first)
		<-w.started
		second, jobs := f.claimedFor(r.Worker(), "a")
		f.with(func() { jobs[0].RunAt = jobs[0].RunAt.Add(time.Hour) }) // so that this worker does not claim it again
		r.Claimed(second)
		time.Sleep(2 * maxWait)
		if o, ok := f.outcome(jobs[0].ID); !ok || o.Action != job.Release {
			t.Errorf("the outcome is %+v, want it given back", o)
		}
		close(w.release)
	})
}
