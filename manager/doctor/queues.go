package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// countLimit is how long the backlog may be counted: with thousands of slots the rest stays open.
const countLimit = 5 * time.Second

// waiting is what waits somewhere, without what runs.
type waiting struct {
	jobs  int64
	least bool // a slot was counted up to a limit only
}

func (w *waiting) add(jobs int64, least bool) {
	w.jobs += jobs
	w.least = w.least || least && jobs > 0
}

func (w waiting) String() string {
	if w.least {
		return fmt.Sprintf("%d or more jobs", w.jobs)
	}
	return fmt.Sprintf("%d jobs", w.jobs)
}

// backlog looks for jobs that wait where nobody takes them.
func (v *visit) backlog() (string, error) {
	queues, err := v.store.ListQueues(v.ctx, true) // workers serve deleted ones too: an api may still have added a job
	if err != nil {
		return "", err
	}
	var all waiting
	skipped := 0
	for end, i := time.Now().Add(countLimit), 0; i < len(queues); i++ {
		n, left, err := v.queue(queues[i], end)
		if err != nil {
			return "", err
		}
		all.add(n.jobs, n.least)
		skipped += left
	}
	seen := fmt.Sprintf("%d, with %s that wait", len(queues), all)
	if skipped > 0 {
		seen += fmt.Sprintf("; no time was left for %d slots", skipped)
	}
	return seen, nil
}

// queue looks at one queue until the end of the time.
func (v *visit) queue(q job.Queue, end time.Time) (all waiting, skipped int, err error) {
	rows, err := v.store.Slots(v.ctx, q.ID)
	if err != nil {
		return all, 0, err
	}
	var unserved, orphan waiting // in slots that no worker takes jobs of; above the queue's number
	var unservedSlots, orphanSlots []int
	kinds := map[string]waiting{}
	for _, row := range rows {
		slot := row.Slot.Slot
		if !time.Now().Before(end) {
			skipped++
			continue
		}
		counts, next, err := v.store.Count(v.ctx, row.Slot, job.Position{}, v.now)
		if err != nil {
			return all, 0, err
		}
		takers := slices.Collect(func(yield func(job.Worker) bool) {
			for _, w := range v.alive {
				if w.Serves(q.Name, slot) && !yield(w) {
					return
				}
			}
		})
		var here waiting
		for _, c := range counts {
			here.add(c.Depth()-c.Running, next != nil)
			// A kind is of no matter before one of its jobs is due: the release that brings its handler may be on its way.
			if due := c.Available + c.Blocked; due > 0 && len(takers) > 0 &&
				!slices.ContainsFunc(takers, func(w job.Worker) bool { return w.ServesKind(c.Kind) }) {
				sum := kinds[c.Kind]
				sum.add(due, next != nil)
				kinds[c.Kind] = sum
			}
		}
		all.add(here.jobs, here.least)
		switch {
		case here.jobs == 0 || len(takers) > 0:
		case slot > q.Slots:
			orphan.add(here.jobs, here.least)
			orphanSlots = append(orphanSlots, slot)
		default:
			unserved.add(here.jobs, here.least)
			unservedSlots = append(unservedSlots, slot)
		}
	}
	if q.Paused {
		if all.jobs > 0 {
			v.find(Finding{
				Name: "paused-backlog", About: q.Name, Wrong: fmt.Sprintf("the queue is paused, and %s wait in it", all),
				Why: "none of them starts before it is resumed; those with an expires_at end discarded", Remedy: "manager queues resume " + q.Name,
			})
		}
		return all, skipped, nil
	}
	if len(v.alive) > 0 { // without a worker that is the finding, not every queue
		v.unserved(q, unserved, unservedSlots)
		if orphan.jobs > 0 {
			v.find(Finding{
				Name: "orphan-slot", About: q.Name, Wrong: fmt.Sprintf("%s wait in the slots %s, above the queue's %d, and no worker takes jobs of those", orphan, spans(orphanSlots), q.Slots),
				Why:    "slots above the number drain: new jobs are put into none of them, and these jobs wait for ever",
				Remedy: fmt.Sprintf("worker --queues=%s --slots=%s   # until they are empty; or widen the --slots of a worker", q.Name, spans(orphanSlots)),
			})
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		v.find(Finding{
			Name: "unserved-kind", About: kind, Wrong: fmt.Sprintf("%s of the kind are due in the queue %s, and no worker of its slots has a handler for it", kinds[kind], q.Name),
			Why:    "they wait until a worker with a handler comes, and slow nobody down",
			Remedy: "add " + kind + " to worker.yaml and restart its workers; or manager jobs --queue=" + q.Name + " --kind=" + kind + " and cancel them",
		})
	}
	return all, skipped, nil
}

// unserved says that jobs wait in slots, or in a whole queue, that no worker takes jobs of.
func (v *visit) unserved(q job.Queue, n waiting, slots []int) {
	if n.jobs == 0 {
		return
	}
	f := Finding{
		Name: "unserved-slot", About: q.Name, Wrong: fmt.Sprintf("%s wait in the slots %s, and no worker takes jobs of those", n, spans(slots)),
		Why:    "every new job of the queue that draws such a slot waits for ever: the workers are pinned to others",
		Remedy: fmt.Sprintf("worker --queues=%s --slots=%s   # or manager queues set %s --slots=N", q.Name, spans(slots), q.Name),
	}
	if !slices.ContainsFunc(v.alive, func(w job.Worker) bool { return len(w.Queues) == 0 || slices.Contains(w.Queues, q.Name) }) {
		f.Name, f.Wrong = "unserved-queue", fmt.Sprintf("%s wait in it, and no worker serves the queue", n)
		f.Why, f.Remedy = "they wait for ever: the workers are started for other queues", fmt.Sprintf("worker --queues=%s   # or add it to the --queues of a worker", q.Name)
	}
	v.find(f)
}

// spans writes 1-3,7 for numbers in order.
func spans(slots []int) string {
	var parts []string
	for i := 0; i < len(slots); {
		first := i
		for i++; i < len(slots) && slots[i] == slots[i-1]+1; i++ {
		}
		part := fmt.Sprint(slots[first])
		if i-first > 1 {
			part += fmt.Sprintf("-%d", slots[i-1])
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}
