package storetest

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// How much the state machine tries on each store: the sum of the steps decides, since the length of a run is random and
// actions that find nothing to do do not count.
const (
	modelRuns   = 200
	modelLength = 64
	modelSteps  = 200 * 60
)

// model is what a store should hold, in the simplest form: maps. Actions do the same to both and compare the answers;
// after each step the invariants compare all that the store shows.
type model struct {
	*rapid.T
	store store.Store
	ctx   context.Context
	queue job.Queue
	now   job.Time

	jobs    map[job.ID]*modelJob
	order   []job.ID // in the order of their making, so that runs can be repeated
	workers []*modelWorker
	stale   []job.Outcome // of jobs that were lost: none of them may ever take effect
	keys    map[string]job.ID
	counts  *modelCounts
}

// modelCounts says what the runs tried; a count of zero means that the machine has gone blind.
type modelCounts struct{ steps, created, duplicates, claims, claimedStored, rescues, refused, ended int }

// modelJob is a job: what it was made of, and what became of it.
type modelJob struct {
	sent    *job.Job
	state   job.State // Available stands for every waiting state, 0 for deleted
	token   job.Token
	runAt   job.Time
	attempt int
	run     int
	crashes int
	snoozes int
	cancel  bool
	expires job.Time
	slot    int
	ended   job.Time // and kept from then on
}

type modelWorker struct {
	id   job.WorkerID
	dead bool
	held map[job.ID]*job.Job
}

// runModel runs the machine on one database, emptied before each run.
func runModel(t *testing.T, db *database) {
	wantRuns, wantSteps := modelRuns, modelSteps
	if underRace {
		wantRuns, wantSteps = modelRuns/10, modelSteps/10
	}
	setFlag(t, "rapid.checks", fmt.Sprint(wantRuns))
	setFlag(t, "rapid.steps", fmt.Sprint(modelLength))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	s, err := db.engine.Open(ctx, db.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	counts := &modelCounts{}
	runs := 0
	for !t.Failed() && counts.steps < wantSteps && ctx.Err() == nil { // how long a run gets is rapid's choice
		rapid.Check(t, func(rt *rapid.T) {
			runs++
			db.empty(t)
			m := newModel(rt, ctx, s, counts)
			rt.Repeat(m.actions())
		})
		setFlag(t, "rapid.checks", "10")
	}
	t.Logf("%d runs, %+v", runs, *counts)
	if t.Failed() {
		return
	}
	if counts.steps < wantSteps {
		t.Errorf("%d steps, want %d", counts.steps, wantSteps)
	}
	for what, n := range map[string]int{"claims": counts.claims, "claims of jobs as they are stored": counts.claimedStored, "rescues": counts.rescues, "refused finishes": counts.refused,
		"created": counts.created, "duplicates": counts.duplicates, "ended": counts.ended} {
		if n == 0 {
			t.Errorf("no %s in %d steps", what, counts.steps)
		}
	}
}

// setFlag sets a flag of the test binary unless the person who runs it did, and puts it back.
func setFlag(t *testing.T, name, value string) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if f := flag.Lookup(name); f != nil && !given {
		old := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(old) })
	}
}

func newModel(t *rapid.T, ctx context.Context, s store.Store, counts *modelCounts) *model {
	m := &model{T: t, store: s, ctx: ctx, now: T0, jobs: map[job.ID]*modelJob{}, keys: map[string]job.ID{}, counts: counts}
	q := job.NewQueue("model")
	q.Slots, q.KeySlots = 2, 2
	q.Backoff = job.Backoff{Kind: job.BackoffList, List: []float64{1, 5}}
	// Off the second, so that no clock of the model meets it: on the very microsecond both answers are right.
	q.KeepCompleted, q.KeepDiscarded, q.KeepCancelled = 61*time.Minute+500*time.Microsecond, 0, 90*time.Minute+500*time.Microsecond
	var err error
	m.queue, err = s.EnsureQueue(ctx, q, m.now)
	m.ok(err)
	for range 2 {
		m.register()
	}
	return m
}

func (m *model) actions() map[string]func(*rapid.T) {
	step := func(fn func()) func(*rapid.T) {
		return func(t *rapid.T) {
			m.T = t
			fn()
			m.counts.steps++
		}
	}
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) { m.T = t; m.check() },
		// The names repeat what should happen more often: enqueue, claim and finish.
		"enqueue": step(m.enqueue), "enqueue more": step(m.enqueue), "send again": step(m.resend),
		"enqueue for a worker": step(m.enqueueClaimed), "enqueue more for a worker": step(m.enqueueClaimed),
		"claim": step(m.claim), "claim more": step(m.claim), "claim again": step(m.claim),
		"finish": step(m.finish), "finish more": step(m.finish), "finish stale": step(m.finishStale),
		"give back": step(m.giveBack), "heartbeat": step(m.beat), "clock": step(m.clock),
		"death": step(m.death), "rescue": step(m.rescue), "cancel": step(m.cancel), "retry": step(m.retry), "run now": step(m.runNow),
		"delete": step(m.delete), "resize": step(m.resize), "pause": step(m.pause), "expire": step(m.expire), "prune": step(m.prune),
		"unblock": step(m.unblock),
	}
}

func (m *model) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// live are the jobs that the store should show.
func (m *model) live() (jobs []*modelJob) {
	for _, id := range m.order {
		if j := m.jobs[id]; j.state != 0 {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// pick draws a job that is there, or skips the action.
func (m *model) pick(keep func(*modelJob) bool) *modelJob {
	jobs := slices.DeleteFunc(m.live(), func(j *modelJob) bool { return !keep(j) })
	if len(jobs) == 0 {
		m.Skip()
	}
	return draw(m, "job", jobs)
}

// draw draws one of a list by its number: a report that prints each candidate in full cannot be read.
func draw[T any](m *model, label string, from []T) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(m.T, label)]
}

// alive draws a worker that lives.
func (m *model) alive() *modelWorker {
	alive := slices.DeleteFunc(slices.Clone(m.workers), func(w *modelWorker) bool { return w.dead })
	return draw(m, "worker", alive)
}

func (m *model) register() {
	w := &modelWorker{id: job.NewWorkerID(), held: map[job.ID]*job.Job{}}
	m.ok(m.store.Register(m.ctx, job.Worker{ID: w.id, Name: "model", Lease: lease, StartedAt: m.now}))
	m.workers = append(m.workers, w)
}

// holder is the worker whose claim holds the job.
func (m *model) holder(j *modelJob) *modelWorker {
	for _, w := range m.workers {
		if w.id == j.token.Worker() {
			return w
		}
	}
	m.Fatalf("job %s is held by nobody that the model knows", j.sent.ID)
	return nil
}

// lose takes a running job out of its worker's hands; its late outcomes must change nothing.
func (m *model) lose(j *modelJob) {
	w := m.holder(j)
	if held := w.held[j.sent.ID]; held != nil {
		for _, a := range []job.Action{job.Complete, job.Discard, job.Retry, job.Snooze, job.Release} {
			m.stale = append(m.stale, job.Outcome{Job: held, Action: a, Reason: job.ReasonHandler, RunAt: m.now})
		}
		delete(w.held, j.sent.ID)
	}
	j.token = job.Token{}
}

// end moves a job to its final state.
func (m *model) end(j *modelJob, s job.State) {
	j.state, j.token, j.ended, j.cancel = s, job.Token{}, m.now, false
	m.counts.ended++
}

// kept is how long history shows a job.
func (m *model) kept(s job.State) time.Duration {
	return map[job.State]time.Duration{job.Completed: m.queue.KeepCompleted, job.Discarded: m.queue.KeepDiscarded, job.Cancelled: m.queue.KeepCancelled}[s]
}
