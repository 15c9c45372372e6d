package e2e

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// call is one call of a store with the limits that api, worker and manager give it.
type call struct {
	name string
	do   func(ctx context.Context, s store.Store) error
	// Looks up many ids in history. PostgreSQL, whose autovacuum tells the planner within a minute that history is
	// large, would rather walk through all of a state until then.
	history bool
}

// calls are all that the binaries call, except for those that only a worker does after its claim. The table is long on
// purpose: a call that is missing here is a promise that nobody looks at.
func (b *big) calls() []call {
	return slices.Concat(b.jobCalls(), b.queueCalls(), b.managerCalls(), b.apiTokenCalls(), b.actionCalls())
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
		{name: "get a waiting job", do: get(b.waiting[0])},
		{name: "get a finished job", do: get(b.finished[0])},
		{name: "get a job that is not there", do: get(job.NewID(b.now))},
		{name: "cancel a waiting job", do: change(cancel, &b.waiting)},
		{name: "cancel a job with a concurrency key", do: change(cancel, &b.keyJobs)},
		{name: "retry a finished job", do: change(retry, &b.finished)},
		{name: "run a scheduled job", do: change(runNow, &b.scheduled)},
		{name: "delete a waiting job", do: change(remove, &b.waiting)},
		{name: "delete a job with a concurrency key", do: change(remove, &b.keyJobs)},
		{name: "delete a finished job", do: change(remove, &b.finished)},
		{name: "enqueue one", do: enqueue(b.plain, 1, func(*job.Spec) {})},
		{name: "enqueue 1000", do: enqueue(b.plain, 1000, func(*job.Spec) {})},
		{name: "enqueue 1000 with ids", history: true, do: enqueue(b.plain, 1000, func(s *job.Spec) { id := job.NewID(b.now); s.ID = &id })},
		{name: "enqueue 1000 with idempotency keys", do: enqueue(b.plain, 1000, func(s *job.Spec) { s.IdempotencyKey = fmt.Sprint("new", b.serial) })},
		{name: "enqueue 1000 with idempotency keys that are known", do: enqueue(b.plain, 1000, func(s *job.Spec) { s.IdempotencyKey = fmt.Sprint("key", b.serial%1000) })},
		{name: "enqueue 1000 with unique keys", do: enqueue(b.plain, 1000, func(s *job.Spec) { s.UniqueKey = fmt.Sprint("new", b.serial) })},
		{name: "enqueue 100 with concurrency keys", do: enqueue(b.keyed, 100, func(s *job.Spec) { s.ConcurrencyKey = "one" })},
		{name: "enqueue one with a concurrency key", do: enqueue(b.keyed, 1, func(s *job.Spec) { s.ConcurrencyKey = fmt.Sprint("new", b.serial) })},
		{name: "list from a cursor", do: list(job.Filter{}, b.waiting[0])},
	}
	for name, f := range map[string]job.Filter{
		"all": {}, "one queue": {Queue: "past"}, "no such queue": {Queue: "none"}, "no such kind": {Kind: "none"},
		"running": {States: []job.State{job.Running}}, "completed": {States: []job.State{job.Completed}},
		"cancelled": {States: []job.State{job.Cancelled}}, "a tag": {Tag: "none"}, "a slot": {Queue: "plain", Slot: 3},
		"a concurrency key": {ConcurrencyKey: "key7"},
	} {
		calls = append(calls, call{name: "list " + name, do: list(f, job.ID{})})
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
		{name: "list queues", do: func(ctx context.Context, s store.Store) error { _, err := s.ListQueues(ctx, true); return err }},
		{name: "ensure a queue", do: func(ctx context.Context, s store.Store) error {
			_, err := s.EnsureQueue(ctx, job.NewQueue("plain"), b.now)
			return err
		}},
		{name: "more slots", do: func(ctx context.Context, s store.Store) error { return settings(ctx, s, 1000) }},
		{name: "fewer slots", do: func(ctx context.Context, s store.Store) error { return settings(ctx, s, 24) }},
		{name: "pause", do: func(ctx context.Context, s store.Store) error { _, err := s.PauseQueue(ctx, "plain", true); return err }},
		{name: "resume", do: func(ctx context.Context, s store.Store) error {
			_, err := s.PauseQueue(ctx, "plain", false)
			return err
		}},
		{name: "delete a queue that is not empty", do: func(ctx context.Context, s store.Store) error {
			return ignore(s.DeleteQueue(ctx, "plain"), job.ErrNotEmpty)
		}},
		{name: "delete a queue", do: func(ctx context.Context, s store.Store) error {
			return ignore(s.DeleteQueue(ctx, "past"), job.ErrNotEmpty, job.ErrNotFound)
		}},
		{name: "purge 1000", do: purge("plain", b.now)},
		{name: "purge 1000 with concurrency keys", do: purge("keyed", b.now)},
		{name: "purge what is older than all", do: purge("single", b.first.Add(-time.Hour))},
		{name: "slots", do: func(ctx context.Context, s store.Store) error { _, err := s.Slots(ctx, b.plain.ID); return err }},
		{name: "count a slot", do: func(ctx context.Context, s store.Store) error {
			_, _, err := s.Count(ctx, job.Slot{QueueID: b.single.ID, Slot: 1}, job.Position{}, b.now)
			return err
		}},
		{name: "count a piece of a slot", do: func(ctx context.Context, s store.Store) error {
			_, _, err := s.Count(ctx, job.Slot{QueueID: b.single.ID, Slot: 1}, job.Position{Priority: 2, RunAt: b.first.Add(time.Minute)}, b.now)
			return err
		}},
		{name: "count what is blocked", do: func(ctx context.Context, s store.Store) error {
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
	several := func(a job.Action) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			var outcomes []job.Outcome
			for i := range dead[1:] {
				c := &dead[1+i]
				outcomes = append(outcomes, job.Outcome{Job: &job.Job{ID: take(&c.IDs), Token: c.Token, Queue: "plain", QueueID: b.plain.ID}, Action: a})
			}
			verdicts, err := s.Finish(ctx, dead[0].Worker, outcomes, nil, b.now)
			if err == nil && slices.Contains(verdicts, job.Lost) {
				err = fmt.Errorf("verdicts are %v", verdicts)
			}
			return err
		}
	}
	claim := func(q job.Queue, r job.ClaimRequest) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			w, err := b.worker(ctx, s)
			if err != nil {
				return err
			}
			r.Worker, r.Token, r.Slot, r.Now = w, job.NewToken(w), job.Slot{QueueID: q.ID, Slot: 1}, b.now
			_, err = s.Claim(ctx, r)
			return err
		}
	}
	enqueueClaimed := func(q job.Queue, slots ...int) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error {
			w, err := b.worker(ctx, s)
			if err != nil {
				return err
			}
			var jobs []*job.Job
			for _, slot := range slots {
				spec := job.Spec{Queue: q.Name, Kind: "kind1"}
				j := spec.Make(q, b.now)
				j.Slot = slot
				jobs = append(jobs, j)
			}
			c := job.ClaimOf(w, jobs)
			if _, err := s.EnqueueClaimed(ctx, jobs, c); err != nil {
				return err
			}
			if _, err = s.Fetch(ctx, c, b.now); err == nil {
				_, err = s.NewClaims(ctx, w, func(job.Token) bool { return false })
			}
			return err
		}
	}
	unblock := func(cursor *job.Key) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error { _, _, err := s.Unblock(ctx, cursor, 100); return err }
	}
	return []call{
		{name: "now", do: func(ctx context.Context, s store.Store) error { _, err := s.Now(ctx); return err }},
		{name: "schema", do: func(ctx context.Context, s store.Store) error { _, _, err := s.Schema(ctx); return err }},
		{name: "migrate", do: func(ctx context.Context, s store.Store) error { return s.Migrate(ctx) }},
		{name: "workers", do: func(ctx context.Context, s store.Store) error { _, err := s.Workers(ctx); return err }},
		{name: "command a worker", do: func(ctx context.Context, s store.Store) error {
			_, err := s.CommandWorker(ctx, b.live, true, false)
			return err
		}},
		{name: "a worker's first claims", do: func(ctx context.Context, s store.Store) error {
			_, held, err := b.hold(ctx, s, 50)
			dead = held
			return err
		}},
		{name: "a claim from several slots", do: claim(b.plain, job.ClaimRequest{Beside: []int{2, 3, 4, 5, 6, 7, 8}, Max: 1000})},
		{name: "a claim from several slots where nothing is due", do: claim(b.later, job.ClaimRequest{Beside: []int{2}, Max: 1000})},
		{name: "a claim among kinds that it does not serve", do: claim(b.single, job.ClaimRequest{Max: 100, Serves: func(string) bool { return false }})},
		{name: "enqueue one for a worker behind a backlog", do: enqueueClaimed(b.single, 1)},
		{name: "enqueue some for a worker behind a backlog", do: enqueueClaimed(b.plain, 1, 2, 3, 4, 5, 6, 7, 8)},
		{name: "enqueue some for a worker where nothing is due", do: enqueueClaimed(b.later, 1, 2)},
		{name: "poll", do: func(ctx context.Context, s store.Store) error {
			var slots []job.Slot
			for _, q := range []job.Queue{b.plain, b.single, b.keyed, b.past, b.later} {
				for slot := 1; slot <= q.Slots; slot++ {
					slots = append(slots, job.Slot{QueueID: q.ID, Slot: slot})
				}
			}
			_, err := s.Poll(ctx, slots, b.now)
			return err
		}},
		{name: "a worker's claims", do: func(ctx context.Context, s store.Store) error { _, err := s.Claims(ctx, dead[0].Worker); return err }},
		{name: "finish", do: func(ctx context.Context, s store.Store) error {
			var outcomes []job.Outcome
			for _, id := range dead[0].IDs {
				outcomes = append(outcomes, job.Outcome{Job: &job.Job{ID: id, Token: dead[0].Token, Queue: "plain", QueueID: b.plain.ID}, Action: job.Complete})
			}
			_, err := s.Finish(ctx, dead[0].Worker, outcomes, []job.Token{dead[0].Token}, b.now)
			return err
		}},
		{name: "finish jobs of several claims", do: several(job.Complete)},
		{name: "give back jobs of several claims", do: several(job.Release)},
		{name: "declare a worker dead", do: func(ctx context.Context, s store.Store) error {
			_, err := s.DeclareDead(ctx, dead[0].Worker, 0)
			return err
		}},
		{name: "rescue", do: rescue},
		{name: "rescue again", do: rescue},
		{name: "expire 500", do: func(ctx context.Context, s store.Store) error { _, err := s.Expire(ctx, 500, b.now); return err }},
		{name: "prune nothing", do: func(ctx context.Context, s store.Store) error { _, err := s.Prune(ctx, 1000, b.now); return err }},
		{name: "prune 1000", history: true, do: func(ctx context.Context, s store.Store) error {
			_, err := s.Prune(ctx, 1000, b.now.Add(100*24*time.Hour))
			return err
		}},
		{name: "unblock from the first key", do: unblock(nil)},
		{name: "unblock from a key on", do: unblock(&job.Key{Slot: job.Slot{QueueID: b.keyed.ID, Slot: 3}, ConcurrencyKey: "key3"})},
		{name: "report stats", do: func(ctx context.Context, s store.Store) error { return b.report(ctx, s, 7, 1, 4, 60) }},
		{name: "report stats again", do: func(ctx context.Context, s store.Store) error { return b.report(ctx, s, 7, 2, 4, 60) }},
		{name: "fold stats", do: func(ctx context.Context, s store.Store) error { _, err := s.FoldStats(ctx, 50, b.now); return err }},
		{name: "fold stats and prune", do: func(ctx context.Context, s store.Store) error {
			_, err := s.FoldStats(ctx, 50, b.now.Add(10*24*time.Hour))
			return err
		}},
		{name: "list stats", do: func(ctx context.Context, s store.Store) error {
			var queues []int32
			for id := range int32(store.StatsQueues) {
				queues = append(queues, id+1)
			}
			_, err := s.ListStats(ctx, queues, b.now)
			return err
		}},
		{name: "turn", do: func(ctx context.Context, s store.Store) error {
			_, err := s.Turn(ctx, "stats", 7, time.Second, b.now)
			return err
		}},
		{name: "turns", do: func(ctx context.Context, s store.Store) error { _, err := s.Turns(ctx); return err }},
		{name: "strays", do: func(ctx context.Context, s store.Store) error { _, err := s.Strays(ctx, 100); return err }},
	}
}
