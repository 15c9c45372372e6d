package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// call is one call of a store with the limits that api, worker and manager give it.
type call struct {
	name string
	do   func(ctx context.Context, s store.Store) error
}

// calls are all that the binaries call, except for those that only a worker does after its claim. The table is long on
// purpose: a call that is missing here is a promise that nobody looks at.
func (b *big) calls() []call {
	return append(append(b.jobCalls(), b.queueCalls()...), b.managerCalls()...)
}

func (b *big) jobCalls() []call {
	get := func(id job.ID) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			_, err := s.Get(ctx, id)
			return ignore(err, job.ErrNotFound)
		}
	}
	list := func(f job.Filter, before job.ID) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			_, err := s.List(ctx, f, job.Page{Limit: 1000, Before: before})
			return err
		}
	}
	change := func(fn func(store.Jobs, context.Context, job.ID) (*job.Job, error), ids *[]job.ID) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error { _, err := fn(s, ctx, take(ids)); return err }
	}
	cancel := func(s store.Jobs, ctx context.Context, id job.ID) (*job.Job, error) { return s.Cancel(ctx, id, b.now) }
	retry := func(s store.Jobs, ctx context.Context, id job.ID) (*job.Job, error) { return s.Retry(ctx, id, b.now) }
	runNow := func(s store.Jobs, ctx context.Context, id job.ID) (*job.Job, error) { return s.RunNow(ctx, id, b.now) }
	remove := func(s store.Jobs, ctx context.Context, id job.ID) (*job.Job, error) { return s.Delete(ctx, id) }
	enqueue := func(q job.Queue, n int, set func(spec *job.Spec)) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			jobs := make([]*job.Job, n)
			for i := range jobs {
				b.serial++
				spec := job.Spec{Queue: q.Name, Kind: "kind1", Digest: make([]byte, 16)}
				set(&spec)
				jobs[i] = spec.Make(q, b.now)
			}
			results, err := s.Enqueue(ctx, jobs, false)
			for _, r := range results {
				if err == nil {
					err = r.Err
				}
			}
			return err
		}
	}
	calls := []call{
		{"get a waiting job", get(b.waiting[0])},
		{"get a finished job", get(b.finished[0])},
		{"get a job that is not there", get(job.NewID(b.now))},
		{"cancel a waiting job", change(cancel, &b.waiting)},
		{"cancel a job with a concurrency key", change(cancel, &b.keyJobs)},
		{"retry a finished job", change(retry, &b.finished)},
		{"run a scheduled job", change(runNow, &b.scheduled)},
		{"delete a waiting job", change(remove, &b.waiting)},
		{"delete a job with a concurrency key", change(remove, &b.keyJobs)},
		{"delete a finished job", change(remove, &b.finished)},
		{"enqueue one", enqueue(b.plain, 1, func(*job.Spec) {})},
		{"enqueue 1000", enqueue(b.plain, 1000, func(*job.Spec) {})},
		{"enqueue 1000 with ids", enqueue(b.plain, 1000, func(s *job.Spec) { id := job.NewID(b.now); s.ID = &id })},
		{"enqueue 1000 with idempotency keys", enqueue(b.plain, 1000, func(s *job.Spec) { s.IdempotencyKey = fmt.Sprint("new", b.serial) })},
		{"enqueue 1000 with idempotency keys that are known", enqueue(b.plain, 1000, func(s *job.Spec) { s.IdempotencyKey = fmt.Sprint("key", b.serial%1000) })},
		{"enqueue 1000 with unique keys", enqueue(b.plain, 1000, func(s *job.Spec) { s.UniqueKey = fmt.Sprint("new", b.serial) })},
		{"enqueue 100 with concurrency keys", enqueue(b.keyed, 100, func(s *job.Spec) { s.ConcurrencyKey = "one" })},
		{"enqueue one with a concurrency key", enqueue(b.keyed, 1, func(s *job.Spec) { s.ConcurrencyKey = fmt.Sprint("new", b.serial) })},
		{"list from a cursor", list(job.Filter{}, b.waiting[0])},
	}
	for name, f := range map[string]job.Filter{
		"all": {}, "one queue": {Queue: "past"}, "no such queue": {Queue: "none"}, "no such kind": {Kind: "none"},
		"running": {States: []job.State{job.Running}}, "completed": {States: []job.State{job.Completed}},
		"cancelled": {States: []job.State{job.Cancelled}}, "a tag": {Tag: "none"}, "a slot": {Queue: "plain", Slot: 3},
		"a concurrency key": {ConcurrencyKey: "key7"},
	} {
		calls = append(calls, call{"list " + name, list(f, job.ID{})})
	}
	return calls
}

func (b *big) queueCalls() []call {
	settings := func(ctx context.Context, s store.Store, slots int) error {
		_, err := s.UpdateQueue(ctx, b.plain.Name, func(q *job.Queue) error { q.Slots = slots; return nil })
		return err
	}
	purge := func(name string, before job.Time) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			_, _, err := s.Purge(ctx, name, before, 1000, b.now)
			return err
		}
	}
	return []call{
		{"list queues", func(ctx context.Context, s store.Store) error { _, err := s.ListQueues(ctx, true); return err }},
		{"ensure a queue", func(ctx context.Context, s store.Store) error {
			_, err := s.EnsureQueue(ctx, job.NewQueue("plain"), b.now)
			return err
		}},
		{"more slots", func(ctx context.Context, s store.Store) error { return settings(ctx, s, 1000) }},
		{"fewer slots", func(ctx context.Context, s store.Store) error { return settings(ctx, s, 24) }},
		{"pause", func(ctx context.Context, s store.Store) error { _, err := s.PauseQueue(ctx, "plain", true); return err }},
		{"resume", func(ctx context.Context, s store.Store) error {
			_, err := s.PauseQueue(ctx, "plain", false)
			return err
		}},
		{"delete a queue that is not empty", func(ctx context.Context, s store.Store) error {
			return ignore(s.DeleteQueue(ctx, "plain"), job.ErrNotEmpty)
		}},
		{"delete a queue", func(ctx context.Context, s store.Store) error {
			return ignore(s.DeleteQueue(ctx, "past"), job.ErrNotEmpty, job.ErrNotFound)
		}},
		{"purge 1000", purge("plain", b.now)},
		{"purge 1000 with concurrency keys", purge("keyed", b.now)},
		{"purge what is older than all", purge("single", b.first.Add(-time.Hour))},
		{"slots", func(ctx context.Context, s store.Store) error { _, err := s.Slots(ctx, b.plain.ID); return err }},
		{"count a slot", func(ctx context.Context, s store.Store) error {
			_, _, err := s.Count(ctx, job.Slot{QueueID: b.single.ID, Slot: 1}, job.Position{}, b.now)
			return err
		}},
		{"count a piece of a slot", func(ctx context.Context, s store.Store) error {
			_, _, err := s.Count(ctx, job.Slot{QueueID: b.single.ID, Slot: 1}, job.Position{Priority: 2, RunAt: b.first.Add(time.Minute)}, b.now)
			return err
		}},
		{"count what is blocked", func(ctx context.Context, s store.Store) error {
			slot := job.KeySlot("one", b.keyed.KeySlots)
			_, _, err := s.Count(ctx, job.Slot{QueueID: b.keyed.ID, Slot: slot}, job.Position{Blocked: true, Priority: 2}, b.now)
			return err
		}},
	}
}

func (b *big) managerCalls() []call {
	var dead []job.Claim
	rescue := func(ctx context.Context, s store.Store) error {
		claims, err := s.Orphans(ctx, 100)
		if err == nil && len(claims) == 0 {
			err = fmt.Errorf("no claim to rescue")
		}
		if err == nil {
			_, err = s.Rescue(ctx, claims[0], true, time.Minute, b.now)
		}
		return err
	}
	unblock := func(cursor *job.Key) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error { _, _, err := s.Unblock(ctx, cursor, 100); return err }
	}
	return []call{
		{"now", func(ctx context.Context, s store.Store) error { _, err := s.Now(ctx); return err }},
		{"schema", func(ctx context.Context, s store.Store) error { _, _, err := s.Schema(ctx); return err }},
		{"migrate", func(ctx context.Context, s store.Store) error { return s.Migrate(ctx) }},
		{"workers", func(ctx context.Context, s store.Store) error { _, err := s.Workers(ctx); return err }},
		{"command a worker", func(ctx context.Context, s store.Store) error {
			_, err := s.CommandWorker(ctx, b.live, true, false)
			return err
		}},
		{"a worker's first claims", func(ctx context.Context, s store.Store) error {
			_, held, err := b.hold(ctx, s, 50)
			dead = held
			return err
		}},
		{"a claim among kinds that it does not serve", func(ctx context.Context, s store.Store) error {
			w, err := b.worker(ctx, s)
			if err != nil {
				return err
			}
			_, err = s.Claim(ctx, job.ClaimRequest{
				Worker: w, Token: job.NewToken(w), Slot: job.Slot{QueueID: b.single.ID, Slot: 1}, Max: 100, Now: b.now,
				Serves: func(string) bool { return false },
			})
			return err
		}},
		{"poll", func(ctx context.Context, s store.Store) error {
			var slots []job.Slot
			for _, q := range []job.Queue{b.plain, b.single, b.keyed, b.past} {
				for slot := 1; slot <= q.Slots; slot++ {
					slots = append(slots, job.Slot{QueueID: q.ID, Slot: slot})
				}
			}
			_, err := s.Poll(ctx, slots, b.now)
			return err
		}},
		{"a worker's claims", func(ctx context.Context, s store.Store) error { _, err := s.Claims(ctx, dead[0].Worker); return err }},
		{"finish", func(ctx context.Context, s store.Store) error {
			var outcomes []job.Outcome
			for _, id := range dead[0].IDs {
				outcomes = append(outcomes, job.Outcome{Job: &job.Job{ID: id, Token: dead[0].Token, Queue: "plain", QueueID: b.plain.ID}, Action: job.Complete})
			}
			_, err := s.Finish(ctx, dead[0].Worker, outcomes, []job.Token{dead[0].Token}, b.now)
			return err
		}},
		{"declare a worker dead", func(ctx context.Context, s store.Store) error {
			_, err := s.DeclareDead(ctx, dead[0].Worker, 0)
			return err
		}},
		{"rescue", rescue},
		{"rescue again", rescue},
		{"expire 500", func(ctx context.Context, s store.Store) error { _, err := s.Expire(ctx, 500, b.now); return err }},
		{"prune nothing", func(ctx context.Context, s store.Store) error { _, err := s.Prune(ctx, 1000, b.now); return err }},
		{"prune 1000", func(ctx context.Context, s store.Store) error {
			_, err := s.Prune(ctx, 1000, b.now.Add(100*24*time.Hour))
			return err
		}},
		{"unblock from the first key", unblock(nil)},
		{"unblock from a key on", unblock(&job.Key{Slot: job.Slot{QueueID: b.keyed.ID, Slot: 3}, ConcurrencyKey: "key3"})},
		{"turn", func(ctx context.Context, s store.Store) error {
			_, err := s.Turn(ctx, "stats", 7, time.Second, b.now)
			return err
		}},
	}
}
