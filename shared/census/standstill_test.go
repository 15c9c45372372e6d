package census

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// rows is a store with one queue, whose slots hold what is said.
type rows struct {
	queue job.Queue
	slots map[int][]job.Count
	more  bool
}

func (r *rows) ListQueues(context.Context, bool) ([]job.Queue, error) {
	return []job.Queue{r.queue}, nil
}

func (r *rows) Slots(context.Context, int32) (list []job.SlotRow, err error) {
	for n := 1; n <= 6; n++ {
		list = append(list, job.SlotRow{Slot: job.Slot{Slot: n}})
	}
	return list, nil
}

func (r *rows) Count(_ context.Context, s job.Slot, _ job.Position, _ job.Time) ([]job.Count, *job.Position, error) {
	if r.more {
		return r.slots[s.Slot], &job.Position{}, nil
	}
	return r.slots[s.Slot], nil, nil
}

func TestJobsThatNobodyTakesStandStill(t *testing.T) {
	all, mail := job.Worker{Kinds: []string{"*"}}, job.Worker{Kinds: []string{"mail"}}
	waiting := map[int][]job.Count{
		1: {{Kind: "mail", Available: 2, Running: 9, OldestAvailable: 50}, {Kind: "news", Available: 3, Blocked: 1, OldestAvailable: 40}},
		2: {{Kind: "mail", Retryable: 5}, {Kind: "late", Scheduled: 7}},
		6: {{Kind: "mail", Available: 4, OldestAvailable: 30}},
	}
	for name, c := range map[string]struct {
		rows   rows
		takers []job.Worker
		want   []string
	}{
		"taken by all":       {rows{slots: waiting}, []job.Worker{all}, nil},
		"no worker":          {rows{slots: waiting}, nil, nil},
		"nothing waits":      {rows{slots: map[int][]job.Count{1: {{Kind: "mail", Running: 3}}}}, nil, nil},
		"paused":             {rows{queue: job.Queue{Paused: true}, slots: waiting}, nil, []string{"paused-backlog  22 [1 2 6] 30"}},
		"paused, and served": {rows{queue: job.Queue{Paused: true}, slots: waiting}, []job.Worker{mail}, []string{"paused-backlog  22 [1 2 6] 30"}},
		"no handler":         {rows{slots: waiting}, []job.Worker{mail}, []string{"unserved-kind news 4 [] 40"}},
		"pinned elsewhere": {rows{slots: waiting}, []job.Worker{{Kinds: []string{"*"}, Slots: []int{1}}},
			[]string{"unserved-slot  12 [2] 0", "orphan-slot  4 [6] 30"}},
		"another queue's worker": {rows{slots: map[int][]job.Count{1: {{Kind: "mail", Available: 1}}}}, []job.Worker{{Kinds: []string{"*"}, Queues: []string{"other"}}},
			[]string{"unserved-queue  1 [1] 0"}},
	} {
		c.rows.queue.Name, c.rows.queue.Slots = "q", 5
		counted, err := Take(t.Context(), &c.rows, false, 100, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, s := range counted.Standstills(c.takers) {
			have = append(have, fmt.Sprint(s.Cause, " ", s.Kind, " ", s.Jobs.Jobs, " ", s.Slots, " ", s.Oldest))
			if s.Queue != "q" || s.Limit != 5 {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%s: %q, want %q", name, have, c.want)
		}
	}
}

func TestACountSaysWhatItHasLeftOut(t *testing.T) {
	r := &rows{queue: job.Queue{Name: "q", Slots: 6}, slots: map[int][]job.Count{2: {{Kind: "k", Available: 1}}}}
	late, err := Take(t.Context(), r, false, 100, time.Now())
	if err != nil || late.Skipped() != 6 {
		t.Errorf("%d skipped, %v", late.Skipped(), err)
	}
	if sum, least := late.Queues[0].Sum(); sum.Depth() != 0 || !least {
		t.Errorf("%+v %t", sum, least)
	}
	r.more = true
	capped, err := Take(t.Context(), r, false, 100, time.Now().Add(time.Hour))
	if sum, least := capped.Queues[0].Sum(); err != nil || sum.Depth() != 1 || !least || capped.Skipped() != 0 {
		t.Errorf("%+v %t %v", sum, least, err)
	}
	if w := capped.Queues[0].Waiting(); w.String() != "1 or more jobs" {
		t.Error(w)
	}
}

func TestASilentWorkerTakesNothing(t *testing.T) {
	now := job.MinTime.Add(time.Hour)
	beat := func(ago time.Duration) job.Worker { return job.Worker{BeatAt: now.Add(-ago)} }
	quiet, own := beat(0), beat(30*time.Second)
	quiet.Quiet, own.Lease = true, time.Minute
	workers := []job.Worker{beat(0), beat(22 * time.Second), beat(23 * time.Second), quiet, own}
	if n := len(Takers(workers, now, 20*time.Second, time.Second)); n != 3 {
		t.Errorf("%d take jobs", n)
	}
}
