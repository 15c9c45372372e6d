package intake

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slotq/slotq/shared/job"
)

// QueueStore is the store, as far as Queues needs it.
type QueueStore interface {
	ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error)
	EnsureQueue(ctx context.Context, q job.Queue, now job.Time) (job.Queue, error)
}

// ErrUnknownQueue says that there is no such queue and that enqueuing makes none.
var ErrUnknownQueue = errors.New("there is no such queue, and jobs make none here (auto-create is off)")

// cacheFor is how long settings are believed. Another process's change is seen that much later; a slot that drains is
// still read, so an old number of slots does no harm.
const cacheFor = 2 * time.Second

// Queues knows the settings of queues without asking the store for each job.
type Queues struct {
	store      QueueStore
	now        func() job.Time
	autoCreate bool

	mu     sync.Mutex
	byName map[string]job.Queue
	readAt time.Time
	read   uint64 // counts forgettings, so that a reading begun before one is not believed after it
	flight singleflight.Group
}

// NewQueues makes a cache. With autoCreate an unknown queue is made with the defaults.
func NewQueues(store QueueStore, now func() job.Time, autoCreate bool) *Queues {
	return &Queues{store: store, now: now, autoCreate: autoCreate}
}

// Get returns a queue's settings. ErrUnknownQueue, job.ErrLimit, or an error of the store; *Unanswered after Limit.
func (c *Queues) Get(ctx context.Context, name string) (job.Queue, error) {
	if q, fresh, ok := c.cached(name); fresh && (ok || !c.autoCreate) {
		if !ok {
			return q, ErrUnknownQueue
		}
		return q, nil
	}
	// One reading for all who wait; it outlives the request that began it.
	flight := c.flight.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), Limit)
		defer cancel()
		return c.fetch(ctx, name)
	})
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case r := <-flight:
		if r.Err != nil {
			return job.Queue{}, r.Err
		}
		return r.Val.(job.Queue), nil
	case <-limit.C:
		return job.Queue{}, &Unanswered{}
	case <-ctx.Done():
		return job.Queue{}, &Unanswered{Err: context.Cause(ctx)}
	}
}

// Forget makes the next Get ask the store: this process has changed something.
func (c *Queues) Forget() {
	c.mu.Lock()
	c.readAt = time.Time{}
	c.read++
	c.mu.Unlock()
}

func (c *Queues) cached(name string) (q job.Queue, fresh, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok = c.byName[name]
	return q, time.Since(c.readAt) < cacheFor, ok
}

func (c *Queues) fetch(ctx context.Context, name string) (job.Queue, error) {
	q, fresh, ok := c.cached(name)
	if !fresh {
		if err := c.reload(ctx); err != nil {
			return q, err
		}
		q, _, ok = c.cached(name)
	}
	switch {
	case ok:
		return q, nil
	case !c.autoCreate:
		return q, ErrUnknownQueue
	}
	q, err := c.store.EnsureQueue(ctx, job.NewQueue(name), c.now())
	if err != nil {
		return q, err
	}
	c.mu.Lock()
	c.byName[name] = q
	c.mu.Unlock()
	return q, nil
}

// reload reads all queues in one statement: there are at most job.MaxQueues.
func (c *Queues) reload(ctx context.Context) error {
	_, err, _ := c.flight.Do("", func() (any, error) { // no queue is called ""
		c.mu.Lock()
		begun := c.read
		c.mu.Unlock()
		list, err := c.store.ListQueues(ctx, false)
		if err != nil {
			return nil, err
		}
		byName := make(map[string]job.Queue, len(list))
		for _, q := range list {
			byName[q.Name] = q
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.byName = byName
		if c.read == begun {
			c.readAt = time.Now()
		}
		return nil, nil
	})
	return err
}
