package storetest

import (
	"errors"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

var actionTests = []Test{
	{"an action does its verb to the jobs that its filter chooses, and to no others", 0, func(f *fixture) {
		for _, c := range []struct {
			verb   job.Verb
			states []job.State // that it touches
			after  func(was, is *job.Job) bool
		}{
			{job.VerbRetry, []job.State{job.Retryable, job.Discarded}, func(was, is *job.Job) bool {
				return is != nil && is.State == job.Available && is.Run == was.Run && len(is.Errors) == len(was.Errors)
			}},
			{job.VerbCancel, []job.State{job.Scheduled, job.Available, job.Running, job.Retryable}, func(was, is *job.Job) bool {
				return is != nil && (is.State == job.Cancelled || was.State == job.Running && is.State == job.Running && is.CancelAt != 0)
			}},
			{job.VerbRun, []job.State{job.Scheduled, job.Retryable}, func(was, is *job.Job) bool {
				return is != nil && is.State == job.Available && is.Attempt == was.Attempt
			}},
			{job.VerbDelete, []job.State{job.Scheduled, job.Available, job.Retryable, job.Completed, job.Discarded, job.Cancelled}, func(was, is *job.Job) bool {
				return is == nil
			}},
		} {
			f.empty()
			before := map[job.ID]*job.Job{}
			for _, j := range f.variety() {
				before[j.ID] = f.at(j.ID, f.now)
			}
			f.tick(time.Second)
			a := f.action(c.verb, job.Choice{Filter: job.Filter{Queue: "one"}})
			done := f.carryOut(a)
			touched := int64(0)
			for id, was := range before {
				is := f.at(id, f.now)
				if was.Queue == "one" && contains(c.states, was.State) {
					touched++
					if !c.after(was, is) {
						f.Errorf("%s: a job that was %s is %+v", c.verb, was.State, is)
					}
				} else if is == nil || is.State != was.State || is.RunAt != was.RunAt || is.CancelAt != was.CancelAt {
					f.Errorf("%s: a job of queue %s that was %s was touched: %+v", c.verb, was.Queue, was.State, is)
				}
			}
			if done.Matched != touched || done.Done != touched || done.Failed != 0 || touched < 3 {
				f.Fatalf("%s: matched %d, done %d, failed %d; %d jobs were meant", c.verb, done.Matched, done.Done, done.Failed, touched)
			}
		}
	}},
	{"an action goes through as many steps as it needs, each of a bounded number of jobs", 0, func(f *fixture) {
		q := f.queue("many", slots(3))
		f.enqueue(f.jobs(q, 230)...)
		a := f.action(job.VerbCancel, job.Choice{Filter: job.Filter{Queue: "many"}})
		steps, last := 0, a.Done
		for a.FinishedAt == 0 {
			a = f.step(a)
			if steps++; a.Done-last > 50 || steps > 30 {
				f.Fatalf("step %d did %d jobs", steps, a.Done-last)
			}
			last = a.Done
		}
		equal(f, "done", a.Done, 230)
		equal(f, "rows", f.rows(), 0)
	}},
	{"an action survives a manager that dies between two steps", 0, func(f *fixture) {
		q := f.queue("many")
		f.enqueue(f.jobs(q, 120)...)
		a := f.step(f.action(job.VerbCancel, job.Choice{Filter: job.Filter{Queue: "many"}}))
		if a.FinishedAt != 0 || a.Done == 0 || a.Done == 120 {
			f.Fatalf("one step did %d of 120", a.Done)
		}
		f.store = f.again() // another manager, which knows nothing but the database
		open, err := f.store.OpenActions(f.ctx, 10)
		f.ok(err)
		if len(open) != 1 || open[0] != a.ID {
			f.Fatalf("open actions %v, want %s", open, a.ID)
		}
		equal(f, "done", f.carryOut(a).Done, 120)
		equal(f, "rows", f.rows(), 0)
	}},
	{"8 managers that carry out one action at once do nothing twice", 7, func(f *fixture) {
		q := f.queue("many")
		f.enqueue(f.jobs(q, 180)...)
		for round := range 10 { // they have to meet between a page and its step
			f.tick(time.Second)
			verb, states := job.VerbCancel, []job.State{job.Available}
			if round%2 == 1 {
				verb, states = job.VerbRetry, []job.State{job.Cancelled}
			}
			a := f.action(verb, job.Choice{Filter: job.Filter{Queue: "many", States: states}})
			f.together(claimers, func(int) error {
				for range 40 {
					got, err := f.store.StepAction(f.ctx, a.ID, f.now)
					if err != nil || got.FinishedAt != 0 {
						return err
					}
				}
				return errors.New("40 steps were not enough")
			})
			a, err := f.store.Action(f.ctx, a.ID)
			f.ok(err)
			equal(f, "steps", a.Step, 4) // of 50, 50, 50 and 30 jobs
			equal(f, "matched", a.Matched, 180)
			equal(f, "done", a.Done, 180)
			equal(f, "rows", f.rows(), int64(180*(round%2)))
		}
	}},
	{"a job that comes by again is not done twice: it ended after the action was made", 7, func(f *fixture) {
		q := f.queue("again")
		f.add(q, maxAttempts(2))
		w := f.worker()
		w.commit(f.failed(w.one(q)))
		f.tick(time.Millisecond)
		a := f.step(f.action(job.VerbRetry, job.Choice{Filter: job.Filter{Queue: "again"}})) // reads the unfinished jobs
		if a.Done != 1 || a.FinishedAt != 0 {
			f.Fatalf("after the first step done is %d, finished_at %d", a.Done, a.FinishedAt)
		}
		f.tick(time.Millisecond)
		j := w.one(q)
		w.commit(f.failed(j))
		equal(f, "done", f.carryOut(a).Done, 1)
		f.ended(j.ID, job.Discarded, job.ReasonMaxAttempts)
	}},
	{"an action does not touch jobs that are made after it", 0, func(f *fixture) {
		q := f.queue("young")
		old := f.add(q)
		a := f.action(job.VerbCancel, job.Choice{Filter: job.Filter{Queue: "young"}})
		f.tick(time.Microsecond)
		young := f.add(q)
		early := f.add(q, given(job.ID{1}, "an id below all others"))
		equal(f, "done", f.carryOut(a).Done, 1)
		f.ended(old.ID, job.Cancelled, job.ReasonCancelled)
		f.waiting(young.ID)
		f.waiting(early.ID)
	}},
	{"a running job is only asked to stop, and its run decides", 4, func(f *fixture) {
		q := f.queue("running")
		f.enqueue(f.jobs(q, 2)...)
		w := f.worker()
		held := w.claim(q, 2)
		f.tick(time.Second)
		for _, verb := range []job.Verb{job.VerbDelete, job.VerbRetry, job.VerbRun} {
			equal(f, string(verb), f.carryOut(f.action(verb, job.Choice{Filter: job.Filter{Queue: "running"}})).Matched, 0)
		}
		equal(f, "cancelled", f.carryOut(f.action(job.VerbCancel, job.Choice{Filter: job.Filter{Queue: "running"}})).Done, 2)
		equal(f, "state", f.get(held[0].ID).State, job.Running)
		w.commit(completed(held[0]))
		f.ended(held[0].ID, job.Completed, "")
		equal(f, "verdict", w.finish(f.failed(held[1])), job.EndedCancelled)
	}},
	{"a retry whose unique_key is taken is counted as failed and holds nothing up", 7, func(f *fixture) {
		q := f.queue("unique")
		w := f.worker()
		var all []*job.Job
		for range 3 {
			all = append(all, f.add(q, uniqueKey("u")))
			w.commit(f.discarded(w.one(q)))
		}
		f.tick(time.Second)
		a := f.carryOut(f.action(job.VerbRetry, job.Choice{Filter: job.Filter{Queue: "unique"}}))
		equal(f, "matched", a.Matched, 3)
		equal(f, "done", a.Done, 1)
		equal(f, "failed", a.Failed, 2)
		equal(f, "rows", f.rows(), 1)
		equal(f, "unique keys", f.db.count(f, "SELECT COUNT(*) FROM slotq_unique_keys"), 1)
		equal(f, "holder", f.send(f.job(q, uniqueKey("u"))).ID, w.one(q).ID)
		equal(f, "history", f.db.count(f, "SELECT COUNT(*) FROM slotq_history"), int64(len(all)-1))
	}},
	{"an action over jobs of a concurrency key lets the next ones pass", 10, func(f *fixture) {
		q := f.queue("keyed")
		f.enqueue(f.jobs(q, 6, concurrencyKey("k", 1))...)
		f.tick(time.Second)
		last := f.add(q, concurrencyKey("k", 1))
		a := f.action(job.VerbCancel, job.Choice{Filter: job.Filter{ConcurrencyKey: "k"}, CreatedBefore: f.now})
		equal(f, "done", f.carryOut(a).Done, 6)
		equal(f, "next", f.worker().one(q).ID, last.ID)
	}},
	{"an action for ids is for those alone, and only in the states that the verb applies to", 0, func(f *fixture) {
		q := f.queue("ids")
		jobs := f.jobs(q, 70)
		f.enqueue(jobs...)
		ids := []job.ID{job.NewID(f.now)}
		for _, j := range jobs[:60] {
			ids = append(ids, j.ID, j.ID)
		}
		f.tick(time.Second)
		equal(f, "counted", f.carryOut(f.action(job.VerbDelete, job.Choice{IDs: ids}, dry)).Matched, 60)
		equal(f, "nothing to retry", f.carryOut(f.action(job.VerbRetry, job.Choice{IDs: ids})).Matched, 0)
		equal(f, "deleted", f.carryOut(f.action(job.VerbDelete, job.Choice{IDs: ids})).Done, 60)
		equal(f, "rows", f.rows(), 10)
	}},
	{"a dry run counts and changes nothing", 0, func(f *fixture) {
		q := f.queue("dry")
		f.enqueue(f.jobs(q, 80)...)
		f.tick(time.Second)
		a := f.carryOut(f.action(job.VerbDelete, job.Choice{Filter: job.Filter{Queue: "dry"}}, dry))
		equal(f, "matched", a.Matched, 80)
		equal(f, "done", a.Done, 0)
		equal(f, "rows", f.rows(), 80)
	}},
	{"an action that is sent again is the one that is there, and another one of its id is refused", 3, func(f *fixture) {
		q := f.queue("sent")
		f.enqueue(f.jobs(q, 3)...)
		a := f.action(job.VerbCancel, job.Choice{Filter: job.Filter{Queue: "sent"}})
		f.together(claimers, func(int) error { _, err := f.store.Act(f.ctx, a); return err })
		equal(f, "done", f.carryOut(a).Done, 3)
		again, err := f.store.Act(f.ctx, a)
		f.ok(err)
		equal(f, "done", again.Done, 3)
		a.Digest = digestOf("another")
		_, err = f.store.Act(f.ctx, a)
		f.is(err, job.ErrMismatch)
	}},
	{"no more than 100 actions are under way, and a finished one is pruned a day later", 0, func(f *fixture) {
		var first job.BulkAction
		for n := range job.MaxOpenActions {
			a := f.action(job.VerbCancel, job.Choice{Filter: job.Filter{Queue: "nobody"}})
			if n == 0 {
				first = a
			}
		}
		_, err := f.store.Act(f.ctx, newAction(job.VerbRun, job.Choice{Filter: job.Filter{Queue: "nobody"}}, f.now))
		f.is(err, job.ErrLimit)
		f.carryOut(first)
		f.action(job.VerbRun, job.Choice{Filter: job.Filter{Queue: "nobody"}})
		f.tick(job.KeepActions - time.Second)
		prune := func() {
			_, err := f.store.Prune(f.ctx, 1000, f.now)
			f.ok(err)
		}
		prune()
		_, err = f.store.Action(f.ctx, first.ID)
		f.ok(err)
		f.tick(time.Second)
		prune()
		_, err = f.store.Action(f.ctx, first.ID)
		f.is(err, job.ErrNotFound)
		_, err = f.store.StepAction(f.ctx, first.ID, f.now)
		f.is(err, job.ErrNotFound)
		open, err := f.store.OpenActions(f.ctx, 1000)
		f.ok(err)
		equal(f, "open", len(open), job.MaxOpenActions)
	}},
}

func dry(a *job.BulkAction) { a.DryRun = true }

func newAction(verb job.Verb, c job.Choice, now job.Time) job.BulkAction {
	a := job.BulkAction{ID: job.NewID(now), Verb: verb, Choice: c, Digest: digestOf(string(verb)), CreatedAt: now}
	if bad := a.Ready(false); len(bad) > 0 {
		panic(bad) // the tests' own
	}
	return a
}

func actionAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	f.enqueue(f.jobs(q, 70, maxAttempts(1))...)
	w := f.worker()
	for _, j := range w.claim(q, 70) {
		w.commit(f.failed(j))
	}
	f.tick(time.Second)
	a := f.step(f.action(job.VerbRetry, job.Choice{Filter: job.Filter{Queue: "accident"}})) // finds no unfinished job
	equal(f, "done", a.Done, 0)
	arm()
	a, err := behind.StepAction(f.ctx, a.ID, f.now)
	f.ok(err)
	equal(f, "done", a.Done, 50)
	equal(f, "rows", f.rows(), 50)
	equal(f, "done", f.carryOut(a).Done, 70)
}

// action stores an action.
func (f *fixture) action(verb job.Verb, c job.Choice, set ...func(*job.BulkAction)) job.BulkAction {
	f.Helper()
	a := newAction(verb, c, f.now)
	for _, fn := range set {
		fn(&a)
	}
	a, err := f.store.Act(f.ctx, a)
	f.ok(err)
	return a
}

func (f *fixture) step(a job.BulkAction) job.BulkAction {
	f.Helper()
	a, err := f.store.StepAction(f.ctx, a.ID, f.now)
	f.ok(err)
	return a
}

// carryOut does all steps of an action and looks at its sums.
func (f *fixture) carryOut(a job.BulkAction) job.BulkAction {
	f.Helper()
	for range 100 {
		if a = f.step(a); a.FinishedAt == 0 {
			continue
		}
		if !a.DryRun && a.Done+a.Failed != a.Matched {
			f.Fatalf("matched %d, done %d, failed %d", a.Matched, a.Done, a.Failed)
		}
		return a
	}
	f.Fatal("the action does not end")
	return a
}

// at is a job as it stands at a time of the test, nil = it is gone.
func (f *fixture) at(id job.ID, now job.Time) *job.Job {
	f.Helper()
	j, err := f.store.Get(f.ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		return nil
	}
	f.ok(err)
	if !j.State.Finished() { // Get goes by the database's clock
		j.State = job.WaitingState(j.Token, j.RunAt, j.Run, now)
	}
	return j
}

// empty begins anew on the same handle.
func (f *fixture) empty() { f.Helper(); f.db.empty(f) }

func contains(states []job.State, s job.State) bool {
	for _, one := range states {
		if one == s {
			return true
		}
	}
	return false
}
