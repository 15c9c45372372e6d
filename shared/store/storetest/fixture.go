package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// T0 is when every test begins. It lies ahead of any real clock, so that a store which looks at one is found out.
var T0 = job.TimeOf(time.Date(2041, 5, 1, 12, 0, 0, 0, time.UTC))

// lease is what the tests' workers register with and the sweeps believe.
const lease = 20 * time.Second

// claimers is how many claim at once where a test is about that.
const claimers = 8

// fixture is one test's store, clock and short words. Methods without an error in their result end the test.
type fixture struct {
	*testing.T
	ctx   context.Context
	db    *database
	store store.Store
	now   job.Time
}

// again opens one more handle on the database, as another process would.
func (f *fixture) again() store.Store {
	f.Helper()
	return f.openURL(f.db.url)
}

func (f *fixture) openURL(url string) store.Store {
	f.Helper()
	s, err := f.db.engine.Open(f.ctx, url)
	if err != nil {
		f.Fatalf("open: %v", err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Errorf("close: %v", err)
		}
	})
	return s
}

func (f *fixture) tick(d time.Duration) { f.now = f.now.Add(d) }

// ok ends the test on an error.
func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// is ends the test unless err is the one wanted.
func (f *fixture) is(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("got error %v, want %v", err, want)
	}
}

// equal ends the test unless two values are the same.
func equal[T comparable](f *fixture, what string, got, want T) {
	f.Helper()
	if got != want {
		f.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// together runs fn n times at once, lets all begin at the same moment, and ends the test on the first error.
func (f *fixture) together(n int, fn func(i int) error) {
	f.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			f.Fatalf("number %d of %d: %v", i, n, err)
		}
	}
}

// queue makes a queue: one slot and a fixed wait of 10 s after a failure, unless set otherwise.
func (f *fixture) queue(name string, set ...func(*job.Queue)) job.Queue {
	f.Helper()
	q := job.NewQueue(name)
	q.Slots, q.KeySlots = 1, 1
	q.Backoff = job.Backoff{Kind: job.BackoffList, List: []float64{10}}
	for _, s := range set {
		s(&q)
	}
	q, err := f.store.EnsureQueue(f.ctx, q, f.now)
	f.ok(err)
	return q
}

func slots(n int) func(*job.Queue) { return func(q *job.Queue) { q.Slots, q.KeySlots = n, n } }

// job makes a job for a queue, not stored yet.
func (f *fixture) job(q job.Queue, set ...func(*job.Spec)) *job.Job {
	s := job.Spec{Kind: "work", Payload: []byte(`{"n":1}`)}
	for _, fn := range set {
		fn(&s)
	}
	return s.Make(q, f.now)
}

// jobs makes n of them.
func (f *fixture) jobs(q job.Queue, n int, set ...func(*job.Spec)) []*job.Job {
	jobs := make([]*job.Job, n)
	for i := range jobs {
		jobs[i] = f.job(q, set...)
	}
	return jobs
}

func kind(k string) func(*job.Spec)         { return func(s *job.Spec) { s.Kind = k } }
func priority(p int) func(*job.Spec)        { return func(s *job.Spec) { s.Priority = &p } }
func maxAttempts(n int) func(*job.Spec)     { return func(s *job.Spec) { s.MaxAttempts = &n } }
func maxCrashes(n int) func(*job.Spec)      { return func(s *job.Spec) { s.MaxCrashes = &n } }
func delay(d time.Duration) func(*job.Spec) { return func(s *job.Spec) { s.Delay = d } }
func uniqueKey(k string) func(*job.Spec)    { return func(s *job.Spec) { s.UniqueKey = k } }
func expiresAt(t job.Time) func(*job.Spec)  { return func(s *job.Spec) { s.ExpiresAt = t } }
func payload(b []byte) func(*job.Spec)      { return func(s *job.Spec) { s.Payload = b } }
func given(id job.ID, body string) func(*job.Spec) {
	return func(s *job.Spec) { s.ID, s.Digest = &id, digestOf(body) }
}
func idempotencyKey(k, body string) func(*job.Spec) {
	return func(s *job.Spec) { s.IdempotencyKey, s.Digest = k, digestOf(body) }
}
func concurrencyKey(k string, limit int) func(*job.Spec) {
	return func(s *job.Spec) { s.ConcurrencyKey, s.ConcurrencyLimit = k, &limit }
}

// digestOf stands for the hash over a request: 16 bytes that differ when the body does.
func digestOf(body string) []byte {
	d := make([]byte, 16)
	copy(d, body)
	return d
}

// enqueue stores jobs that must all be new.
func (f *fixture) enqueue(jobs ...*job.Job) {
	f.Helper()
	out, err := f.store.Enqueue(f.ctx, jobs, false)
	f.ok(err)
	f.created(jobs, out)
}

// created ends the test unless each job was made.
func (f *fixture) created(jobs []*job.Job, out []job.Enqueued) {
	f.Helper()
	if err := allCreated(jobs, out); err != nil {
		f.Fatal(err)
	}
}

func allCreated(jobs []*job.Job, out []job.Enqueued) error {
	if len(out) != len(jobs) {
		return fmt.Errorf("%d answers for %d jobs", len(out), len(jobs))
	}
	for i, e := range out {
		if e.Err != nil || e.By != "" || e.ID != jobs[i].ID {
			return fmt.Errorf("job %d of %d: got %+v, want it created as %s", i, len(jobs), e, jobs[i].ID)
		}
	}
	return nil
}

// add stores one new job.
func (f *fixture) add(q job.Queue, set ...func(*job.Spec)) *job.Job {
	f.Helper()
	j := f.job(q, set...)
	f.enqueue(j)
	return j
}

// send stores one job that may be a duplicate.
func (f *fixture) send(j *job.Job) job.Enqueued {
	f.Helper()
	out, err := f.store.Enqueue(f.ctx, []*job.Job{j}, false)
	f.ok(err)
	equal(f, "answers", len(out), 1)
	return out[0]
}

func (f *fixture) get(id job.ID) *job.Job {
	f.Helper()
	j, err := f.store.Get(f.ctx, id)
	f.ok(err)
	return j
}

// gone ends the test when the job is still known.
func (f *fixture) gone(id job.ID) {
	f.Helper()
	_, err := f.store.Get(f.ctx, id)
	f.is(err, job.ErrNotFound)
}

// live are the states that Get derives by the database's clock, which these tests do not move: for a waiting job they
// ask whether it may be claimed instead.
func (f *fixture) waiting(id job.ID) *job.Job {
	f.Helper()
	j := f.get(id)
	if j.State.Finished() || j.State == job.Running {
		f.Fatalf("job %s is %s, want it waiting", id, j.State)
	}
	return j
}

// ended ends the test unless the job is in this final state for this reason.
func (f *fixture) ended(id job.ID, state job.State, reason string) *job.Job {
	f.Helper()
	j := f.get(id)
	if j.State != state || j.Reason != reason {
		f.Fatalf("job %s is %s (%s), want %s (%s)", id, j.State, j.Reason, state, reason)
	}
	return j
}

// due are the slots of the queue that have something to claim.
func (f *fixture) due(q job.Queue) []job.Slot {
	f.Helper()
	rows, err := f.store.Slots(f.ctx, q.ID)
	f.ok(err)
	var all []job.Slot
	for _, r := range rows {
		all = append(all, r.Slot)
	}
	found, err := f.store.Poll(f.ctx, all, f.now)
	f.ok(err)
	return found
}

// rows is how many unfinished jobs the database holds.
func (f *fixture) rows() int64 {
	f.Helper()
	return f.db.count(f, "SELECT COUNT(*) FROM slotq_jobs")
}
