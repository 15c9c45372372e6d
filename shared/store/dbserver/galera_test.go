package dbserver

import "testing"

func startCluster(t *testing.T, options Options) *Galera {
	t.Helper()
	g, err := StartGalera(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func count(t *testing.T, g *Galera, node int) (n int) {
	t.Helper()
	db := connect(t, g.Node(node).URL())
	must(t, db, "SET wsrep_sync_wait = 1")
	if err := db.QueryRow("SELECT COUNT(*) FROM kept").Scan(&n); err != nil {
		t.Fatalf("node %d: %v", node, err)
	}
	return n
}

func TestANodeOfAClusterThatWasKilledOrCutOffGetsWhatItMissedAndADeadClusterBeginsAgainWithAll(t *testing.T) {
	g := startCluster(t, Options{Fast: true})
	db := connect(t, g.Node(0).URL())
	must(t, db, "CREATE TABLE kept (n INT PRIMARY KEY)")
	must(t, db, "INSERT INTO kept VALUES (1)")
	g.Node(1).Kill()
	must(t, db, "INSERT INTO kept VALUES (2)")
	if err := g.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n := count(t, g, 1); n != 2 {
		t.Errorf("the killed node has %d rows of 2", n)
	}
	if err := g.Isolate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	// Frozen, so that it comes back before it has noticed that the others went on without it.
	if err := g.Node(2).Pause(); err != nil {
		t.Fatal(err)
	}
	must(t, db, "INSERT INTO kept VALUES (3)")
	if err := g.Node(2).Continue(); err != nil {
		t.Fatal(err)
	}
	if err := g.Rejoin(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if n := count(t, g, 2); n != 3 {
		t.Errorf("the node that was cut off has %d rows of 3", n)
	}
	// What the first node never saw must not be lost by its beginning the cluster.
	g.Node(0).Kill()
	db = connect(t, g.Node(1).URL())
	if err := g.AwaitSynced(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	must(t, db, "INSERT INTO kept VALUES (4)")
	g.Node(1).Kill()
	g.Node(2).Kill()
	if err := g.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range Nodes {
		if n := count(t, g, i); n != 4 {
			t.Errorf("after all had died node %d has %d rows of 4", i, n)
		}
	}
}

func TestADurableClusterStartsThoughItsDonorHasToWaitForTheDisk(t *testing.T) {
	g := startCluster(t, Options{})
	must(t, connect(t, g.Node(0).URL()), "CREATE TABLE kept (n INT PRIMARY KEY)")
	for i := range Nodes {
		if n := count(t, g, i); n != 0 {
			t.Errorf("node %d has %d rows of 0", i, n)
		}
	}
}
