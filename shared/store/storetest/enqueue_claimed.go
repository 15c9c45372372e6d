package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

var enqueueClaimedTests = []Test{
	{"jobs are stored and claimed in one call, and end like any others", 4, func(f *fixture) {
		q := f.queue("claimed")
		w := f.worker()
		jobs := f.jobs(q, 3, priority(3))
		jobs[1].Payload = []byte("{ \"n\" : 2 }")
		c := w.claimed(f.enqueueClaimed(w.id, jobs...))
		w.none(q)
		equal(f, "due", len(f.due(q)), 0)
		held := f.fetch(c)
		equal(f, "fetched", len(held), 3)
		for i, j := range held {
			equal(f, "id", j.ID, jobs[i].ID)
			equal(f, "payload", string(j.Payload), string(jobs[i].Payload))
			equal(f, "token", j.Token, c.Token)
			equal(f, "run", j.Run, 1)
			equal(f, "attempt", j.Attempt, 1)
			equal(f, "priority", j.Priority, 3)
			equal(f, "queue", j.Queue, q.Name)
			equal(f, "started_at", j.StartedAt, f.now)
			equal(f, "state", f.get(j.ID).State, job.Running)
		}
		w.commit(completed(held[0]))
		w.commit(f.failed(held[1]))
		w.commit(released(held[2]))
		f.ended(jobs[0].ID, job.Completed, "")
		equal(f, "attempt", f.waiting(jobs[1].ID).Attempt, 2)
		f.noClaims(w)
		equal(f, "run", w.one(q).Run, 2)
	}},
	{"such a claim is new to its worker until it knows of it", 8, func(f *fixture) {
		q := f.queue("claimed")
		w, other := f.worker(), f.worker()
		f.add(q)
		known := w.one(q)
		c := w.claimed(f.enqueueClaimed(w.id, f.jobs(q, 2)...))
		f.enqueueClaimed(other.id, f.job(q))
		claims, err := f.store.NewClaims(f.ctx, w.id, func(t job.Token) bool { return t == known.Token })
		f.ok(err)
		equal(f, "claims", len(claims), 1)
		equal(f, "token", claims[0].Token, c.Token)
		equal(f, "slot", claims[0].Slot, job.Slot{QueueID: q.ID, Slot: 1})
		equal(f, "claimed_at", claims[0].ClaimedAt, f.now)
		equal(f, "ids", slices.Equal(claims[0].IDs, c.IDs), true)
		n, err := f.store.GiveBack(f.ctx, claims[0], f.now)
		f.ok(err)
		equal(f, "given back", n, 2)
		equal(f, "fetched", len(f.fetch(c)), 0)
		equal(f, "free", len(f.worker().claim(q, 9)), 2)
	}},
	{"a claim that is gone has no jobs to fetch", 4, func(f *fixture) {
		q := f.queue("claimed")
		w := f.worker()
		c := w.claimed(f.enqueueClaimed(w.id, f.job(q)))
		w.commit(released(f.fetch(c)[0]))
		f.worker().one(q)
		equal(f, "fetched", len(f.fetch(c)), 0)
	}},
	{"a dead worker's come back and count a crash", 8, func(f *fixture) {
		q := f.queue("claimed")
		w := f.worker()
		c := w.claimed(f.enqueueClaimed(w.id, f.job(q)))
		equal(f, "rescued", len(f.crash(w)), 1)
		equal(f, "crashes", f.waiting(c.IDs[0]).Crashes, 1)
		equal(f, "fetched", len(f.fetch(c)), 0)
	}},
	{"a worker that is dead, quiet or unknown gets nothing: the jobs are stored and free", 4, func(f *fixture) {
		q := f.queue("free")
		dead, quiet := f.worker(), f.worker()
		f.kill(dead)
		_, err := f.store.CommandWorker(f.ctx, quiet.id, true, false)
		f.ok(err)
		for i, id := range []job.WorkerID{dead.id, quiet.id, job.NewWorkerID()} {
			f.notClaimed(f.enqueueClaimed(id, f.job(q)))
			equal(f, "free", len(f.worker().claim(q, 9)), 1)
			equal(f, "rows", f.rows(), int64(i+1))
		}
	}},
	{"what is due and free in the slot goes first: the jobs are stored behind it", 0, func(f *fixture) {
		q := f.queue("order", slots(2))
		w := f.worker()
		in := func(slot int, set ...func(*job.Spec)) *job.Job {
			j := f.job(q, set...)
			j.Slot = slot
			return j
		}
		for p := 1; p <= 4; p++ {
			f.enqueue(in(1, priority(p)))
			f.notClaimed(f.enqueueClaimed(w.id, in(1)))
			equal(f, "jobs", len(w.claim(q, 9)), 2)
		}
		// None of these is due and free in the slot.
		f.enqueue(in(1, delay(time.Hour)), in(1, delay(time.Hour), priority(1)), in(2))
		w.claimed(f.enqueueClaimed(w.id, in(1)))
	}},
	{"jobs of several slots go into one claim, unless one of these slots has a job that is free", 0, func(f *fixture) {
		q := f.queue("several", slots(3))
		w := f.worker()
		spread := func() []*job.Job {
			jobs := f.jobs(q, 6)
			for i, j := range jobs {
				j.Slot = 3 - i%3
			}
			return jobs
		}
		c := w.claimed(f.enqueueClaimed(w.id, spread()...))
		for _, j := range f.fetch(c) {
			w.commit(completed(j))
		}
		f.noClaims(w)
		first := f.job(q)
		first.Slot = 2
		f.enqueue(first)
		f.notClaimed(f.enqueueClaimed(w.id, spread()...))
		equal(f, "rows", f.rows(), 7)
	}},
	{"what is sent again is claimed once: a duplicate by any key is claimed by nobody", 3, func(f *fixture) {
		q := f.queue("again")
		w := f.worker()
		id := job.NewID(f.now)
		send := func() []*job.Job {
			return []*job.Job{f.job(q, given(id, "a")), f.job(q, idempotencyKey("i", "a")), f.job(q, uniqueKey("u")), f.job(q)}
		}
		jobs := send()
		w.claimed(f.enqueueClaimed(w.id, jobs...))
		out, c := f.enqueueClaimed(w.id, send()...)
		for i, by := range []string{job.ByID, job.ByIdempotencyKey, job.ByUniqueKey} {
			equal(f, "answer", out[i], job.Enqueued{ID: jobs[i].ID, By: by})
		}
		equal(f, "the new one", out[3], job.Enqueued{ID: c.IDs[3], Claimed: true})
		held := f.fetch(c)
		equal(f, "fetched", len(held), 1)
		equal(f, "the new one", held[0].ID, c.IDs[3])
		equal(f, "rows", f.rows(), 5)
		claims, err := f.store.Claims(f.ctx, w.id)
		f.ok(err)
		equal(f, "claims", len(claims), 2)
		for _, claim := range claims {
			if claim.Token == c.Token {
				equal(f, "ids of the second claim", len(claim.IDs), 1)
			}
		}
		// A job that has ended is sent again.
		w.held[c.Token] = map[job.ID]bool{held[0].ID: true}
		w.commit(completed(held[0]))
		out, c = f.enqueueClaimed(w.id, f.job(q, given(id, "other")))
		equal(f, "with another body", out[0].Err, job.ErrMismatch)
		f.notClaimed(out, c)
	}},
	{"jobs that wait, that may expire or that are of many slots are stored and not claimed", 0, func(f *fixture) {
		q := f.queue("plain", slots(job.MaxBeside+2))
		w := f.worker()
		wide := f.jobs(q, job.MaxBeside+2)
		for i, j := range wide {
			j.Slot = i + 1
		}
		for what, jobs := range map[string][]*job.Job{
			"concurrency_key": f.jobs(q, 1, concurrencyKey("k", 1)), "expires_at": f.jobs(q, 1, expiresAt(f.now.Add(time.Minute))),
			"delay": f.jobs(q, 1, delay(time.Minute)), "slots": wide, "number": f.jobs(q, job.MaxEnqueuedClaim+1),
		} {
			before := f.rows()
			f.notClaimed(f.enqueueClaimed(w.id, jobs...))
			equal(f, what, f.rows()-before, int64(len(jobs)))
			f.noClaims(w)
		}
		early := f.job(q)
		early.RunAt++
		f.notClaimed(f.enqueueClaimed(w.id, early))
	}},
	{"a paused queue's jobs are stored and not claimed, and no pause is passed over", 0, func(f *fixture) {
		q := f.queue("pause")
		_, err := f.store.PauseQueue(f.ctx, q.Name, true)
		f.ok(err)
		w := f.worker()
		f.notClaimed(f.enqueueClaimed(w.id, f.job(q)))
		_, err = f.store.PauseQueue(f.ctx, q.Name, false)
		f.ok(err)
		w.one(q)
		f.pauseExactly(q)
	}},
	{"a row that the database refuses harms no neighbour", 1, func(f *fixture) {
		q := f.queue("data")
		w := f.worker()
		for _, bad := range f.bad(q) {
			before := f.rows()
			jobs := f.jobs(q, 3)
			jobs[1] = bad
			out, c := f.enqueueClaimed(w.id, jobs...)
			f.notClaimed(out, c)
			for i, e := range out {
				equal(f, fmt.Sprintf("job %d is refused", i), e.Err != nil, i == 1)
			}
			equal(f, "rows", f.rows()-before, 2)
			equal(f, "free", len(f.worker().claim(q, 9)), 2)
		}
	}},
}

// enqueueClaimed stores jobs for a worker.
func (f *fixture) enqueueClaimed(w job.WorkerID, jobs ...*job.Job) ([]job.Enqueued, job.Claim) {
	f.Helper()
	c := claimOf(w, f.now, jobs)
	out, err := f.store.EnqueueClaimed(f.ctx, jobs, c)
	f.ok(err)
	equal(f, "answers", len(out), len(jobs))
	return out, c
}

func claimOf(w job.WorkerID, now job.Time, jobs []*job.Job) job.Claim {
	c := job.ClaimOf(w, jobs)
	c.ClaimedAt = now
	return c
}

// claimed ends the test unless all jobs are claimed, and lets the worker remember them.
func (w *worker) claimed(out []job.Enqueued, c job.Claim) job.Claim {
	w.f.Helper()
	w.held[c.Token] = map[job.ID]bool{}
	for i, e := range out {
		equal(w.f, "answer", e, job.Enqueued{ID: c.IDs[i], Claimed: true})
		w.held[c.Token][e.ID] = true
	}
	return c
}

func (f *fixture) notClaimed(out []job.Enqueued, c job.Claim) {
	f.Helper()
	for _, e := range out {
		equal(f, "claimed", e.Claimed, false)
	}
	equal(f, "fetched", len(f.fetch(c)), 0)
	claims, err := f.store.NewClaims(f.ctx, c.Worker, func(t job.Token) bool { return t != c.Token })
	f.ok(err)
	equal(f, "claims", len(claims), 0)
}

func (f *fixture) fetch(c job.Claim) []*job.Job {
	f.Helper()
	jobs, err := f.store.Fetch(f.ctx, c, f.now)
	f.ok(err)
	slices.SortFunc(jobs, func(a, b *job.Job) int { return a.ID.Compare(b.ID) })
	return jobs
}

// pauseExactly pauses and resumes a queue while others store jobs that are claimed at once.
func (f *fixture) pauseExactly(q job.Queue) {
	f.Helper()
	claims := func() int64 { return f.db.count(f, "SELECT COUNT(*) FROM slotq_claims") }
	done := make(chan struct{})
	claimed := make(chan struct{}, claimers)
	f.together(claimers+1, func(i int) error {
		if i == claimers {
			defer close(done)
			for range claimers {
				<-claimed
			}
			for range 5 {
				if _, err := f.store.PauseQueue(f.ctx, q.Name, true); err != nil {
					return err
				}
				before := claims()
				for range 2 * claimers { // those that began before have ended by then, or will find it
					if n, err := enqueueClaimedOne(f, f.store, q); err != nil || n > 0 {
						return fmt.Errorf("a paused queue's job was claimed %d times: %v", n, err)
					}
				}
				if after := claims(); after != before {
					return fmt.Errorf("%d claims were committed after the pause", after-before)
				}
				if _, err := f.store.PauseQueue(f.ctx, q.Name, false); err != nil {
					return err
				}
			}
			return nil
		}
		defer func() { claimed <- struct{}{} }()
		for n, told := 0, false; ; {
			select {
			case <-done:
				return nil
			default:
			}
			got, err := enqueueClaimedOne(f, f.store, q)
			if err != nil {
				return err
			}
			if n += got; !told && n > 0 {
				claimed <- struct{}{}
				told = true
			}
		}
	})
}

// enqueueClaimedOne stores a job for a worker of its own, and takes it away again.
func enqueueClaimedOne(f *fixture, s store.Store, q job.Queue) (claimed int, err error) {
	w, err := f.register(s)
	if err != nil {
		return 0, err
	}
	j := f.job(q)
	out, err := s.EnqueueClaimed(f.ctx, []*job.Job{j}, claimOf(w.id, f.now, []*job.Job{j}))
	switch {
	case err != nil:
		return 0, err
	case out[0].Claimed:
		return 1, nil
	}
	_, err = s.Cancel(f.ctx, j.ID, f.now)
	return 0, err
}
