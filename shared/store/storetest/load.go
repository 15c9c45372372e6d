package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var loadTests = []Test{
	{"keys keep their limits through crashes, retries and resizes, and no job is stuck", 10, randomSchedule},
}

// schedule is a random life of many jobs: 8 claimers that finish in every way and die, two managers that rescue, and an
// operator who changes the number of slots, all at once. It checks while it runs that no key is over its limit and that
// no job runs twice at once; at the end that every job has ended.
type schedule struct {
	f     *fixture
	queue job.Queue
	clock *clock
	slots []job.Slot

	mu      sync.Mutex
	running map[job.ID]bool
	keys    map[string]int
	ended   int
	crashes int
	retries int
	fault   error

	died   chan struct{} // a worker died: both managers look
	resize chan struct{} // it is time for another number of slots
	done   chan struct{} // closed when the life is over
}

// keyLimits are the limits of the keys; the key is the limit's name and a letter.
var keyLimits = map[string]int{"1a": 1, "1b": 1, "2": 2, "3": 3}

const scheduleJobs = 120

func randomSchedule(f *fixture) {
	s := &schedule{f: f, queue: f.queue("schedule", slots(3)), clock: newClock(f.now), running: map[job.ID]bool{}, keys: map[string]int{},
		died: make(chan struct{}, 2), resize: make(chan struct{}, 1), done: make(chan struct{})}
	names := []string{"", "1a", "1b", "2", "3"}
	for slot := 1; slot <= 3; slot++ {
		s.slots = append(s.slots, job.Slot{QueueID: s.queue.ID, Slot: slot})
	}
	for n := range scheduleJobs {
		set := []func(*job.Spec){maxAttempts(1000), maxCrashes(1000)}
		if k := names[n%len(names)]; k != "" {
			set = append(set, concurrencyKey(k, keyLimits[k]))
		}
		f.add(s.queue, set...)
	}
	f.together(claimers+3, func(i int) (err error) {
		switch {
		case i < claimers:
			err = s.work(i)
		case i < claimers+2:
			err = s.manage()
		default:
			err = s.operate()
		}
		s.fail(err)
		return err
	})
	s.f.ok(s.fault)
	equal(f, "rows", f.rows(), 0)
	equal(f, "places left", f.db.count(f, "SELECT COUNT(*) FROM slotq_keyed"), 0)
	if s.crashes == 0 || s.retries == 0 {
		f.Fatalf("%d crashes, %d retries: the schedule was too quiet", s.crashes, s.retries)
	}
	f.Logf("%d jobs, %d retries, %d crashes", scheduleJobs, s.retries, s.crashes)
}

// over says that the life has ended: all jobs did, something broke, or time is up.
func (s *schedule) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f.ctx.Err() != nil && s.fault == nil && s.ended < scheduleJobs {
		s.fault = fmt.Errorf("stuck: %d of %d jobs ended", s.ended, scheduleJobs)
	}
	over := s.fault != nil || s.ended == scheduleJobs
	if over {
		select {
		case <-s.done:
		default:
			close(s.done)
		}
	}
	return over
}

// fail ends the life of all when one of them cannot go on.
func (s *schedule) fail(err error) {
	s.mu.Lock()
	if s.fault == nil {
		s.fault = err
	}
	s.mu.Unlock()
	s.over()
}

// start notes that a job runs.
func (s *schedule) start(j *job.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[j.ID] && s.fault == nil {
		s.fault = fmt.Errorf("job %s runs twice at once", j.ID)
	}
	s.running[j.ID] = true
	if k := j.ConcurrencyKey; k != "" {
		if s.keys[k]++; s.keys[k] > keyLimits[k] && s.fault == nil {
			s.fault = fmt.Errorf("key %q: %d run, the limit is %d", k, s.keys[k], keyLimits[k])
		}
	}
}

// stop notes that a job does not run any more; before the store hears of it, so that the next one may start at once.
func (s *schedule) stop(j *job.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, j.ID)
	if j.ConcurrencyKey != "" {
		s.keys[j.ConcurrencyKey]--
	}
}

func (s *schedule) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

func (s *schedule) work(i int) error {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	w, err := s.f.register(s.f.store)
	for err == nil && !s.over() {
		now := s.clock.tick(2 * time.Second)
		var hits []job.Slot
		if hits, err = s.f.store.Poll(s.f.ctx, s.slots, now); err != nil {
			break
		}
		if len(hits) == 0 {
			continue
		}
		var c job.Claimed
		c, err = w.take(w.request(s.queue, hits[r.IntN(len(hits))].Slot, 1+r.IntN(4), now, suspects))
		if err != nil {
			break
		}
		for _, j := range c.Jobs {
			s.start(j)
		}
		if len(c.Jobs) > 0 && r.IntN(8) == 0 {
			for _, j := range c.Jobs {
				s.stop(j)
				s.count(&s.crashes)
			}
			if err = declareDead(s.f, s.f.store, w.id); err == nil {
				w, err = s.f.register(s.f.store)
			}
			for range 2 {
				signal(s.died)
			}
			continue
		}
		for _, j := range c.Jobs {
			s.stop(j)
			o, ends := completed(j), true
			switch r.IntN(6) {
			case 0, 1:
				o, ends = j.Failed(now, job.RunError{Type: "error"}, 0), false
				s.count(&s.retries)
			case 2:
				o, ends = released(j), false
			case 3:
				o, ends = j.Snoozed(now, time.Second), j.Snoozes >= job.MaxSnoozes
			}
			var v []job.Verdict
			if v, err = w.settle(now, o); err != nil {
				break
			}
			if v[0] != job.Committed {
				return fmt.Errorf("job %s: verdict %v for its only run", j.ID, v[0])
			}
			if ends && o.Action.Ends() {
				s.count(&s.ended)
			}
			if r.IntN(8) == 0 {
				signal(s.resize)
			}
		}
	}
	return err
}

// manage sweeps after every death, as often as there are deaths: two managers do, so they meet.
func (s *schedule) manage() error {
	for {
		select {
		case <-s.died:
		case <-s.done:
			return nil
		}
		if _, err := sweep(s.f, s.f.store, s.clock.time()); err != nil {
			return err
		}
	}
}

// operate changes the number of slots every now and then.
func (s *schedule) operate() error {
	for n := 1; ; n++ {
		select {
		case <-s.resize:
		case <-s.done:
			return nil
		}
		_, err := s.f.store.UpdateQueue(s.f.ctx, s.queue.Name, func(q *job.Queue) error { q.Slots = 1 + n%5; return nil })
		if err != nil {
			return err
		}
	}
}

// signal wakes somebody who waits; one who is awake looks again anyway.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
