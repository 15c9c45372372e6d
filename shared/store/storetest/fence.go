package storetest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbproxy"
)

var fenceTests = []Test{
	{"a silent holder of a fence blocks its slot for seconds, and no other", 8, silentHolder},
	{"with the fence broken on purpose the token keeps jobs from running twice", 4, brokenFence},
	{"every claim that takes jobs moves the slot's epoch", 4, func(f *fixture) {
		q := f.queue("epoch")
		f.enqueue(f.jobs(q, 3)...)
		w := f.worker()
		for range 3 {
			before := f.db.count(f, "SELECT epoch FROM slotq_slots")
			w.one(q)
			if after := f.db.count(f, "SELECT epoch FROM slotq_slots"); after <= before {
				f.Fatalf("the epoch went from %d to %d", before, after)
			}
		}
	}},
}

// How long a silent holder may keep its slot from the others, and how long one claim may take meanwhile.
const (
	holderLimit = 12 * time.Second
	claimLimit  = 11 * time.Second
	freeLimit   = 4 * time.Second         // below the 5 s after which the holder is let go
	storeLimit  = 1900 * time.Millisecond // below the 2 s after which a wait for a lock is given up
)

// silentHolder freezes a claim between its fence and its commit: to the server it is an open connection in the middle
// of a transaction that says nothing, as after a partition.
func silentHolder(f *fixture) {
	if !f.db.server() {
		f.Skip("SQLite has no connection that could fall silent: a frozen process holds the file, and a dead one does not")
	}
	q := f.queue("silent", slots(2))
	held := f.job(q)
	held.Slot = 1
	f.enqueue(held)
	p, url := f.newProxy()
	frozen, err := f.register(f.openURL(url))
	f.ok(err)
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	r := p.On(dbproxy.Silent, "update slotq_jobs", "set token")
	done := make(chan error, 1)
	go func() {
		_, err := frozen.store.Claim(ctx, frozen.request(q, 1, 1, f.now))
		done <- err
	}()
	select {
	case <-r.Hit:
	case err := <-done:
		f.Fatalf("the claim ended before it could fall silent: %v", err)
	}
	began := time.Now()
	other := f.job(q)
	other.Slot = 2
	f.enqueue(other)
	w := f.worker()
	c, err := w.take(w.request(q, 2, 1, f.now))
	f.ok(err)
	equal(f, "claimed of the other slot", len(c.Jobs), 1)
	w.commit(completed(c.Jobs[0]))
	if d := time.Since(began); d > freeLimit {
		f.Fatalf("the other slot took %v", d)
	}
	stored, late := f.job(q), time.Now()
	stored.Slot = 1
	f.notClaimed(f.enqueueClaimed(w.id, stored))
	if d := time.Since(late); d > storeLimit {
		f.Fatalf("a job of the held slot was stored after %v", d)
	}
	for {
		tried := time.Now()
		c, err := w.take(w.request(q, 1, 1, f.now))
		if d := time.Since(tried); d > claimLimit {
			f.Fatalf("a claim of the held slot took %v", d)
		}
		if err == nil && len(c.Jobs) == 1 {
			break
		}
		if err != nil && !errors.Is(err, job.ErrUnavailable) {
			f.Fatal(err)
		}
		if d := time.Since(began); d > holderLimit {
			f.Fatalf("the slot is not free after %v", d)
		}
	}
	equal(f, "run", f.get(held.ID).Run, 1)
	cancel()
	p.Close()
	<-done
}

// brokenFence lets two handles claim with a fence that locks nothing and always says "1 row": what a slot row that was
// removed, a cluster without certification or a forgotten isolation level would do.
func brokenFence(f *fixture) {
	if !f.db.server() {
		f.Skip("SQLite has one writer: its fence is the file's lock and cannot be broken from outside")
	}
	_, err := f.db.raw.Exec("CREATE TABLE slotq_nofence (queue_id INT, slot INT)")
	f.ok(err)
	f.Cleanup(func() { _, _ = f.db.raw.Exec("DROP TABLE slotq_nofence") })
	p, url := f.newProxy()
	var broken atomic.Int64
	p.Rewrite(func(statement string) (string, bool) {
		const fence = "UPDATE slotq_slots SET epoch = epoch + 1 WHERE queue_id = "
		before, rest, ok := strings.Cut(statement, fence) // the beginning of the transaction may come with it
		if !ok {
			return "", false
		}
		broken.Add(1)
		rest, behind, more := strings.Cut(rest, ";") // and what is read under the fence
		if more {
			behind = ";" + behind
		}
		queue, rest, _ := strings.Cut(rest, " AND slot = ")
		slot, _, _ := strings.Cut(rest, " ")
		if f.db.scheme() == "postgres" {
			queue, slot = queue+"::int", slot+"::int"
		}
		return before + "INSERT INTO slotq_nofence (queue_id, slot) SELECT " + queue + ", " + slot + behind, true
	})
	// Claims collide all the time now; one that gives up has taken nothing, which the counts show.
	gaveUp := func(err error) bool { return !errors.Is(err, job.ErrWorkerDead) }
	f.claimAll(1, gaveUp, f.openURL(url), f.openURL(url))
	if broken.Load() == 0 {
		f.Fatal("no fence was broken: the test does not know the statement any more")
	}
}
