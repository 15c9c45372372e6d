package runner

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// claimDone is what a claim brought, for the loop.
type claimDone struct {
	slot    *slot
	beside  []*slot // slots from which it might take, too
	from    []int   // those that jobs came from, when it has looked into all of them
	looked  bool    // and whether it has
	serving *serving
	blind   bool // it might take no suspect, and has passed over some
	let     bool // it might take one and has found none: another claim may
	closed  bool // the slot was not looked into
	taken   int
	took    time.Duration // the call
	more    bool
	err     error
}

// foundIn says whether a job came from the slot.
func (d *claimDone) foundIn(s *slot) bool {
	if d.looked {
		return slices.Contains(d.from, s.Slot.Slot)
	}
	return s == d.slot && d.taken > 0
}

// claim starts a claim from a slot. The places that it may fill are taken beforehand.
func (l *loop) claim(s *slot) {
	free := max(1, l.free()) // some may have been taken since somebody looked: see told
	if !s.rich {             // nobody knows how much it has: leave places for the other claims that may be under way
		free = max(1, free/(l.most()-l.claiming))
	}
	s.look()
	serving := l.r.handlers.reserve(min(free, maxClaim), s.narrow)
	l.r.places.take(serving.max)
	l.r.places.asked.Add(int32(serving.max))
	l.r.claiming.Add(1)
	l.claiming++
	s.claiming, s.again, s.narrow, s.polling = true, false, false, false
	queue, lifo := s.queue.Name, s.queue.LIFO
	var beside []*slot
	if l.claiming == l.most() && !s.alone && len(serving.reserved) == len(l.r.handlers.limited) {
		beside = l.slots.beside(s, serving.max/2-1, l.r.clock.Now()) // they would have to wait until a claim has ended
	}
	s.alone = false
	blind := !l.r.suspect.CompareAndSwap(false, true)
	go func() {
		done := l.r.claim(s, beside, serving, queue, lifo, !blind)
		if done.more {
			l.r.claiming.Add(-1)
		}
		l.claims <- done
	}()
}

// claim asks the store for jobs of a slot and starts them.
func (r *Runner) claim(s *slot, beside []*slot, serving *serving, queue string, lifo, suspects bool) claimDone {
	done := claimDone{slot: s, beside: beside, serving: serving}
	worker, _ := r.lease.holds()
	c := &claim{worker: worker, token: job.NewToken(worker), at: time.Now()}
	r.held.open(c) // before the call: see reconcile
	got, err := r.store.Claim(context.Background(), job.ClaimRequest{
		Worker: worker, Token: c.token, Slot: s.Slot, Beside: numbers(beside), Queue: queue, LIFO: lifo, Max: serving.max, Now: r.clock.Now(),
		Serves: serving.serves, Suspects: suspects, Marks: s.marksFor(serving.signature()),
	})
	r.places.asked.Add(int32(-serving.max))
	if err != nil {
		got = job.Claimed{}
	}
	done.took = time.Since(c.at)
	if done.looked = got.LookedBeside; done.looked {
		for _, j := range got.Jobs {
			done.from = append(done.from, j.Slot)
		}
	}
	done.taken, done.more, done.blind, done.closed, done.err = len(got.Jobs), got.More, got.Suspects, got.Closed, err
	if !got.More {
		r.claiming.Add(-1) // before these jobs start: the outcome of the last that runs waits for no others
	}
	c.suspect = len(got.Jobs) == 1 && got.Jobs[0].Suspect()
	if done.let = suspects && !c.suspect; done.let {
		r.suspect.Store(false)
	}
	if len(got.Jobs) == 0 {
		r.held.close(c)
		serving.settle(nil)
		r.places.unfilled(serving.max)
		return done
	}
	r.start(c, got.Jobs, serving)
	return done
}

// start puts the jobs of a claim in line, unless the lease has ended while the store was asked, or the worker is to take no
// more: then they are given back.
func (r *Runner) start(c *claim, jobs []*job.Job, serving *serving) {
	database := r.clock.Now()
	runs := make([]run, len(jobs))
	for i, j := range jobs {
		runs[i].prepare(j, c, r.handlers.of(j.Kind))
	}
	serving.settle(runs)
	r.places.unfilled(serving.max - len(jobs))

	r.held.mu.Lock()
	c.runs, c.left, c.calling = runs, len(runs), false
	// Looked at under the lock that killing takes too: either this sees that the lease is over, or the killing sees
	// these runs.
	id, ok := r.lease.holds()
	ok = ok && id == c.worker && !r.draining.Load()
	goroutines := 0
	if ok {
		c.at = time.Now() // its jobs stand in line from now on, however long the claim took
		goroutines = r.line.push(runs)
	}
	r.held.mu.Unlock()
	r.metrics.claimed(jobs, database)
	if !ok {
		back := make([]*run, len(runs))
		for i := range runs {
			runs[i].state.Store(ended)
			back[i] = &runs[i]
		}
		r.giveBack(back)
		return
	}
	for range goroutines {
		go r.work()
	}
}

// claimed takes in what a claim has brought.
func (l *loop) claimed(done claimDone) {
	s, now := done.slot, time.Now()
	l.claiming--
	fromPoll := s.ended()
	for _, b := range done.beside {
		if fromPoll := b.ended(); done.looked {
			l.lookedInto(b, fromPoll, done, now)
		} else {
			l.apart(b, fromPoll)
		}
	}
	if done.let {
		l.slots.calm(l.r.opts.Random)
	}
	s.rich = done.taken == done.serving.max
	switch {
	case errors.Is(done.err, job.ErrUnavailable) || errors.Is(done.err, job.ErrWorkerDead):
		l.failed("claiming jobs", done.err)
		return
	case done.err != nil && len(done.beside) > 0: // a trouble of one of the slots, which have the next claims by themselves
		l.apart(s, fromPoll)
		return
	case done.err != nil: // a trouble of this slot: the others are served meanwhile
		l.r.trouble.met("claiming jobs", done.err)
		s.leave(now)
		return
	}
	l.answered()
	if done.taken > 0 && (done.looked || len(done.beside) == 0) { // the others may have waited for a fence first
		l.strain.took(done.took, now)
	}
	if done.closed {
		s.asideWait = 0 // a pause that ends again before this worker hears of it is to delay no job by more
		s.leave(now)
		return
	}
	l.lookedInto(s, fromPoll, done, now)
}

// ended notes that a claim from the slot has ended, and says whether a poll has led to it.
func (s *slot) ended() (fromPoll bool) {
	fromPoll = s.polled
	s.claiming, s.polled = false, false
	return fromPoll
}

// lookedInto takes in what a claim has met in one of the slots that it looked into.
func (l *loop) lookedInto(s *slot, fromPoll bool, done claimDone, now time.Time) {
	givenUp := done.more && done.taken == 0 && s.empties >= maxEmpties
	if s.remember(done, givenUp); s.gone {
		s.forget(s.waits)
	}
	found := done.foundIn(s)
	if found {
		s.asideWait, s.empties = 0, 0
	}
	if done.serving.narrow && done.taken == 0 && !done.more && !done.blind {
		l.pollAt = earlier(l.pollAt, now) // what was remembered is old: one read tells of which slots
	}
	if fromPoll == found {
		// Where a poll has found something there may soon be more. A nudge speaks for itself; one that led to nothing may
		// have come a moment before its job is due by this worker's clock, which may be behind that of the api.
		l.idle = min(firstPoll, l.r.opts.Poll)
		l.pollAt = earlier(l.pollAt, now.Add(l.idle))
	}
	switch {
	case s.roomy(done.serving.reserved):
		s.narrow = true
		l.slots.push(s, false)
	case done.more && !givenUp:
		if done.taken == 0 {
			s.empties++
		}
		s.goesOn = done.taken == 0 // a scan is under way; where jobs were taken the next claim sees what is new too
		s.narrow, s.polled = done.serving.narrow && s.goesOn, fromPoll && s.goesOn
		l.slots.push(s, s.again)
	case s.owed:
		l.slots.push(s, s.again)
	case !found && (fromPoll || done.blind || len(done.serving.refused) > 0 || done.more):
		s.setAside(now)
	}
	if done.blind && !s.ready {
		if s.blind = true; !l.r.suspect.Load() {
			// The suspect has ended while this claim was under way: before it was known that the slot waits for that.
			l.slots.push(s, false)
		}
	}
}

// failed pauses the loop while the database is in trouble; a worker that was declared dead sends a heartbeat, which
// finds that out and registers anew.
func (l *loop) failed(doing string, err error) {
	if errors.Is(err, job.ErrWorkerDead) {
		l.r.beatNow.send()
	} else {
		l.r.trouble.met(doing, err)
	}
	l.pauseTill = time.Now().Add(l.r.backoff(l.failures, 2*firstPause, maxPause))
	l.failures++
}

func (l *loop) answered() {
	if l.failures > 0 {
		l.failures = 0
		l.r.trouble.over()
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
