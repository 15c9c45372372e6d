package runner

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadlines keeps the time limits of handlers in Go with one timer for all: at tens of thousands of jobs a second a
// timer a job would be a good part of what a job costs. Executors that start processes or requests keep their own.
type deadlines struct {
	r     *Runner
	mu    sync.Mutex
	timer *time.Timer
	next  time.Time    // when the timer fires; zero = never
	early atomic.Int64 // the same, for a look without the lock: nanoseconds since epoch, 0 = never
	epoch time.Time
	over  bool
}

func (d *deadlines) init(r *Runner) { d.r, d.epoch = r, time.Now() }

// watch makes sure that the timer fires at the time given, or sooner.
func (d *deadlines) watch(at time.Time) {
	if early := d.early.Load(); early != 0 && at.Sub(d.epoch) >= time.Duration(early) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wake(at)
}

func (d *deadlines) set(next time.Time) {
	d.next = next
	if next.IsZero() {
		d.early.Store(0)
	} else {
		d.early.Store(max(int64(next.Sub(d.epoch)), 1))
	}
}

func (d *deadlines) wake(at time.Time) {
	if d.over || (!d.next.IsZero() && !at.Before(d.next)) {
		return
	}
	d.set(at)
	if d.timer == nil {
		d.timer = time.AfterFunc(time.Until(at), d.check)
	} else {
		d.timer.Reset(time.Until(at))
	}
}

// stopped notes that a run was told to stop, so that it is abandoned when its grace is over.
func (d *deadlines) stopped(x *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.giveUp.IsZero() {
		x.giveUp = time.Now().Add(x.handler.grace)
		d.wake(x.giveUp)
	}
}

// check stops what is over its limit, abandons what did not heed that, and sets the timer for what comes next. It
// walks through all that runs: at most once for each limit that was the earliest when it was set.
func (d *deadlines) check() {
	now := time.Now()
	d.mu.Lock()
	d.set(time.Time{})
	d.mu.Unlock()
	var late, deaf []*run
	d.r.held.running(func(x *run) {
		if x.handler.fn == nil {
			return
		}
		deadline, limited := x.Deadline()
		d.mu.Lock()
		defer d.mu.Unlock()
		switch {
		case !x.giveUp.IsZero() && !now.Before(x.giveUp):
			deaf = append(deaf, x)
		case !x.giveUp.IsZero():
			d.wake(x.giveUp)
		case limited && !now.Before(deadline):
			late = append(late, x)
		case limited:
			d.wake(deadline)
		}
	})
	for _, x := range late {
		d.r.kill(x, context.DeadlineExceeded)
	}
	for _, x := range deaf {
		if d.r.end(x, abandoned(x), true) {
			d.r.replace()
		}
	}
}

// stop ends the watch.
func (d *deadlines) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
}
