package doctor

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/census"
)

// countLimit is how long the backlog may be counted: with thousands of slots the rest stays open.
const countLimit = 5 * time.Second

// backlog looks for jobs that wait where nobody takes them.
func (v *visit) backlog() (string, error) {
	const deleted = true // workers serve those too: an api may still have added a job
	c, err := census.Take(v.ctx, v.store, deleted, v.now, time.Now().Add(countLimit))
	if err != nil {
		return "", err
	}
	var all census.Waiting
	for i := range c.Queues {
		n := c.Queues[i].Waiting()
		all.Add(n.Jobs, n.Least)
	}
	for _, s := range c.Standstills(v.alive) {
		v.find(standstill(s))
	}
	seen := fmt.Sprintf("%d, with %s that wait", len(c.Queues), all)
	if skipped := c.Skipped(); skipped > 0 {
		seen += fmt.Sprintf("; no time was left for %d slots", skipped)
	}
	return seen, nil
}

// standstill says what jobs that stand still lead to, and what to do.
func standstill(s census.Standstill) Finding {
	f := Finding{Name: string(s.Cause), About: s.Queue}
	slots := census.Spans(s.Slots)
	switch s.Cause {
	case census.Paused:
		f.Wrong = fmt.Sprintf("the queue is paused, and %s wait in it", s.Jobs)
		f.Why, f.Remedy = "none of them starts before it is resumed; those with an expires_at end discarded", "manager queues resume "+s.Queue
	case census.UnservedQueue:
		f.Wrong = fmt.Sprintf("%s wait in it, and no worker serves the queue", s.Jobs)
		f.Why, f.Remedy = "they wait for ever: the workers are started for other queues", fmt.Sprintf("worker --queues=%s   # or add it to the --queues of a worker", s.Queue)
	case census.UnservedSlot:
		f.Wrong = fmt.Sprintf("%s wait in the slots %s, and no worker takes jobs of those", s.Jobs, slots)
		f.Why = "every new job of the queue that draws such a slot waits for ever: the workers are pinned to others"
		f.Remedy = fmt.Sprintf("worker --queues=%s --slots=%s   # or manager queues set %s --slots=N", s.Queue, slots, s.Queue)
	case census.OrphanSlot:
		f.Wrong = fmt.Sprintf("%s wait in the slots %s, above the queue's %d, and no worker takes jobs of those", s.Jobs, slots, s.Limit)
		f.Why = "slots above the number drain: new jobs are put into none of them, and these jobs wait for ever"
		f.Remedy = fmt.Sprintf("worker --queues=%s --slots=%s   # until they are empty; or widen the --slots of a worker", s.Queue, slots)
	case census.UnservedKind:
		f.About = s.Kind
		f.Wrong = fmt.Sprintf("%s of the kind are due in the queue %s, and no worker of its slots has a handler for it", s.Jobs, s.Queue)
		f.Why = "they wait until a worker with a handler comes, and slow nobody down"
		f.Remedy = "add " + s.Kind + " to worker.yaml and restart its workers; or manager jobs --queue=" + s.Queue + " --kind=" + s.Kind + " and cancel them"
	}
	return f
}
