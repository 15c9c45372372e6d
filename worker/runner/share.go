package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/prefer"
)

// share is one slot that this worker serves.
type share struct {
	job.Slot
	queue    *job.Queue
	own      bool // polled often: this worker prefers it, or is pinned to it
	draining bool
}

// The worker reads what there is to serve every few seconds, and at once when a nudge names a slot that it does not
// know. Together with an idle poll a second that stays under two queries a second.
const (
	refreshEvery = 3 * time.Second
	refreshLeast = 250 * time.Millisecond // between two that nudges ask for
	workersEvery = 2                      // refreshes
	rowsEvery    = 4                      // refreshes, one queue each time
)

// sharing finds out which slots there are and who prefers them. It is the refresh goroutine's alone.
type sharing struct {
	r       *Runner
	workers []job.Worker
	rows    map[int32]int // the highest slot row of each queue; rows are never removed
	turn    int
	said    string // what was last said of slots that are not there
}

// refresh hands the claim loop its share, until ctx ends.
func (r *Runner) refresh(ctx context.Context) {
	s := &sharing{r: r, rows: map[int32]int{}}
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		shared, err := s.read(ctx)
		wait := refreshEvery
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.trouble.met("reading the queues", err)
			wait = r.backoff(failures, 2*firstPause, maxPause)
			failures++
		default:
			failures = 0
			select {
			case r.loop.shares <- shareUpdate{slots: shared, workers: len(s.workers)}:
			case <-ctx.Done():
				return
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.stale:
			sleep(ctx, refreshLeast-time.Since(began))
		}
		timer.Stop()
	}
}

// read makes a share of what the database says.
func (s *sharing) read(ctx context.Context) ([]share, error) {
	queues, err := s.r.store.ListQueues(ctx, true)
	if err != nil {
		return nil, err
	}
	if s.turn%workersEvery == 0 {
		if s.workers, err = s.r.store.Workers(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.r.opts.Queues) > 0 {
		queues = slices.DeleteFunc(queues, func(q job.Queue) bool { return !slices.Contains(s.r.opts.Queues, q.Name) })
	}
	if err := s.readRows(ctx, queues); err != nil {
		return nil, err
	}
	s.turn++
	var shared []share
	alive := s.alive()
	me := s.r.Worker()
	for i := range queues {
		q := &queues[i]
		for n := 1; n <= max(q.Slots, s.rows[q.ID]); n++ {
			if !s.serves(n) {
				continue
			}
			at := job.Slot{QueueID: q.ID, Slot: n}
			own := len(s.r.opts.Slots) > 0
			if !own {
				w, ok := prefer.Worker(q.Name, "", at, alive)
				own = ok && w == me
			}
			shared = append(shared, share{Slot: at, queue: q, own: own, draining: n > q.Slots})
		}
	}
	s.sayMissing(queues)
	return shared, nil
}

// readRows learns which slots a queue had before it got fewer: of a new queue at once, of the others in turn, since a
// queue can get more and fewer again between two refreshes.
func (s *sharing) readRows(ctx context.Context, queues []job.Queue) error {
	for i, q := range queues {
		_, known := s.rows[q.ID]
		if known && (s.turn%rowsEvery != 0 || i != s.turn/rowsEvery%len(queues)) {
			continue
		}
		rows, err := s.r.store.Slots(ctx, q.ID)
		if err != nil {
			return err
		}
		s.rows[q.ID] = 0
		for _, row := range rows {
			s.rows[q.ID] = max(s.rows[q.ID], row.Slot.Slot)
		}
	}
	return nil
}

// serves says whether the worker may serve slots of that number.
func (s *sharing) serves(n int) bool {
	return len(s.r.opts.Slots) == 0 || slices.Contains(s.r.opts.Slots, n)
}

// alive is the workers that were last read, this one included, which may be too new to be among them.
func (s *sharing) alive() []job.Worker {
	me := s.r.Worker()
	for _, w := range s.workers {
		if w.ID == me {
			return s.workers
		}
	}
	return append(slices.Clone(s.workers), job.Worker{ID: me, Queues: s.r.opts.Queues, Slots: s.r.opts.Slots, Lease: s.r.opts.Lease})
}

// sayMissing says, once and again when it changes, that the worker is pinned to slots or queues that are not there:
// it stays, idle, since they may come.
func (s *sharing) sayMissing(queues []job.Queue) {
	var missing []string
	for _, name := range s.r.opts.Queues {
		if !slices.ContainsFunc(queues, func(q job.Queue) bool { return q.Name == name }) {
			missing = append(missing, fmt.Sprintf("queue %s", name))
		}
	}
	for _, n := range s.r.opts.Slots {
		if !slices.ContainsFunc(queues, func(q job.Queue) bool { return n <= max(q.Slots, s.rows[q.ID]) }) {
			missing = append(missing, fmt.Sprintf("slot %d", n))
		}
	}
	said := strings.Join(missing, ", ")
	if said == s.said {
		return
	}
	s.said = said
	if said == "" {
		s.r.log.Info("all slots and queues that this worker is pinned to are there now")
		return
	}
	s.r.log.Warn("this worker is pinned to what is not there: it stays and is idle for that until it comes", "missing", said)
}
