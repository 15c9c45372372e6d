package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var workersTests = []Test{
	{"a registered worker is known with all it said, at beat 0", 0, func(f *fixture) {
		want := job.Worker{ID: job.NewWorkerID(), Name: "host:1", Lease: 4 * time.Second, Concurrency: 7, Queues: []string{"a", "b"}, Slots: []int{1, 5},
			Kinds: []string{"*"}, Nudge: "127.0.0.1:9", StartedAt: f.now}
		f.ok(f.store.Register(f.ctx, want))
		got, err := f.again().Workers(f.ctx)
		f.ok(err)
		equal(f, "workers", len(got), 1)
		got[0].BeatAt = 0
		equal(f, "worker", fmt.Sprint(got[0]), fmt.Sprint(want))
		if f.store.Register(f.ctx, want) == nil {
			f.Fatal("an id was registered twice")
		}
	}},
	{"a beat is counted, says how many run, and brings the database's time", 0, func(f *fixture) {
		w := f.worker()
		now, err := f.store.Now(f.ctx)
		f.ok(err)
		for n := 1; n <= 3; n++ {
			b, err := f.store.Beat(f.ctx, w.id, make([]job.ID, n))
			f.ok(err)
			if b.Now < now || b.Now > now.Add(testLimit) || b.Quiet || b.Stop || len(b.Cancelled) != 0 {
				f.Fatalf("beat %d: %+v at %d", n, b, now)
			}
			all, err := f.store.Workers(f.ctx)
			f.ok(err)
			equal(f, "beat", all[0].Beat, int64(n))
			equal(f, "running", all[0].Running, n)
			if at := all[0].BeatAt; at < now || at > b.Now {
				f.Fatalf("beat_at is %d, want it between %d, when the time was read before, and %d, which the beat has told", at, now, b.Now)
			}
		}
	}},
	{"a beat brings only cancels of the worker's own jobs", 0, func(f *fixture) {
		q := f.queue("beat")
		f.add(q)
		dead, next := f.worker(), f.worker()
		j := dead.one(q)
		f.crash(dead)
		held := next.one(q, suspects)
		_, err := f.store.Cancel(f.ctx, j.ID, f.now)
		f.ok(err)
		other := f.worker()
		b, err := f.store.Beat(f.ctx, other.id, []job.ID{j.ID})
		f.ok(err)
		equal(f, "cancelled for another", len(b.Cancelled), 0)
		b, err = f.store.Beat(f.ctx, next.id, []job.ID{j.ID})
		f.ok(err)
		equal(f, "cancelled", len(b.Cancelled), 1)
		equal(f, "verdict", next.finish(f.failed(held)), job.EndedCancelled)
	}},
	{"quiet and stop reach the worker with its beat", 0, func(f *fixture) {
		w := f.worker()
		got, err := f.store.CommandWorker(f.ctx, w.id, true, false)
		f.ok(err)
		equal(f, "quiet", got.Quiet, true)
		b, err := f.store.Beat(f.ctx, w.id, nil)
		f.ok(err)
		equal(f, "quiet", b.Quiet, true)
		equal(f, "stop", b.Stop, false)
		_, err = f.store.CommandWorker(f.ctx, w.id, true, true)
		f.ok(err)
		b, err = f.store.Beat(f.ctx, w.id, nil)
		f.ok(err)
		equal(f, "stop", b.Stop, true)
		_, err = f.store.CommandWorker(f.ctx, job.NewWorkerID(), true, false)
		f.is(err, job.ErrNotFound)
	}},
	{"a worker that leaves without a claim is gone", 0, func(f *fixture) {
		w := f.worker()
		f.ok(f.store.Leave(f.ctx, w.id))
		all, err := f.store.Workers(f.ctx)
		f.ok(err)
		equal(f, "workers", len(all), 0)
		_, err = f.store.Beat(f.ctx, w.id, nil)
		f.is(err, job.ErrWorkerDead)
		f.ok(f.store.Leave(f.ctx, w.id))
	}},
	{"claims are those of the worker, with the ids that carry their token", 8, func(f *fixture) {
		q := f.queue("claims")
		f.enqueue(f.jobs(q, 6)...)
		w, other := f.worker(), f.worker()
		first := w.claim(q, 2)
		w.claim(q, 1)
		other.claim(q, 3)
		claims, err := f.store.Claims(f.ctx, w.id)
		f.ok(err)
		equal(f, "claims", len(claims), 2)
		for _, c := range claims {
			equal(f, "worker", c.Worker, w.id)
			equal(f, "token's worker", c.Token.Worker(), w.id)
			if c.Token == first[0].Token {
				equal(f, "ids", len(c.IDs), 2)
			} else {
				equal(f, "ids", len(c.IDs), 1)
			}
		}
		_, err = f.store.Finish(f.ctx, w.id, []job.Outcome{completed(first[0])}, nil, f.now)
		f.ok(err)
		claims, err = f.store.Claims(f.ctx, w.id)
		f.ok(err)
		for _, c := range claims {
			equal(f, "ids", len(c.IDs), 1)
		}
	}},
	{"a worker finds again what it forgot, and gives it back", 8, func(f *fixture) {
		// As after a claim whose answer never came: the worker beats on, so nobody rescues it.
		q := f.queue("reconcile")
		f.enqueue(f.jobs(q, 3)...)
		w := f.worker()
		_, err := f.store.Claim(f.ctx, w.request(q, 1, 3, f.now))
		f.ok(err)
		w.none(q)
		equal(f, "given back", w.reconciled(), 3)
		equal(f, "claimed", len(w.claim(q, 5)), 3)
	}},
	{"a claim whose jobs have all ended without it is found and taken away", 7, func(f *fixture) {
		// As after an outcome that was called lost: its worker leaves the row to be reconciled.
		q := f.queue("empty")
		f.enqueue(f.jobs(q, 2)...)
		w := f.worker()
		jobs := w.claim(q, 2)
		_, err := f.store.Finish(f.ctx, w.id, []job.Outcome{completed(jobs[0]), completed(jobs[1])}, nil, f.now)
		f.ok(err)
		equal(f, "given back", w.reconciled(), 0)
		f.noClaims(w)
	}},
}

// reconciled gives back the only claim that the worker finds to be its own, and says how many jobs that frees.
func (w *worker) reconciled() int {
	w.f.Helper()
	claims, err := w.f.store.Claims(w.f.ctx, w.id)
	w.f.ok(err)
	equal(w.f, "claims", len(claims), 1)
	n, err := w.f.store.GiveBack(w.f.ctx, claims[0], w.f.now)
	w.f.ok(err)
	return n
}
