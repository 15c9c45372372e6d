package storetest

import (
	"fmt"
	"sync"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/dbproxy"
)

// What becomes of an operation whose COMMIT met with an accident. For SQLite there is nothing to test: its COMMIT is a
// call in the process.
var commitTests = []Test{
	{"a claim whose COMMIT lands later is found, not made twice", 8, func(f *fixture) { f.accident(dbproxy.Late, "update slotq_slots", claimAccident) }},
	{"a claim whose answer is lost is found, not made twice", 8, func(f *fixture) { f.accident(dbproxy.Lost, "", claimAccident) }},
	{"a claim whose COMMIT is lost is made again", 8, func(f *fixture) { f.accident(dbproxy.Cut, "", claimAccident) }},
	{"a claim from several slots whose COMMIT lands later is found, not made twice", 8, func(f *fixture) { f.accident(dbproxy.Late, "update slotq_slots", besideAccident) }},
	{"a claim from several slots whose answer is lost is found, not made twice", 8, func(f *fixture) { f.accident(dbproxy.Lost, "", besideAccident) }},
	{"an enqueue whose COMMIT lands later makes one job", 3, func(f *fixture) { f.accident(dbproxy.Late, "insert into slotq_", enqueueAccident) }},
	{"an enqueue whose answer is lost makes one job", 3, func(f *fixture) { f.accident(dbproxy.Lost, "", enqueueAccident) }},
	{"an enqueue whose COMMIT is lost makes one job", 1, func(f *fixture) { f.accident(dbproxy.Cut, "", enqueueAccident) }},
	{"an enqueue for a worker whose COMMIT lands later makes one job and at most one claim", 4, func(f *fixture) { f.accident(dbproxy.Late, "insert into slotq_", enqueueClaimedAccident) }},
	{"an enqueue for a worker whose answer is lost makes one job and at most one claim", 4, func(f *fixture) { f.accident(dbproxy.Lost, "", enqueueClaimedAccident) }},
	{"an enqueue for a worker whose COMMIT is lost makes one job", 1, func(f *fixture) { f.accident(dbproxy.Cut, "", enqueueClaimedAccident) }},
	{"an enqueue whose answer is lost while its job runs and ends makes no second run", 3, resendAfterEnd},
	{"a finish whose COMMIT lands later takes effect once", 4, func(f *fixture) { f.accident(dbproxy.Late, "insert into slotq_history", finishAccident) }},
	{"a finish whose answer is lost takes effect once", 4, func(f *fixture) { f.accident(dbproxy.Lost, "", finishAccident) }},
	{"a finish whose COMMIT is lost takes effect once", 4, func(f *fixture) { f.accident(dbproxy.Cut, "", finishAccident) }},
	{"a failure whose answer is lost counts one attempt", 6, func(f *fixture) { f.accident(dbproxy.Lost, "", failAccident) }},
	{"a failure whose COMMIT is lost counts one attempt", 6, func(f *fixture) { f.accident(dbproxy.Cut, "", failAccident) }},
	{"a rescue whose answer is lost counts one crash", 6, func(f *fixture) { f.accident(dbproxy.Lost, "", rescueAccident) }},
	{"a rescue whose COMMIT is lost counts one crash", 6, func(f *fixture) { f.accident(dbproxy.Cut, "", rescueAccident) }},
	{"a cancel whose answer is lost ends the job", 7, func(f *fixture) { f.accident(dbproxy.Lost, "", cancelAccident) }},
	{"a cancel whose read is lost is done again", 7, cancelLosesItsRead},
	{"a retry whose answer is lost puts the job back once", 7, func(f *fixture) { f.accident(dbproxy.Lost, "", retryAccident) }},
	{"a step of an action whose answer is lost is done once", 7, func(f *fixture) { f.accident(dbproxy.Lost, "", actionAccident) }},
	{"a step of an action whose COMMIT is lost is done once", 7, func(f *fixture) { f.accident(dbproxy.Cut, "", actionAccident) }},
	{"a beat whose answer is lost is no death", 4, beatAccident},
	{"a pause whose answer is lost holds", 0, func(f *fixture) { f.accident(dbproxy.Lost, "", pauseAccident) }},
	{"a queue whose answer is lost is made once", 0, func(f *fixture) { f.accident(dbproxy.Lost, "", queueAccident) }},
}

// newProxy returns a proxy before the fixture's database, and the URL that leads through it.
func (f *fixture) newProxy() (*dbproxy.Proxy, string) {
	f.Helper()
	p, url, err := dbproxy.New(f.db.url)
	f.ok(err)
	f.Cleanup(p.Close)
	return p, url
}

// accident runs an operation on a handle behind a proxy; the COMMIT after arm meets with the accident. A late COMMIT is
// released when the store, on another connection, sends the statement that has to wait for it.
func (f *fixture) accident(what dbproxy.Accident, waits string, operation func(f *fixture, behind store.Store, arm func())) {
	f.Helper()
	if !f.db.server() {
		f.Skip("no network between SQLite and its file")
	}
	var releasing sync.WaitGroup
	f.Cleanup(releasing.Wait) // after the proxy's end
	p, url := f.newProxy()
	behind := f.openURL(url)
	var r *dbproxy.Rule
	operation(f, behind, func() {
		r = p.OnCommit(what)
		if what == dbproxy.Late {
			held := r
			releasing.Go(func() {
				for _, next := range []func() *dbproxy.Rule{func() *dbproxy.Rule { return held }, func() *dbproxy.Rule { return p.On(dbproxy.Watch, waits) }} {
					select {
					case <-next().Hit:
					case <-p.Done():
						return
					}
				}
				close(held.Release)
			})
		}
	})
	select {
	case <-r.Hit:
	default:
		f.Fatal("there was no COMMIT for the accident")
	}
}

func claimAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	f.enqueue(f.jobs(q, 5)...)
	w, err := f.register(behind)
	f.ok(err)
	arm()
	jobs := w.claim(q, 3)
	equal(f, "claimed", len(jobs), 3)
	claims, err := f.store.Claims(f.ctx, w.id)
	f.ok(err)
	equal(f, "claims", len(claims), 1)
	equal(f, "ids", len(claims[0].IDs), 3)
	for _, j := range jobs {
		equal(f, "run", j.Run, 1)
		equal(f, "run in the row", f.get(j.ID).Run, 1)
		w.commit(completed(j))
	}
	equal(f, "the rest", len(f.worker().claim(q, 9)), 2)
}

func enqueueAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	jobs := []*job.Job{f.job(q), f.job(q, given(job.NewID(f.now), "a")), f.job(q, idempotencyKey("i", "a")), f.job(q, uniqueKey("u")), f.job(q, concurrencyKey("k", 9))}
	arm()
	out, err := behind.Enqueue(f.ctx, jobs, false)
	f.ok(err)
	f.created(jobs, out)
	equal(f, "rows", f.rows(), 5)
	equal(f, "claimed", len(f.worker().claim(q, 9)), 5)
}

// enqueueClaimedAccident: the answer says nothing of a claim. If there is one all the same, its worker finds it.
func enqueueClaimedAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	w := f.worker()
	jobs := []*job.Job{f.job(q), f.job(q, given(job.NewID(f.now), "a")), f.job(q, idempotencyKey("i", "a"))}
	arm()
	out, err := behind.EnqueueClaimed(f.ctx, jobs, claimOf(w.id, f.now, jobs))
	f.ok(err)
	f.created(jobs, out)
	equal(f, "rows", f.rows(), 3)
	equal(f, "claimed", out[0].Claimed, false)
	claims, err := f.store.NewClaims(f.ctx, w.id, func(job.Token) bool { return false })
	f.ok(err)
	free := w.claim(q, 9)
	equal(f, "free and claimed", len(free)+3*len(claims), 3)
	for _, c := range claims {
		equal(f, "fetched", len(f.fetch(c)), 3)
	}
}

// resendAfterEnd is the first scenario of all: the job ends between the COMMIT and the look for it.
func resendAfterEnd(f *fixture) {
	if !f.db.server() {
		f.Skip("no network between SQLite and its file")
	}
	q := f.queue("accident")
	w := f.worker()
	p, url := f.newProxy()
	behind := f.openURL(url)
	jobs := f.jobs(q, 2)
	var fault error
	r := p.OnCommit(dbproxy.Lost)
	r.Then = func() {
		var c job.Claimed
		if c, fault = w.take(w.request(q, 1, 1, f.now)); fault == nil && len(c.Jobs) == 1 {
			_, fault = w.settle(f.now, completed(c.Jobs[0]))
		}
	}
	out, err := behind.Enqueue(f.ctx, jobs, false)
	f.ok(err)
	<-r.Hit
	f.ok(fault)
	f.created(jobs, out)
	equal(f, "ended", f.db.count(f, "SELECT COUNT(*) FROM slotq_history"), 1)
	equal(f, "waiting", f.rows(), 1)
	equal(f, "claimed", len(w.claim(q, 9)), 1)
}

func finishAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	f.enqueue(f.jobs(q, 2, uniqueKey(""))...)
	f.add(q, uniqueKey("u"))
	w, err := f.register(behind)
	f.ok(err)
	jobs := w.claim(q, 3)
	arm()
	v, err := w.settle(f.now, completed(jobs[0]), completed(jobs[1]), f.discarded(jobs[2]))
	f.ok(err)
	equal(f, "verdicts", fmt.Sprint(v), fmt.Sprint([]job.Verdict{job.Committed, job.Committed, job.Committed}))
	equal(f, "output", string(f.ended(jobs[0].ID, job.Completed, "").Output), "done")
	f.ended(jobs[2].ID, job.Discarded, job.ReasonHandler)
	equal(f, "rows", f.rows(), 0)
	f.noClaims(w)
	f.add(q, uniqueKey("u"))
}

// failAccident does not ask for the verdict: that a job was put back leaves no trace of who did it.
func failAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	f.add(q)
	w, err := f.register(behind)
	f.ok(err)
	j := w.one(q)
	arm()
	_, err = w.settle(f.now, f.failed(j))
	f.ok(err)
	got := f.waiting(j.ID)
	equal(f, "attempt", got.Attempt, 2)
	equal(f, "errors", len(got.Errors), 1)
	f.noClaims(w)
}

func rescueAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	f.add(q)
	w := f.worker()
	j := w.one(q)
	f.kill(w)
	claims, err := f.store.Orphans(f.ctx, 10)
	f.ok(err)
	arm()
	_, err = behind.Rescue(f.ctx, claims[0], true, lease, f.now)
	f.ok(err)
	equal(f, "crashes", f.waiting(j.ID).Crashes, 1)
	f.noClaims(w)
}

func cancelAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	j := f.add(q, uniqueKey("u"))
	arm()
	got, err := behind.Cancel(f.ctx, j.ID, f.now)
	f.ok(err)
	equal(f, "state", got.State, job.Cancelled)
	f.add(q, uniqueKey("u"))
}

// cancelLosesItsRead: the second read of a job, in the transaction, is what the connection is lost at.
func cancelLosesItsRead(f *fixture) {
	if !f.db.server() {
		f.Skip("no network between SQLite and its file")
	}
	q := f.queue("accident")
	j := f.add(q)
	f.worker().one(q)
	_, err := f.store.Cancel(f.ctx, j.ID, f.now)
	f.ok(err)
	p, url := f.newProxy()
	behind := f.openURL(url)
	p.On(dbproxy.Watch, "from slotq_history")
	lost := p.On(dbproxy.Cut, "from slotq_history")
	got, err := behind.Cancel(f.ctx, j.ID, f.now)
	f.ok(err)
	equal(f, "state", got.State, job.Running)
	equal(f, "asked to cancel", got.CancelAt != 0, true)
	select {
	case <-lost.Hit:
	default:
		f.Fatal("there was no second read")
	}
}

func retryAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	j := f.add(q)
	w := f.worker()
	w.commit(f.discarded(w.one(q)))
	arm()
	_, err := behind.Retry(f.ctx, j.ID, f.now)
	f.ok(err)
	equal(f, "claimed", len(w.claim(q, 5)), 1)
	equal(f, "history", f.db.count(f, "SELECT COUNT(*) FROM slotq_history"), 0)
}

// beatAccident has a statement for its accident: a beat needs no transaction.
func beatAccident(f *fixture) {
	if !f.db.server() {
		f.Skip("no network between SQLite and its file")
	}
	w := f.worker()
	p, url := f.newProxy()
	behind := f.openURL(url)
	r := p.On(dbproxy.Lost, "update slotq_workers set beat")
	_, err := behind.Beat(f.ctx, w.id, nil)
	f.ok(err)
	select {
	case <-r.Hit:
	default:
		f.Fatal("there was no beat for the accident")
	}
	if f.beatOf(w) == 0 {
		f.Fatal("the beat did not arrive")
	}
}

func pauseAccident(f *fixture, behind store.Store, arm func()) {
	q := f.queue("accident")
	f.add(q)
	arm()
	_, err := behind.PauseQueue(f.ctx, q.Name, true)
	f.ok(err)
	f.worker().none(q)
}

func queueAccident(f *fixture, behind store.Store, arm func()) {
	arm()
	q, err := behind.EnsureQueue(f.ctx, job.NewQueue("accident"), f.now)
	f.ok(err)
	equal(f, "queue", f.queue("accident").ID, q.ID)
	rows, err := f.store.Slots(f.ctx, q.ID)
	f.ok(err)
	equal(f, "slots", len(rows), job.DefaultSlots)
}
