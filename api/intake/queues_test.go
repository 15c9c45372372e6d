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

type fakeQueues struct {
	mu     sync.Mutex
	queues map[string]job.Queue
	lists  int
	wait   time.Duration
	err    error
}

func (f *fakeQueues) ListQueues(context.Context, bool) ([]job.Queue, error) {
	time.Sleep(f.wait)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	var out []job.Queue
	for _, q := range f.queues {
		out = append(out, q)
	}
	return out, f.err
}

func (f *fakeQueues) EnsureQueue(_ context.Context, q job.Queue, _ job.Time) (job.Queue, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queues) >= 2 {
		return q, job.ErrLimit
	}
	q.ID = 42
	f.queues[q.Name] = q
	return q, nil
}

func (f *fakeQueues) set(q job.Queue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queues[q.Name] = q
}

func cache(f *fakeQueues, autoCreate bool) *Queues {
	return NewQueues(f, func() job.Time { return 1 }, autoCreate)
}

func TestSettingsAreReadOncePerTwoSecondsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeQueues{queues: map[string]job.Queue{"mail": {Name: "mail", Slots: 3}}, wait: time.Millisecond}
		c := cache(f, true)
		var gets sync.WaitGroup
		for range 100 {
			gets.Go(func() {
				if q, err := c.Get(t.Context(), "mail"); err != nil || q.Slots != 3 {
					t.Errorf("%+v, %v", q, err)
				}
			})
		}
		gets.Wait()
		f.set(job.Queue{Name: "mail", Slots: 6})
		time.Sleep(cacheFor - 2*time.Millisecond)
		if q, _ := c.Get(t.Context(), "mail"); q.Slots != 3 || f.lists != 1 {
			t.Errorf("within %s: %d slots after %d readings, want 3 after one", cacheFor, q.Slots, f.lists)
		}
		time.Sleep(2 * time.Millisecond)
		if q, _ := c.Get(t.Context(), "mail"); q.Slots != 6 {
			t.Errorf("after %s: %d slots, want 6", cacheFor, q.Slots)
		}
	})
}

func TestAChangeByThisProcessIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeQueues{queues: map[string]job.Queue{"mail": {Name: "mail", Slots: 3}}}
		c := cache(f, true)
		if _, err := c.Get(t.Context(), "mail"); err != nil {
			t.Fatal(err)
		}
		f.set(job.Queue{Name: "mail", Slots: 6})
		c.Forget()
		if q, _ := c.Get(t.Context(), "mail"); q.Slots != 6 {
			t.Errorf("%d slots, want 6", q.Slots)
		}
	})
}

func TestAnUnknownQueueIsMadeOrRefusedAsToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeQueues{queues: map[string]job.Queue{"mail": {Name: "mail"}}}
		if q, err := cache(f, true).Get(t.Context(), "new"); err != nil || q.ID != 42 || q.Slots != job.DefaultSlots {
			t.Errorf("made %+v, %v", q, err)
		}
		if _, err := cache(f, true).Get(t.Context(), "third"); !errors.Is(err, job.ErrLimit) {
			t.Errorf("beyond the limit: %v", err)
		}
		c := cache(f, false)
		for range 5 {
			if _, err := c.Get(t.Context(), "unknown"); !errors.Is(err, ErrUnknownQueue) {
				t.Errorf("without auto-create: %v", err)
			}
		}
		if f.lists != 3 {
			t.Errorf("%d readings; five jobs for an unknown queue should cost one", f.lists)
		}
	})
}

func TestADatabaseThatHangsIsAnsweredInTimeForQueuesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeQueues{queues: map[string]job.Queue{}, wait: time.Minute}
		begun := time.Now()
		if _, err := cache(f, true).Get(t.Context(), "mail"); !errors.Is(err, job.ErrUnavailable) || time.Since(begun) > Limit {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		time.Sleep(time.Minute)
	})
}
