package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var queuesTests = []Test{
	{"a queue keeps its settings", 0, func(f *fixture) {
		want := job.Queue{Name: "Q.1_a-b:c", Slots: 5, KeySlots: 5, LIFO: true, Priority: 3, MaxAttempts: 4, MaxCrashes: 2, Timeout: 1500 * time.Millisecond,
			Backoff:       job.Backoff{Kind: job.BackoffExponential, Base: time.Second, Cap: time.Minute},
			KeepCompleted: time.Hour, KeepDiscarded: 2 * time.Hour, KeepCancelled: 3*time.Hour + time.Microsecond}
		got, err := f.store.EnsureQueue(f.ctx, want, f.now)
		f.ok(err)
		want.ID, want.CreatedAt = got.ID, f.now
		equal(f, "made", fmt.Sprint(got), fmt.Sprint(want))
		all, err := f.again().ListQueues(f.ctx, false)
		f.ok(err)
		equal(f, "queues", len(all), 1)
		equal(f, "listed", fmt.Sprint(all[0]), fmt.Sprint(want))
		other := want
		other.Slots, other.LIFO = 9, false
		got, err = f.store.EnsureQueue(f.ctx, other, f.now.Add(time.Hour))
		f.ok(err)
		equal(f, "not changed by a second call", fmt.Sprint(got), fmt.Sprint(want))
		rows, err := f.store.Slots(f.ctx, want.ID)
		f.ok(err)
		equal(f, "slots", len(rows), 5)
	}},
	{"one queue from 8 at once is one queue with its slots", 0, func(f *fixture) {
		other := f.again()
		for round := range 5 {
			ids := make([]int32, claimers)
			f.together(claimers, func(i int) error {
				s := f.store
				if i%2 == 1 {
					s = other
				}
				q, err := s.EnsureQueue(f.ctx, job.NewQueue(fmt.Sprint("q", round)), f.now)
				ids[i] = q.ID
				return err
			})
			for _, id := range ids {
				equal(f, "id", id, ids[0])
			}
			rows, err := f.store.Slots(f.ctx, ids[0])
			f.ok(err)
			equal(f, "slots", len(rows), job.DefaultSlots)
			for i, r := range rows {
				equal(f, "slot", r.Slot, job.Slot{QueueID: ids[0], Slot: i + 1})
			}
		}
	}},
	{"queues are listed by name, byte by byte", 0, func(f *fixture) {
		names := []string{"b", "B", "a", "_", "10", "9", "a.b", "a-b"}
		for _, n := range names {
			f.queue(n)
		}
		all, err := f.store.ListQueues(f.ctx, false)
		f.ok(err)
		var got []string
		for _, q := range all {
			got = append(got, q.Name)
		}
		slices.Sort(names)
		equal(f, "order", fmt.Sprint(got), fmt.Sprint(names))
	}},
	{"no more than 1,000 queues", 0, func(f *fixture) {
		f.queue("first")
		tx, err := f.db.raw.Begin()
		f.ok(err)
		for i := range job.MaxQueues - 1 {
			_, err := tx.Exec(fmt.Sprintf(`INSERT INTO slotq_queues (id, name, slots, key_slots, lifo, paused, deleted, priority, max_attempts, max_crashes, timeout_us, backoff,
				keep_completed_us, keep_discarded_us, keep_cancelled_us, created_at, version)
				SELECT %d, 'q%d', slots, key_slots, lifo, paused, deleted, priority, max_attempts, max_crashes, timeout_us, backoff,
				keep_completed_us, keep_discarded_us, keep_cancelled_us, created_at, version FROM slotq_queues WHERE name = 'first'`, i+1, i))
			f.ok(err)
		}
		f.ok(tx.Commit())
		_, err = f.store.EnsureQueue(f.ctx, job.NewQueue("one-too-many"), f.now)
		f.is(err, job.ErrLimit)
		_, err = f.store.EnsureQueue(f.ctx, job.NewQueue("q7"), f.now)
		f.ok(err)
	}},
	{"8 updates at once are all kept", 0, func(f *fixture) {
		f.queue("busy")
		f.together(claimers, func(int) error {
			for range 5 {
				_, err := f.store.UpdateQueue(f.ctx, "busy", func(q *job.Queue) error {
					q.KeepCompleted += time.Second
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		q := f.queue("busy")
		equal(f, "keep_completed", q.KeepCompleted, job.DefaultKeepCompleted+5*claimers*time.Second)
	}},
	{"an update that is refused changes nothing", 0, func(f *fixture) {
		q := f.queue("refused")
		no := errors.New("no")
		_, err := f.store.UpdateQueue(f.ctx, q.Name, func(q *job.Queue) error { q.Slots = 9; return no })
		f.is(err, no)
		equal(f, "queue", fmt.Sprint(f.queue("refused")), fmt.Sprint(q))
		rows, err := f.store.Slots(f.ctx, q.ID)
		f.ok(err)
		equal(f, "slots", len(rows), 1)
		for _, name := range []string{"nobody", "Refused"} {
			_, err = f.store.UpdateQueue(f.ctx, name, func(*job.Queue) error { return nil })
			f.is(err, job.ErrNotFound)
			_, err = f.store.PauseQueue(f.ctx, name, true)
			f.is(err, job.ErrNotFound)
			f.is(f.store.DeleteQueue(f.ctx, name), job.ErrNotFound)
		}
	}},
	{"new settings are for new jobs", 0, func(f *fixture) {
		q := f.queue("settings")
		old := f.add(q)
		q, err := f.store.UpdateQueue(f.ctx, q.Name, func(q *job.Queue) error { q.MaxAttempts, q.Timeout = 1, time.Second; return nil })
		f.ok(err)
		young := f.add(q)
		equal(f, "old", f.get(old.ID).MaxAttempts, job.DefaultMaxAttempts)
		equal(f, "old", f.get(old.ID).QueueTimeout, job.DefaultTimeout)
		equal(f, "new", f.get(young.ID).MaxAttempts, 1)
		equal(f, "new", f.get(young.ID).QueueTimeout, time.Second)
	}},
	{"only an empty queue is deleted, its history stays, and its name can come back", 0, func(f *fixture) {
		q := f.queue("delete")
		j := f.add(q)
		f.is(f.store.DeleteQueue(f.ctx, q.Name), job.ErrNotEmpty)
		w := f.worker()
		held := w.one(q)
		f.is(f.store.DeleteQueue(f.ctx, q.Name), job.ErrNotEmpty)
		w.commit(completed(held))
		f.ok(f.store.DeleteQueue(f.ctx, q.Name))
		equal(f, "history", f.ended(j.ID, job.Completed, "").Queue, "delete")
		shown, err := f.store.ListQueues(f.ctx, false)
		f.ok(err)
		equal(f, "listed", len(shown), 0)
		all, err := f.store.ListQueues(f.ctx, true)
		f.ok(err)
		equal(f, "listed with deleted ones", len(all), 1)
		// A job from an api that still knows the queue is served all the same.
		late := f.add(q)
		equal(f, "late", w.one(q).ID, late.ID)
		q = f.queue("delete")
		f.add(q)
		w.one(q)
		shown, err = f.store.ListQueues(f.ctx, false)
		f.ok(err)
		equal(f, "listed again", len(shown), 1)
	}},
	{"a count says what stands in a slot, by kind and state", 0, countTest},
	{"a count of a long slot comes in bounded parts", 0, func(f *fixture) {
		q := f.queue("count")
		const n = 10_500
		for range n / 500 {
			f.enqueue(f.jobs(q, 500, priority(1+int(f.now)%4))...)
			f.tick(time.Microsecond)
		}
		total := int64(0)
		after := job.Position{}
		for range 30 {
			counts, next, err := f.store.Count(f.ctx, job.Slot{QueueID: q.ID, Slot: 1}, after, f.now)
			f.ok(err)
			part := int64(0)
			for _, c := range counts {
				part += c.Depth()
			}
			if part > 10_000 {
				f.Fatalf("one part counts %d", part)
			}
			total += part
			if next == nil {
				break
			}
			after = *next
		}
		if total != n {
			f.Fatalf("the parts count %d jobs, want %d", total, n)
		}
	}},
}

func countTest(f *fixture) {
	q := f.queue("count")
	w := f.worker()
	f.add(q, kind("a"))
	held := w.one(q)
	w.commit(f.failed(held))
	f.enqueue(f.jobs(q, 3, kind("a"), delay(time.Hour))...)
	f.add(q, kind("run"))
	w.one(q)
	f.enqueue(f.jobs(q, 4, kind("key"), concurrencyKey("k", 1))...)
	oldest := f.now
	f.tick(time.Second)
	f.enqueue(f.jobs(q, 2, kind("b"), priority(4))...)
	f.tick(time.Second)
	counts, next, err := f.store.Count(f.ctx, job.Slot{QueueID: q.ID, Slot: 1}, job.Position{}, f.now)
	f.ok(err)
	if next != nil {
		f.Fatal("a short slot has no next part")
	}
	slices.SortFunc(counts, func(a, b job.Count) int {
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	})
	want := []job.Count{
		{Kind: "a", Scheduled: 3, Retryable: 1},
		{Kind: "b", Available: 2, OldestAvailable: oldest.Add(time.Second)},
		{Kind: "key", Available: 1, Blocked: 3, OldestAvailable: oldest},
		{Kind: "run", Running: 1},
	}
	equal(f, "counts", fmt.Sprint(counts), fmt.Sprint(want))
}
