package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var cancelTests = []Test{
	{"a waiting job is cancelled at once", 0, func(f *fixture) {
		q := f.queue("cancel")
		w := f.worker()
		retryable := f.add(q)
		w.commit(f.failed(w.one(q)))
		blocked := f.jobs(q, 2, concurrencyKey("k", 1))
		f.enqueue(blocked...)
		for _, j := range []*job.Job{retryable, blocked[1], blocked[0], f.add(q), f.add(q, delay(time.Hour))} {
			got, err := f.store.Cancel(f.ctx, j.ID, f.now)
			f.ok(err)
			equal(f, "state", got.State, job.Cancelled)
			got = f.ended(j.ID, job.Cancelled, job.ReasonCancelled)
			equal(f, "finished_at", got.FinishedAt, f.now)
		}
		f.tick(2 * time.Hour)
		w.none(q)
		equal(f, "rows", f.rows(), 0)
	}},
	{"a running job is marked, its worker hears of it, and it ends cancelled", 0, func(f *fixture) {
		q := f.queue("cancel")
		f.enqueue(f.jobs(q, 3)...)
		w := f.worker()
		jobs := w.claim(q, 3)
		running := []job.ID{jobs[0].ID, jobs[1].ID, jobs[2].ID}
		b, err := f.store.Beat(f.ctx, w.id, running)
		f.ok(err)
		equal(f, "cancelled", len(b.Cancelled), 0)
		got, err := f.store.Cancel(f.ctx, jobs[1].ID, f.now)
		f.ok(err)
		equal(f, "state", got.State, job.Running)
		equal(f, "cancel_requested_at", got.CancelAt, f.now)
		b, err = f.store.Beat(f.ctx, w.id, running)
		f.ok(err)
		if !slices.Equal(b.Cancelled, []job.ID{jobs[1].ID}) {
			f.Fatalf("the beat brought %v, want %s", b.Cancelled, jobs[1].ID)
		}
		equal(f, "verdict", w.finish(f.failed(jobs[1])), job.EndedCancelled)
		f.ended(jobs[1].ID, job.Cancelled, job.ReasonCancelled)
	}},
	{"a job that was asked to cancel ends cancelled however its run ends", 7, func(f *fixture) {
		for _, end := range f.ends() {
			if end.state != job.Cancelled {
				continue
			}
			q := f.queue("cancel." + end.name)
			j := f.add(q, end.set...)
			end.run(q, j)
			if s := f.get(j.ID).State; s != job.Cancelled {
				f.Fatalf("after %s the job is %s", end.name, s)
			}
		}
	}},
	{"a job that completes first stays completed", 7, func(f *fixture) {
		q := f.queue("cancel")
		f.add(q)
		w := f.worker()
		j := w.one(q)
		_, err := f.store.Cancel(f.ctx, j.ID, f.now)
		f.ok(err)
		w.commit(completed(j))
		f.ended(j.ID, job.Completed, "")
	}},
	{"a cancel that races a fail always ends the job", 7, func(f *fixture) {
		q := f.queue("race")
		w := f.worker()
		for range 40 {
			j := f.add(q)
			held := w.one(q)
			f.together(2, func(i int) error {
				if i == 0 {
					_, err := f.store.Cancel(f.ctx, j.ID, f.now)
					return err
				}
				_, err := w.settle(f.now, f.failed(held))
				return err
			})
			f.ended(j.ID, job.Cancelled, job.ReasonCancelled)
		}
		equal(f, "rows", f.rows(), 0)
		f.noClaims(w)
	}},
	{"a cancel that races a claim ends the job or marks it", 7, func(f *fixture) {
		q := f.queue("race")
		w := f.worker()
		for range 40 {
			j := f.add(q)
			var c job.Claimed
			f.together(2, func(i int) (err error) {
				if i == 0 {
					_, err = f.store.Cancel(f.ctx, j.ID, f.now)
				} else {
					c, err = w.take(w.request(q, 1, 1, f.now))
				}
				return err
			})
			for _, held := range c.Jobs {
				if got := f.get(j.ID); got.State != job.Running || got.CancelAt == 0 {
					f.Fatalf("a claimed job is %s, cancel requested at %d", got.State, got.CancelAt)
				}
				equal(f, "verdict", w.finish(released(held)), job.EndedCancelled)
			}
			f.ended(j.ID, job.Cancelled, job.ReasonCancelled)
		}
	}},
	{"a cancel that races a rescue ends the job", 7, func(f *fixture) {
		q := f.queue("race")
		for range 20 {
			j := f.add(q)
			w := f.worker()
			w.one(q)
			f.kill(w)
			f.together(2, func(i int) (err error) {
				if i == 0 {
					_, err = f.store.Cancel(f.ctx, j.ID, f.now)
				} else {
					_, err = sweep(f, f.store, f.now)
				}
				return err
			})
			f.ended(j.ID, job.Cancelled, job.ReasonCancelled)
		}
	}},
	{"cancelling again changes nothing, and other ends refuse it", 7, func(f *fixture) {
		q := f.queue("cancel")
		w := f.worker()
		j := f.add(q)
		for range 2 {
			got, err := f.store.Cancel(f.ctx, j.ID, f.now)
			f.ok(err)
			equal(f, "state", got.State, job.Cancelled)
			equal(f, "finished_at", got.FinishedAt, T0)
			f.tick(time.Second)
		}
		running := f.add(q)
		held := w.one(q)
		asked := f.now
		for range 2 {
			got, err := f.store.Cancel(f.ctx, running.ID, f.now)
			f.ok(err)
			equal(f, "cancel_requested_at", got.CancelAt, asked)
			f.tick(time.Second)
		}
		w.commit(completed(held))
		_, err := f.store.Cancel(f.ctx, running.ID, f.now)
		f.is(err, job.ErrState)
		f.add(q)
		held = w.one(q)
		w.commit(f.discarded(held))
		_, err = f.store.Cancel(f.ctx, held.ID, f.now)
		f.is(err, job.ErrState)
		_, err = f.store.Cancel(f.ctx, job.NewID(f.now), f.now)
		f.is(err, job.ErrNotFound)
	}},
	{"8 cancels at once agree", 7, func(f *fixture) {
		q := f.queue("race")
		for range 10 {
			j := f.add(q)
			f.together(claimers, func(int) error {
				got, err := f.store.Cancel(f.ctx, j.ID, f.now)
				if err == nil && got.State != job.Cancelled {
					err = errors.New("it is " + got.State.String())
				}
				return err
			})
		}
	}},
}
