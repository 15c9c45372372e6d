package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// worker is a worker as small as the contract allows: it claims, remembers what it holds, and says with its last
// outcome of a claim that the claim is done. One goroutine uses it at a time.
type worker struct {
	f     *fixture
	store store.Store
	id    job.WorkerID
	held  map[job.Token]map[job.ID]bool
}

// worker registers one on the test's own handle.
func (f *fixture) worker() *worker {
	f.Helper()
	w, err := f.register(f.store)
	f.ok(err)
	return w
}

func (f *fixture) register(s store.Store) (*worker, error) {
	w := &worker{f: f, store: s, id: job.NewWorkerID(), held: map[job.Token]map[job.ID]bool{}}
	return w, s.Register(f.ctx, job.Worker{ID: w.id, Name: "test", Lease: lease, Concurrency: 24, Kinds: []string{"*"}, StartedAt: f.now})
}

func suspects(r *job.ClaimRequest) { r.Suspects = true }

func serves(kinds ...string) func(*job.ClaimRequest) {
	return func(r *job.ClaimRequest) {
		r.Serves = func(kind string) bool {
			for _, k := range kinds {
				if k == kind {
					return true
				}
			}
			return false
		}
	}
}

// request asks for jobs of a slot as the worker would.
func (w *worker) request(q job.Queue, slot, most int, now job.Time, set ...func(*job.ClaimRequest)) job.ClaimRequest {
	r := job.ClaimRequest{Worker: w.id, Token: job.NewToken(w.id), Slot: job.Slot{QueueID: q.ID, Slot: slot}, Queue: q.Name, Max: most, Now: now}
	for _, fn := range set {
		fn(&r)
	}
	return r
}

// take claims and remembers.
func (w *worker) take(r job.ClaimRequest) (job.Claimed, error) {
	c, err := w.store.Claim(w.f.ctx, r)
	if err != nil || len(c.Jobs) == 0 {
		return c, err
	}
	held := map[job.ID]bool{}
	for _, j := range c.Jobs {
		if j.Token != r.Token {
			return c, fmt.Errorf("job %s was claimed with token %x and carries %x", j.ID, r.Token, j.Token)
		}
		if held[j.ID] {
			return c, fmt.Errorf("job %s is twice in one claim", j.ID)
		}
		held[j.ID] = true
	}
	w.held[r.Token] = held
	return c, nil
}

// claim takes up to most jobs of slot 1; like a worker it tries again when a claim brought nothing and says that there
// is more.
func (w *worker) claim(q job.Queue, most int, set ...func(*job.ClaimRequest)) []*job.Job {
	w.f.Helper()
	for range 10 {
		c, err := w.take(w.request(q, 1, most, w.f.now, set...))
		w.f.ok(err)
		if len(c.Jobs) > 0 || !c.More {
			return c.Jobs
		}
	}
	return nil
}

// one takes exactly one job.
func (w *worker) one(q job.Queue, set ...func(*job.ClaimRequest)) *job.Job {
	w.f.Helper()
	jobs := w.claim(q, 1, set...)
	if len(jobs) != 1 {
		w.f.Fatalf("claimed %d jobs, want 1", len(jobs))
	}
	return jobs[0]
}

// none ends the test when there is something to claim.
func (w *worker) none(q job.Queue, set ...func(*job.ClaimRequest)) {
	w.f.Helper()
	if jobs := w.claim(q, 10, set...); len(jobs) != 0 {
		w.f.Fatalf("claimed %d jobs (first %s), want none", len(jobs), jobs[0].ID)
	}
}

// settle writes outcomes, with the claims that they bring to an end.
func (w *worker) settle(now job.Time, outcomes ...job.Outcome) ([]job.Verdict, error) {
	var done []job.Token
	for _, o := range outcomes {
		held := w.held[o.Job.Token]
		if delete(held, o.Job.ID); held != nil && len(held) == 0 {
			done = append(done, o.Job.Token)
			delete(w.held, o.Job.Token)
		}
	}
	verdicts, err := w.store.Finish(w.f.ctx, w.id, outcomes, done, now)
	if err == nil && len(verdicts) != len(outcomes) {
		err = fmt.Errorf("%d verdicts for %d outcomes", len(verdicts), len(outcomes))
	}
	return verdicts, err
}

// finish writes one outcome.
func (w *worker) finish(o job.Outcome) job.Verdict {
	w.f.Helper()
	v, err := w.settle(w.f.now, o)
	w.f.ok(err)
	return v[0]
}

// commit writes one outcome that must take effect.
func (w *worker) commit(o job.Outcome) {
	w.f.Helper()
	equal(w.f, "verdict", w.finish(o), job.Committed)
}

func completed(j *job.Job) job.Outcome {
	return job.Outcome{Job: j, Action: job.Complete, Output: []byte("done")}
}

func released(j *job.Job) job.Outcome { return job.Outcome{Job: j, Action: job.Release} }

func (f *fixture) discarded(j *job.Job) job.Outcome {
	o := j.Failed(f.now, job.RunError{Type: "error", Message: "no use"}, 0)
	o.Action, o.Reason = job.Discard, job.ReasonHandler
	return o
}

func (f *fixture) failed(j *job.Job) job.Outcome {
	return j.Failed(f.now, job.RunError{Type: "error", Message: "broken"}, 0)
}

func (f *fixture) snoozed(j *job.Job) job.Outcome { return j.Snoozed(f.now, 10*time.Second) }

// kill declares a worker dead, as a manager does that saw no beat for a lease.
func (f *fixture) kill(w *worker) {
	f.Helper()
	f.ok(declareDead(f, f.store, w.id))
}

func declareDead(f *fixture, s store.Store, id job.WorkerID) error {
	workers, err := s.Workers(f.ctx)
	if err != nil {
		return err
	}
	for _, w := range workers {
		if w.ID == id {
			dead, err := s.DeclareDead(f.ctx, id, w.Beat)
			if err == nil && !dead {
				err = fmt.Errorf("worker %s was not declared dead at beat %d", id, w.Beat)
			}
			return err
		}
	}
	return fmt.Errorf("worker %s is not known", id)
}

// sweep rescues what dead workers left.
func (f *fixture) sweep() []job.Outcome {
	f.Helper()
	out, err := sweep(f, f.store, f.now)
	f.ok(err)
	return out
}

// sweep is a manager's: of a worker that died with a suspect only the suspect counts a crash.
func sweep(f *fixture, s store.Store, now job.Time) (out []job.Outcome, err error) {
	claims, err := s.Orphans(f.ctx, 1000)
	if err != nil {
		return nil, err
	}
	suspect := map[job.WorkerID]bool{}
	for _, c := range claims {
		suspect[c.Worker] = suspect[c.Worker] || c.Suspect
	}
	for _, c := range claims {
		o, err := s.Rescue(f.ctx, c, c.Suspect || !suspect[c.Worker], lease, now)
		if err != nil {
			return out, err
		}
		out = append(out, o...)
	}
	return out, nil
}

// crash lets the worker die and rescues what it held.
func (f *fixture) crash(w *worker) []job.Outcome {
	f.Helper()
	f.kill(w)
	return f.sweep()
}

// clock is a test's time shared by goroutines.
type clock struct{ now atomic.Int64 }

func newClock(t job.Time) *clock { c := &clock{}; c.now.Store(int64(t)); return c }

func (c *clock) time() job.Time { return job.Time(c.now.Load()) }

// tick moves it on and returns the new time.
func (c *clock) tick(d time.Duration) job.Time { return job.Time(c.now.Add(d.Microseconds())) }
