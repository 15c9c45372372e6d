package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var resizeTests = []Test{
	{"more slots: rows are added and used; fewer: rows stay and drain", 1, func(f *fixture) {
		q := f.queue("resize", slots(4))
		top := f.job(q)
		top.Slot = 4
		f.enqueue(top)
		for _, n := range []int{2, 6, 1} {
			got := f.resize(q, n)
			equal(f, "slots", got.Slots, n)
			equal(f, "key slots", got.KeySlots, 4)
		}
		rows, err := f.store.Slots(f.ctx, q.ID)
		f.ok(err)
		equal(f, "slot rows", len(rows), 6)
		late := f.job(q) // from an api that still knows the older number
		late.Slot = 3
		f.enqueue(late)
		w := f.worker()
		equal(f, "due", len(f.due(q)), 2)
		for _, slot := range []int{3, 4} {
			c, err := w.take(w.request(q, slot, 10, f.now))
			f.ok(err)
			equal(f, "claimed above the number", len(c.Jobs), 1)
			w.commit(completed(c.Jobs[0]))
		}
	}},
	{"a resize moves no concurrency key", 10, func(f *fixture) {
		q := f.queue("resize", slots(8))
		keys := []string{"a", "b", "c", "d", "e", "f"}
		for _, k := range keys {
			f.add(q, concurrencyKey(k, 1))
		}
		q = f.resize(q, 3)
		for _, k := range keys {
			f.add(q, concurrencyKey(k, 1))
		}
		q = f.resize(q, 20)
		for _, k := range keys {
			f.add(q, concurrencyKey(k, 1))
		}
		w := f.worker()
		claimed := 0
		for slot := 1; slot <= 20; slot++ {
			c, err := w.take(w.request(q, slot, 100, f.now))
			f.ok(err)
			claimed += len(c.Jobs)
		}
		equal(f, "one of each key", claimed, len(keys))
	}},
	{"a retry goes to a slot that is in use", 0, func(f *fixture) {
		q := f.queue("resize", slots(9))
		j := f.job(q)
		j.Slot = 9
		f.enqueue(j)
		w := f.worker()
		c, err := w.take(w.request(q, 9, 1, f.now))
		f.ok(err)
		w.commit(f.discarded(c.Jobs[0]))
		f.resize(q, 1)
		_, err = f.store.Retry(f.ctx, j.ID, f.now)
		f.ok(err)
		equal(f, "slot", f.waiting(j.ID).Slot, 1)
		w.one(q)
	}},
	{"no job is lost, moved or run twice while the number of slots changes under load", 1, resizeUnderLoad},
}

func (f *fixture) resize(q job.Queue, n int) job.Queue {
	f.Helper()
	q, err := f.store.UpdateQueue(f.ctx, q.Name, func(q *job.Queue) error { q.Slots = n; return nil })
	f.ok(err)
	return q
}

func resizeUnderLoad(f *fixture) {
	q := f.queue("resize", slots(24))
	const each, enqueuers = 60, 3
	total := each * enqueuers
	starts := newTally()
	var done atomic.Int64
	f.together(enqueuers+claimers+1, func(i int) error {
		switch {
		case i == 0:
			for n := 0; done.Load() < int64(total) && f.ctx.Err() == nil; n++ {
				_, err := f.store.UpdateQueue(f.ctx, q.Name, func(q *job.Queue) error { q.Slots = []int{24, 6, 12, 1}[n%4]; return nil })
				if err != nil {
					return err
				}
			}
			return f.ctx.Err()
		case i <= enqueuers:
			for n := range each {
				now, err := f.store.EnsureQueue(f.ctx, q, f.now)
				if err != nil {
					return err
				}
				var set []func(*job.Spec)
				if n%3 == 0 {
					set = append(set, concurrencyKey(fmt.Sprint("k", n%5), 2))
				}
				jobs := []*job.Job{f.job(now, set...)}
				out, err := f.store.Enqueue(f.ctx, jobs, false)
				if err == nil {
					err = allCreated(jobs, out)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		w, err := f.register(f.store)
		for slot := i; err == nil && done.Load() < int64(total) && f.ctx.Err() == nil; slot++ {
			var c job.Claimed
			if c, err = w.take(w.request(q, slot%24+1, 4, f.now.Add(time.Hour))); err != nil {
				return err
			}
			for _, j := range c.Jobs {
				starts.add(j.ID)
				v, err := w.settle(f.now, completed(j))
				if err != nil || v[0] != job.Committed {
					return fmt.Errorf("finish: %v %w", v, err)
				}
				done.Add(1)
			}
		}
		if err == nil {
			err = f.ctx.Err()
		}
		return err
	})
	if id, ok := starts.twice(); ok {
		f.Fatalf("job %s was started twice", id)
	}
	equal(f, "rows", f.rows(), 0)
	equal(f, "ended", len(f.list(job.Filter{Queue: q.Name, States: []job.State{job.Completed}})), total)
}
