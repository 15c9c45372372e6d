package storetest

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

var pruneTests = []Test{
	{"history stays for its retention and goes after it", 0, func(f *fixture) {
		q := f.queue("prune", func(q *job.Queue) {
			q.KeepCompleted, q.KeepDiscarded, q.KeepCancelled = 2*time.Hour, 4*time.Hour, 6*time.Hour
		})
		w := f.worker()
		var ids [3]job.ID
		for i, o := range []func(*job.Job) job.Outcome{completed, f.discarded, func(j *job.Job) job.Outcome {
			return job.Outcome{Job: j, Action: job.Cancel, Reason: job.ReasonCancelled}
		}} {
			ids[i] = f.add(q).ID
			w.commit(o(w.one(q)))
		}
		for hours := 1; hours <= 7; hours += 2 {
			f.now = T0.Add(time.Duration(hours) * time.Hour)
			f.prune()
			for i, id := range ids {
				if kept := 2 * (i + 1); hours < kept {
					f.get(id)
				} else {
					f.gone(id)
				}
			}
		}
		equal(f, "left", f.db.count(f, "SELECT COUNT(*) FROM slotq_history"), 0)
	}},
	{"an unfinished job is never touched, however old", 1, func(f *fixture) {
		q := f.queue("prune", func(q *job.Queue) { q.KeepCompleted, q.KeepDiscarded, q.KeepCancelled = 0, 0, 0 })
		w := f.worker()
		f.add(q, idempotencyKey("k", "a"))
		held := w.one(q)
		failing := f.add(q)
		w.commit(f.failed(w.one(q)))
		waiting := []*job.Job{failing, f.add(q), f.add(q, delay(50*365*24*time.Hour)), f.add(q, uniqueKey("u"))}
		f.tick(20 * 365 * 24 * time.Hour)
		f.prune()
		for _, j := range waiting {
			f.waiting(j.ID)
		}
		equal(f, "claims", f.db.count(f, "SELECT COUNT(*) FROM slotq_claims"), 1)
		equal(f, "unique_key", f.send(f.job(q, uniqueKey("u"))).By, job.ByUniqueKey)
		w.commit(completed(held))
	}},
	{"retention 0 keeps nothing to see", 0, func(f *fixture) {
		q := f.queue("prune", func(q *job.Queue) { q.KeepCompleted, q.KeepDiscarded, q.KeepCancelled = 0, 0, 0 })
		for _, end := range f.ends() {
			in := f.queue("prune."+end.name, func(in *job.Queue) { in.KeepCompleted, in.KeepDiscarded, in.KeepCancelled = 0, 0, 0 })
			j := f.add(in, end.set...)
			end.run(in, j)
			f.gone(j.ID)
		}
		equal(f, "listed", len(f.list(job.Filter{})), 0)
		f.tick(2 * time.Hour)
		f.prune()
		equal(f, "left", f.db.count(f, "SELECT COUNT(*) FROM slotq_history"), 0)
		f.add(q)
	}},
	{"a call keeps to its limit", 0, func(f *fixture) {
		q := f.queue("prune")
		f.enqueue(f.jobs(q, 50)...)
		w := f.worker()
		for _, j := range w.claim(q, 50) {
			w.commit(completed(j))
		}
		f.tick(25 * time.Hour)
		for left := int64(50); left > 0; left -= 20 {
			_, err := f.store.Prune(f.ctx, 20, f.now)
			f.ok(err)
			equal(f, "left", f.db.count(f, "SELECT COUNT(*) FROM slotq_history"), max(left-20, 0))
		}
	}},
	{"a job that is retried while it is pruned is there or gone, never half", 1, func(f *fixture) {
		q := f.queue("prune")
		w := f.worker()
		for range 20 {
			j := f.add(q, uniqueKey("u"))
			w.commit(completed(w.one(q)))
			f.tick(25 * time.Hour)
			var retryErr error
			f.together(2, func(i int) (err error) {
				if i == 0 {
					_, err = f.store.Prune(f.ctx, 100, f.now)
				} else {
					_, retryErr = f.store.Retry(f.ctx, j.ID, f.now)
				}
				return err
			})
			if retryErr != nil {
				f.is(retryErr, job.ErrNotFound)
				f.gone(j.ID)
				continue
			}
			held := w.one(q)
			equal(f, "retried", held.ID, j.ID)
			w.commit(completed(held))
		}
	}},
	{"dead workers without claims go, others stay", 8, func(f *fixture) {
		q := f.queue("prune")
		f.enqueue(f.jobs(q, 2)...)
		live, gone, holding := f.worker(), f.worker(), f.worker()
		live.one(q)
		holding.one(q)
		f.kill(gone)
		f.kill(holding)
		f.tick(365 * 24 * time.Hour)
		f.prune()
		ids := map[job.WorkerID]bool{}
		workers, err := f.store.Workers(f.ctx)
		f.ok(err)
		for _, w := range workers {
			ids[w.ID] = true
		}
		equal(f, "live", ids[live.id], true)
		equal(f, "dead with a claim", ids[holding.id], true)
		equal(f, "dead without", ids[gone.id], false)
		equal(f, "rescued", len(f.sweep()), 1)
	}},
}
