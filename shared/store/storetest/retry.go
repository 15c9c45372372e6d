package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var retryTests = []Test{
	{"a finished job that is retried runs again, attempts anew, errors and runs kept", 7, func(f *fixture) {
		q := f.queue("retry")
		for _, end := range f.ends() {
			if end.state == 0 {
				continue
			}
			in := f.queue("retry."+end.name, func(in *job.Queue) { in.MaxAttempts = 2 })
			j := f.add(in, end.set...)
			end.run(in, j)
			before := f.ended(j.ID, end.state, f.get(j.ID).Reason)
			f.tick(time.Second)
			got, err := f.store.Retry(f.ctx, j.ID, f.now)
			f.ok(err)
			equal(f, end.name+": id", got.ID, j.ID)
			w := f.worker()
			held := w.one(in, suspects)
			equal(f, end.name+": job", held.ID, j.ID)
			equal(f, end.name+": run", held.Run, before.Run+1)
			equal(f, end.name+": errors", len(held.Errors), len(before.Errors))
			if left := held.MaxAttempts - held.Attempt + 1; left < j.MaxAttempts {
				f.Fatalf("after %s: %d attempts left, want %d", end.name, left, j.MaxAttempts)
			}
			equal(f, end.name+": cancel_requested_at", held.CancelAt, 0)
			w.commit(completed(held))
			f.ended(j.ID, job.Completed, "")
		}
		equal(f, "due", len(f.due(q)), 0)
	}},
	{"a retryable job that is retried is due now, with its attempts", 0, func(f *fixture) {
		q := f.queue("retry")
		f.add(q)
		w := f.worker()
		w.commit(f.failed(w.one(q)))
		w.none(q)
		j := f.list(job.Filter{})[0]
		_, err := f.store.Retry(f.ctx, j.ID, f.now)
		f.ok(err)
		equal(f, "attempt", w.one(q).Attempt, 2)
	}},
	{"a job that runs or waits for its first start cannot be retried", 0, func(f *fixture) {
		q := f.queue("retry")
		f.add(q)
		w := f.worker()
		held := w.one(q)
		for _, id := range []job.ID{held.ID, f.add(q).ID, f.add(q, delay(time.Hour)).ID} {
			_, err := f.store.Retry(f.ctx, id, f.now)
			f.is(err, job.ErrState)
		}
		_, err := f.store.Retry(f.ctx, job.NewID(f.now), f.now)
		f.is(err, job.ErrNotFound)
		w.commit(completed(held))
	}},
	{"a retry whose unique_key is taken is refused and changes nothing", 7, func(f *fixture) {
		q := f.queue("retry")
		j := f.add(q, uniqueKey("u"))
		w := f.worker()
		w.commit(completed(w.one(q)))
		holder := f.add(q, uniqueKey("u"))
		_, err := f.store.Retry(f.ctx, j.ID, f.now)
		f.is(err, job.ErrState)
		f.ended(j.ID, job.Completed, "")
		held := w.one(q)
		equal(f, "holder", held.ID, holder.ID)
		w.commit(completed(held))
		_, err = f.store.Retry(f.ctx, j.ID, f.now)
		f.ok(err)
		equal(f, "taken by the retried job", f.send(f.job(q, uniqueKey("u"))).ID, j.ID)
	}},
	{"one retry of 8 at once takes effect", 7, func(f *fixture) {
		q := f.queue("retry")
		w := f.worker()
		for range 5 {
			j := f.add(q)
			w.commit(f.discarded(w.one(q)))
			errs := make([]error, claimers)
			f.together(claimers, func(i int) error {
				_, errs[i] = f.store.Retry(f.ctx, j.ID, f.now)
				return nil
			})
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else {
					f.is(err, job.ErrState)
				}
			}
			if won == 0 {
				f.Fatal("no retry took effect")
			}
			equal(f, "rows", f.rows(), 1)
			w.commit(completed(w.one(q)))
		}
	}},
	{"run now makes a scheduled or retryable job due and leaves an available one", 0, func(f *fixture) {
		q := f.queue("run")
		w := f.worker()
		f.add(q)
		w.commit(f.failed(w.one(q)))
		f.add(q, delay(time.Hour))
		w.none(q)
		for _, j := range f.list(job.Filter{}) {
			_, err := f.store.RunNow(f.ctx, j.ID, f.now)
			f.ok(err)
		}
		equal(f, "claimed", len(w.claim(q, 5)), 2)
		available := f.add(q)
		f.tick(time.Minute)
		_, err := f.store.RunNow(f.ctx, available.ID, f.now)
		f.ok(err)
		equal(f, "run_at", f.get(available.ID).RunAt, available.RunAt)
		held := w.one(q)
		_, err = f.store.RunNow(f.ctx, held.ID, f.now)
		f.is(err, job.ErrState)
		w.commit(completed(held))
		_, err = f.store.RunNow(f.ctx, held.ID, f.now)
		f.is(err, job.ErrState)
		_, err = f.store.RunNow(f.ctx, job.NewID(f.now), f.now)
		f.is(err, job.ErrNotFound)
	}},
	{"a waiting or finished job is deleted without a trace, a running one is not", 0, func(f *fixture) {
		for _, end := range f.ends() {
			if end.state == 0 {
				continue
			}
			q := f.queue("delete." + end.name)
			j := f.add(q, append(end.set, uniqueKey("u"))...)
			end.run(q, j)
			got, err := f.store.Delete(f.ctx, j.ID)
			f.ok(err)
			equal(f, end.name+": id", got.ID, j.ID)
			f.gone(j.ID)
		}
		q := f.queue("delete")
		for _, set := range []func(*job.Spec){uniqueKey("u"), concurrencyKey("k", 1), delay(time.Hour), expiresAt(f.now.Add(time.Hour))} {
			j := f.add(q, set)
			_, err := f.store.Delete(f.ctx, j.ID)
			f.ok(err)
			f.gone(j.ID)
			_, err = f.store.Delete(f.ctx, j.ID)
			f.is(err, job.ErrNotFound)
		}
		f.add(q)
		w := f.worker()
		held := w.one(q)
		_, err := f.store.Delete(f.ctx, held.ID)
		f.is(err, job.ErrState)
		w.commit(completed(held))
		for _, table := range []string{"unique_keys", "keyed", "claims"} {
			equal(f, table, f.db.count(f, "SELECT COUNT(*) FROM slotq_"+table), 0)
		}
	}},
	{"a delete that races a claim removes the job or leaves it running", 1, func(f *fixture) {
		q := f.queue("delete")
		w := f.worker()
		for range 30 {
			j := f.add(q)
			var c job.Claimed
			var deleted error
			f.together(2, func(i int) (err error) {
				if i == 0 {
					_, deleted = f.store.Delete(f.ctx, j.ID)
					return nil
				}
				c, err = w.take(w.request(q, 1, 1, f.now))
				return err
			})
			switch {
			case deleted == nil && len(c.Jobs) == 0:
				f.gone(j.ID)
			case errors.Is(deleted, job.ErrState) && len(c.Jobs) == 1:
				w.commit(completed(c.Jobs[0]))
			default:
				f.Fatalf("the delete got %v, the claim %d jobs", deleted, len(c.Jobs))
			}
		}
	}},
	{"every operation at once on few jobs leaves each in one place", 7, func(f *fixture) {
		q := f.queue("all")
		jobs := f.jobs(q, 6, maxAttempts(1000), maxCrashes(1000))
		f.enqueue(jobs...)
		allowed := func(err error) error {
			if errors.Is(err, job.ErrState) {
				return nil
			}
			return err
		}
		f.together(claimers, func(i int) error {
			w, err := f.register(f.store)
			for n := 0; err == nil && n < 40; n++ {
				id := jobs[(n*5+i)%len(jobs)].ID
				switch i % 4 {
				case 0:
					_, err = f.store.Retry(f.ctx, id, f.now)
				case 1:
					_, err = f.store.Cancel(f.ctx, id, f.now)
				case 2:
					_, err = f.store.RunNow(f.ctx, id, f.now)
				case 3:
					var c job.Claimed
					if c, err = w.take(w.request(q, 1, 2, f.now, suspects)); err == nil && len(c.Jobs) > 0 {
						_, err = w.settle(f.now, []job.Outcome{completed(c.Jobs[0]), f.failed(c.Jobs[0]), released(c.Jobs[0])}[n%3])
					}
				}
				if err = allowed(err); err != nil {
					err = fmt.Errorf("operation %d: %w", i%4, err)
				}
			}
			return err
		})
		for _, j := range jobs {
			f.get(j.ID)
		}
		total := f.rows() + f.db.count(f, "SELECT COUNT(*) FROM slotq_history")
		equal(f, "rows in both tables", total, int64(len(jobs)))
	}},
}
