package stats

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// lossy is a store whose reports may be stored, or not, without an answer.
type lossy struct {
	store.Store
	lose  func(r job.StatsReport) (stored bool)
	calls atomic.Int32
}

var errLost = errors.New("no answer")

func (l *lossy) ReportStats(ctx context.Context, r job.StatsReport) (int64, error) {
	l.calls.Add(1)
	if l.lose == nil {
		return l.Store.ReportStats(ctx, r)
	}
	if l.lose(r) {
		if _, err := l.Store.ReportStats(ctx, r); err != nil {
			return 0, err
		}
	}
	return 0, errLost
}

// rig is a counter before a database, a queue of one slot, and a clock that the test moves.
type rig struct {
	*testing.T
	*Counter
	db    *lossy
	now   job.Time
	queue job.Queue
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "slotq.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r := &rig{T: t, db: &lossy{Store: s}, now: job.TimeOf(time.Date(2041, 5, 1, 12, 30, 0, 0, time.UTC))}
	r.ok(s.Migrate(t.Context()))
	r.Counter = New(r.db, func() job.Time { return r.now })
	q := job.NewQueue("q")
	q.Slots, q.KeySlots = 1, 1
	if r.queue, err = s.EnsureQueue(t.Context(), q, r.now); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) add(n int, change ...func(*job.Spec)) []*job.Job {
	r.Helper()
	jobs := make([]*job.Job, n)
	for i := range jobs {
		spec := job.Spec{Kind: "k", Payload: []byte("null")}
		for _, c := range change {
			c(&spec)
		}
		jobs[i] = spec.Make(r.queue, r.now)
	}
	_, err := r.Enqueue(r.Context(), jobs, false)
	r.ok(err)
	return jobs
}

func (r *rig) worker() job.WorkerID {
	r.Helper()
	w := job.Worker{ID: job.NewWorkerID(), Lease: time.Minute, Kinds: []string{"*"}, StartedAt: r.now}
	r.ok(r.Register(r.Context(), w))
	return w.ID
}

func (r *rig) claim(w job.WorkerID, most int) []*job.Job {
	r.Helper()
	got, err := r.Claim(r.Context(), job.ClaimRequest{Worker: w, Token: job.NewToken(w), Slot: job.Slot{QueueID: r.queue.ID, Slot: 1}, Max: most, Now: r.now, Suspects: true})
	r.ok(err)
	return got.Jobs
}

// kept is the sum of the hours that are kept, after a fold.
func (r *rig) kept() (sum job.Counts) {
	r.Helper()
	_, err := r.FoldStats(r.Context(), 100, r.now)
	r.ok(err)
	list, err := r.ListStats(r.Context(), []int32{r.queue.ID}, r.now)
	r.ok(err)
	for i := range list {
		if list[i].Span == job.Hour {
			sum.Add(&list[i].Counts)
		}
	}
	return sum
}

// plain is counts without their histograms, which can be compared.
func plain(c job.Counts) job.Counts {
	c.Wait, c.Run = job.Histogram{}, job.Histogram{}
	return c
}

func TestEveryWayOfAJobIsCountedOnce(t *testing.T) {
	r := newRig(t)
	r.add(9)
	w := r.worker()
	r.now = r.now.Add(2 * time.Second)
	jobs := r.claim(w, 9)
	timedOut := jobs[2].Failed(r.now, job.RunError{Type: job.TypeTimedOut}, 0)
	last := jobs[5].Failed(r.now, job.RunError{Type: "error"}, 0)
	last.Action, last.Reason = job.Discard, job.ReasonMaxAttempts
	outcomes := []job.Outcome{
		{Job: jobs[0], Action: job.Complete}, jobs[1].Failed(r.now, job.RunError{Type: "error"}, 0), timedOut, jobs[3].Snoozed(r.now, time.Hour),
		{Job: jobs[4], Action: job.Cancel, Reason: job.ReasonCancelled}, last, {Job: jobs[6], Action: job.Release},
		{Job: &job.Job{ID: job.NewID(r.now), Token: jobs[0].Token, QueueID: r.queue.ID}, Action: job.Complete}, // it is lost
	}
	for i := range outcomes {
		outcomes[i].Took = time.Second
	}
	_, err := r.Finish(t.Context(), w, outcomes, nil, r.now)
	r.ok(err)
	// Two are left with a worker that dies; one of them may crash once only.
	claims, err := r.Claims(t.Context(), w)
	r.ok(err)
	_, err = r.DeclareDead(t.Context(), w, 0)
	r.ok(err)
	_, err = r.Rescue(t.Context(), claims[0], true, time.Minute, r.now)
	r.ok(err)
	_, err = r.Rescue(t.Context(), claims[0], true, time.Minute, r.now)
	r.ok(err)
	// Jobs that end without a run.
	waiting := r.add(4)
	for range 2 {
		_, err = r.Cancel(t.Context(), waiting[0].ID, r.now)
		r.ok(err)
		r.now++
	}
	r.add(1, func(s *job.Spec) { s.ExpiresAt = r.now.Add(time.Second) })
	r.now = r.now.Add(time.Minute)
	_, err = r.Expire(t.Context(), 10, r.now)
	r.ok(err)
	r.ok(r.Report(t.Context()))
	got := r.kept()
	want := job.Counts{Enqueued: 14, Completed: 1, Failed: 1, TimedOut: 1, Retries: 2, Snoozed: 1, Cancelled: 2, Discarded: 2, Expired: 1, Crashes: 2}
	if plain(got) != want {
		t.Errorf("counted %+v\nwant    %+v", plain(got), want)
	}
	if got.Wait.Count() != 9 || got.Run.Count() != 6 {
		t.Errorf("%d waits and %d runs, want 9 and 6", got.Wait.Count(), got.Run.Count())
	}
	if p := got.Wait.Quantile(.5); p < 1780*time.Millisecond || p > 2250*time.Millisecond {
		t.Errorf("all waited 2 s, and the median is %s", p)
	}
}

func TestAPurgeIsCounted(t *testing.T) {
	r := newRig(t)
	r.add(7)
	_, _, err := r.Purge(t.Context(), "q", r.now, 100, r.now)
	r.ok(err)
	r.ok(r.Report(t.Context()))
	if got := plain(r.kept()); got != (job.Counts{Enqueued: 7, Cancelled: 7}) {
		t.Errorf("%+v", got)
	}
}

func TestAJobOfSomebodysOwnInsertIsEnqueuedWhenItIsClaimedFirst(t *testing.T) {
	r := newRig(t)
	jobs := []*job.Job{{}, {Direct: true, Run: 1}, {Direct: true, Run: 2}, {Run: 1}}
	r.Counter = New(claimed{r.db, jobs}, func() job.Time { return r.now })
	r.claim(1, 4)
	r.ok(r.Report(t.Context()))
	if got := r.kept(); got.Enqueued != 1 || got.Wait.Count() != 4 {
		t.Errorf("%d enqueued, %d waits", got.Enqueued, got.Wait.Count())
	}
}

// claimed is a store with these jobs to claim.
type claimed struct {
	store.Store
	jobs []*job.Job
}

func (c claimed) Claim(context.Context, job.ClaimRequest) (job.Claimed, error) {
	return job.Claimed{Jobs: c.jobs}, nil
}

func TestWhatWasRefusedOrThereIsNotEnqueued(t *testing.T) {
	r := newRig(t)
	id := job.NewID(r.now)
	given := func(digest byte) func(*job.Spec) {
		return func(s *job.Spec) { s.ID, s.Digest = &id, append(make([]byte, 15), digest) }
	}
	r.add(1, given(1))
	r.add(1, given(1)) // a duplicate
	spec, other := job.Spec{Kind: "k"}, job.Spec{Kind: "k"}
	given(2)(&other) // another body under the same id
	out, err := r.Enqueue(t.Context(), []*job.Job{spec.Make(r.queue, r.now), other.Make(r.queue, r.now)}, true)
	r.ok(err)
	if out[1].Err == nil {
		t.Fatal("nothing was refused")
	}
	r.ok(r.Report(t.Context()))
	if got := r.kept().Enqueued; got != 1 {
		t.Errorf("%d enqueued, want 1", got)
	}
}

// TestNoLostAnswerCountsTwice loses the answers of reports that were stored, and of such that were not, with folds at
// every place between them.
func TestNoLostAnswerCountsTwice(t *testing.T) {
	for pattern := range 1 << 9 {
		if pattern%7 != 0 && testing.Short() {
			continue
		}
		r := newRigOnce(t)
		r.Counter = New(r.db, func() job.Time { return r.now })
		before := r.kept().Enqueued
		want := before
		for step := range 3 {
			bits := pattern >> (3 * step)
			r.add(step + 1)
			want += int64(step + 1)
			lost := bits&1 != 0
			r.db.lose = nil
			if lost {
				r.db.lose = func(job.StatsReport) bool { return bits&2 != 0 }
			}
			if err := r.Report(t.Context()); lost != (err != nil) {
				t.Fatalf("lost %v, and the error is %v", lost, err)
			}
			if bits&4 != 0 {
				r.kept()
			}
		}
		r.db.lose = nil
		for range 2 { // what waited for its answer, then what has come since
			r.ok(r.Report(t.Context()))
		}
		if got := r.kept().Enqueued; got != want {
			t.Fatalf("pattern %09b: %d enqueued, want %d", pattern, got, want)
		}
	}
}

var shared *rig

// newRigOnce is one database for all patterns.
func newRigOnce(t *testing.T) *rig {
	if shared == nil || shared.T != t {
		shared = newRig(t)
	}
	return shared
}

func TestAKilledProcessLosesWhatItHasNotReportedAndNothingElse(t *testing.T) {
	r := newRig(t)
	r.add(3)
	r.ok(r.Report(t.Context()))
	r.add(2)
	r.ok(r.Report(t.Context())) // replaces the one before, which nobody took
	r.add(5)
	r.Counter = New(r.db, func() job.Time { return r.now }) // kill -9, and a new process
	r.add(1)
	r.ok(r.Report(t.Context()))
	if got := r.kept().Enqueued; got != 6 {
		t.Errorf("%d enqueued, want 6", got)
	}
}

func TestWhileNoManagerRunsAProcessKeepsABoundedReport(t *testing.T) {
	r := newRig(t)
	for range mostKept + 200 {
		r.add(1)
		r.ok(r.Report(t.Context()))
		r.now = r.now.Add(time.Minute)
	}
	if n := len(r.report.Parts[0].Stats); len(r.report.Parts) != 1 || n > mostKept {
		t.Errorf("%d minutes and hours in %d parts", n, len(r.report.Parts))
	}
	if got := r.kept().Enqueued; got != mostKept+200 {
		t.Errorf("%d enqueued, want %d", got, mostKept+200)
	}
}

func TestAnIdleProcessSendsNothingAndAnEndingOneSendsTheRest(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Counter.Run(ctx, time.Hour, slog.New(slog.DiscardHandler)) }()
	for range 10 {
		r.ok(r.Report(t.Context()))
	}
	if n := r.db.calls.Load(); n != 0 {
		t.Errorf("an idle process made %d calls", n)
	}
	r.add(2)
	cancel()
	r.ok(<-done)
	if got := r.kept().Enqueued; got != 2 {
		t.Errorf("%d enqueued, want 2", got)
	}
}

func TestAJobThatIsCancelledAndRetriedBeforeItsFirstRunIsEnqueuedOnce(t *testing.T) {
	r := newRig(t)
	j := r.add(1)[0]
	_, err := r.Cancel(t.Context(), j.ID, r.now)
	r.ok(err)
	_, err = r.Retry(t.Context(), j.ID, r.now)
	r.ok(err)
	if got := r.claim(r.worker(), 1); len(got) != 1 {
		t.Fatalf("claimed %d jobs", len(got))
	}
	r.ok(r.Report(t.Context()))
	if got := r.kept().Enqueued; got != 1 {
		t.Errorf("%d enqueued, want 1", got)
	}
}
