//go:build ledger

package cluster

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

func TestAPromotedStandbyHasLostNothingWhenCommitsWereSynchronous(t *testing.T) {
	if v := promote(t, true); len(v.lostByEngine) > 0 {
		t.Errorf("%d acknowledged jobs are gone although commits waited for the standby", len(v.lostByEngine))
	}
}

func TestAPromotedStandbyThatLaggedLosesWholeTransactionsAndNothingElse(t *testing.T) {
	if v := promote(t, false); len(v.lostByEngine) == 0 {
		t.Error("INVALID: the engine lost nothing, so nothing tells its losses from slotq's")
	}
}

// lag is how much of what was committed an asynchronous standby lacks.
const lag = time.Second

func startPair(t *testing.T, synchronous bool) *dbserver.Pair {
	t.Helper()
	p, err := dbserver.StartPair(t.Context(), dbserver.Options{Fast: true}, synchronous)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// promote runs a load over promotions of the standby, each time with a new standby for the next.
func promote(t *testing.T, synchronous bool) *verdict {
	t.Helper()
	p := startPair(t, synchronous)
	var primary atomic.Pointer[dbserver.Server]
	primary.Store(p.Primary)
	entry := through(t, p.Primary.URL(), forward(t, func() string { return host(primary.Load()) }))
	r := start(t, func() error { return makeLedger(p.Primary.URL()) }, entry, entry)
	l := startLoad(t.Context(), r.apis)
	began := time.Now()
	for n := range *kills {
		pause(t.Context(), between)
		l.takeGap()
		if !synchronous { // on one machine a standby is never late by itself
			p.Standby.Kill()
			pause(t.Context(), lag)
			p.Primary.Kill()
			if err := p.Standby.Restart(t.Context()); err != nil {
				l.end()
				t.Fatal(err)
			}
		}
		killed := time.Now()
		if err := p.Promote(t.Context()); err != nil {
			l.end()
			t.Fatal(err)
		}
		primary.Store(p.Primary)
		took := time.Since(killed)
		pause(t.Context(), between)
		t.Logf("promotion %d took %s; longest time without an acknowledgement %s", n+1, took.Round(time.Millisecond), l.takeGap().Round(time.Millisecond))
		if err := p.AddStandby(t.Context()); err != nil {
			l.end()
			t.Fatal(err)
		}
	}
	l.end()
	return settle(r, p.Primary.URL(), l, time.Since(began))
}

// A COMMIT that waits for a standby which is away ends when its client gives up: the job is there, on one server alone.
// Whoever sends it again finds it, and must not be told that it is safe.
func TestAJobThatIsOnThePrimaryAloneIsNotAcknowledgedWhenCommitsAreSynchronous(t *testing.T) {
	p := startPair(t, true)
	entry := strings.Replace(p.Primary.URL(), host(p.Primary), host(p.Primary)+","+host(p.Standby), 1) // no proxy: slotq finds the primary
	r := start(t, func() error { return makeLedger(p.Primary.URL()) }, entry, entry)
	l := startLoad(t.Context(), r.apis)
	began := time.Now()
	pause(t.Context(), between)
	before := l.count()
	p.Standby.Kill()
	pause(t.Context(), 2*lease)
	t.Logf("%d jobs were acknowledged while the standby was away", l.count()-before)
	p.Primary.Kill()
	if err := p.Standby.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), between)
	l.end()
	if v := settle(r, p.Primary.URL(), l, time.Since(began)); len(v.lostByEngine) > 0 {
		t.Errorf("%d jobs were acknowledged that only the dead primary had", len(v.lostByEngine))
	}
}
