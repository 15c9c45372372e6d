package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var enqueueTests = []Test{
	{"answers come in the order of the jobs", 0, func(f *fixture) {
		q := f.queue("order")
		old := f.add(q, given(job.NewID(f.now), "a"))
		jobs := f.jobs(q, 5)
		again := *old
		jobs[2] = &again
		out, err := f.store.Enqueue(f.ctx, jobs, false)
		f.ok(err)
		for i, e := range out {
			equal(f, "id", e.ID, jobs[i].ID)
			equal(f, "duplicate", e.By == job.ByID, i == 2)
		}
		equal(f, "rows", f.rows(), 5)
	}},
	{"no jobs are no error", 0, func(f *fixture) {
		out, err := f.store.Enqueue(f.ctx, nil, true)
		f.ok(err)
		equal(f, "answers", len(out), 0)
	}},
	{"what was answered is there for another process", 1, func(f *fixture) {
		q := f.queue("seen")
		j := f.add(q)
		got, err := f.again().Get(f.ctx, j.ID)
		f.ok(err)
		equal(f, "kind", got.Kind, "work")
	}},
	{"a job reads the same, whichever columns its INSERT leaves to their defaults", 1, func(f *fixture) {
		q := f.queue("defaults", func(q *job.Queue) { q.Backoff = job.Backoff{} })
		alone, company := f.job(q), f.jobs(q, 2)
		f.enqueue(alone)
		f.enqueue(company[0], f.job(q, priority(1)))          // names what limits a job
		f.enqueue(company[1], f.job(q, uniqueKey("company"))) // names all
		var read []string
		for _, j := range append(company, alone) {
			got := f.get(j.ID)
			got.ID, got.Slot = job.ID{}, 0
			read = append(read, fmt.Sprintf("%+v", *got))
		}
		equal(f, "beside one with a priority", read[0], read[2])
		equal(f, "beside one with a unique key", read[1], read[2])
		equal(f, "max_attempts", f.get(alone.ID).MaxAttempts, job.DefaultMaxAttempts)
	}},
	{"every job enqueued by 8 at once ends although 8 finish meanwhile", 1, enqueueWhileFinishing},
	{"an id sent again while its job waits or runs makes no second one", 3, func(f *fixture) {
		q := f.queue("resend")
		j := f.add(q, given(job.NewID(f.now), "a"))
		w := f.worker()
		for _, when := range []string{"waiting", "running"} {
			if when == "running" {
				w.one(q)
			}
			again := *j
			e := f.send(&again)
			equal(f, when+": duplicate", e.By, job.ByID)
			equal(f, when+": id", e.ID, j.ID)
			equal(f, when+": rows", f.rows(), 1)
		}
		w.none(q)
	}},
	{"an id sent again after its job finished makes no second one", 3, func(f *fixture) {
		q := f.queue("finished")
		w := f.worker()
		ends := map[string]func(j *job.Job) job.Outcome{"complete": completed, "discard": f.discarded,
			"cancel": func(j *job.Job) job.Outcome {
				return job.Outcome{Job: j, Action: job.Cancel, Reason: job.ReasonCancelled}
			}}
		for name, end := range ends {
			j := f.add(q, given(job.NewID(f.now), "a"))
			w.commit(end(w.one(q)))
			again := *j
			e := f.send(&again)
			equal(f, name+": duplicate", e.By, job.ByID)
			w.none(q)
			equal(f, name+": rows", f.rows(), 0)
		}
	}},
	{"an id sent again while 4 finish makes no second run", 3, resendWhileFinishing},
	{"one id from 8 at once makes one job", 3, func(f *fixture) {
		q := f.queue("race")
		for round := range 10 {
			j := f.job(q, given(job.NewID(f.now), "a"))
			out := make([]job.Enqueued, claimers)
			f.together(claimers, func(i int) error {
				again := *j
				e, err := f.store.Enqueue(f.ctx, []*job.Job{&again}, false)
				if err == nil {
					out[i] = e[0]
				}
				return err
			})
			made := 0
			for _, e := range out {
				equal(f, "id", e.ID, j.ID)
				equal(f, "error", e.Err, nil)
				if e.By == "" {
					made++
				}
			}
			equal(f, "created", made, 1)
			equal(f, "rows", f.rows(), int64(round+1))
		}
	}},
	{"one id twice in one call makes one job", 3, func(f *fixture) {
		q := f.queue("twice")
		j := f.job(q, given(job.NewID(f.now), "a"))
		again := *j
		out, err := f.store.Enqueue(f.ctx, []*job.Job{j, f.job(q), &again}, false)
		f.ok(err)
		equal(f, "first", out[0].By, "")
		equal(f, "second", out[2].By, job.ByID)
		equal(f, "rows", f.rows(), 2)
	}},
	{"an id sent again with another body is refused and changes nothing", 3, func(f *fixture) {
		q := f.queue("mismatch")
		j := f.add(q, given(job.NewID(f.now), "a"), payload([]byte(`"a"`)))
		other := f.job(q, given(j.ID, "b"), payload([]byte(`"b"`)))
		f.is(f.send(other).Err, job.ErrMismatch)
		equal(f, "payload", string(f.get(j.ID).Payload), `"a"`)
		w := f.worker()
		w.commit(completed(w.one(q)))
		f.is(f.send(other).Err, job.ErrMismatch)
		w.none(q)
	}},
	{"one mismatch harms no neighbour, and stores nothing when atomic", 0, func(f *fixture) {
		q := f.queue("atomic")
		j := f.add(q, given(job.NewID(f.now), "a"))
		for _, atomic := range []bool{true, false} {
			jobs := []*job.Job{f.job(q), f.job(q, given(j.ID, "b")), f.job(q)}
			out, err := f.store.Enqueue(f.ctx, jobs, atomic)
			f.ok(err)
			f.is(out[1].Err, job.ErrMismatch)
			for _, i := range []int{0, 2} {
				_, err := f.store.Get(f.ctx, jobs[i].ID)
				if atomic {
					f.is(err, job.ErrNotFound)
				} else {
					f.ok(err)
				}
			}
		}
		equal(f, "rows", f.rows(), 3)
	}},
	{"a row that the database refuses harms none of its 63 neighbours", 0, func(f *fixture) {
		q := f.queue("bad")
		for _, bad := range f.bad(q) {
			for _, atomic := range []bool{true, false} {
				jobs := f.jobs(q, 64)
				jobs[37] = bad
				before := f.rows()
				out, err := f.store.Enqueue(f.ctx, jobs, atomic)
				f.ok(err)
				var invalid job.Invalid
				if !errors.As(out[37].Err, &invalid) {
					f.Fatalf("the bad row got %+v, want an error that is a job.Invalid", out[37])
				}
				want := before + 63
				if atomic {
					want = before
				} else {
					f.created(append(jobs[:37:37], jobs[38:]...), append(out[:37:37], out[38:]...))
				}
				equal(f, "rows", f.rows(), want)
			}
		}
	}},
	{"1,000 jobs and 16 MiB go in one call", 0, func(f *fixture) {
		q := f.queue("many", slots(4))
		f.enqueue(f.jobs(q, 1000)...)
		big := []byte(`"` + strings.Repeat("x", 256<<10-2) + `"`)
		f.enqueue(f.jobs(q, 64, payload(big))...)
		equal(f, "rows", f.rows(), 1064)
	}},
	{"names compare byte for byte", 0, namesCompareByBytes},
}

// bad are jobs that the engine at hand refuses, past the checks that the domain makes before: MySQL for its length,
// PostgreSQL for its NUL. SQLite takes any text, so there is nothing that it could refuse.
func (f *fixture) bad(q job.Queue) []*job.Job {
	if !f.db.server() {
		return nil
	}
	long, key := f.job(q), f.job(q)
	long.Kind = strings.Repeat("k", 300) + "\x00"
	key.UniqueKey = strings.Repeat("u", 2000) + "\x00"
	return []*job.Job{long, key}
}

// enqueueWhileFinishing is promise 1 under load: 8 enqueue while 8 claim and finish, in every way.
func enqueueWhileFinishing(f *fixture) {
	q := f.queue("flow", slots(4))
	const each = 40
	ids := make([][]job.ID, claimers)
	left := make(chan struct{}, claimers*each)
	f.together(2*claimers, func(i int) error {
		if i < claimers {
			for range each {
				j := f.job(q)
				out, err := f.store.Enqueue(f.ctx, []*job.Job{j}, false)
				if err == nil {
					err = allCreated([]*job.Job{j}, out)
				}
				if err != nil {
					return err
				}
				ids[i] = append(ids[i], j.ID)
			}
			return nil
		}
		w, err := f.register(f.store)
		for slot := 0; err == nil && len(left) < cap(left) && f.ctx.Err() == nil; slot++ {
			var c job.Claimed
			c, err = w.take(w.request(q, slot%4+1, 5, f.now.Add(time.Hour)))
			for n, j := range c.Jobs {
				o := completed(j)
				if n%3 == 1 {
					o = f.discarded(j)
				}
				var v []job.Verdict
				if v, err = w.settle(f.now, o); err == nil && v[0] != job.Committed {
					err = fmt.Errorf("verdict %v", v[0])
				}
				left <- struct{}{}
			}
		}
		if err == nil {
			err = f.ctx.Err()
		}
		return err
	})
	for _, mine := range ids {
		for _, id := range mine {
			if s := f.get(id).State; !s.Finished() {
				f.Fatalf("job %s is %s", id, s)
			}
		}
	}
	equal(f, "rows", f.rows(), 0)
}

// resendWhileFinishing re-sends ids while their jobs run and end: a look before the insert would miss what ends
// between the two.
func resendWhileFinishing(f *fixture) {
	q := f.queue("resend")
	const each = 60
	jobs := f.jobs(q, 4*each, func(s *job.Spec) { id := job.NewID(f.now); s.ID, s.Digest = &id, digestOf("a") })
	runs := newTally()
	f.together(8, func(i int) error {
		if i < 4 {
			for n := range each {
				for range 4 {
					again := *jobs[i*each+n]
					if _, err := f.store.Enqueue(f.ctx, []*job.Job{&again}, false); err != nil {
						return err
					}
				}
			}
			return nil
		}
		w, err := f.register(f.store)
		for err == nil && f.ctx.Err() == nil && runs.len() < len(jobs) {
			var c job.Claimed
			if c, err = w.take(w.request(q, 1, 3, f.now)); err != nil {
				return err
			}
			for _, j := range c.Jobs {
				runs.add(j.ID)
				if _, err = w.settle(f.now, completed(j)); err != nil {
					return err
				}
			}
		}
		return err
	})
	w := f.worker()
	for _, j := range w.claim(q, 100) {
		runs.add(j.ID)
	}
	for _, j := range jobs {
		if n := runs.of(j.ID); n != 1 {
			f.Fatalf("job %s ran %d times", j.ID, n)
		}
	}
}

func namesCompareByBytes(f *fixture) {
	// Cases, trailing spaces, composed and decomposed é: what the usual collations take for one.
	keys := []string{"mail", "Mail", "MAIL", "mail ", " mail", "m\u00e9l", "me\u0301l", "\u00df", "ss", "K", "\u212a", "a", "\uff41"}
	queues := map[int32]bool{}
	for _, name := range []string{"mail", "Mail", "MAIL", "mail.", "mail_", "mail-"} {
		q := f.queue(name)
		equal(f, "name", q.Name, name)
		queues[q.ID] = true
	}
	equal(f, "queues", len(queues), 6)
	q := f.queue("keys")
	for _, k := range keys {
		f.add(q, uniqueKey(k))
		f.add(q, idempotencyKey(k, "a"))
		j := f.add(q, concurrencyKey(k, 1))
		if f.get(j.ID).Blocked {
			f.Fatalf("concurrency key %q was taken for another", k)
		}
		f.add(q, kind("kind"), func(s *job.Spec) { s.Tags = []string{k} })
	}
	equal(f, "rows", f.rows(), int64(4*len(keys)))
	for _, k := range keys {
		equal(f, "unique key "+k, f.send(f.job(q, uniqueKey(k))).By, job.ByUniqueKey)
		for what, filter := range map[string]job.Filter{
			"unique":      {Queue: "keys", UniqueKey: k},
			"concurrency": {Queue: "keys", ConcurrencyKey: k},
			"tag":         {Queue: "keys", Tag: k},
		} {
			equal(f, what+" "+k, len(f.list(filter)), 1)
		}
	}
	equal(f, "kind", len(f.list(job.Filter{Queue: "keys", Kind: "Kind"})), 0)
}
