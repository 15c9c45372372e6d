package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var rescueTests = []Test{
	{"a dead worker's jobs are counted a crash and may start at once", 8, func(f *fixture) {
		q := f.queue("rescue")
		f.enqueue(f.jobs(q, 5)...)
		dead := f.worker()
		held := dead.claim(q, 5)
		equal(f, "rescued while it lives", len(f.sweep()), 0)
		outcomes := f.crash(dead)
		equal(f, "rescued", len(outcomes), 5)
		w := f.worker()
		for _, j := range held {
			got := f.waiting(j.ID)
			equal(f, "crashes", got.Crashes, 1)
			equal(f, "attempt", got.Attempt, 1)
			equal(f, "run_at", got.RunAt, f.now)
			equal(f, "errors", len(got.Errors), 1)
			equal(f, "error", got.Errors[0].Type, "crash")
			equal(f, "its worker", got.Errors[0].Worker, dead.id)
			again := w.one(q, suspects)
			equal(f, "run", again.Run, 2)
			w.commit(completed(again))
		}
		f.noClaims(dead)
	}},
	{"later crashes wait, and the last one allowed discards", 6, func(f *fixture) {
		q := f.queue("crashes")
		j := f.add(q, maxCrashes(3), maxAttempts(1))
		for n := 1; n <= 3; n++ {
			w := f.worker()
			w.one(q, suspects)
			f.crash(w)
			if n == 3 {
				break
			}
			got := f.waiting(j.ID)
			equal(f, "crashes", got.Crashes, n)
			if wait := got.RunAt.Sub(f.now); (n == 1) != (wait == 0) || wait > 2*lease {
				f.Fatalf("after crash %d the job waits %v", n, wait)
			}
			f.now = got.RunAt
		}
		got := f.ended(j.ID, job.Discarded, job.ReasonMaxCrashes)
		equal(f, "crashes", got.Crashes, 3)
		equal(f, "attempt", got.Attempt, 1)
	}},
	{"neighbours of a suspect count no crash", 6, func(f *fixture) {
		q := f.queue("suspect")
		bad := f.add(q, maxCrashes(9))
		w := f.worker()
		w.one(q)
		f.crash(w)
		neighbours := f.jobs(q, 20, priority(3))
		f.enqueue(neighbours...)
		w = f.worker()
		equal(f, "suspect", w.one(q, suspects).ID, bad.ID)
		equal(f, "neighbours", len(w.claim(q, 20)), 20)
		equal(f, "rescued", len(f.crash(w)), 21)
		equal(f, "crashes of the suspect", f.get(bad.ID).Crashes, 2)
		for _, j := range neighbours {
			got := f.waiting(j.ID)
			equal(f, "crashes of a neighbour", got.Crashes, 0)
			equal(f, "errors of a neighbour", len(got.Errors), 0)
		}
		equal(f, "neighbours again", len(f.worker().claim(q, 30)), 20)
	}},
	{"the claim with a suspect comes last of its worker", 6, func(f *fixture) {
		q := f.queue("suspect")
		for range 6 {
			w := f.worker()
			f.add(q, maxCrashes(9))
			w.one(q)
			f.crash(w)
			w = f.worker()
			f.enqueue(f.jobs(q, 2)...)
			w.one(q, suspects)
			w.claim(q, 1)
			w.claim(q, 1)
			f.kill(w)
			claims, err := f.store.Orphans(f.ctx, 100)
			f.ok(err)
			equal(f, "claims", len(claims), 3)
			equal(f, "order", fmt.Sprint(claims[0].Suspect, claims[1].Suspect, claims[2].Suspect), "false false true")
			f.sweep()
			f.db.empty(f)
			q = f.queue("suspect")
		}
	}},
	{"a rescue that comes second changes nothing", 4, func(f *fixture) {
		q := f.queue("twice")
		j := f.add(q)
		w := f.worker()
		w.one(q)
		f.kill(w)
		claims, err := f.store.Orphans(f.ctx, 10)
		f.ok(err)
		rescued := make([]int, claimers)
		f.together(claimers, func(i int) error {
			out, err := f.store.Rescue(f.ctx, claims[0], true, lease, f.now)
			rescued[i] = len(out)
			return err
		})
		sum := 0
		for _, n := range rescued {
			sum += n
		}
		equal(f, "rescued by 8 managers", sum, 1)
		equal(f, "crashes", f.get(j.ID).Crashes, 1)
	}},
	{"a manager that wakes after another's rescue changes nothing", 4, func(f *fixture) {
		q := f.queue("frozen")
		j := f.add(q, maxCrashes(1))
		dead, next := f.worker(), f.worker()
		dead.one(q)
		f.kill(dead)
		frozen, err := f.store.Orphans(f.ctx, 10)
		f.ok(err)
		// Meanwhile another manager gives the job back without a count, as for a neighbour, and it starts again.
		_, err = f.store.Rescue(f.ctx, frozen[0], false, lease, f.now)
		f.ok(err)
		held := next.one(q)
		f.tick(time.Hour)
		out, err := f.store.Rescue(f.ctx, frozen[0], true, lease, f.now)
		f.ok(err)
		equal(f, "rescued", len(out), 0)
		got := f.get(j.ID)
		equal(f, "state", got.State, job.Running)
		equal(f, "token", got.Token, held.Token)
		equal(f, "crashes", got.Crashes, 0)
		next.commit(completed(held))
	}},
	{"a rescue touches only jobs that still carry the claim's token", 4, func(f *fixture) {
		// The claim's row is still there, as after a finish that could not say that it was the last: its ids name jobs
		// that have moved on.
		q := f.queue("moved")
		f.enqueue(f.jobs(q, 3, maxCrashes(1))...)
		dead, next := f.worker(), f.worker()
		jobs := dead.claim(q, 3)
		v, err := f.store.Finish(f.ctx, dead.id, []job.Outcome{completed(jobs[0]), released(jobs[1])}, nil, f.now)
		f.ok(err)
		equal(f, "verdicts", fmt.Sprint(v), fmt.Sprint([]job.Verdict{job.Committed, job.Committed}))
		held := next.one(q)
		equal(f, "held by another", held.ID, jobs[1].ID)
		out := f.crash(dead)
		equal(f, "rescued", len(out), 1)
		f.ended(jobs[0].ID, job.Completed, "")
		f.ended(jobs[2].ID, job.Discarded, job.ReasonMaxCrashes)
		got := f.get(held.ID)
		equal(f, "token", got.Token, held.Token)
		equal(f, "crashes", got.Crashes, 0)
		next.commit(completed(held))
	}},
	{"a worker is declared dead only at the beat that was seen", 4, func(f *fixture) {
		w := f.worker()
		seen := f.beatOf(w)
		_, err := f.store.Beat(f.ctx, w.id, nil)
		f.ok(err)
		dead, err := f.store.DeclareDead(f.ctx, w.id, seen)
		f.ok(err)
		equal(f, "dead at an old beat", dead, false)
		_, err = f.store.Beat(f.ctx, w.id, nil)
		f.ok(err)
		seen = f.beatOf(w)
		by := make([]bool, claimers)
		f.together(claimers, func(i int) (err error) {
			by[i], err = f.store.DeclareDead(f.ctx, w.id, seen)
			return err
		})
		n := 0
		for _, b := range by {
			if b {
				n++
			}
		}
		equal(f, "managers that declared it dead", n, 1)
		_, err = f.store.Beat(f.ctx, w.id, nil)
		f.is(err, job.ErrWorkerDead)
		dead, err = f.store.DeclareDead(f.ctx, w.id, seen)
		f.ok(err)
		equal(f, "dead twice", dead, false)
	}},
	{"claims of a worker without a row are orphans", 8, func(f *fixture) {
		q := f.queue("rowless")
		j := f.add(q)
		w, live := f.worker(), f.worker()
		w.one(q)
		f.add(q)
		live.one(q)
		f.db.exec(f, fmt.Sprintf("DELETE FROM slotq_workers WHERE id = %d", w.id))
		equal(f, "rescued", len(f.sweep()), 1)
		f.waiting(j.ID)
		_, err := f.store.Beat(f.ctx, w.id, nil)
		f.is(err, job.ErrWorkerDead)
	}},
	{"a claim that is committed while its worker is declared dead is rescued", 8, claimWhileDeclaredDead},
	{"a worker that leaves with a claim leaves it to the sweep", 8, func(f *fixture) {
		q := f.queue("leave")
		j := f.add(q)
		w := f.worker()
		w.one(q)
		f.ok(f.store.Leave(f.ctx, w.id))
		// Whatever Leave did with the row: when no manager sees it beat, the job comes back.
		if err := declareDead(f, f.store, w.id); err != nil {
			f.Log("the row is gone:", err)
		}
		equal(f, "rescued", len(f.sweep()), 1)
		f.waiting(j.ID)
	}},
	{"no more orphans than the limit", 0, func(f *fixture) {
		q := f.queue("limit")
		f.enqueue(f.jobs(q, 5)...)
		w := f.worker()
		for range 5 {
			w.one(q)
		}
		f.kill(w)
		claims, err := f.store.Orphans(f.ctx, 3)
		f.ok(err)
		equal(f, "orphans", len(claims), 3)
		equal(f, "rescued", len(f.sweep()), 5)
	}},
	{"given back jobs are not counted and the claim is gone", 6, func(f *fixture) {
		q := f.queue("giveback")
		f.enqueue(f.jobs(q, 4)...)
		w := f.worker()
		jobs := w.claim(q, 4)
		_, err := w.store.Finish(f.ctx, w.id, []job.Outcome{completed(jobs[0])}, nil, f.now)
		f.ok(err)
		_, err = f.store.Cancel(f.ctx, jobs[1].ID, f.now)
		f.ok(err)
		claims, err := f.store.Claims(f.ctx, w.id)
		f.ok(err)
		equal(f, "ids", len(claims[0].IDs), 3)
		_, err = f.store.GiveBack(f.ctx, claims[0], f.now)
		f.ok(err)
		f.noClaims(w)
		f.ended(jobs[1].ID, job.Cancelled, job.ReasonCancelled)
		for _, j := range jobs[2:] {
			got := f.waiting(j.ID)
			equal(f, "attempt", got.Attempt, 1)
			equal(f, "crashes", got.Crashes, 0)
		}
		n, err := f.store.GiveBack(f.ctx, claims[0], f.now)
		f.ok(err)
		equal(f, "given back twice", n, 0)
		equal(f, "claimed again", len(w.claim(q, 9)), 2)
	}},
}

func (f *fixture) beatOf(w *worker) int64 {
	f.Helper()
	workers, err := f.store.Workers(f.ctx)
	f.ok(err)
	for _, k := range workers {
		if k.ID == w.id {
			return k.Beat
		}
	}
	f.Fatalf("worker %s is not known", w.id)
	return 0
}

// claimWhileDeclaredDead lets workers claim for as long as they may while a manager declares them dead and sweeps; what
// was committed after the sweep, the next one must find.
func claimWhileDeclaredDead(f *fixture) {
	q := f.queue("late", slots(4))
	const total = 200
	f.enqueue(f.jobs(q, total, maxCrashes(1000))...)
	workers := make([]*worker, claimers)
	for i := range workers {
		workers[i] = f.worker()
	}
	var claimed [claimers]int
	f.together(2*claimers, func(i int) error {
		if i >= claimers {
			i -= claimers
			if err := declareDead(f, f.store, workers[i].id); err != nil {
				return err
			}
			_, err := sweep(f, f.store, f.now)
			return err
		}
		for slot := 0; slot < 200; slot++ {
			c, err := workers[i].take(workers[i].request(q, slot%4+1, 2, f.now, suspects))
			if errors.Is(err, job.ErrWorkerDead) {
				return nil
			}
			if err != nil {
				return err
			}
			claimed[i] += len(c.Jobs)
		}
		return nil
	})
	f.sweep()
	equal(f, "claims left", f.db.count(f, "SELECT COUNT(*) FROM slotq_claims"), 0)
	w := f.worker()
	free := 0
	for range 3 * total {
		for slot := 1; slot <= 4; slot++ {
			c, err := w.take(w.request(q, slot, 100, f.now.Add(time.Hour), suspects))
			f.ok(err)
			free += len(c.Jobs)
		}
		if free == total {
			return
		}
	}
	f.Fatalf("%d of %d jobs can start again; claimed before: %v", free, total, claimed)
}
