package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var idempotencyTests = []Test{
	{"one key twice in one shared insert makes one job", 3, func(f *fixture) {
		q := f.queue("idem")
		jobs := []*job.Job{f.job(q, idempotencyKey("k", "a")), f.job(q), f.job(q, idempotencyKey("k", "a")), f.job(q, idempotencyKey("l", "a"))}
		out, err := f.store.Enqueue(f.ctx, jobs, false)
		f.ok(err)
		equal(f, "first", out[0].By, "")
		equal(f, "second", out[2].By, job.ByIdempotencyKey)
		equal(f, "the second's job", out[2].ID, jobs[0].ID)
		equal(f, "another key", out[3].By, "")
		equal(f, "rows", f.rows(), 3)
	}},
	{"one key from 8 at once makes one job", 3, func(f *fixture) {
		q := f.queue("idem")
		other := f.again()
		for round := range 10 {
			ids := make([]job.Enqueued, claimers)
			f.together(claimers, func(i int) error {
				s := f.store
				if i%2 == 1 {
					s = other
				}
				// Neighbours in the same call must not come to harm by the key that collides.
				out, err := s.Enqueue(f.ctx, []*job.Job{f.job(q), f.job(q, idempotencyKey("k"+string(rune('a'+round)), "a"))}, false)
				if err == nil {
					ids[i] = out[1]
				}
				return err
			})
			made := 0
			for _, e := range ids {
				equal(f, "the job that is there", e.ID, ids[0].ID)
				if e.By == "" {
					made++
				} else {
					equal(f, "duplicate", e.By, job.ByIdempotencyKey)
				}
			}
			equal(f, "created", made, 1)
			f.waiting(ids[0].ID)
			equal(f, "rows", f.rows(), int64((round+1)*(claimers+1)))
		}
	}},
	{"keys in opposite order from 8 at once make one job each", 3, func(f *fixture) {
		q := f.queue("idem")
		for round := range 10 {
			now := f.now.Add(time.Duration(round) * 48 * time.Hour)
			f.together(claimers, func(i int) error {
				jobs := []*job.Job{f.job(q, idempotencyKey("x"+now.Time().String(), "a")), f.job(q, idempotencyKey("y"+now.Time().String(), "a"))}
				if i%2 == 1 {
					jobs[0], jobs[1] = jobs[1], jobs[0]
				}
				_, err := f.store.Enqueue(f.ctx, jobs, false)
				return err
			})
			equal(f, "rows", f.rows(), int64(2*(round+1)))
		}
	}},
	{"a key with another body is refused and makes no job", 3, func(f *fixture) {
		q := f.queue("idem")
		j := f.add(q, idempotencyKey("k", "a"))
		e := f.send(f.job(q, idempotencyKey("k", "b")))
		f.is(e.Err, job.ErrMismatch)
		equal(f, "rows", f.rows(), 1)
		e = f.send(f.job(q, idempotencyKey("k", "a")))
		equal(f, "id", e.ID, j.ID)
	}},
	{"a key and an id hold for 24 hours although retention is 0", 3, func(f *fixture) {
		q := f.queue("idem", func(q *job.Queue) { q.KeepCompleted = 0 })
		w := f.worker()
		k, id := f.add(q, idempotencyKey("k", "a")), f.add(q, given(job.NewID(f.now), "a"))
		w.commit(completed(w.one(q)))
		w.commit(completed(w.one(q)))
		for f.tick(time.Second); f.now < T0.Add(24*time.Hour); f.tick(8*time.Hour - 2*time.Second) {
			f.prune()
			e := f.send(f.job(q, idempotencyKey("k", "a")))
			equal(f, "key at "+f.now.Sub(T0).String(), e.By, job.ByIdempotencyKey)
			equal(f, "its id", e.ID, k.ID)
			again := *id
			equal(f, "id at "+f.now.Sub(T0).String(), f.send(&again).By, job.ByID)
			equal(f, "rows", f.rows(), 0)
		}
	}},
	{"a key may be used again after 24 hours", 0, func(f *fixture) {
		q := f.queue("idem")
		w := f.worker()
		f.add(q, idempotencyKey("k", "a"))
		w.commit(completed(w.one(q)))
		f.tick(25 * time.Hour)
		f.prune()
		equal(f, "duplicate", f.send(f.job(q, idempotencyKey("k", "b"))).By, "")
		equal(f, "rows", f.rows(), 1)
	}},
	{"a key holds as long as its job lives", 3, func(f *fixture) {
		q := f.queue("idem")
		j := f.add(q, idempotencyKey("k", "a"))
		f.tick(60 * time.Hour)
		f.prune()
		e := f.send(f.job(q, idempotencyKey("k", "a")))
		equal(f, "duplicate", e.By, job.ByIdempotencyKey)
		equal(f, "its id", e.ID, j.ID)
		equal(f, "rows", f.rows(), 1)
	}},
	{"keys of jobs that live hold up no removal of others", 0, func(f *fixture) {
		q := f.queue("idem")
		w := f.worker()
		for i := range 6 {
			f.add(q, idempotencyKey(fmt.Sprint("live", i), "a"))
		}
		f.tick(time.Second)
		f.add(q, idempotencyKey("gone", "a"), priority(1))
		w.commit(completed(w.one(q)))
		f.tick(25 * time.Hour)
		for range 4 { // two keys a call: three calls to get past those that stay
			_, err := f.store.Prune(f.ctx, 2, f.now)
			f.ok(err)
		}
		equal(f, "keys", f.db.count(f, "SELECT COUNT(*) FROM slotq_idempotency_keys"), 6)
		equal(f, "duplicate", f.send(f.job(q, idempotencyKey("live0", "a"))).By, job.ByIdempotencyKey)
	}},
	{"a key whose job was refused by its unique_key stands for the holder", 3, func(f *fixture) {
		q := f.queue("idem")
		holder := f.add(q, uniqueKey("u"))
		e := f.send(f.job(q, uniqueKey("u"), idempotencyKey("k", "a")))
		equal(f, "duplicate", e.By, job.ByUniqueKey)
		w := f.worker()
		w.commit(completed(w.one(q)))
		e = f.send(f.job(q, uniqueKey("u"), idempotencyKey("k", "a")))
		equal(f, "duplicate", e.By, job.ByIdempotencyKey)
		equal(f, "its id", e.ID, holder.ID)
	}},
}

// prune removes all that may go.
func (f *fixture) prune() (n int) {
	f.Helper()
	for {
		k, err := f.store.Prune(f.ctx, 500, f.now)
		f.ok(err)
		if n += k; k == 0 {
			return n
		}
	}
}
