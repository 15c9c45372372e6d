// Package recent owns answers that cost much and that many ask for: all who ask share one, and to make it takes at most a
// twentieth of the time. Who asks for one that is no longer new gets it all the same, and sets off the next: so nobody waits
// for a count of a million jobs, and nobody counts while nobody looks.
package recent

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	share   = 20          // an answer is new for so many times as long as it took
	atLeast = time.Second // and for this at least
	good    = time.Minute // an older one is waited for
	most    = 1000        // answers that are kept; the askers choose the keys
)

// Answers keeps the last answer for each key. Its zero value is ready.
type Answers[T any] struct {
	flight singleflight.Group

	mu    sync.Mutex
	known map[string]answer[T]
}

type answer[T any] struct {
	value T
	made  time.Time
	until time.Time // when to make the next
}

// Get returns an answer that is at most a minute old, and waits for one of make when there is none. When the last is no
// longer new it waits for the next too, but only for the patience that it is given. make may go on when ctx ends: others
// may wait for it, and the next who asks gets it.
func (a *Answers[T]) Get(ctx context.Context, key string, patience time.Duration, make func() (T, error)) (T, error) {
	a.mu.Lock()
	last, known := a.known[key]
	a.mu.Unlock()
	now := time.Now()
	if known && now.Before(last.until) {
		return last.value, nil
	}
	made := a.flight.DoChan(key, func() (any, error) {
		begun := time.Now()
		v, err := make()
		if err == nil {
			a.keep(key, v, begun)
		}
		return v, err
	})
	var late <-chan time.Time
	if known && now.Sub(last.made) < good {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case r := <-made:
		return r.Val.(T), r.Err
	case <-late:
		return last.value, nil
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func (a *Answers[T]) keep(key string, v T, begun time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= most {
		a.known = map[string]answer[T]{} // a memory that grows would be worse than to ask again
	}
	now := time.Now()
	a.known[key] = answer[T]{v, now, now.Add(max(share*now.Sub(begun), atLeast))}
}
