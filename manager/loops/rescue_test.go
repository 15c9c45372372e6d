package loops

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/slotq/slotq/shared/job"
)

var errBroken = errors.New("broken")

func token(n byte) job.Token { return job.Token{15: n} }

func TestClaimsOfDeadAndOfUnknownWorkersAreRescuedEachSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{
			workers: []job.Worker{{ID: 1, Dead: true}, {ID: 2}},
			claims:  []job.Claim{{Worker: 1, Token: token(1)}, {Worker: 2, Token: token(2)}, {Worker: 9, Token: token(9)}},
		}
		m := newManager(f, io.Discard)
		defer run(t, m.rescue)()
		synctest.Wait()
		if want := []rescued{{token(1), true}, {token(9), true}}; !slices.Equal(f.saw().rescued, want) {
			t.Fatalf("rescued %v, want %v", f.saw().rescued, want)
		}
		// A frozen worker commits a claim after its death.
		f.set(func() { f.claims = append(f.claims, job.Claim{Worker: 1, Token: token(3)}) })
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if len(f.saw().rescued) != 3 {
			t.Fatal("a claim committed after the worker's death was not rescued by the next sweep")
		}
		if got := testutil.ToFloat64(m.Metrics.Rescued); got != 3 {
			t.Errorf("slotq_jobs_rescued_total is %v, want 3", got)
		}
		if got := testutil.ToFloat64(m.Metrics.crashes.WithLabelValues("q", "k")); got != 3 {
			t.Errorf("slotq_job_crashes_total is %v, want 3", got)
		}
	})
}

func TestAJobThatWasTakenBackIsToldByItsOwnSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{claims: []job.Claim{{Worker: 9, Token: token(9), Slot: job.Slot{QueueID: 7, Slot: 1}}}} // its job is of a slot beside
		m := newManager(f, io.Discard)
		var told []job.Slot
		m.Nudge = func(_, _ string, s job.Slot) { told = append(told, s) }
		defer run(t, m.rescue)()
		synctest.Wait()
		if want := []job.Slot{{QueueID: 7, Slot: 3}}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
	})
}

func TestOnlyTheSuspectsCrashCountsAndItGoesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{claims: []job.Claim{
			{Worker: 1, Token: token(1)}, {Worker: 1, Token: token(2)}, {Worker: 1, Token: token(3), Suspect: true},
			{Worker: 2, Token: token(4)},
		}}
		m := newManager(f, io.Discard)
		defer run(t, m.rescue)()
		synctest.Wait()
		want := []rescued{{token(1), false}, {token(2), false}, {token(3), true}, {token(4), true}}
		if !slices.Equal(f.saw().rescued, want) {
			t.Fatalf("rescued %v, want %v", f.saw().rescued, want)
		}
		if got := testutil.ToFloat64(m.Metrics.crashes.WithLabelValues("q", "k")); got != 2 {
			t.Errorf("slotq_job_crashes_total is %v, want 2: neighbours count nothing", got)
		}
	})
}

func TestSuspectBeyondThePageStillSparesItsNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{claims: []job.Claim{{Worker: 1, Token: token(1)}}}
		for range orphansRead + 5 {
			f.claims = append(f.claims, job.Claim{Worker: 2, Token: job.NewToken(2)})
		}
		f.claims = append(f.claims, job.Claim{Worker: 2, Token: token(2), Suspect: true})
		defer run(t, newManager(f, io.Discard).rescue)()
		synctest.Wait()
		counted := 0
		for _, r := range f.saw().rescued {
			if r.counted {
				counted++
			}
		}
		if len(f.saw().rescued) != orphansRead+7 || counted != 2 {
			t.Fatalf("%d claims rescued, %d of them counted; want all %d, and only worker 1's and the suspect's counted", len(f.saw().rescued), counted, orphansRead+7)
		}
	})
}

func TestDeathIsFollowedByRescueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{
			workers: []job.Worker{{ID: 1, Lease: 10100 * time.Millisecond}},
			claims:  []job.Claim{{Worker: 1, Token: token(1)}},
		}
		m := newManager(f, io.Discard)
		defer run(t, m.watch, m.rescue)()
		time.Sleep(10102 * time.Millisecond)
		synctest.Wait()
		if len(f.saw().rescued) != 1 {
			t.Fatal("rescue waited for the next sweep")
		}
	})
}

func TestClaimThatCannotBeRescuedHoldsUpItsOwnWorkerOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := &fakeStore{broken: token(1), claims: []job.Claim{
			{Worker: 1, Token: token(1)}, {Worker: 1, Token: token(2), Suspect: true}, {Worker: 2, Token: token(3)},
		}}
		m := newManager(f, &log)
		stop := run(t, m.rescue)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if want := []rescued{{token(3), true}}; !slices.Equal(f.saw().rescued, want) {
			t.Fatalf("rescued %v, want %v: worker 2's only, and no suspect before its neighbours", f.saw().rescued, want)
		}
		f.set(func() { f.broken = job.Token{} })
		time.Sleep(6 * time.Second)
		stop()
		if len(f.saw().rescued) != 3 {
			t.Fatal("not rescued once it could be")
		}
		if n := strings.Count(log.String(), "failed"); n != 1 {
			t.Fatalf("the error was logged %d times, want once:\n%s", n, log.String())
		}
	})
}
