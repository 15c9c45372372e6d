package loops

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

func (f *fakeStore) isDead(id job.WorkerID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.workers {
		if w.ID == id {
			return w.Dead
		}
	}
	return true
}

// freeze lets no call that begins within d return before its end.
func (f *fakeStore) freeze(d time.Duration) {
	frozen := make(chan struct{})
	f.set(func() { f.frozen = frozen })
	time.Sleep(d)
	f.set(func() { f.frozen = nil })
	close(frozen)
}

func TestWorkerWhoseBeatStandsStillForALeaseIsDeclaredDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{workers: []job.Worker{{ID: 1, Beat: 3, Lease: 20 * time.Second}}}
		defer run(t, newManager(f, io.Discard).watch)()

		time.Sleep(20*time.Second - time.Millisecond)
		synctest.Wait()
		if f.isDead(1) {
			t.Fatal("declared dead before its lease was over")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if !f.isDead(1) {
			t.Fatal("not declared dead at the end of its lease: the verdict must not wait for the next sweep")
		}
	})
}

func TestWorkerWhoseBeatMovesStaysAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{workers: []job.Worker{{ID: 1, Lease: 20 * time.Second}}}
		defer run(t, newManager(f, io.Discard).watch)()
		for range 20 {
			time.Sleep(19 * time.Second) // late, but within the lease
			f.set(func() { f.workers[0].Beat++ })
		}
		synctest.Wait()
		if f.isDead(1) {
			t.Fatal("declared dead although its beat moved within each lease")
		}
	})
}

func TestTheWorkersOwnLeaseCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{workers: []job.Worker{{ID: 1, Lease: time.Minute}, {ID: 2, Lease: 2 * time.Second}, {ID: 3}}}
		defer run(t, newManager(f, io.Discard).watch)()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if f.isDead(1) || !f.isDead(2) || f.isDead(3) {
			t.Fatal("after 3 s only the worker with a lease of 2 s may be dead")
		}
		time.Sleep(18 * time.Second)
		synctest.Wait()
		if f.isDead(1) || !f.isDead(3) {
			t.Fatal("after 21 s the worker that states no lease must be dead by the manager's, the one with a minute alive")
		}
	})
}

func TestManagerThatWasFrozenBeginsAgainForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{workers: []job.Worker{{ID: 1, Lease: 20 * time.Second}}}
		defer run(t, newManager(f, io.Discard).watch)()
		time.Sleep(10 * time.Second)
		f.freeze(time.Hour)
		time.Sleep(19 * time.Second)
		synctest.Wait()
		if f.isDead(1) {
			t.Fatal("declared dead by what a frozen manager had read before")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !f.isDead(1) {
			t.Fatal("not declared dead a lease after the manager woke up")
		}
	})
}

func TestALateReadingDelaysTheVerdictByNoMoreThanItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{workers: []job.Worker{{ID: 1, Beat: 3, Lease: 20 * time.Second}}}
		defer run(t, newManager(f, io.Discard).watch)()
		time.Sleep(10 * time.Second)
		f.freeze(8 * time.Second)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if f.isDead(1) {
			t.Fatal("the time in which nothing was read counts")
		}
		time.Sleep(3 * time.Second) // the reading before the gap was up to a sweep old
		synctest.Wait()
		if !f.isDead(1) {
			t.Fatal("a reading that was 8 s late delays the verdict by more than 8 s")
		}
	})
}

func TestNobodyIsDeclaredDeadForAnOutageOfTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{workers: []job.Worker{{ID: 1, Lease: 20 * time.Second}}}
		defer run(t, newManager(f, io.Discard).watch)()
		time.Sleep(15 * time.Second)
		f.set(func() { f.away = job.ErrUnavailable })
		time.Sleep(time.Minute)
		f.set(func() { f.away = nil })
		time.Sleep(10 * time.Second) // the worker needs a while until its next beat is through
		f.set(func() { f.workers[0].Beat++ })
		time.Sleep(19 * time.Second)
		synctest.Wait()
		if f.isDead(1) {
			t.Fatal("declared dead although its beat moved 10 s after the database was back")
		}
	})
}

func TestSilenceIsCountedFromAnswerToSending(t *testing.T) {
	at := func(d time.Duration) time.Time { return time.Unix(1000, 0).Add(d) }
	b := newBeats(9 * time.Second)
	worker := []job.Worker{{ID: 1, Beat: 5}}
	// The first answer comes at 2 s; every answer takes 2 s. The lease is over for a reading sent at 11 s.
	for sent := time.Duration(0); sent < 11*time.Second; sent += time.Second {
		if silent := b.read(at(sent), at(sent+2*time.Second), worker); len(silent) > 0 {
			t.Fatalf("silent by the reading sent at %s", sent)
		}
	}
	if silent := b.read(at(11*time.Second), at(13*time.Second), worker); len(silent) != 1 {
		t.Fatal("not silent by the reading sent at 11s")
	}
}

func TestReadingsComeOftenEnoughForTheShortestLease(t *testing.T) {
	b := newBeats(20 * time.Second)
	now := time.Unix(1000, 0)
	b.read(now, now, []job.Worker{{ID: 1}, {ID: 2, Lease: time.Second}})
	if got := b.pause(now, 10*time.Second); got != 250*time.Millisecond {
		t.Fatalf("pause is %s, want a quarter of the shortest lease", got)
	}
}
