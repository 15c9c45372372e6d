package runner

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// loop decides when to look into which slots and when to claim from them. It is one goroutine that owns all it knows;
// the calls of the store run beside it and report back.
//
// An idle worker makes one read over its slots, less and less often, and writes nothing. A nudge, or a claim that
// filled its places, leads to the next claim without a poll.
type loop struct {
	r     *Runner
	slots slots

	shares chan shareUpdate
	claims chan claimDone
	polls  chan pollDone
	signal signal // something in what follows, or the runner's state, has changed
	mu     sync.Mutex
	nudged map[job.Slot]struct{}
	calm   bool // no suspect is held any more

	workers   int // how many are alive
	claiming  int // claims under way
	strain    strain
	polling   bool
	idle      time.Duration // the pause before the next poll
	pollAt    time.Time
	othersAt  time.Time // when the slots that others prefer are polled
	pauseTill time.Time // the database is in trouble
	failures  int
	starvedAt time.Time // when the first place came free after all were taken; zero = does not wait
	starved   bool
}

const (
	firstPoll  = 10 * time.Millisecond // between polls after one that found something
	maxClaim   = 1000                  // the most jobs that the store lets a claim take
	maxNudges  = 4096                  // kept while the loop is busy; what is beyond waits for the next poll
	otherEvery = time.Second           // other workers' slots are polled so often, or more rarely
	otherShare = 100 * time.Millisecond
)

func (l *loop) init(r *Runner) {
	l.r, l.signal = r, newSignal()
	l.shares, l.claims, l.polls = make(chan shareUpdate), make(chan claimDone), make(chan pollDone)
	l.nudged = map[job.Slot]struct{}{}
	l.idle, l.workers = firstPoll, 1
}

// wake makes the loop look at everything again.
func (l *loop) wake() { l.signal.send() }

// nudge notes that a slot has got a job.
func (l *loop) nudge(s job.Slot) {
	l.mu.Lock()
	if len(l.nudged) < maxNudges {
		l.nudged[s] = struct{}{}
	}
	l.mu.Unlock()
	l.wake()
}

// suspectEnded notes that no suspect is held any more.
func (l *loop) suspectEnded() {
	l.mu.Lock()
	l.calm = true
	l.mu.Unlock()
	l.wake()
}

// run works until ctx ends and the calls under way have returned.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil || l.claiming > 0 || l.polling {
		now := time.Now()
		next := now.Add(l.r.opts.Poll)
		if ctx.Err() == nil {
			l.listen()
			next = l.step(now)
		}
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
			l.settle()
		case <-timer.C:
		case <-l.signal:
		case <-l.r.places.freed:
		case update := <-l.shares:
			l.adopt(update, time.Now())
		case done := <-l.claims:
			l.claimed(done)
		case done := <-l.polls:
			l.polled(done)
		}
	}
}

// settle waits for the calls under way once the loop is to end.
func (l *loop) settle() {
	for l.claiming > 0 || l.polling {
		select {
		case done := <-l.claims:
			l.claimed(done)
		case done := <-l.polls:
			l.polled(done)
		}
	}
}

// listen takes in what others have noted.
func (l *loop) listen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range slices.SortedFunc(maps.Keys(l.nudged), compareSlots) {
		if s := l.slots.all[at]; s != nil {
			delete(l.nudged, at)
			l.slots.push(s, true)
		} else {
			l.r.stale.send() // a queue that was just made; when it is not, adopt forgets the nudge
		}
	}
	if l.calm {
		l.calm = false
		l.slots.calm(l.r.opts.Random)
	}
}

// shareUpdate is what the refresh hands over.
type shareUpdate struct {
	slots   []share
	workers int
}

// adopt takes a new share in. Nudges for slots that are not even in it are not for this worker.
func (l *loop) adopt(u shareUpdate, now time.Time) {
	before := len(l.slots.all)
	l.slots.adopt(u.slots)
	l.workers = u.workers
	l.listen()
	l.mu.Lock()
	clear(l.nudged)
	l.mu.Unlock()
	if len(l.slots.all) > before {
		l.idle, l.pollAt, l.othersAt = min(firstPoll, l.r.opts.Poll), now, now
	}
}

// step starts what can be started now, and returns when to look again if nothing happens before.
func (l *loop) step(now time.Time) time.Time {
	never := now.Add(l.r.opts.Poll)
	if l.r.line.standing() {
		l.r.giveBackWaiting(now.Add(-maxWait))
		never = earlier(never, now.Add(maxWait/2))
	}
	if _, ok := l.r.lease.holds(); !ok || l.r.quiet.Load() {
		return never
	}
	if now.Before(l.pauseTill) {
		return l.pauseTill
	}
	if l.r.finisher.full() {
		return now.Add(placesDelay)
	}
	if l.r.handlers.full() {
		return never // woken by roomIn
	}
	if at, wait := l.waitForPlaces(now); wait {
		return earlier(at, never)
	}
	// Looked at before claiming: while the slots known to have jobs fill all places, the others must still be found.
	if !l.polling && !now.Before(l.pollAt) {
		l.poll(now)
	}
	for l.claiming < l.most() && l.free() > 0 {
		s := l.slots.next(l.r.handlers.limited, l.r.opts.Random)
		if s == nil {
			break
		}
		l.claim(s)
	}
	if l.free() <= 0 {
		l.starved, l.starvedAt = true, time.Time{}
		l.want()
		if l.free() > 0 { // freed before it was said that they are wanted
			return now
		}
		return never
	}
	if l.polling {
		return never
	}
	return l.pollAt
}

// capacity is how many jobs the worker may have, running or in line.
func (l *loop) capacity() int { return int(l.r.places.total) + l.r.line.ahead() }

// most is how many claims may be under way at once.
func (l *loop) most() int {
	if l.strain.high {
		return 1
	}
	return l.r.opts.Claims
}

// free is how many more it may have now.
func (l *loop) free() int { return l.capacity() - int(l.r.places.taken.Load()) }

// want says that the loop is to be woken when a good part of the places is free.
func (l *loop) want() { l.r.places.want.Store(max(0, int32(l.capacity())-l.r.places.enough())) }

// waitForPlaces says whether to wait, after all places were taken, until a good part of them is free.
func (l *loop) waitForPlaces(now time.Time) (until time.Time, wait bool) {
	free := l.free()
	if free <= 0 {
		l.want()
		return now.Add(l.r.opts.Poll), true
	}
	if !l.starved {
		return now, false
	}
	if l.starvedAt.IsZero() {
		l.starvedAt = now
	}
	if free < int(l.r.places.enough()) && now.Before(l.starvedAt.Add(placesDelay)) {
		return l.starvedAt.Add(placesDelay), true
	}
	l.starved = false
	l.r.places.want.Store(-1)
	return now, false
}

type pollDone struct {
	looked []job.Slot
	hits   []job.Slot
	err    error
}

// poll starts one read over the worker's own slots, and over the others' when that is due.
func (l *loop) poll(now time.Time) {
	others := !now.Before(l.othersAt)
	var slots []job.Slot
	for _, s := range l.slots.order {
		if s.pollable(now) && (others || s.own && !s.draining) {
			slots, s.polling = append(slots, s.Slot), true
		}
	}
	l.next(now)
	if others {
		every := max(otherEvery, time.Duration(l.workers)*otherShare)
		l.othersAt = now.Add(every - every/20 + l.r.random(every/10+1)) // not all workers at once
	}
	if len(slots) == 0 {
		return
	}
	l.polling = true
	go func() {
		hits, err := l.r.store.Poll(context.Background(), slots, l.r.clock.Now())
		l.polls <- pollDone{looked: slots, hits: hits, err: err}
	}()
}

// next sets the time of the next poll, and lets the pauses grow.
func (l *loop) next(now time.Time) {
	l.pollAt = now.Add(l.idle - l.idle/20 + l.r.random(l.idle/10+1))
	l.idle = min(2*l.idle, l.r.opts.Poll)
}

// polled takes in what a poll has found.
func (l *loop) polled(done pollDone) {
	l.polling = false
	if done.err != nil {
		l.failed("looking for jobs", done.err)
		return
	}
	l.answered()
	for _, hit := range done.hits {
		if s := l.slots.all[hit]; s != nil {
			if s.polling = false; !s.ready && !s.claiming {
				s.polled = true
				l.slots.push(s, false)
			}
		}
	}
	for _, at := range done.looked {
		// What is left of these has no job that is free: what it had for a handler without room has gone to another worker.
		// Remembered, thousands of slots would each be claimed from in vain once there is room.
		if s := l.slots.all[at]; s != nil && s.polling {
			s.polling = false
			if len(s.waits) > 0 {
				s.forget(s.waits)
				s.marks = nil
			}
		}
	}
}
