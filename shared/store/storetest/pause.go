package storetest

import (
	"fmt"
	"sync/atomic"

	"github.com/slotq/slotq/shared/job"
)

var pauseTests = []Test{
	{"a paused queue hands out nothing until it is resumed", 0, func(f *fixture) {
		q := f.queue("pause", slots(3))
		for slot := 1; slot <= 3; slot++ {
			j := f.job(q)
			j.Slot = slot
			f.enqueue(j)
		}
		got, err := f.store.PauseQueue(f.ctx, q.Name, true)
		f.ok(err)
		equal(f, "paused", got.Paused, true)
		w := f.worker()
		equal(f, "due", len(f.due(q)), 0)
		for slot := 1; slot <= 3; slot++ {
			c, err := w.take(w.request(q, slot, 10, f.now))
			f.ok(err)
			equal(f, "claimed", len(c.Jobs), 0)
		}
		// Slots that come while it is paused are paused, too.
		_, err = f.store.UpdateQueue(f.ctx, q.Name, func(q *job.Queue) error { q.Slots = 5; return nil })
		f.ok(err)
		j := f.job(q)
		j.Slot = 5
		f.enqueue(j)
		c, err := w.take(w.request(q, 5, 10, f.now))
		f.ok(err)
		equal(f, "claimed of a new slot", len(c.Jobs), 0)
		got, err = f.store.PauseQueue(f.ctx, q.Name, false)
		f.ok(err)
		equal(f, "paused", got.Paused, false)
		equal(f, "due", len(f.due(q)), 4)
		w.one(q)
		c, err = w.take(w.request(q, 5, 10, f.now))
		f.ok(err)
		equal(f, "claimed of the new slot", len(c.Jobs), 1)
	}},
	{"what runs in a paused queue may end, and enqueue goes on", 0, func(f *fixture) {
		q := f.queue("pause")
		f.add(q)
		w := f.worker()
		held := w.one(q)
		_, err := f.store.PauseQueue(f.ctx, q.Name, true)
		f.ok(err)
		f.add(q, concurrencyKey("k", 1))
		w.commit(completed(held))
		w.none(q)
	}},
	{"a pause is exact with 8 claimers: when it returns, no claim commits", 0, func(f *fixture) {
		q := f.queue("pause", slots(2))
		f.enqueue(f.jobs(q, 600)...)
		claims := func() int64 { return f.db.count(f, "SELECT COUNT(*) FROM slotq_claims") }
		var stop atomic.Bool
		started := make(chan struct{}, claimers)
		f.together(claimers+1, func(i int) error {
			if i == claimers {
				defer stop.Store(true)
				for range claimers {
					<-started // each of the others has claimed at least once
				}
				for range 5 {
					if _, err := f.store.PauseQueue(f.ctx, q.Name, true); err != nil {
						return err
					}
					before := claims()
					// Claims that began before the pause have ended or will find it: twice as many as there are claimers come after.
					w, err := f.register(f.store)
					for n := 0; err == nil && n < 2*claimers; n++ {
						var c job.Claimed
						if c, err = w.take(w.request(q, n%2+1, 1, f.now)); len(c.Jobs) > 0 {
							err = fmt.Errorf("a paused queue handed out %d jobs", len(c.Jobs))
						}
					}
					if err != nil {
						return err
					}
					if after := claims(); after != before {
						return fmt.Errorf("%d claims were committed after the pause", after-before)
					}
					if _, err := f.store.PauseQueue(f.ctx, q.Name, false); err != nil {
						return err
					}
				}
				return nil
			}
			w, err := f.register(f.store)
			for n := 0; err == nil && !stop.Load(); n++ {
				_, err = w.take(w.request(q, n%2+1, 1, f.now))
				if n == 1 {
					started <- struct{}{}
				}
			}
			if err != nil {
				stop.Store(true)
				started <- struct{}{}
			}
			return err
		})
	}},
}
