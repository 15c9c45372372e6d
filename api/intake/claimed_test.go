package intake

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// fakePlaces has room for so many jobs.
type fakePlaces struct {
	mu     sync.Mutex
	free   int
	asked  [][]int // the slots of each call
	claims []job.Claim
}

func (p *fakePlaces) Reserve(_ string, slots []int, jobs []*job.Job) (job.WorkerID, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, slots)
	if p.free < len(jobs) {
		return 0, false
	}
	p.free -= len(jobs)
	return 9, true
}

func (p *fakePlaces) Claimed(c job.Claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = append(p.claims, c)
}

func TestJobsAreClaimedForAWorkerThatHasRoomAndItIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		free    int
		busy    bool
		change  func(*job.Job)
		claimed bool
		asked   int
	}{
		"it has room":                    {free: 1, claimed: true, asked: 1},
		"it has none":                    {free: 0, asked: 1},
		"the store claims nothing":       {free: 1, busy: true, asked: 1},
		"the job waits":                  {free: 1, change: func(j *job.Job) { j.State = job.Scheduled }},
		"somebody may send it again":     {free: 1, change: func(j *job.Job) { j.Given = true }, claimed: true, asked: 1},
		"others may have its unique_key": {free: 1, change: func(j *job.Job) { j.UniqueKey = "u" }, claimed: true, asked: 1},
		"it has a concurrency_key":       {free: 1, change: func(j *job.Job) { j.ConcurrencyKey = "k" }},
	} {
		t.Run(name, func(t *testing.T) {
			p := &fakePlaces{free: c.free}
			f := &fakeStore{busy: c.busy}
			in := startWith(t, f, p)
			j := &job.Job{ID: job.NewID(5), QueueID: 3, QueueSlots: 4, Queue: "mail", Kind: "k", RunAt: 5, State: job.Available}
			if c.change != nil {
				c.change(j)
			}
			e, err := in.One(t.Context(), j, inTime())
			if err != nil || e.Claimed != c.claimed {
				t.Fatalf("got %+v, %v, want it claimed: %t", e, err, c.claimed)
			}
			if len(p.asked) != c.asked {
				t.Errorf("asked for places %d times, want %d", len(p.asked), c.asked)
			}
			if told := len(p.claims) == 1; told != c.claimed {
				t.Fatalf("the worker is told of %+v, want to be told: %t", p.claims, c.claimed)
			}
			if c.claimed {
				if got := p.claims[0]; got.Worker != 9 || got.Token.Worker() != 9 || !slices.Equal(got.IDs, []job.ID{j.ID}) || got.ClaimedAt != j.RunAt {
					t.Errorf("the worker is told of %+v", got)
				}
			}
		})
	}
}

func TestASlotWhereNoClaimCouldBeMadeRestsBeforeTheNextIsTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePlaces{free: 100}
		f := &fakeStore{busy: true}
		in := startWith(t, f, p)
		send := func(n int) {
			for range n {
				j := &job.Job{ID: job.NewID(5), QueueID: 3, QueueSlots: 1, Queue: "mail", Kind: "k", RunAt: 5, State: job.Available}
				if _, err := in.One(t.Context(), j, inTime()); err != nil {
					t.Fatal(err)
				}
			}
		}
		rests := []time.Duration{firstRest, 2 * firstRest, 4 * firstRest, 8 * firstRest, longestRest, longestRest}
		for want, rest := range rests {
			send(5)
			time.Sleep(rest - 1)
			send(5)
			if len(p.asked) != want+1 {
				t.Errorf("%d claims were tried, want %d", len(p.asked), want+1)
			}
			time.Sleep(time.Nanosecond)
		}
		f.busy = false
		send(5) // a claim is made with each
		f.busy = true
		send(5)
		if made := len(rests) + 6; len(p.asked) != made {
			t.Errorf("%d claims were tried, want %d", len(p.asked), made)
		}
		time.Sleep(firstRest)
		send(1)
		if made := len(rests) + 7; len(p.asked) != made {
			t.Errorf("%d claims were tried, want %d: a slot that had come back rests as at first", len(p.asked), made)
		}
	})
}

func TestAClaimThatHeldUpTheLaneIsTheLastForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePlaces{free: 100}
		f := &fakeStore{busy: true, answer: func(_ context.Context, call int, jobs []*job.Job) ([]job.Enqueued, error) {
			if call == 1 {
				time.Sleep(claimSlow) // as when somebody holds a fence
			}
			return created(jobs), nil
		}}
		in := startWith(t, f, p)
		send := func(slots int) {
			j := &job.Job{ID: job.NewID(5), QueueID: int32(slots), QueueSlots: slots, Queue: "mail", Kind: "k", RunAt: 5, State: job.Available}
			if _, err := in.One(t.Context(), j, inTime()); err != nil {
				t.Fatal(err)
			}
		}
		send(1)
		time.Sleep(claimLongRest / 2)
		send(2) // of another queue
		if len(p.asked) != 1 {
			t.Errorf("%d claims were tried, want the slow one alone", len(p.asked))
		}
		time.Sleep(claimLongRest / 2)
		send(3)
		if len(p.asked) != 2 {
			t.Errorf("%d claims were tried, want one more after the rest", len(p.asked))
		}
	})
}
