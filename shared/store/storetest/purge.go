package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var purgeTests = []Test{
	{"a purge cancels what waits into history and leaves what runs", 0, func(f *fixture) {
		q, other := f.queue("purge", slots(2)), f.queue("other")
		w := f.worker()
		f.add(other)
		running := f.job(q)
		running.Slot = 1
		f.enqueue(running)
		held := w.one(q)
		retryable := f.job(q)
		retryable.Slot = 1
		f.enqueue(retryable)
		w.commit(f.failed(w.one(q)))
		waiting := append(f.jobs(q, 5), f.jobs(q, 2, delay(time.Hour))...)
		waiting = append(waiting, f.jobs(q, 3, concurrencyKey("k", 1))...)
		f.enqueue(waiting...)
		f.tick(time.Second)
		n := f.purge(q, f.now, 4)
		equal(f, "purged", n, 11)
		for _, j := range append(waiting, retryable) {
			f.ended(j.ID, job.Cancelled, job.ReasonPurged)
		}
		equal(f, "running", f.get(held.ID).State, job.Running)
		w.commit(completed(held))
		f.add(q, concurrencyKey("k", 1))
		equal(f, "rows", f.rows(), 2)
	}},
	{"a purge leaves jobs that were made after its beginning", 0, func(f *fixture) {
		q := f.queue("purge")
		f.enqueue(f.jobs(q, 5)...)
		f.tick(time.Second)
		began := f.now
		f.tick(time.Second)
		young := f.jobs(q, 5)
		f.enqueue(young...)
		equal(f, "purged", f.purge(q, began, 3), 5)
		for _, j := range young {
			f.waiting(j.ID)
		}
	}},
	{"a purge that races 8 claimers cancels or leaves each job, and loses none", 1, func(f *fixture) {
		q := f.queue("purge", slots(2))
		jobs := f.jobs(q, 300)
		f.enqueue(jobs...)
		f.tick(time.Second)
		f.together(claimers+1, func(i int) error {
			if i == claimers {
				for more := true; more; {
					var err error
					if _, more, err = f.store.Purge(f.ctx, q.Name, f.now, 20, f.now); err != nil {
						return err
					}
				}
				return nil
			}
			w, err := f.register(f.store)
			for n := 0; err == nil && n < 12; n++ {
				var c job.Claimed
				if c, err = w.take(w.request(q, n%2+1, 3, f.now)); err != nil {
					return err
				}
				for _, j := range c.Jobs {
					v, err := w.settle(f.now, completed(j))
					if err != nil {
						return err
					}
					if v[0] != job.Committed {
						return fmt.Errorf("a claimed job's outcome got %v", v[0])
					}
				}
			}
			return err
		})
		f.purge(q, f.now, 50)
		for _, j := range jobs {
			if got := f.get(j.ID); got.State != job.Completed && (got.State != job.Cancelled || got.Reason != job.ReasonPurged) {
				f.Fatalf("job %s is %s (%s)", j.ID, got.State, got.Reason)
			}
		}
	}},
	{"a purge of an unknown queue says so", 0, func(f *fixture) {
		_, _, err := f.store.Purge(f.ctx, "nobody", f.now, 10, f.now)
		f.is(err, job.ErrNotFound)
	}},
}

// purge goes on until it says that there is no more; each call keeps to its limit.
func (f *fixture) purge(q job.Queue, before job.Time, limit int) (purged int) {
	f.Helper()
	for range 200 {
		n, more, err := f.store.Purge(f.ctx, q.Name, before, limit, f.now)
		f.ok(err)
		if n > limit {
			f.Fatalf("one call purged %d, the limit is %d", n, limit)
		}
		if purged += n; !more {
			return purged
		}
	}
	f.Fatal("the purge does not end")
	return 0
}
