package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var keysTests = []Test{
	{"at most limit jobs of a key run, in the order of their making", 10, func(f *fixture) {
		q := f.queue("keys")
		for _, limit := range []int{1, 3} {
			key := fmt.Sprint("k", limit)
			jobs := f.jobs(q, 7, concurrencyKey(key, limit))
			f.enqueue(jobs...)
			w := f.worker()
			held := w.claim(q, 10)
			for len(held) > 0 {
				equal(f, "running", len(held), min(limit, len(jobs)))
				for i, j := range held {
					equal(f, "order", j.ID, jobs[i].ID)
				}
				w.none(q)
				w.commit(completed(held[0]))
				jobs = jobs[1:]
				held = append(held[1:], w.claim(q, 10)...)
			}
			equal(f, "left", len(jobs), 0)
		}
	}},
	{"when many jobs of many keys end together, each key lets in as many as its limit leaves, in the order of their making", 10, func(f *fixture) {
		q := f.queue("keys", slots(2))
		limits := map[string]int{"wide": 20, "wider": 45}
		for i := range 40 {
			limits[fmt.Sprint("narrow", i)] = 1
		}
		left := map[string][]*job.Job{}
		for key, limit := range limits {
			left[key] = f.jobs(q, 3*limit-1, concurrencyKey(key, limit))
			f.enqueue(left[key]...)
		}
		w := f.worker()
		for range 3 {
			var outcomes []job.Outcome
			running := map[string]map[job.ID]bool{}
			for slot := 1; slot <= 2; slot++ {
				c, err := w.take(w.request(q, slot, 1000, f.now))
				f.ok(err)
				for _, j := range c.Jobs {
					if running[j.ConcurrencyKey] == nil {
						running[j.ConcurrencyKey] = map[job.ID]bool{}
					}
					running[j.ConcurrencyKey][j.ID] = true
					outcomes = append(outcomes, completed(j))
				}
			}
			for key, limit := range limits {
				n := min(limit, len(left[key]))
				equal(f, "running of "+key, len(running[key]), n)
				for _, j := range left[key][:n] {
					equal(f, "the first of "+key+" runs", running[key][j.ID], true)
				}
				left[key] = left[key][n:]
			}
			f.allCommitted(w.settle(f.now, outcomes...))
		}
		equal(f, "rows", f.rows(), 0)
		equal(f, "places", f.db.count(f, "SELECT COUNT(*) FROM slotq_keyed"), 0)
	}},
	{"keys do not meet over queues, nor other keys, nor jobs without one", 10, func(f *fixture) {
		q, other := f.queue("keys"), f.queue("other")
		w := f.worker()
		for _, in := range []job.Queue{q, other} {
			f.enqueue(f.jobs(in, 2, concurrencyKey("k", 1))...)
			f.enqueue(f.jobs(in, 2, concurrencyKey("l", 1))...)
			f.enqueue(f.jobs(in, 2)...)
		}
		equal(f, "claimed", len(w.claim(q, 10)), 4)
		equal(f, "claimed in the other queue", len(w.claim(other, 10)), 4)
	}},
	{"a job's own limit decides", 10, func(f *fixture) {
		q := f.queue("keys")
		f.enqueue(f.job(q, concurrencyKey("k", 2)), f.job(q, concurrencyKey("k", 2)), f.job(q, concurrencyKey("k", 1)), f.job(q, concurrencyKey("k", 3)))
		w := f.worker()
		held := w.claim(q, 10)
		n := len(held)
		if n < 2 || n > 3 {
			f.Fatalf("claimed %d", n)
		}
		for len(held) > 0 {
			for _, j := range held {
				if j.ConcurrencyLimit == 1 && len(held) > 1 {
					f.Fatalf("a job with limit 1 runs beside %d others", len(held)-1)
				}
			}
			w.commit(completed(held[0]))
			held = append(held[1:], w.claim(q, 10)...)
		}
		equal(f, "rows", f.rows(), 0)
	}},
	{"every end of a job lets the next one of its key in", 8, func(f *fixture) {
		for _, end := range f.ends() {
			q := f.queue("keys." + end.name)
			j := f.add(q, append(end.set, concurrencyKey("k", 1))...)
			if end.name == "purge" {
				end.run(q, j) // it would take the next one, too
				f.add(q, concurrencyKey("k", 1))
				f.worker().one(q)
				continue
			}
			next := f.add(q, concurrencyKey("k", 1))
			end.run(q, j)
			w := f.worker()
			if got := w.claim(q, 5); len(got) != 1 || got[0].ID != next.ID {
				f.Fatalf("after %s: claimed %d jobs, want the next of the key", end.name, len(got))
			}
		}
	}},
	{"a job that waits for its retry lets the next one pass, and waits its turn when it is due", 10, func(f *fixture) {
		q := f.queue("keys")
		first := f.add(q, concurrencyKey("k", 1))
		second := f.add(q, concurrencyKey("k", 1))
		w := f.worker()
		for _, back := range []func(*job.Job) job.Outcome{f.failed, f.snoozed} {
			held := w.one(q)
			equal(f, "first", held.ID, first.ID)
			w.commit(back(held))
			passing := w.one(q)
			equal(f, "the one that passes", passing.ID, second.ID)
			f.tick(time.Minute)
			w.none(q)
			w.commit(released(passing))
		}
		equal(f, "claimed", len(w.claim(q, 5)), 1)
	}},
	{"a crash gives the place away and keeps the limit", 10, func(f *fixture) {
		q := f.queue("keys")
		f.enqueue(f.jobs(q, 3, concurrencyKey("k", 1), maxCrashes(9))...)
		for range 3 {
			w := f.worker()
			w.one(q, suspects)
			w.none(q, suspects)
			f.crash(w)
			f.tick(time.Hour)
		}
		w := f.worker()
		for range 3 {
			j := w.one(q, suspects)
			w.none(q, suspects)
			w.commit(completed(j))
		}
		equal(f, "rows", f.rows(), 0)
	}},
	{"a blocked job says why it waits, and costs a claim nothing", 0, func(f *fixture) {
		q := f.queue("keys")
		f.enqueue(f.jobs(q, 600, concurrencyKey("k", 1), priority(1))...)
		free := f.add(q, priority(4))
		w := f.worker()
		w.one(q)
		got := w.claim(q, 1)
		equal(f, "claimed", len(got), 1)
		equal(f, "behind 600 blocked jobs", got[0].ID, free.ID)
		equal(f, "due", len(f.due(q)), 0)
		blocked := 0
		for _, j := range f.list(job.Filter{Queue: "keys"}) {
			if j.Blocked {
				blocked++
			}
		}
		equal(f, "blocked", blocked, 599)
	}},
	{"a job with a key that starts later takes no place before", 10, func(f *fixture) {
		q := f.queue("keys")
		later := f.add(q, concurrencyKey("k", 1), delay(time.Minute))
		f.add(q, concurrencyKey("k", 1))
		w := f.worker()
		held := w.one(q)
		f.tick(time.Minute)
		w.none(q)
		w.commit(completed(held))
		equal(f, "the later one", w.one(q).ID, later.ID)
	}},
	{"a retry of a finished job queues for its key again", 10, func(f *fixture) {
		q := f.queue("keys")
		first := f.add(q, concurrencyKey("k", 1))
		w := f.worker()
		w.commit(f.discarded(w.one(q)))
		f.add(q, concurrencyKey("k", 1))
		held := w.one(q)
		_, err := f.store.Retry(f.ctx, first.ID, f.now)
		f.ok(err)
		w.none(q)
		w.commit(completed(held))
		equal(f, "retried", w.one(q).ID, first.ID)
	}},
	{"a duplicate of a job with a key takes no place", 10, func(f *fixture) {
		q := f.queue("keys")
		id := job.NewID(f.now)
		set := []func(*job.Spec){concurrencyKey("k", 1), given(id, "a")}
		w := f.worker()
		f.add(q, set...)
		f.send(f.job(q, set...))
		w.commit(completed(w.one(q)))
		f.send(f.job(q, set...))
		f.add(q, concurrencyKey("k", 1))
		w.one(q)
	}},
	{"an unblocking sweep repairs places whose job is gone, and only those", 8, func(f *fixture) {
		q := f.queue("keys", slots(3))
		var lost []*job.Job
		for _, k := range []string{"a", "b", "c", "d", "e"} {
			jobs := f.jobs(q, 3, concurrencyKey(k, 1))
			f.enqueue(jobs...)
			lost = append(lost, jobs[0])
		}
		equal(f, "freed of a sound queue", f.unblock(2), 0)
		w := f.worker()
		claimAllSlots := func() (n int) {
			for slot := 1; slot <= 3; slot++ {
				c, err := w.take(w.request(q, slot, 100, f.now))
				f.ok(err)
				n += len(c.Jobs)
			}
			return n
		}
		equal(f, "claimed", claimAllSlots(), 5)
		equal(f, "freed while they run", f.unblock(2), 0)
		// What nobody foresaw: the holders' rows vanish.
		f.db.exec(f, "DELETE FROM slotq_jobs WHERE run > 0")
		equal(f, "claimed of stuck keys", claimAllSlots(), 0)
		if f.unblock(2) == 0 {
			f.Fatal("nothing was freed")
		}
		equal(f, "claimed after the sweep", claimAllSlots(), len(lost))
	}},
	{"a waiting job whose row is gone stops no other", 8, func(f *fixture) {
		q := f.queue("keys")
		mine := []func(*job.Spec){concurrencyKey("k", 1), kind("mine")}
		f.enqueue(f.job(q, concurrencyKey("k", 1)), f.job(q, mine...), f.job(q, mine...), f.job(q, concurrencyKey("k", 1)))
		w := f.worker()
		first := w.one(q)
		f.db.exec(f, "DELETE FROM slotq_jobs WHERE kind = 'mine'") // what nobody foresaw
		w.none(q)
		w.commit(completed(first))
		w.commit(completed(w.one(q)))
		equal(f, "places", f.db.count(f, "SELECT COUNT(*) FROM slotq_keyed"), 0)
	}},
}

// unblock sweeps all keys, a few at a time.
func (f *fixture) unblock(limit int) (freed int) {
	f.Helper()
	var after *job.Key
	for range 100 {
		next, n, err := f.store.Unblock(f.ctx, after, limit)
		f.ok(err)
		freed += n
		if next == nil {
			return freed
		}
		after = next
	}
	f.Fatal("the sweep does not end")
	return 0
}
