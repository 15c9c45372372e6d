package runner

import (
	"slices"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// nudgeAll stores a job in each slot and nudges it.
func nudgeAll(f *fake, r *Runner, kind string, slots int) (ids []job.ID) {
	for slot := 1; slot <= slots; slot++ {
		ids = append(ids, f.add(kind, inSlot(slot)).ID)
		r.Nudge(job.Slot{QueueID: 7, Slot: slot})
	}
	return ids
}

// haveRun fails the test unless all of these jobs have ended.
func haveRun(t *testing.T, f *fake, ids []job.ID) {
	t.Helper()
	for i, id := range ids {
		if _, ended := f.outcome(id); !ended {
			t.Fatalf("job %d of %d has not run", i+1, len(ids))
		}
	}
}

func TestSlotsThatWouldWaitForAClaimShareTheNextOne(t *testing.T) {
	f := newFake(8)
	in(t, f, Options{Claims: 1}, func(r *Runner) { r.Handle("k", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(time.Second)
		f.with(func() { f.delay = 10 * time.Millisecond })
		before := f.count("claim")
		f.add("k", inSlot(1))
		r.Nudge(slotOne)
		time.Sleep(5 * time.Millisecond) // its claim is under way
		ids := nudgeAll(f, r, "k", 8)
		time.Sleep(20 * time.Millisecond)
		haveRun(t, f, ids)
		if n := f.count("claim") - before; n != 2 {
			t.Errorf("%d claims, want one and one for all that came meanwhile", n)
		}
	})
}

func TestSlotsThatASharedClaimDidNotLookIntoHaveTheirOwn(t *testing.T) {
	f := newFake(8)
	f.apart = true
	in(t, f, Options{Claims: 1}, func(r *Runner) { r.Handle("k", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(time.Second)
		before := f.count("claim")
		f.with(func() { f.delay = 10 * time.Millisecond })
		ids := nudgeAll(f, r, "k", 8)
		time.Sleep(100 * time.Millisecond)
		haveRun(t, f, ids)
		if n := f.count("claim") - before; n != 8 {
			t.Errorf("%d claims, want one for each slot", n)
		}
	})
}

func TestASlotNudgedWhileAClaimTakesFromItIsLookedIntoAgain(t *testing.T) {
	f := newFake(2)
	in(t, f, Options{Claims: 1}, func(r *Runner) { r.Handle("k", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(time.Second)
		f.with(func() { f.delay = 10 * time.Millisecond })
		nudgeAll(f, r, "k", 2)
		time.Sleep(15 * time.Millisecond) // the claim of the first, or of both
		nudgeAll(f, r, "k", 2)
		time.Sleep(5 * time.Millisecond) // that of both
		late := f.add("k", inSlot(2))    // it does not see this one, which is not due when it begins
		r.Nudge(job.Slot{QueueID: 7, Slot: 2})
		time.Sleep(20 * time.Millisecond)
		if _, ended := f.outcome(late.ID); !ended {
			t.Error("the job that was nudged has not run")
		}
		if f.with(func() { f.delay = 0 }); f.shared == 0 {
			t.Fatal("no claim took from both slots")
		}
	})
}

func TestAKindThatOneSlotRefusesKeepsNoOtherFromRunning(t *testing.T) {
	f := newFake(8)
	in(t, f, Options{Claims: 1}, func(r *Runner) { r.Handle("k", nothing) }, func(t *testing.T, r *Runner) {
		for range 20 {
			f.add("nobody's", inSlot(3))
		}
		time.Sleep(time.Second)
		f.with(func() { f.delay = time.Millisecond })
		for range 20 {
			r.Nudge(job.Slot{QueueID: 7, Slot: 3})
			ids := nudgeAll(f, r, "k", 8)
			time.Sleep(50 * time.Millisecond)
			haveRun(t, f, ids)
		}
	})
}

func TestASlotWithATroubleKeepsNoOtherFromRunning(t *testing.T) {
	f := newFake(8)
	f.broken = 3
	in(t, f, Options{Claims: 1}, func(r *Runner) { r.Handle("k", nothing) }, func(t *testing.T, r *Runner) {
		time.Sleep(time.Second)
		f.with(func() { f.delay = time.Millisecond })
		for range 20 {
			ids := nudgeAll(f, r, "k", 8)
			time.Sleep(50 * time.Millisecond)
			haveRun(t, f, slices.Delete(ids, f.broken-1, f.broken))
		}
	})
}

func TestASlotThatOncePassedAJobOverSharesClaimsAgain(t *testing.T) {
	f := newFake(2)
	in(t, f, Options{Claims: 1}, func(r *Runner) { r.Handle("k", nothing) }, func(t *testing.T, r *Runner) {
		for slot := range 2 {
			f.add("nobody's", inSlot(slot+1))
		}
		time.Sleep(time.Second)
		f.taken()
		time.Sleep(2 * time.Duration(job.MarkTTL) * time.Microsecond)
		f.with(func() { f.delay, f.shared = 10*time.Millisecond, 0 })
		nudgeAll(f, r, "k", 2)
		time.Sleep(15 * time.Millisecond)
		nudgeAll(f, r, "k", 2)
		time.Sleep(30 * time.Millisecond)
		if f.with(func() { f.delay = 0 }); f.shared == 0 {
			t.Error("no claim took from both slots")
		}
	})
}
