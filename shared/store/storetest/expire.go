package storetest

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

var expireTests = []Test{
	{"an expired job is not started, it ends discarded", 0, func(f *fixture) {
		q := f.queue("expire")
		expired := f.add(q, expiresAt(f.now.Add(time.Second)))
		valid := f.add(q, expiresAt(f.now.Add(time.Hour)))
		f.tick(time.Second)
		w := f.worker()
		equal(f, "claimed", w.one(q).ID, valid.ID)
		f.ended(expired.ID, job.Discarded, job.ReasonExpired)
		w.none(q)
	}},
	{"jobs that expire in front of others of their priority let no lower priority pass", 0, func(f *fixture) {
		q := f.queue("expire")
		f.enqueue(f.jobs(q, 5, priority(1), expiresAt(f.now.Add(time.Second)))...)
		f.tick(time.Minute)
		first, second := f.add(q, priority(1)), f.add(q, priority(2))
		w := f.worker()
		for _, want := range []*job.Job{first, second} {
			equal(f, "claimed", w.one(q).ID, want.ID)
		}
	}},
	{"a full front of expired jobs does not hide one that may start", 8, func(f *fixture) {
		q := f.queue("expire")
		f.enqueue(f.jobs(q, 60, expiresAt(f.now.Add(time.Second)))...)
		f.tick(time.Minute)
		valid := f.add(q)
		w := f.worker()
		for range 20 {
			c, err := w.take(w.request(q, 1, 5, f.now))
			f.ok(err)
			if len(c.Jobs) == 1 {
				equal(f, "claimed", c.Jobs[0].ID, valid.ID)
				return
			}
			if len(c.Jobs) > 1 {
				f.Fatal("an expired job was started")
			}
			equal(f, "more", c.More, true)
		}
		f.Fatal("the job that may start was not found")
	}},
	{"a sweep ends what waits, wherever it waits, and leaves what runs", 0, func(f *fixture) {
		q := f.queue("expire")
		at := f.now.Add(time.Minute)
		w := f.worker()
		f.add(q, expiresAt(at))
		running := w.one(q)
		f.add(q, expiresAt(at))
		retryable := w.one(q)
		w.commit(f.failed(retryable))
		waiting := []*job.Job{retryable, f.add(q, expiresAt(at)), f.add(q, expiresAt(at), delay(time.Hour)), f.add(q, expiresAt(at), concurrencyKey("k", 1)),
			f.add(q, expiresAt(at), concurrencyKey("k", 1))}
		later := f.add(q, expiresAt(at+1))
		f.now = at - 1
		equal(f, "expired too early", f.expire(100), 0)
		f.now = at
		equal(f, "expired", f.expire(2), len(waiting))
		for _, j := range waiting {
			f.ended(j.ID, job.Discarded, job.ReasonExpired)
		}
		f.waiting(later.ID)
		equal(f, "running", f.get(running.ID).State, job.Running)
		w.commit(f.failed(running))
		f.tick(time.Hour)
		f.expire(10)
		f.ended(running.ID, job.Discarded, job.ReasonExpired)
		f.ended(later.ID, job.Discarded, job.ReasonExpired)
	}},
	{"a job that ended or was deleted before it expired is left alone", 7, func(f *fixture) {
		q := f.queue("expire")
		w := f.worker()
		j := f.add(q, expiresAt(f.now.Add(time.Minute)))
		w.commit(completed(w.one(q)))
		deleted := f.add(q, expiresAt(f.now.Add(time.Minute)))
		_, err := f.store.Delete(f.ctx, deleted.ID)
		f.ok(err)
		f.tick(time.Hour)
		equal(f, "expired", f.expire(10), 0)
		f.ended(j.ID, job.Completed, "")
		f.gone(deleted.ID)
	}},
	{"a job that ran when it expired, ended and is retried does not expire again", 7, func(f *fixture) {
		q := f.queue("expire")
		w := f.worker()
		f.add(q, expiresAt(f.now.Add(time.Minute)))
		running := w.one(q)
		f.tick(time.Minute)
		equal(f, "expired", f.expire(10), 0)
		w.commit(completed(running))
		_, err := f.store.Retry(f.ctx, running.ID, f.now)
		f.ok(err)
		f.tick(time.Hour)
		equal(f, "expired", f.expire(10), 0)
		f.waiting(running.ID)
	}},
}

// expire sweeps until nothing is left to end.
func (f *fixture) expire(limit int) (expired int) {
	f.Helper()
	for idle := 0; idle < 3; {
		jobs, err := f.store.Expire(f.ctx, limit, f.now)
		f.ok(err)
		if len(jobs) > limit {
			f.Fatalf("one call ended %d, the limit is %d", len(jobs), limit)
		}
		for _, j := range jobs {
			f.ended(j.ID, job.Discarded, job.ReasonExpired)
		}
		if expired += len(jobs); len(jobs) == 0 {
			idle++
		}
	}
	return expired
}
