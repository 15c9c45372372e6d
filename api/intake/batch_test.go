package intake

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

func TestAStoreThatAnswersAtOnceIsNeverTakenForAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in real time a machine that stands still would be a store that is away
		in := New(&fakeStore{}, nil)
		for n := range 100_000 {
			if !in.alive() {
				t.Fatalf("away by answer %d", n+1)
			}
		}
	})
}

func TestALargeBatchMayTakeLongerWhileTheStoreAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{answer: func(_ context.Context, _ int, jobs []*job.Job) ([]job.Enqueued, error) {
			time.Sleep(9 * time.Second)
			return created(jobs), nil
		}}
		in := start(t, f)
		if out, err := in.Many(t.Context(), []*job.Job{newJob()}, true); err != nil || len(out) != 1 {
			t.Errorf("a batch that took 9 s: %v, %v", out, err)
		}
		f.answer = func(context.Context, int, []*job.Job) ([]job.Enqueued, error) {
			time.Sleep(time.Minute)
			return nil, errors.New("late")
		}
		begun := time.Now()
		if _, err := in.Many(t.Context(), []*job.Job{newJob()}, true); !errors.Is(err, job.ErrUnavailable) || time.Since(begun) > batchLimit+batchPatience {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
}

func TestABatchIsOneCallAndIsAnsweredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, let := held()
		f.away = true
		in := start(t, f)
		jobs := []*job.Job{newJob(), newJob()}
		var posts sync.WaitGroup
		var under, waited int
		var mu sync.Mutex
		for range maxBatches + 2 {
			posts.Go(func() {
				begun := time.Now()
				_, err := in.Many(t.Context(), jobs, true)
				var un *Unanswered
				if !errors.As(err, &un) || time.Since(begun) > Limit+probeLimit {
					t.Errorf("after %s: %v", time.Since(begun), err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if un.MaybeStored {
					under++
				} else {
					waited++
				}
			})
		}
		posts.Wait()
		if under < maxBatches || under+waited != maxBatches+2 {
			t.Errorf("%d batches were under way, %d waited", under, waited)
		}
		close(let)
		if got, err := in.Many(t.Context(), jobs, true); err != nil || len(got) != 2 {
			t.Errorf("after the outage: %v, %v", got, err)
		}
	})
}
