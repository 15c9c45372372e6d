package runner

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// line is where claimed jobs stand until one of the places comes free: for a moment, since no more is claimed ahead
// than what runs within aheadTime at the pace of late.
//
// Without it a worker of 24 places that runs jobs of a microsecond would spend a transaction on every 24 of them.
type line struct {
	mu      sync.Mutex
	waiting []*run
	busy    int // places in which a goroutine works
	places  int
	pace    atomic.Int64 // nanoseconds that a job took of late
}

const (
	aheadTime = 10 * time.Millisecond
	maxAhead  = 500
	// maxWait is how long a job may stand in line before it is given back for others to take: the pace has changed.
	maxWait = 250 * time.Millisecond
)

// ahead is how many jobs may be claimed beyond the places.
func (l *line) ahead() int {
	pace := l.pace.Load()
	if pace <= 0 {
		return 0
	}
	return int(min(int64(l.places)*int64(aheadTime)/pace, maxAhead))
}

// standing says that some job stands in line.
func (l *line) standing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}

// took learns the pace from n jobs that took so long together: three parts of what was, one of what is, but a slow
// batch counts at once.
func (l *line) took(n int, sum time.Duration) {
	now := max(int64(sum)/int64(n), 1)
	if before := l.pace.Load(); before > now {
		now = (3*before + now) / 4
	}
	l.pace.Store(now)
}

// push adds runs and says how many more goroutines may work on them.
func (l *line) push(runs []run) (goroutines int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range runs {
		l.waiting = append(l.waiting, &runs[i])
	}
	goroutines = min(len(l.waiting), l.places-l.busy)
	l.busy += goroutines
	return goroutines
}

// next is the run that a goroutine works on next; nil = none, its place is free.
func (l *line) next() *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.waiting = nil
		l.busy--
		return nil
	}
	x := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return x
}

// work is a goroutine in a place: it runs what stands in line until nothing does.
func (r *Runner) work() {
	for x := r.line.next(); x != nil; x = r.line.next() {
		x.at = time.Now()
		if !x.state.CompareAndSwap(claimed, started) {
			continue // given back, or cancelled, while it stood in line
		}
		if at, ok := x.Deadline(); ok && x.handler.fn != nil {
			r.deadlines.watch(at)
		}
		if !r.execute(x) {
			return // it was abandoned, and its place was given to another goroutine
		}
	}
}

// replace starts another goroutine in the place of one that is lost: to a handler that does not return, or that has
// ended its goroutine.
func (r *Runner) replace() { go r.work() }

// giveBackWaiting gives back what stands in line, or only what has stood there since before a time. Then the pace that
// it was claimed at no longer holds; no job that runs has ended to say so.
func (r *Runner) giveBackWaiting(before time.Time) {
	r.line.mu.Lock()
	var back, stay []*run
	for _, x := range r.line.waiting {
		if (before.IsZero() || x.claim.at.Before(before)) && x.state.CompareAndSwap(claimed, ended) {
			back = append(back, x)
		} else {
			stay = append(stay, x)
		}
	}
	r.line.waiting = stay
	r.line.mu.Unlock()
	if len(back) > 0 && !before.IsZero() {
		r.line.pace.Store(max(r.line.pace.Load(), int64(maxWait)))
	}
	r.giveBack(back)
}

// giveBack returns jobs that were claimed and not started.
func (r *Runner) giveBack(runs []*run) {
	for i, x := range runs {
		r.settleUnstarted(x, job.Outcome{Job: x.job, Action: job.Release}, "released", i == len(runs)-1)
	}
}

// settleUnstarted hands the outcome of a run that was never started to the finisher.
func (r *Runner) settleUnstarted(x *run, o job.Outcome, label string, urgent bool) {
	x.cancel(nil)
	r.roomIn(x.handler)
	r.places.release(1)
	r.finisher.add(ending{run: x, outcome: o, label: label, unstarted: true}, urgent)
}
