package runner

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// held is the worker's memory of what it holds: every claim from before the store is asked for it, or for the jobs of one that was made
// for the worker, until its last job's outcome is committed. What the database knows of this worker and held does not is given back by reconcile.
//
// There is no map of jobs: what looks for a job by its id (a cancel, a beat, a reconcile) comes every few seconds and
// may walk through all, while claiming and finishing happen thousands of times a second and would pay for the map.
type held struct {
	mu     sync.Mutex
	claims map[job.Token]*claim
}

// claim is one batch of jobs.
type claim struct {
	worker  job.WorkerID
	token   job.Token
	at      time.Time
	calling bool // the store has not answered yet; guarded by held.mu
	suspect bool // its only job is a suspect
	runs    []run
	left    int // jobs whose outcome is not committed; the finisher's, but for the first value

	// An outcome of it was lost; the finisher's. Most often somebody has taken the claim back. But a node of a cluster that
	// does not know of the claim yet says the same, and the job still carries the token: without the claim's row nobody would
	// ever free it. So such a claim is not ended with its last job: the row is reconcile's to take away.
	lost bool
}

func (h *held) init() { h.claims = map[job.Token]*claim{} }

// open remembers a claim that is about to be asked for; false = it is known.
func (h *held) open(c *claim) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.claims[c.token] != nil {
		return false
	}
	c.calling = true
	h.claims[c.token] = c
	return true
}

func (h *held) knows(t job.Token) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claims[t] != nil
}

// close forgets a claim that brought nothing.
func (h *held) close(c *claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.claims, c.token)
}

// settle marks runs whose outcome is committed, and lets go of their jobs: a claim may wait long for its last one.
func (h *held) settle(batch []ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range batch {
		if x := batch[i].run; x != nil {
			x.state.Store(settled)
			if !batch[i].deaf {
				x.job = nil
			}
			if x.claim.left--; x.claim.left == 0 {
				delete(h.claims, x.claim.token)
			}
		}
	}
}

// running calls f for each run that has been started and has not ended. f must not call held.
func (h *held) running(f func(*run)) {
	h.each(func(x *run) {
		if x.state.Load() == started {
			f(x)
		}
	})
}

// unfinished calls f for each run that has not ended, those in line too. f must not call held.
func (h *held) unfinished(f func(*run)) {
	h.each(func(x *run) {
		if x.state.Load() <= started {
			f(x)
		}
	})
}

// each goes through the claims from the oldest to the newest: whoever is stopped or given back first was here first.
func (h *held) each(f func(*run)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range slices.SortedFunc(maps.Values(h.claims), func(a, b *claim) int {
		return cmp.Or(a.at.Compare(b.at), bytes.Compare(a.token[:], b.token[:]))
	}) {
		for i := range c.runs {
			f(&c.runs[i])
		}
	}
}

// ids lists the jobs that run or stand in line.
func (h *held) ids() []job.ID {
	ids := []job.ID{}
	h.unfinished(func(x *run) { ids = append(ids, x.job.ID) })
	return ids
}

// strays says which jobs of a claim, as the database has it, this worker has forgotten. unknown = all, since it does
// not know the claim. A claim that is still being asked for has none.
func (h *held) strays(c job.Claim) (ids []job.ID, unknown bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.claims[c.Token]
	switch {
	case known == nil:
		return nil, true
	case known.calling:
		return nil, false
	}
	alive := make(map[job.ID]bool, len(known.runs))
	for i := range known.runs {
		if x := &known.runs[i]; x.state.Load() != settled {
			alive[x.job.ID] = true
		}
	}
	for _, id := range c.IDs {
		if !alive[id] {
			ids = append(ids, id)
		}
	}
	return ids, false
}
