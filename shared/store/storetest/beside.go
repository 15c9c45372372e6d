package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/dbproxy"
)

// besideTests are about claims from several slots.
var besideTests = []Test{
	{"a claim takes all that is due in the slots beside its own, too", 4, func(f *fixture) {
		q := f.queue("beside", slots(5))
		there := map[int][]*job.Job{}
		for _, slot := range []int{1, 1, 2, 4, 4, 4, 5} {
			there[slot] = append(there[slot], f.in(q, slot, priority(1+len(there[slot]))))
		}
		later := f.in(q, 3, delay(time.Hour))
		w := f.worker()
		c, err := w.take(w.request(q, 4, 10, f.now, beside(1, 2, 3)))
		f.ok(err)
		equal(f, "looked beside", c.LookedBeside, true)
		equal(f, "jobs", len(c.Jobs), 6)
		claims, err := f.store.Claims(f.ctx, w.id)
		f.ok(err)
		equal(f, "claims", len(claims), 1)
		equal(f, "ids", len(claims[0].IDs), 6)
		var outcomes []job.Outcome
		for _, j := range c.Jobs {
			row := f.get(j.ID)
			equal(f, "slot", j.Slot, row.Slot)
			equal(f, "run", row.Run, 1)
			equal(f, "state", row.State, job.Running)
			equal(f, "queue", j.Queue, q.Name)
			outcomes = append(outcomes, completed(j))
		}
		f.waiting(later.ID)
		f.waiting(there[5][0].ID)
		f.allCommitted(w.settle(f.now, outcomes...))
		for slot, jobs := range there {
			for _, j := range jobs {
				if slot != 5 {
					equal(f, "slot in history", f.ended(j.ID, job.Completed, "").Slot, slot)
				}
			}
		}
		f.noClaims(w)
		c, err = w.take(w.request(q, 4, 10, f.now, beside(1, 2, 3)))
		f.ok(err)
		equal(f, "looked beside", c.LookedBeside, true)
		equal(f, "jobs", len(c.Jobs), 0)
		f.noClaims(w)
	}},
	{"a claim with something to weigh takes from its own slot alone", 4, func(f *fixture) {
		for n, with := range []struct {
			what   string
			ready  func(q job.Queue)
			beside []int
		}{
			{"as many jobs as it may take", func(q job.Queue) { f.in(q, 2); f.in(q, 3) }, []int{2, 3}},
			{"a kind that is not served", func(q job.Queue) { f.in(q, 2, kind("other")) }, []int{2}},
			{"a job with a concurrency key", func(q job.Queue) { f.keyedIn(q, 2) }, []int{2}},
			{"a job that may expire", func(q job.Queue) { f.in(q, 2, func(s *job.Spec) { s.ExpiresAt = f.now.Add(time.Hour) }) }, []int{2}},
			{"a suspect", func(q job.Queue) {
				f.in(q, 2)
				dead := f.worker()
				_, err := dead.take(dead.request(q, 2, 1, f.now))
				f.ok(err)
				equal(f, "jobs that crash", len(f.crash(dead)), 1)
			}, []int{2}},
			{"a paused slot", func(q job.Queue) {
				f.in(q, 2)
				f.db.exec(f, fmt.Sprintf("UPDATE slotq_slots SET paused = 1 WHERE queue_id = %d AND slot = 2", q.ID))
			}, []int{2}},
			{"a slot that is not there", func(job.Queue) {}, []int{2, 9}},
		} {
			q := f.queue(fmt.Sprint("weigh", n), slots(3))
			own := f.in(q, 1)
			with.ready(q)
			w := f.worker()
			c, err := w.take(w.request(q, 1, 3, f.now, beside(with.beside...), serves(own.Kind), suspects))
			f.ok(err)
			equal(f, with.what+": looked beside", c.LookedBeside, false)
			equal(f, with.what+": jobs", len(c.Jobs), 1)
			equal(f, with.what+": the job", c.Jobs[0].ID, own.ID)
			equal(f, with.what+": slot", c.Jobs[0].Slot, 1)
			w.commit(completed(c.Jobs[0]))
			f.noClaims(w)
		}
	}},
	{"no job is held by two tokens with 8 claimers that take from all slots", 4, func(f *fixture) {
		q := f.queue("race-beside", slots(4))
		const total = 400
		jobs := f.jobs(q, total)
		for i, j := range jobs {
			j.Slot, j.RunAt = 1+i%4, f.now.Add(time.Duration(i)*time.Millisecond)
		}
		f.enqueue(jobs...)
		starts, handles := newTally(), []store.Store{f.store, f.again()}
		f.together(claimers, func(i int) error {
			w, err := f.register(handles[i%2])
			for n := 0; err == nil && starts.len() < total && f.ctx.Err() == nil; n++ {
				// Each time some more are due: few enough for one claim.
				now, own := f.now.Add(time.Duration(min(n*10, total))*time.Millisecond), 1+(i+n)%4
				others := slices.DeleteFunc([]int{1, 2, 3, 4}, func(slot int) bool { return slot == own })
				var c job.Claimed
				if c, err = w.take(w.request(q, own, 100, now, beside(others...))); err != nil {
					return err
				}
				outcomes := make([]job.Outcome, len(c.Jobs))
				for k, j := range c.Jobs {
					starts.add(j.ID)
					outcomes[k] = completed(j)
				}
				if len(outcomes) > 0 {
					var verdicts []job.Verdict
					if verdicts, err = w.settle(now, outcomes...); err == nil {
						err = committed(verdicts)
					}
				}
			}
			return err
		})
		if id, ok := starts.twice(); ok {
			f.Fatalf("job %s was started %d times", id, starts.of(id))
		}
		equal(f, "started", starts.len(), total)
	}},
	{"jobs of a dead worker that it had from several slots are rescued into their own", 8, func(f *fixture) {
		q := f.queue("rescue-beside", slots(3))
		jobs := []*job.Job{f.in(q, 1), f.in(q, 2), f.in(q, 3)}
		dead := f.worker()
		c, err := dead.take(dead.request(q, 2, 10, f.now, beside(1, 3)))
		f.ok(err)
		equal(f, "jobs", len(c.Jobs), 3)
		var from []int
		for _, o := range f.crash(dead) {
			from = append(from, o.Job.Slot)
		}
		slices.Sort(from)
		equal(f, "slots of those rescued", fmt.Sprint(from), "[1 2 3]")
		for i, j := range jobs {
			row := f.waiting(j.ID)
			equal(f, "slot", row.Slot, 1+i)
			equal(f, "crashes", row.Crashes, 1)
		}
	}},
	{"a worker that is dead gets nothing from slots beside its own", 4, func(f *fixture) {
		q := f.queue("dead-beside", slots(2))
		jobs := []*job.Job{f.in(q, 1), f.in(q, 2)}
		dead := f.worker()
		f.kill(dead)
		_, err := dead.take(dead.request(q, 1, 10, f.now, beside(2)))
		f.is(err, job.ErrWorkerDead)
		for _, j := range jobs {
			f.waiting(j.ID)
			equal(f, "run", f.get(j.ID).Run, 0)
		}
	}},
	{"a slot beside it whose fence is held keeps no claim from its own", 8, func(f *fixture) {
		if !f.db.server() {
			f.Skip("SQLite has one writer: nobody holds a fence alone")
		}
		q := f.queue("held-beside", slots(2))
		f.in(q, 1)
		f.in(q, 2)
		p, url := f.newProxy()
		holder, err := f.register(f.openURL(url))
		f.ok(err)
		r := p.On(dbproxy.Silent, "update slotq_jobs", "set token")
		done := make(chan error, 1)
		go func() {
			_, err := holder.store.Claim(f.ctx, holder.request(q, 2, 1, f.now))
			done <- err
		}()
		<-r.Hit
		w := f.worker()
		began := time.Now()
		c, err := w.take(w.request(q, 1, 10, f.now, beside(2)))
		f.ok(err)
		if d := time.Since(began); d > freeLimit {
			f.Fatalf("the claim took %v", d)
		}
		equal(f, "looked beside", c.LookedBeside, false)
		equal(f, "jobs", len(c.Jobs), 1)
		equal(f, "slot", c.Jobs[0].Slot, 1)
		p.Close()
		<-done
	}},
}

func beside(slots ...int) func(*job.ClaimRequest) {
	return func(r *job.ClaimRequest) { r.Beside = slots }
}

// in stores a job in a slot.
func (f *fixture) in(q job.Queue, slot int, set ...func(*job.Spec)) *job.Job {
	f.Helper()
	j := f.job(q, set...)
	j.Slot = slot
	f.enqueue(j)
	return j
}

// keyedIn stores a job whose concurrency key belongs to the slot.
func (f *fixture) keyedIn(q job.Queue, slot int) {
	f.Helper()
	for n := 0; ; n++ {
		if key := fmt.Sprint("k", n); job.KeySlot(key, q.KeySlots) == slot {
			f.enqueue(f.job(q, concurrencyKey(key, 1)))
			return
		}
	}
}

// besideAccident is claimAccident from three slots.
func besideAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident", slots(3))
	for slot := 1; slot <= 3; slot++ {
		f.in(q, slot)
	}
	w, err := f.register(behind)
	f.ok(err)
	arm()
	c, err := w.take(w.request(q, 2, 10, f.now, beside(1, 3)))
	f.ok(err)
	equal(f, "claimed", len(c.Jobs), 3)
	claims, err := f.store.Claims(f.ctx, w.id)
	f.ok(err)
	equal(f, "claims", len(claims), 1)
	equal(f, "ids", len(claims[0].IDs), 3)
	for _, j := range c.Jobs {
		equal(f, "run", j.Run, 1)
		equal(f, "run in the row", f.get(j.ID).Run, 1)
		w.commit(completed(j))
	}
	f.noClaims(w)
}
