package storetest

import (
	"sync"

	"github.com/slotq/slotq/shared/job"
)

// tally counts starts per job over goroutines.
type tally struct {
	mu sync.Mutex
	n  map[job.ID]int
}

func newTally() *tally { return &tally{n: map[job.ID]int{}} }

func (t *tally) add(id job.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[id]++
}

func (t *tally) of(id job.ID) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n[id]
}

// len is how many jobs were started.
func (t *tally) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.n)
}

// twice returns a job that was started more than once.
func (t *tally) twice() (job.ID, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, n := range t.n {
		if n > 1 {
			return id, true
		}
	}
	return job.ID{}, false
}
