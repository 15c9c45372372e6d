package loops

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/slotq/slotq/shared/job"
)

func TestTurnStaysWithItsHolderAndMovesOnWhenItDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		a, b := newManager(f, io.Discard), newManager(f, io.Discard)
		stopA := run(t, a.stats)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		defer run(t, b.stats)()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if f.saw().turnsBy[b.holder] != 0 || f.saw().turnsBy[a.holder] < 100 {
			t.Fatalf("turns of a %d, of b %d; want all with a", f.saw().turnsBy[a.holder], f.saw().turnsBy[b.holder])
		}
		if a, b := testutil.ToFloat64(a.Metrics.Leader), testutil.ToFloat64(b.Metrics.Leader); a != 1 || b != 0 {
			t.Fatalf("slotq_leader is %v and %v, want 1 and 0", a, b)
		}
		stopA()
		if testutil.ToFloat64(a.Metrics.Leader) != 0 || testutil.CollectAndCount(a.Metrics.cluster) != 0 {
			t.Fatal("a stopped manager still exports the cluster's gauges")
		}
		time.Sleep(2 * statsSweeps * time.Second)
		synctest.Wait()
		if testutil.ToFloat64(b.Metrics.Leader) != 1 || testutil.CollectAndCount(b.Metrics.cluster) == 0 {
			t.Fatal("the other manager did not take over within two intervals")
		}
	})
}

func TestLeaderThatCannotReachTheDatabaseDropsItsGauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		m := newManager(f, io.Discard)
		defer run(t, m.stats)()
		synctest.Wait()
		if testutil.CollectAndCount(m.Metrics.cluster) == 0 {
			t.Fatal("no gauges although it leads")
		}
		f.set(func() { f.away = job.ErrUnavailable })
		time.Sleep(3 * statsSweeps * time.Second)
		synctest.Wait()
		if testutil.CollectAndCount(m.Metrics.cluster) != 0 || testutil.ToFloat64(m.Metrics.Leader) != 0 {
			t.Fatal("still exports what it knew before the database went away")
		}
	})
}

func TestFullBatchesAreFollowedByMoreAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{pruned: []int{pruneBatch, pruneBatch, 17, 3}, expired: []int{expireBatch, 1, 1}}
		m := newManager(f, io.Discard)
		defer run(t, m.prune, m.expire)()
		synctest.Wait()
		if got := testutil.ToFloat64(m.Metrics.Pruned); got != 2*pruneBatch+17 {
			t.Fatalf("slotq_jobs_pruned_total is %v after the first turn, want %d", got, 2*pruneBatch+17)
		}
		if f.saw().expired != 1 {
			t.Fatalf("%d answers of Expire left, want 1: full batch, then the rest, then a pause", f.saw().expired)
		}
		time.Sleep(pruneSweeps*time.Second + time.Second)
		synctest.Wait()
		if f.saw().pruned != 0 || f.saw().expired != 0 {
			t.Fatal("no second turn after the interval")
		}
	})
}

func TestUnblockGoesOnWhereItStoppedAndBeginsAgainAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := []job.Key{{ConcurrencyKey: "a"}, {ConcurrencyKey: "b"}}
		f := &fakeStore{keys: keys}
		defer run(t, newManager(f, io.Discard).unblock)()
		time.Sleep(unblockSweeps*time.Second + time.Second)
		synctest.Wait()
		if len(f.saw().unblocks) != 4 || f.saw().unblocks[0] != nil || *f.saw().unblocks[1] != keys[0] || *f.saw().unblocks[2] != keys[1] || f.saw().unblocks[3] != nil {
			t.Fatalf("cursors %v; want the head, a, b, and in the next turn the head again", f.saw().unblocks)
		}
	})
}
