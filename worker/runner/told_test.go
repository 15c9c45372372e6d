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

// holder is whose claim holds a job.
func (f *fake) holder(j *job.Job) (t job.Token) {
	f.with(func() { t = j.Token })
	return t
}

func TestJobsThatWereClaimedForAWorkerStartWhenItIsTold(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(50 * time.Second) // between two looks of reconcile, at which a claim may be given back that is on its way
		claims := f.count("claim")
		c, jobs := f.claimedFor(r.Worker(), "a", "a")
		r.Claimed(c)
		time.Sleep(10 * time.Millisecond) // outcomes gather for some of it
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

func TestWhatAWorkerWasNotToldOfIsFreeWithinTwoSecondsOfItsOffer(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(50 * time.Second)
		if n := f.count("new claims"); n != 0 {
			t.Errorf("it looked %d times although nobody counts on its places", n)
		}
		if id, free := r.Places(); id != r.Worker() || free != 24 {
			t.Fatalf("it offers %d places of %v, want all of its own", free, id)
		}
		c, jobs := f.claimedFor(r.Worker(), "a")
		time.Sleep(2 * time.Second)
		// It is run by a claim of its own: nobody knows whether the worker has run it by the old one.
		if o, ok := f.outcome(jobs[0].ID); !ok || o.Job.Run != 2 || o.Job.Token == c.Token {
			t.Errorf("the outcome is %+v, want that of a second claim's run", o)
		}
		time.Sleep(time.Minute)
		if n := f.count("new claims"); n > 5 {
			t.Errorf("it looked %d times within a minute of its offer", n)
		}
	})
}

func TestAYoungClaimIsLeftForItsDatagram(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		r.Places()
		time.Sleep(findEvery - 100*time.Millisecond)
		c, jobs := f.claimedFor(r.Worker(), "a")
		f.with(func() { f.claims[0].ClaimedAt = jobs[0].RunAt })
		time.Sleep(200 * time.Millisecond)
		if n := f.count("new claims"); n == 0 {
			t.Fatal("nobody looked")
		}
		r.Claimed(c)
		time.Sleep(10 * time.Millisecond)
		if o, ok := f.outcome(jobs[0].ID); !ok || o.Job.Run != 1 {
			t.Errorf("the outcome is %+v, want that of the first run", o)
		}
	})
}

func TestAClaimThatIsBeingGivenBackDoesNotStart(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		c, jobs := f.claimedFor(r.Worker(), "a")
		f.with(func() { jobs[0].RunAt = jobs[0].RunAt.Add(time.Hour) }) // so that it is not claimed again
		f.meanwhile = func(call string) {
			if call == "give_back" {
				r.Claimed(c)
				time.Sleep(time.Millisecond)
			}
		}
		if err := r.reconcileAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := len(w.started); n != 0 || !f.holder(jobs[0]).IsZero() || r.places.busy() {
			t.Errorf("it started %d times, is held: %t, places are taken: %t", n, !f.holder(jobs[0]).IsZero(), r.places.busy())
		}
	})
}

func TestAClaimThatTheWorkerIsToldOfMeanwhileIsNotGivenBack(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		c, jobs := f.claimedFor(r.Worker(), "a")
		r.Claimed(c)
		<-w.started
		if err := r.giveBackUnknown(t.Context(), c); err != nil { // read before the worker was told
			t.Fatal(err)
		}
		if f.holder(jobs[0]) != c.Token {
			t.Error("a job that runs was given back")
		}
		close(w.release)
	})
}

func TestNoPartOfAClaimThatCouldNotBeReadStarts(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		r.Places()
		f.with(func() { f.fails = "fetch" }) // with some of the jobs
		c, _ := f.claimedFor(r.Worker(), "a", "a")
		r.Claimed(c)
		time.Sleep(time.Millisecond)
		if n := len(w.started); n != 0 {
			t.Errorf("%d of its jobs started", n)
		}
		f.with(func() { f.fails = "" })
		time.Sleep(2*time.Second + 100*time.Millisecond)
		if n := len(w.started); n != 2 {
			t.Errorf("%d of its jobs started after it was given back, want both", n)
		}
		close(w.release)
	})
}

func TestASuspectThatTheWorkerHadForgottenIsNotStartedBesideAnother(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		r.Places()
		for range 2 { // claims of its own whose COMMIT landed after the call had failed
			_, jobs := f.claimedFor(r.Worker(), "a")
			f.with(func() { jobs[0].Crashes = 1 })
		}
		time.Sleep(5 * time.Second)
		if n := len(w.started); n != 1 {
			t.Errorf("%d suspects run at once, want 1", n)
		}
		close(w.release)
	})
}

func TestAJobThatIsCancelledBeforeTheWorkerReadsItDoesNotStart(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		c, jobs := f.claimedFor(r.Worker(), "a")
		f.with(func() { jobs[0].CancelAt, jobs[0].RunAt = jobs[0].RunAt, jobs[0].RunAt.Add(time.Hour) })
		r.Claimed(c)
		time.Sleep(time.Second)
		if n := len(w.started); n != 0 || !f.holder(jobs[0]).IsZero() || r.places.busy() {
			t.Errorf("it started %d times, is held: %t, places are taken: %t", n, !f.holder(jobs[0]).IsZero(), r.places.busy())
		}
	})
}

func TestAQuietWorkerStartsNothingThatIsClaimedForIt(t *testing.T) {
	f, w := newFake(1), &waiter{}
	in(t, f, Options{}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		r.quiet.Store(true)
		c, jobs := f.claimedFor(r.Worker(), "a")
		r.Claimed(c)
		time.Sleep(time.Second)
		if n := len(w.started); n != 0 || !f.holder(jobs[0]).IsZero() {
			t.Errorf("it started %d times, is held: %t", n, !f.holder(jobs[0]).IsZero())
		}
	})
}

func TestAClaimThatAnotherNodeDoesNotKnowYetIsLookedForAgain(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		c := job.Claim{Worker: r.Worker(), Token: job.NewToken(r.Worker()), Slot: job.Slot{QueueID: 7, Slot: 1}}
		j := f.add("a", func(j *job.Job) { j.RunAt = j.RunAt.Add(time.Hour) })
		c.IDs = []job.ID{j.ID}
		r.Claimed(c)
		time.Sleep(lookAgain / 2)
		f.with(func() { j.Token, j.Run = c.Token, 1; f.claims = append(f.claims, c) })
		time.Sleep(2 * lookAgain)
		if o, ok := f.outcome(j.ID); !ok || o.Job.Run != 1 {
			t.Errorf("the outcome is %+v, want that of the first run", o)
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
		time.Sleep(time.Second)
		if _, ok := f.outcome(jobs[0].ID); ok || r.places.busy() || r.told.coming.Load() != 0 {
			t.Errorf("another worker's job ran: %t; places are taken: %t, expected: %d", ok, r.places.busy(), r.told.coming.Load())
		}
		if n := f.count("fetch"); n != maxLooks {
			t.Errorf("looked %d times, want %d for the claim that names this worker and none for the other", n, maxLooks)
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
				if _, free := r.Places(); free != want-1 { // before it is read
					t.Errorf("%d places are offered while a claim is to be read, want %d", free, want-1)
				}
				<-w.started
				synctest.Wait()
			}
		}
		close(w.release)
		synctest.Wait()
		all := 2 + r.line.ahead() // the handlers have returned at once
		if _, free := r.Places(); free != all || all == 2 {
			t.Errorf("%d places are offered by a worker whose jobs are short, want %d, those in line too", free, all)
		}
		r.places.take(2) // for a claim that is under way
		r.places.asked.Add(2)
		if _, free := r.Places(); free != all {
			t.Errorf("%d places are offered of those that a claim may fill, want %d", free, all)
		}
		r.places.asked.Add(-2)
		r.places.release(2)
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
				f.with(func() { jobs[0].RunAt = jobs[0].RunAt.Add(time.Hour) }) // so that it is not claimed again
				r.Claimed(c)
				synctest.Wait()
				f.with(func() {
					if jobs[0].Token != (job.Token{}) || jobs[0].Attempt != 1 || len(f.claims) != 0 {
						t.Errorf("the job is held: %t, attempt %d, %d claims; want it free", jobs[0].Token != (job.Token{}), jobs[0].Attempt, len(f.claims))
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
	if took < 400*time.Millisecond || took > 1200*time.Millisecond {
		t.Errorf("the drain took %s, want it to wait until nobody counts on places, and no longer", took)
	}
	if len(last) != 1 || !f.holder(last[0]).IsZero() || !slices.Contains(f.jobs, last[0]) {
		t.Errorf("the job that came during the drain is not free: %+v", last)
	}
}

func TestADrainWaitsForAClaimThatIsBeingRead(t *testing.T) {
	f := newFake(1)
	var jobs []*job.Job
	f.meanwhile = func(call string) {
		if call == "fetch" {
			time.Sleep(20 * time.Millisecond)
		}
	}
	drained(t, f, Options{}, func(r *Runner) { r.Handle("a", nothing) }, func(r *Runner) {
		time.AfterFunc(3*time.Second-time.Millisecond, func() {
			var c job.Claim
			c, jobs = f.claimedFor(r.Worker(), "a")
			f.with(func() { jobs[0].RunAt = jobs[0].RunAt.Add(time.Hour) })
			r.Claimed(c)
		})
	})
	if !f.holder(jobs[0]).IsZero() {
		t.Error("the worker has left and the job is held")
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
