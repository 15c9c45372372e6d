package runner

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// finished waits until jobs have ended and returns how.
func finished(t *testing.T, s interface {
	Get(context.Context, job.ID) (*job.Job, error)
}, ids []job.ID) map[job.State]int {
	t.Helper()
	states := map[job.State]int{}
	deadline := time.Now().Add(time.Minute)
	for _, id := range ids {
		for {
			j, err := s.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if j.State.Finished() {
				states[j.State]++
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("job %s is still %s", id, j.State)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return states
}

func TestTwoWorkersOnOneDatabaseRunEveryJobOnce(t *testing.T) {
	s := openSQLite(t)
	var mu sync.Mutex
	runs := map[job.ID]int{}
	for range 2 {
		r := newRunner(t, Options{Store: s, Concurrency: 50})
		r.Handle("a", func(_ context.Context, j *Job) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			runs[j.ID]++
			return map[string]int{"run": j.Run}, nil
		})
		work(t, r)
	}
	ids := enqueue(t, s, 400, job.Spec{Kind: "a", Payload: []byte(`{"n": 1}`)})
	if states := finished(t, s, ids); states[job.Completed] != len(ids) {
		t.Errorf("ended as %v, want all completed", states)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, id := range ids {
		if runs[id] != 1 {
			t.Errorf("job %s ran %d times", id, runs[id])
		}
	}
	j, err := s.Get(t.Context(), ids[0])
	if err != nil || string(j.Output) != `{"run":1}` || string(j.Payload) != `{"n": 1}` {
		t.Errorf("job %+v, %v", j, err)
	}
}

func TestAFailingJobIsRetriedToItsEnd(t *testing.T) {
	s := openSQLite(t)
	r := newRunner(t, Options{Store: s})
	r.Handle("a", func(_ context.Context, j *Job) (any, error) { return nil, errors.New("no") })
	work(t, r)
	attempts := 3
	ids := enqueue(t, s, 2, job.Spec{Kind: "a", MaxAttempts: &attempts, Backoff: &job.Backoff{Kind: job.BackoffList, List: []float64{0}}})
	if states := finished(t, s, ids); states[job.Discarded] != 2 {
		t.Errorf("ended as %v, want discarded", states)
	}
	j, err := s.Get(t.Context(), ids[0])
	if err != nil || len(j.Errors) != 3 || j.Reason != job.ReasonMaxAttempts || j.Run != 3 {
		t.Errorf("job %+v, %v: want 3 errors and max_attempts", j, err)
	}
}

func TestAKilledRunIsGivenBackInTheDatabaseAndRunsElsewhere(t *testing.T) {
	s := openSQLite(t)
	first := newRunner(t, Options{Store: s, DrainTimeout: -1})
	started := make(chan struct{}, 1)
	first.Handle("a", func(ctx context.Context, _ *Job) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	stop := work(t, first)
	ids := enqueue(t, s, 1, job.Spec{Kind: "a"})
	<-started
	stop()
	workers, err := s.Workers(t.Context())
	if err != nil || len(workers) != 0 {
		t.Errorf("workers after the drain: %+v, %v; want none", workers, err)
	}
	second := newRunner(t, Options{Store: s})
	second.Handle("a", nothing)
	work(t, second)
	finished(t, s, ids)
	j, err := s.Get(t.Context(), ids[0])
	if err != nil || j.Run != 2 || j.Attempt != 1 || j.Crashes != 0 || len(j.Errors) != 0 {
		t.Errorf("job %+v, %v: want run 2 of attempt 1, without a crash or an error", j, err)
	}
}

func TestARunningJobIsCancelledInTheDatabase(t *testing.T) {
	s := openSQLite(t)
	r := newRunner(t, Options{Store: s, Heartbeat: 500 * time.Millisecond, Lease: 20 * time.Second})
	started := make(chan struct{}, 1)
	r.Handle("a", func(ctx context.Context, _ *Job) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	work(t, r)
	ids := enqueue(t, s, 1, job.Spec{Kind: "a"})
	<-started
	now, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cancel(t.Context(), ids[0], now); err != nil {
		t.Fatal(err)
	}
	if states := finished(t, s, ids); states[job.Cancelled] != 1 {
		t.Errorf("ended as %v, want cancelled", states)
	}
}

func TestAWorkerDeclaredDeadInTheDatabaseGoesOnUnderANewID(t *testing.T) {
	s := openSQLite(t)
	r := newRunner(t, Options{Store: s, Heartbeat: time.Second, Lease: 10 * time.Second})
	started := make(chan int, 2)
	r.Handle("a", func(ctx context.Context, j *Job) (any, error) {
		started <- j.Run
		if j.Run == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, nil
	})
	work(t, r)
	ids := enqueue(t, s, 1, job.Spec{Kind: "a"})
	<-started
	old := r.Worker()
	for dead := false; !dead; { // its beat moves while this reads it
		workers, err := s.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if dead, err = s.DeclareDead(t.Context(), old, workers[0].Beat); err != nil {
			t.Fatal(err)
		}
	}
	finished(t, s, ids)
	if run := <-started; run != 2 || r.Worker() == old {
		t.Errorf("run %d under %s, before %s: want run 2 under a new id", run, r.Worker(), old)
	}
}
