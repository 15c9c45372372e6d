package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

var claimTests = []Test{
	{"a claim stamps its jobs, counts a run and is found by its token", 4, func(f *fixture) {
		q := f.queue("claim")
		f.enqueue(f.jobs(q, 3)...)
		w := f.worker()
		for run := 1; run <= 3; run++ {
			jobs := w.claim(q, 10)
			equal(f, "jobs", len(jobs), 3)
			claims, err := f.store.Claims(f.ctx, w.id)
			f.ok(err)
			equal(f, "claims", len(claims), 1)
			equal(f, "token", claims[0].Token, jobs[0].Token)
			equal(f, "ids", len(claims[0].IDs), 3)
			equal(f, "slot", claims[0].Slot, job.Slot{QueueID: q.ID, Slot: 1})
			equal(f, "claimed_at", claims[0].ClaimedAt, f.now)
			for _, j := range jobs {
				equal(f, "run", j.Run, run)
				equal(f, "attempt", j.Attempt, 1)
				equal(f, "started_at", j.StartedAt, f.now)
				equal(f, "state", f.get(j.ID).State, job.Running)
				equal(f, "run", f.get(j.ID).Run, run)
				w.commit(released(j))
			}
		}
	}},
	{"no job is held by two tokens with 8 claimers on one slot", 4, func(f *fixture) { f.claimAll(1, nil, f.store, f.again()) }},
	{"no job is held by two tokens with 8 claimers on 3 slots", 4, func(f *fixture) { f.claimAll(3, nil, f.store, f.again()) }},
	{"priority is strict in a slot, then run_at, then id", 0, func(f *fixture) { f.inOrder(false) }},
	{"lifo takes the newest first, priority all the same", 0, func(f *fixture) { f.inOrder(true) }},
	{"nothing starts before its run_at, to the microsecond", 9, func(f *fixture) {
		q := f.queue("later")
		j := f.add(q, delay(time.Hour))
		w := f.worker()
		f.now = j.RunAt - 1
		equal(f, "due", len(f.due(q)), 0)
		w.none(q)
		f.now = j.RunAt
		equal(f, "due", len(f.due(q)), 1)
		w.one(q)
	}},
	{"a retry and a snooze do not start before their run_at", 9, func(f *fixture) {
		q := f.queue("later")
		f.add(q)
		w := f.worker()
		for _, back := range []func(*job.Job) job.Outcome{f.failed, f.snoozed} {
			o := back(w.one(q))
			w.commit(o)
			f.now = o.RunAt - 1
			w.none(q)
			f.now = o.RunAt
			w.commit(released(w.one(q)))
		}
	}},
	{"at most max jobs are taken and more says that there are others", 0, func(f *fixture) {
		q := f.queue("max")
		f.enqueue(f.jobs(q, 5)...)
		w := f.worker()
		c, err := w.take(w.request(q, 1, 3, f.now))
		f.ok(err)
		equal(f, "jobs", len(c.Jobs), 3)
		equal(f, "more", c.More, true)
		c, err = w.take(w.request(q, 1, 3, f.now))
		f.ok(err)
		equal(f, "jobs", len(c.Jobs), 2)
		w.none(q)
	}},
	{"1,000 jobs go into one claim and out in one finish", 0, func(f *fixture) {
		q := f.queue("thousand")
		f.enqueue(f.jobs(q, 1000)...)
		w := f.worker()
		jobs := w.claim(q, 1000)
		equal(f, "jobs", len(jobs), 1000)
		outcomes := make([]job.Outcome, len(jobs))
		for i, j := range jobs {
			outcomes[i] = completed(j)
		}
		verdicts, err := w.settle(f.now, outcomes...)
		f.ok(err)
		equal(f, "lost", slices.ContainsFunc(verdicts, func(v job.Verdict) bool { return v != job.Committed }), false)
		equal(f, "rows", f.rows(), 0)
		f.noClaims(w)
	}},
	{"an empty, an unknown and a paused slot give no jobs", 0, func(f *fixture) {
		q := f.queue("nothing")
		w := f.worker()
		w.none(q)
		f.add(q)
		unknown := q
		unknown.ID++
		w.none(unknown)
		c, err := w.take(w.request(q, 2, 10, f.now))
		f.ok(err)
		equal(f, "jobs of a slot without a row", len(c.Jobs), 0)
		_, err = f.store.PauseQueue(f.ctx, q.Name, true)
		f.ok(err)
		w.none(q)
		f.noClaims(w)
	}},
	{"a claim says when it has not looked into its slot", 0, func(f *fixture) {
		q := f.queue("closed")
		w := f.worker()
		closed := func(what string, q job.Queue, want bool) {
			f.Helper()
			c, err := w.take(w.request(q, 1, 10, f.now))
			f.ok(err)
			equal(f, what, c.Closed, want)
		}
		closed("an empty slot", q, false)
		f.add(q)
		_, err := f.store.PauseQueue(f.ctx, q.Name, true)
		f.ok(err)
		closed("a paused slot", q, true)
		_, err = f.store.PauseQueue(f.ctx, q.Name, false)
		f.ok(err)
		closed("a slot with a job", q, false)
		q.ID++
		closed("an unknown slot", q, true)
	}},
	{"a worker that is dead or unknown gets nothing but an error", 4, func(f *fixture) {
		q := f.queue("dead")
		j := f.add(q)
		dead, unknown := f.worker(), f.worker()
		f.kill(dead)
		f.ok(f.store.Leave(f.ctx, unknown.id))
		for _, w := range []*worker{dead, unknown} {
			_, err := w.take(w.request(q, 1, 1, f.now))
			f.is(err, job.ErrWorkerDead)
			f.noClaims(w)
		}
		f.waiting(j.ID)
		equal(f, "run", f.get(j.ID).Run, 0)
		f.worker().one(q)
	}},
	{"a poll finds the slots that have something due and free, and writes nothing", 0, func(f *fixture) {
		q := f.queue("poll", slots(4))
		other := f.queue("other")
		w := f.worker()
		equal(f, "due", len(f.due(q)), 0)
		put := func(slot int, set ...func(*job.Spec)) {
			j := f.job(q, set...)
			j.Slot = slot
			f.enqueue(j)
		}
		put(1, delay(time.Hour))
		put(2, priority(4))
		put(3, kind("nobody"))
		f.add(other)
		epochs := f.db.count(f, "SELECT SUM(epoch) FROM slotq_slots")
		found := f.due(q)
		sort.Slice(found, func(a, b int) bool { return found[a].Slot < found[b].Slot })
		equal(f, "due", fmt.Sprint(found), fmt.Sprint([]job.Slot{{QueueID: q.ID, Slot: 2}, {QueueID: q.ID, Slot: 3}}))
		equal(f, "epochs", f.db.count(f, "SELECT SUM(epoch) FROM slotq_slots"), epochs)
		all, err := f.store.Poll(f.ctx, []job.Slot{{QueueID: q.ID, Slot: 2}, {QueueID: other.ID, Slot: 1}, {QueueID: q.ID, Slot: 9}}, f.now)
		f.ok(err)
		equal(f, "due in two queues", len(all), 2)
		c, err := w.take(w.request(q, 2, 1, f.now))
		f.ok(err)
		equal(f, "claimed", len(c.Jobs), 1)
		equal(f, "due while its job runs", len(f.due(q)), 1)
		none, err := f.store.Poll(f.ctx, nil, f.now)
		f.ok(err)
		equal(f, "no slots", len(none), 0)
	}},
}

func (f *fixture) noClaims(w *worker) {
	f.Helper()
	claims, err := f.store.Claims(f.ctx, w.id)
	f.ok(err)
	equal(f, "claims", len(claims), 0)
}

// claimAll lets 8 workers on the given handles claim all jobs at once; each must start once and every outcome commit.
// A claim may fail where the test says so.
func (f *fixture) claimAll(n int, may func(error) bool, handles ...store.Store) {
	f.Helper()
	q := f.queue("race", slots(n))
	const total = 400
	f.enqueue(f.jobs(q, total)...)
	starts := newTally()
	f.together(claimers, func(i int) error {
		w, err := f.register(handles[i%len(handles)])
		for slot := i; err == nil && starts.len() < total && f.ctx.Err() == nil; slot++ {
			var c job.Claimed
			c, err = w.take(w.request(q, slot%n+1, 1+i, f.now))
			if err != nil && may != nil && may(err) {
				err = nil
				continue
			}
			if err != nil {
				return err
			}
			outcomes := make([]job.Outcome, len(c.Jobs))
			for k, j := range c.Jobs {
				starts.add(j.ID)
				outcomes[k] = completed(j)
			}
			if len(outcomes) == 0 {
				continue
			}
			var verdicts []job.Verdict
			verdicts, err = w.settle(f.now, outcomes...)
			for k, v := range verdicts {
				if v != job.Committed {
					return fmt.Errorf("job %s: verdict %v for the only run", outcomes[k].Job.ID, v)
				}
			}
		}
		return err
	})
	if id, ok := starts.twice(); ok {
		f.Fatalf("job %s was started %d times", id, starts.of(id))
	}
	equal(f, "started", starts.len(), total)
	equal(f, "rows", f.rows(), 0)
}

// inOrder stores jobs in random order and claims them one, then several at a time.
func (f *fixture) inOrder(newest bool) {
	f.Helper()
	q := f.queue("order")
	for _, most := range []int{1, 7, 100} {
		var jobs []*job.Job
		for range 40 {
			p := 1 + rand.IntN(4)
			j := f.job(q, priority(p))
			j.RunAt = f.now - job.Time(rand.IntN(5)) // ties, so that the id decides
			jobs = append(jobs, j)
		}
		rand.Shuffle(len(jobs), func(a, b int) { jobs[a], jobs[b] = jobs[b], jobs[a] })
		f.enqueue(jobs...)
		sort.Slice(jobs, func(a, b int) bool {
			x, y := jobs[a], jobs[b]
			switch {
			case x.Priority != y.Priority:
				return x.Priority < y.Priority
			case x.RunAt != y.RunAt:
				return (x.RunAt < y.RunAt) != newest
			default:
				return (x.ID.Compare(y.ID) < 0) != newest
			}
		})
		w := f.worker()
		for len(jobs) > 0 {
			got := w.claim(q, most, func(r *job.ClaimRequest) { r.LIFO = newest })
			if len(got) == 0 || len(got) > len(jobs) {
				f.Fatalf("claimed %d of %d jobs", len(got), len(jobs))
			}
			for i, j := range got {
				if j.ID != jobs[i].ID {
					f.Fatalf("max %d: got priority %d run_at %d %s, want priority %d run_at %d %s",
						most, j.Priority, j.RunAt-f.now, j.ID, jobs[i].Priority, jobs[i].RunAt-f.now, jobs[i].ID)
				}
				w.commit(completed(j))
			}
			jobs = jobs[len(got):]
		}
	}
}
