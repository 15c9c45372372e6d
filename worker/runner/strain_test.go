package runner

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// timed is strain with a clock of its own.
type timed struct {
	strain
	now time.Time
}

// feed notes n claims that took so long each, one after the other.
func (s *timed) feed(n int, d time.Duration) {
	for range n {
		s.now = s.now.Add(d)
		s.took(d, s.now)
	}
}

// calm has seen 100 claims of 1 ms.
func calm() *timed {
	s := &timed{now: time.Now()}
	s.feed(100, time.Millisecond)
	return s
}

func TestStrainBeginsAtAMultipleOfTheBestTimeAndEndsWellBelowIt(t *testing.T) {
	s := &timed{now: time.Now()}
	for _, step := range []struct {
		took time.Duration
		want bool
	}{
		{time.Millisecond, false},
		{4 * time.Millisecond, false},
		{8 * time.Millisecond, true},
		{4 * time.Millisecond, true},
		{2 * time.Millisecond, false},
		{4 * time.Millisecond, false},
	} {
		s.feed(300, step.took)
		if s.high != step.want {
			t.Fatalf("strain is %t where claims take %s and 1 ms at best, want %t", s.high, step.took, step.want)
		}
	}
}

func TestOneSlowClaimIsNoStrain(t *testing.T) {
	s := calm()
	s.feed(1, 100*time.Millisecond)
	if s.high {
		t.Error("one claim of 100 ms among 100 of 1 ms is taken for strain")
	}
}

func TestADatabaseThatHasBecomeFarAwayIsNotStrainedForGood(t *testing.T) {
	s := calm()
	s.feed(100, 50*time.Millisecond)
	if !s.high {
		t.Error("fifty times the best time is no strain")
	}
	for end := s.now.Add(2 * strainPeriod); s.now.Before(end); {
		s.feed(1, 50*time.Millisecond)
	}
	if s.high {
		t.Error("the best time of a minute ago still counts")
	}
}

func TestClaimsGoOneAtATimeWhileTheDatabaseIsBusy(t *testing.T) {
	const slots = 24
	const rounds = 20 // of a few claims each: more than the mean follows
	f := newFake(slots)
	in(t, f, Options{Claims: 3}, func(r *Runner) { r.Handle("a", nothing) }, func(t *testing.T, r *Runner) {
		// most brings jobs into all slots and returns how many claims were under way at once.
		most := func(delay time.Duration) (most int) {
			f.with(func() { f.delay, f.most = delay, f.under })
			for slot := range slots {
				f.add("a", inSlot(slot+1))
				r.Nudge(job.Slot{QueueID: 7, Slot: slot + 1})
			}
			time.Sleep(slots * 2 * delay)
			synctest.Wait()
			f.with(func() {
				if most = f.most; len(f.jobs) > 0 {
					t.Fatalf("%d jobs were left", len(f.jobs))
				}
			})
			return most
		}
		for range 3 {
			if got := most(time.Millisecond); got != 3 {
				t.Fatalf("%d claims at once while the database has time, want 3", got)
			}
		}
		for range rounds {
			most(10 * time.Millisecond)
		}
		if got := most(10 * time.Millisecond); got != 1 {
			t.Errorf("%d claims at once that take ten times as long, want 1", got)
		}
		for range rounds {
			most(time.Millisecond)
		}
		if got := most(time.Millisecond); got != 3 {
			t.Errorf("%d claims at once when the database has time again, want 3", got)
		}
	})
}
