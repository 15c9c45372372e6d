package intake

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore records calls; answer decides what each gives back, nil = all created.
type fakeStore struct {
	mu     sync.Mutex
	calls  [][]*job.Job
	away   bool
	busy   bool // claims nothing
	answer func(ctx context.Context, call int, jobs []*job.Job) ([]job.Enqueued, error)
}

func (f *fakeStore) Enqueue(ctx context.Context, jobs []*job.Job, _ bool) ([]job.Enqueued, error) {
	f.mu.Lock()
	f.calls = append(f.calls, jobs)
	n := len(f.calls)
	f.mu.Unlock()
	if f.answer != nil {
		return f.answer(ctx, n, jobs)
	}
	return created(jobs), nil
}

func (f *fakeStore) EnqueueClaimed(ctx context.Context, jobs []*job.Job, _ job.Claim) ([]job.Enqueued, error) {
	out, err := f.Enqueue(ctx, jobs, false)
	for i := range out {
		out[i].Claimed = !f.busy
	}
	return out, err
}

func (f *fakeStore) Now(ctx context.Context) (job.Time, error) {
	if f.away {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return 1, nil
}

func (f *fakeStore) sizes() (sizes []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		sizes = append(sizes, len(c))
	}
	return sizes
}

func created(jobs []*job.Job) []job.Enqueued {
	out := make([]job.Enqueued, len(jobs))
	for i, j := range jobs {
		out[i].ID = j.ID
	}
	return out
}

func newJob() *job.Job { return &job.Job{ID: job.NewID(1), Kind: "k"} }

// inTime is until when a job that comes now may wait.
func inTime() time.Time { return time.Now().Add(Limit) }

// start runs an intake inside a synctest bubble.
func start(t *testing.T, f *fakeStore) *Intake { return startWith(t, f, nil) }

func startWith(t *testing.T, f *fakeStore, places Places) *Intake {
	t.Helper()
	in := New(f, places)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := in.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return in
}

// held makes every call wait until let is closed, or its context ends.
func held() (f *fakeStore, let chan struct{}) {
	let = make(chan struct{})
	return &fakeStore{answer: func(ctx context.Context, _ int, jobs []*job.Job) ([]job.Enqueued, error) {
		select {
		case <-let:
			return created(jobs), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}, let
}

func TestAnIdleIntakeWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, &fakeStore{})
		begun := time.Now()
		for range 3 {
			j := newJob()
			if got, err := in.One(t.Context(), j, inTime()); err != nil || got.ID != j.ID {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("three jobs one after the other took %s of waiting", d)
		}
	})
}

func TestWhileOneCallCommitsTheNextGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, let := held()
		in := start(t, f)
		var posts sync.WaitGroup
		post := func() {
			posts.Go(func() {
				j := newJob()
				if got, err := in.One(t.Context(), j, inTime()); err != nil || got.ID != j.ID {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		post()
		synctest.Wait()
		for range 63 {
			post()
		}
		synctest.Wait()
		close(let)
		posts.Wait()
		if got := f.sizes(); len(got) != 2 || got[0] != 1 || got[1] != 63 {
			t.Errorf("calls of %v jobs, want 1 and 63", got)
		}
	})
}

func TestACallIsBoundedInRowsAndBytes(t *testing.T) {
	for name, c := range map[string]struct {
		jobs, payload, want int
	}{
		"rows":  {2500, 10, 1000},
		"bytes": {10, 300 << 10, 3},
		"large": {3, 2 << 20, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, let := held()
				in := start(t, f)
				var posts sync.WaitGroup
				for range c.jobs {
					posts.Go(func() {
						j := newJob()
						j.Payload = bytes.Repeat([]byte("1"), c.payload)
						if _, err := in.One(t.Context(), j, inTime()); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				close(let)
				posts.Wait()
				most, sum := 0, 0
				for _, n := range f.sizes() {
					most, sum = max(most, n), sum+n
				}
				if most != c.want || sum != c.jobs {
					t.Errorf("the largest call had %d jobs, want %d; %d jobs in all, want %d", most, c.want, sum, c.jobs)
				}
			})
		})
	}
}

func TestOneBadRowAmong64FailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := newJob()
		refused := job.Invalid{{Detail: "refused"}}
		f := &fakeStore{answer: func(_ context.Context, _ int, jobs []*job.Job) ([]job.Enqueued, error) {
			time.Sleep(time.Millisecond)
			out := created(jobs)
			for i, j := range jobs {
				if j == bad {
					out[i].Err = refused
				}
			}
			return out, nil
		}}
		in := start(t, f)
		var posts sync.WaitGroup
		for i := range 64 {
			posts.Go(func() {
				j := newJob()
				if i == 40 {
					j = bad
				}
				got, err := in.One(t.Context(), j, inTime())
				if err != nil || (got.Err != nil) != (j == bad) || got.ID != j.ID {
					t.Errorf("job %d: %+v, %v", i, got, err)
				}
			})
		}
		posts.Wait()
	})
}

func TestJobsWithKeysOrGivenIDsHoldUpOnlyEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, let := held()
		plain := f.answer
		f.answer = func(ctx context.Context, n int, jobs []*job.Job) ([]job.Enqueued, error) {
			if jobs[0].Given || jobs[0].UniqueKey+jobs[0].IdempotencyKey+jobs[0].ConcurrencyKey != "" {
				return plain(ctx, n, jobs)
			}
			return created(jobs), nil
		}
		in := start(t, f)
		var posts sync.WaitGroup
		for _, j := range []*job.Job{{Given: true}, {IdempotencyKey: "x"}, {UniqueKey: "x"}, {ConcurrencyKey: "x"}} {
			j.ID = job.NewID(1)
			posts.Go(func() {
				if _, err := in.One(t.Context(), j, inTime()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		begun := time.Now()
		if _, err := in.One(t.Context(), newJob(), inTime()); err != nil || time.Since(begun) != 0 {
			t.Errorf("a plain job waited %s behind jobs with keys: %v", time.Since(begun), err)
		}
		close(let)
		posts.Wait()
	})
}

func TestTheSameGivenIDNeverStandsTwiceInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, let := held()
		in := start(t, f)
		id := job.NewID(1)
		var posts sync.WaitGroup
		for range 5 {
			posts.Go(func() {
				if _, err := in.One(t.Context(), &job.Job{ID: id, Given: true}, inTime()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(let)
		posts.Wait()
		if got := f.sizes(); len(got) != 5 {
			t.Errorf("calls of %v jobs, want five of one", got)
		}
	})
}

func TestAJobWaitsOnlyForTheTimeThatItsRequestHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		in := start(t, &fakeStore{answer: func(_ context.Context, _ int, jobs []*job.Job) ([]job.Enqueued, error) {
			<-hung
			return created(jobs), nil
		}})
		begun, left := time.Now(), time.Second
		if _, err := in.One(t.Context(), newJob(), begun.Add(left)); !errors.Is(err, job.ErrUnavailable) || time.Since(begun) != left {
			t.Errorf("after %s: %v, want %v after %s", time.Since(begun), err, job.ErrUnavailable, left)
		}
		close(hung)
	})
}

func TestAStoreThatHangsIsAnsweredInTimeAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := true
		f := &fakeStore{answer: func(ctx context.Context, _ int, jobs []*job.Job) ([]job.Enqueued, error) {
			if hung { // and it does not even heed its context, as a COMMIT does not
				time.Sleep(9 * time.Second)
				return nil, errors.New("connection lost")
			}
			return created(jobs), nil
		}}
		in := start(t, f)
		var posts sync.WaitGroup
		stored := make([]bool, 3)
		for i := range 3 {
			posts.Go(func() {
				begun := time.Now()
				_, err := in.One(t.Context(), newJob(), inTime())
				var un *Unanswered
				if !errors.As(err, &un) || !errors.Is(err, job.ErrUnavailable) || time.Since(begun) != Limit {
					t.Errorf("after %s: %v, want Unanswered after %s", time.Since(begun), err, Limit)
					return
				}
				stored[i] = un.MaybeStored
			})
			synctest.Wait()
		}
		posts.Wait()
		if !stored[0] || stored[1] || stored[2] {
			t.Errorf("maybe stored: %v, want the first alone, whose call was under way", stored)
		}
		time.Sleep(6 * time.Second)
		hung = false
		if _, err := in.One(t.Context(), newJob(), inTime()); err != nil {
			t.Errorf("after the outage: %v", err)
		}
		if got := f.sizes(); len(got) != 2 || got[1] != 1 {
			t.Errorf("calls of %v jobs: what was given up was stored all the same", got)
		}
	})
}

func TestAFullQueueAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, let := held()
		in := start(t, f)
		var posts sync.WaitGroup
		for range maxQueued + 1 {
			posts.Go(func() { _, _ = in.One(t.Context(), newJob(), inTime()) })
		}
		synctest.Wait() // one or more are under way, so the queue may have room for as many
		var refused *Unanswered
		for range maxRows + 1 {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := in.One(ctx, newJob(), inTime()); errors.As(err, &refused) {
				break
			}
		}
		if refused == nil || refused.MaybeStored {
			t.Errorf("a full queue said %+v", refused)
		}
		close(let)
		posts.Wait()
	})
}

func TestBytesThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, let := held()
		in := start(t, f)
		var posts sync.WaitGroup
		refused := 0
		var mu sync.Mutex
		payload := make([]byte, 16<<20)
		for range 12 {
			posts.Go(func() {
				j := newJob()
				j.Payload = payload
				if _, err := in.One(t.Context(), j, inTime()); err != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		close(let)
		posts.Wait()
		if refused == 0 {
			t.Error("192 MiB of payloads were queued")
		}
		if n := in.plain.bytes.Load(); n != 0 {
			t.Errorf("%d bytes are still counted when nothing waits", n)
		}
	})
}

func TestWhoHangsUpStopsNoCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen context.Context
		let := make(chan struct{})
		f := &fakeStore{answer: func(ctx context.Context, _ int, jobs []*job.Job) ([]job.Enqueued, error) {
			<-let
			seen = ctx
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return created(jobs), nil
		}}
		in := start(t, f)
		ctx, hangUp := context.WithCancel(t.Context())
		var posts sync.WaitGroup
		posts.Go(func() {
			if _, err := in.One(ctx, newJob(), inTime()); !errors.Is(err, context.Canceled) {
				t.Errorf("who hung up got %v", err)
			}
		})
		synctest.Wait()
		hangUp()
		posts.Wait()
		close(let)
		synctest.Wait()
		if seen == nil || seen.Err() != context.Canceled && seen.Err() != nil {
			t.Errorf("the call's context: %v", seen)
		}
		if got := f.sizes(); len(got) != 1 {
			t.Errorf("%v calls", got)
		}
	})
}

func TestWhatIsQueuedAtTheEndIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, let := held()
		in := New(f, nil)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = in.Run(ctx) })
		for range 10 {
			all.Go(func() {
				if _, err := in.One(t.Context(), newJob(), inTime()); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		stop()
		close(let)
		all.Wait()
		if got := f.sizes(); len(got) != 2 || got[1] != 9 {
			t.Errorf("calls of %v jobs, want 1 and 9", got)
		}
		if _, err := in.One(t.Context(), newJob(), inTime()); !errors.Is(err, job.ErrUnavailable) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestAStoreThatForgetsAnAnswerIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{answer: func(context.Context, int, []*job.Job) ([]job.Enqueued, error) { return nil, nil }}
		in := start(t, f)
		if _, err := in.One(t.Context(), newJob(), inTime()); err == nil {
			t.Error("a job without an answer counts as stored")
		}
	})
}
