//go:build ledger

package cluster

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

var kills = flag.Int("kills", 3, "faults of each kind in a run")

// between is how long the load goes on undisturbed before and after each fault.
const between = 3 * time.Second

// galera is a cluster with a forwarder before each node: the services of node i go to the next ready one while it is not.
type galera struct {
	*dbserver.Galera
	ready [dbserver.Nodes]atomic.Bool
}

func startGalera(t *testing.T) (*galera, *rig) {
	t.Helper()
	c, err := dbserver.StartGalera(t.Context(), dbserver.Options{Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	g := &galera{Galera: c}
	watch, stop := context.WithCancel(context.Background())
	done := make(chan struct{}, dbserver.Nodes)
	for i := range dbserver.Nodes {
		g.ready[i].Store(true)
		go func() {
			defer func() { done <- struct{}{} }()
			for watch.Err() == nil {
				g.ready[i].Store(c.Ready(watch, i))
				pause(watch, 300*time.Millisecond)
			}
		}()
	}
	t.Cleanup(func() {
		stop()
		for range dbserver.Nodes {
			<-done
		}
	})
	var entries []string
	for i := range dbserver.Nodes {
		f := forward(t, func() string {
			for k := range dbserver.Nodes {
				if n := (i + k) % dbserver.Nodes; g.ready[n].Load() {
					return host(c.Node(n))
				}
			}
			return ""
		})
		entries = append(entries, through(t, c.Node(0).URL(), f))
	}
	return g, start(t, func() error { return makeLedger(c.Node(0).URL()) }, entries...)
}

// disturb runs a fault again and again under load, heals, drains and judges.
func (g *galera) disturb(t *testing.T, r *rig, fault func(ctx context.Context, node int) (back time.Duration, err error)) {
	l := startLoad(t.Context(), r.apis)
	began := time.Now()
	pause(t.Context(), between)
	for n := range *kills {
		node := rand.IntN(dbserver.Nodes)
		l.takeGap()
		back, err := fault(t.Context(), node)
		if err != nil {
			l.end()
			t.Fatal(err)
		}
		pause(t.Context(), between)
		t.Logf("fault %d on node %d: longest time without an acknowledgement %s, node back after %s", n+1, node,
			l.takeGap().Round(time.Millisecond), back.Round(time.Millisecond))
	}
	l.end()
	lasted := time.Since(began)
	for i := range dbserver.Nodes {
		if err := g.AwaitSynced(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	// A COMMIT that was answered was certified by all nodes: what is nowhere was acknowledged without one.
	if v := settle(r, g.Node(0).URL(), l, lasted); len(v.lostByEngine) > 0 {
		t.Errorf("%d acknowledged jobs and their ledger rows are nowhere", len(v.lostByEngine))
	}
	// All nodes must have come to the same.
	first := judge(t, g.Node(0).URL(), l, r.dir)
	for i := 1; i < dbserver.Nodes; i++ {
		if other := judge(t, g.Node(i).URL(), l, r.dir); other.stored != first.stored || other.completed != first.completed {
			t.Errorf("node %d has %d jobs and %d completed, node 0 has %d and %d", i, other.stored, other.completed, first.stored, first.completed)
		}
	}
}

func TestANodeKilledUnderLoadLosesNoJobAndTheServicesGoOnByThemselves(t *testing.T) {
	g, r := startGalera(t)
	g.disturb(t, r, func(ctx context.Context, node int) (time.Duration, error) {
		g.Node(node).Kill()
		pause(ctx, between)
		began := time.Now()
		err := g.Start(ctx, node)
		return time.Since(began), err
	})
}

func TestANodeCutOffFromTheOthersIsLeftAndNothingIsLost(t *testing.T) {
	g, r := startGalera(t)
	g.disturb(t, r, func(ctx context.Context, node int) (time.Duration, error) {
		if err := g.Isolate(ctx, node); err != nil {
			return 0, err
		}
		pause(ctx, 2*lease)
		for _, p := range r.parts {
			if err := p.ready(); err != nil {
				t.Errorf("two leases after node %d was cut off, %s: %v", node, p.process.Name, err)
			}
		}
		began := time.Now()
		err := g.Rejoin(ctx, node)
		return time.Since(began), err
	})
}

func TestAFrozenNodeLosesNoJob(t *testing.T) {
	g, r := startGalera(t)
	g.disturb(t, r, func(ctx context.Context, node int) (time.Duration, error) {
		if err := g.Node(node).Pause(); err != nil {
			return 0, err
		}
		pause(ctx, lease)
		began := time.Now()
		if err := g.Node(node).Continue(); err != nil {
			return 0, err
		}
		err := g.AwaitSynced(ctx, node)
		return time.Since(began), err
	})
}

func TestAClusterThatDiedAsAWholeLosesNoJob(t *testing.T) {
	g, r := startGalera(t)
	g.disturb(t, r, func(ctx context.Context, node int) (time.Duration, error) {
		for i := range dbserver.Nodes {
			g.Node((node + i) % dbserver.Nodes).Kill()
		}
		began := time.Now()
		err := g.Bootstrap(ctx)
		return time.Since(began), err
	})
}
