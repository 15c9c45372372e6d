package storetest

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

var uniqueTests = []Test{
	{"one live job per queue and unique_key", 0, func(f *fixture) {
		q, other := f.queue("unique"), f.queue("other")
		j := f.add(q, uniqueKey("u"))
		e := f.send(f.job(q, uniqueKey("u")))
		equal(f, "duplicate", e.By, job.ByUniqueKey)
		equal(f, "holder", e.ID, j.ID)
		f.add(other, uniqueKey("u"))
		f.add(q, uniqueKey("v"))
		out, err := f.store.Enqueue(f.ctx, []*job.Job{f.job(q, uniqueKey("w")), f.job(q, uniqueKey("w"))}, false)
		f.ok(err)
		equal(f, "first", out[0].By, "")
		equal(f, "second", out[1].By, job.ByUniqueKey)
		equal(f, "rows", f.rows(), 4)
	}},
	{"one unique_key from 8 at once makes one job", 0, func(f *fixture) {
		q := f.queue("unique")
		w := f.worker()
		for range 10 {
			out := make([]job.Enqueued, claimers)
			f.together(claimers, func(i int) error {
				e, err := f.store.Enqueue(f.ctx, []*job.Job{f.job(q, uniqueKey("u"))}, false)
				if err == nil {
					out[i] = e[0]
				}
				return err
			})
			made := 0
			for _, e := range out {
				if e.By == "" {
					made++
				}
			}
			equal(f, "created", made, 1)
			equal(f, "rows", f.rows(), 1)
			w.commit(completed(w.one(q)))
		}
	}},
	{"a unique_key stays taken while its job is put back", 0, func(f *fixture) {
		q := f.queue("unique")
		j := f.add(q, uniqueKey("u"))
		taken := func(when string) {
			f.Helper()
			e := f.send(f.job(q, uniqueKey("u")))
			equal(f, when, e.By, job.ByUniqueKey)
			equal(f, when+": holder", e.ID, j.ID)
		}
		w := f.worker()
		held := w.one(q)
		taken("running")
		w.commit(f.failed(held))
		taken("retryable")
		f.tick(time.Minute)
		w.commit(f.snoozed(w.one(q)))
		taken("snoozed")
		f.tick(time.Minute)
		w.commit(released(w.one(q)))
		taken("given back")
		w.one(q)
		f.crash(w)
		taken("rescued")
	}},
	{"every end of a job frees its unique_key", 0, func(f *fixture) {
		for _, end := range f.ends() {
			q := f.queue("unique." + end.name)
			j := f.add(q, append(end.set, uniqueKey("u"))...)
			end.run(q, j)
			if e := f.send(f.job(q, uniqueKey("u"))); e.By != "" || e.Err != nil {
				f.Fatalf("after %s: got %+v, want a new job", end.name, e)
			}
		}
	}},
}

// end is a way in which a job ends.
type end struct {
	name  string
	state job.State // 0 = no trace is left
	set   []func(*job.Spec)
	run   func(q job.Queue, j *job.Job)
}

// ends lists every path to the end of the only claimable job of a queue.
func (f *fixture) ends() []end {
	w := f.worker()
	outcome := func(o func(*job.Job) job.Outcome) func(job.Queue, *job.Job) {
		return func(q job.Queue, _ *job.Job) { f.Helper(); w.commit(o(w.one(q))) }
	}
	cancelRunning := func(o func(*job.Job) job.Outcome) func(job.Queue, *job.Job) {
		return func(q job.Queue, j *job.Job) {
			f.Helper()
			held := w.one(q)
			_, err := f.store.Cancel(f.ctx, j.ID, f.now)
			f.ok(err)
			equal(f, "verdict", w.finish(o(held)), job.EndedCancelled)
		}
	}
	expiring := []func(*job.Spec){expiresAt(f.now.Add(time.Second))}
	later := func() job.Time { return f.now.Add(time.Minute) }
	return []end{
		{"complete", job.Completed, nil, outcome(completed)},
		{"discard", job.Discarded, nil, outcome(f.discarded)},
		{"last attempt", job.Discarded, []func(*job.Spec){maxAttempts(1)}, outcome(f.failed)},
		{"cancel outcome", job.Cancelled, nil, outcome(func(j *job.Job) job.Outcome {
			return job.Outcome{Job: j, Action: job.Cancel, Reason: job.ReasonCancelled}
		})},
		{"cancel waiting", job.Cancelled, nil, func(_ job.Queue, j *job.Job) {
			f.Helper()
			_, err := f.store.Cancel(f.ctx, j.ID, f.now)
			f.ok(err)
		}},
		{"cancel then fail", job.Cancelled, nil, cancelRunning(f.failed)},
		{"cancel then snooze", job.Cancelled, nil, cancelRunning(f.snoozed)},
		{"cancel then release", job.Cancelled, nil, cancelRunning(released)},
		{"cancel then crash", job.Cancelled, nil, func(q job.Queue, j *job.Job) {
			f.Helper()
			dying := f.worker()
			dying.one(q)
			_, err := f.store.Cancel(f.ctx, j.ID, f.now)
			f.ok(err)
			f.crash(dying)
		}},
		{"last crash", job.Discarded, []func(*job.Spec){maxCrashes(1)}, func(q job.Queue, _ *job.Job) {
			f.Helper()
			dying := f.worker()
			dying.one(q)
			f.crash(dying)
		}},
		{"purge", job.Cancelled, nil, func(q job.Queue, _ *job.Job) {
			f.Helper()
			n, _, err := f.store.Purge(f.ctx, q.Name, later(), 100, f.now)
			f.ok(err)
			if n == 0 {
				f.Fatal("purge took nothing")
			}
		}},
		{"expiry by the sweep", job.Discarded, expiring, func(_ job.Queue, _ *job.Job) {
			f.Helper()
			_, err := f.store.Expire(f.ctx, 100, later())
			f.ok(err)
		}},
		{"expiry by a claim", job.Discarded, expiring, func(q job.Queue, j *job.Job) {
			f.Helper()
			c, err := w.take(w.request(q, j.Slot, 1, later()))
			f.ok(err)
			// What a claim took beside it goes back.
			for _, other := range c.Jobs {
				_, err := w.settle(f.now, released(other))
				f.ok(err)
			}
		}},
		{"delete waiting", 0, nil, func(_ job.Queue, j *job.Job) {
			f.Helper()
			_, err := f.store.Delete(f.ctx, j.ID)
			f.ok(err)
		}},
	}
}
