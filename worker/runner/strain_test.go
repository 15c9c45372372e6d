package runner

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// feed notes n claims that took so long each, one after the other.
func (s *strain) feed(n int, d time.Duration, now *time.Time) {
	for range n {
		*now = now.Add(d)
		s.took(d, *now)
	}
}

func TestStrainBeginsAtAMultipleOfTheBestTimeAndEndsWellBelowIt(t *testing.T) {
	var s strain
	now := time.Now()
	for _, step := range []struct {
		took time.Duration
		want int
	}{
		{time.Millisecond, 3},
		{4 * time.Millisecond, 3},
		{8 * time.Millisecond, 1},
		{4 * time.Millisecond, 1},
		{2 * time.Millisecond, 3},
		{4 * time.Millisecond, 3},
	} {
		s.feed(300, step.took, &now)
		if got := s.claims(3); got != step.want {
			t.Fatalf("%d claims at once where they take %s and 1 ms at best, want %d", got, step.took, step.want)
		}
	}
}

func TestOneSlowClaimIsNoStrain(t *testing.T) {
	var s strain
	now := time.Now()
	s.feed(100, time.Millisecond, &now)
	s.feed(1, 100*time.Millisecond, &now)
	if s.claims(3) != 3 {
		t.Error("one claim of 100 ms among 100 of 1 ms is taken for strain")
	}
}

func TestADatabaseThatHasBecomeFarAwayIsNotStrainedForGood(t *testing.T) {
	var s strain
	now := time.Now()
	s.feed(100, time.Millisecond, &now)
	s.feed(100, 50*time.Millisecond, &now)
	if s.claims(3) != 1 {
		t.Error("fifty times the best time is no strain")
	}
	for end := now.Add(2 * strainPeriod); now.Before(end); {
		s.feed(1, 50*time.Millisecond, &now)
	}
	if s.claims(3) != 3 {
		t.Error("the best time of a minute ago still counts")
	}
}

func TestClaimsGoOneAtATimeWhileTheDatabaseIsBusy(t *testing.T) {
	const slots = 24
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
		for range 5 {
			most(10 * time.Millisecond)
		}
		if got := most(10 * time.Millisecond); got != 1 {
			t.Errorf("%d claims at once that take ten times as long, want 1", got)
		}
		for range 5 {
			most(time.Millisecond)
		}
		if got := most(time.Millisecond); got != 3 {
			t.Errorf("%d claims at once when the database has time again, want 3", got)
		}
	})
}
