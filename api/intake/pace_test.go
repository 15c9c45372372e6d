package intake

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// calls deals calls of n jobs of a queue with 24 slots, one each 5 ms, and returns into how many slots each went.
func (p *pace) calls(count, n int, now *time.Time) (slots []int) {
	for range count {
		*now = now.Add(5 * time.Millisecond)
		jobs := make([]*job.Job, n)
		for i := range jobs {
			jobs[i] = &job.Job{QueueID: 1, QueueSlots: 24}
		}
		p.deal(jobs, *now)
		slots = append(slots, slotsOf(jobs))
	}
	return slots
}

// slotsOf is into how many slots the jobs go.
func slotsOf(jobs []*job.Job) int {
	seen := map[int]bool{}
	for _, j := range jobs {
		seen[j.Slot] = true
	}
	return len(seen)
}

func TestTheJobsOfABusyQueueShareSlotsByRunsOfWhatComesForEach(t *testing.T) {
	p, now := pace{}, time.Now()
	for i, slots := range p.calls(200, 12, &now) { // 50 calls of 12 jobs a turn: 25 for each of 24 slots
		switch {
		case i < 50 && slots != 12:
			t.Fatalf("call %d went into %d slots although nobody knew the queue as busy", i, slots)
		case i >= 51 && slots != 1:
			t.Fatalf("call %d of a busy queue went into %d slots", i, slots)
		}
	}
}

func TestABurstOnAQuietQueueIsSpreadOverItsSlots(t *testing.T) {
	p, now := pace{}, time.Now()
	for name, quiet := range map[string]func(){
		"where nothing came before":            func() {},
		"where little comes":                   func() { p.calls(100, 1, &now) }, // 50 jobs a turn: two for each slot
		"where much came a quarter second ago": func() { p.calls(100, 12, &now); now = now.Add(turn); p.calls(1, 1, &now); now = now.Add(turn) },
		"where much came long ago":             func() { p.calls(100, 12, &now); now = now.Add(time.Minute) },
	} {
		quiet()
		if slots := p.calls(1, 48, &now)[0]; slots < 20 { // 24, but for those whose turn it was just before
			t.Errorf("%s: 48 jobs at once went into %d slots", name, slots)
		}
		now = now.Add(time.Minute)
		p.turn(now)
		if kept := len(p.last) + len(p.this); kept > 0 {
			t.Errorf("%s: counts are kept for %d queues after a minute of nothing", name, kept)
		}
	}
}

func TestJobsThatShareACallShareASlotOnceTheQueueIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 48
		f := &fakeStore{answer: func(_ context.Context, _ int, jobs []*job.Job) ([]job.Enqueued, error) {
			time.Sleep(10 * time.Millisecond) // of the bubble's clock: what a commit takes
			return created(jobs), nil
		}}
		in := start(t, f)
		var posts sync.WaitGroup
		for range clients {
			posts.Go(func() {
				for range 60 {
					j := newJob()
					j.QueueID, j.QueueSlots = 1, 24
					if _, err := in.One(t.Context(), j, inTime()); err != nil || j.Slot < 1 || j.Slot > 24 {
						t.Errorf("slot %d, %v", j.Slot, err)
					}
				}
			})
		}
		posts.Wait()
		most := 0
		for _, jobs := range f.calls[len(f.calls)/2:] {
			if most = max(most, len(jobs)); slotsOf(jobs) > 2 {
				t.Errorf("a call brought %d jobs into %d slots", len(jobs), slotsOf(jobs))
			}
		}
		if most < clients/2 {
			t.Errorf("no call brought more than %d jobs of %d clients", most, clients)
		}
	})
}
