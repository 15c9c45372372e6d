package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Every time is an argument: a clock that jumps shows in the arguments of those who follow it, while others still have
// the old time.
var clockTests = []Test{
	{"a clock that jumps an hour rescues nobody that beats", 4, func(f *fixture) {
		q := f.queue("clock")
		f.enqueue(f.jobs(q, 3)...)
		w := f.worker()
		held := w.claim(q, 3)
		for _, jump := range []time.Duration{time.Hour, -time.Hour, 100 * 24 * time.Hour} {
			now := f.now.Add(jump)
			out, err := sweep(f, f.store, now)
			f.ok(err)
			equal(f, "rescued", len(out), 0)
			_, err = f.store.Prune(f.ctx, 100, now)
			f.ok(err)
			_, err = f.store.Beat(f.ctx, w.id, nil)
			f.ok(err)
		}
		for _, j := range held {
			w.commit(completed(j))
		}
	}},
	{"a clock that jumps back starts nothing early", 9, func(f *fixture) {
		q := f.queue("clock")
		j := f.add(q, delay(30*time.Minute))
		w := f.worker()
		// Somebody whose clock is an hour ahead sees it due; that promotes nothing for the others.
		ahead, err := f.store.Poll(f.ctx, []job.Slot{{QueueID: q.ID, Slot: 1}}, f.now.Add(time.Hour))
		f.ok(err)
		equal(f, "due an hour ahead", len(ahead), 1)
		_, _, err = f.store.Count(f.ctx, job.Slot{QueueID: q.ID, Slot: 1}, job.Position{}, f.now.Add(time.Hour))
		f.ok(err)
		w.none(q)
		f.now = j.RunAt
		w.one(q)
	}},
	{"the database's own clock decides nothing", 9, func(f *fixture) {
		// The tests' clock is years ahead of it, and here it is behind it by years.
		q := f.queue("clock")
		w := f.worker()
		for _, year := range []int{2001, 2099} {
			f.now = job.TimeOf(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
			j := f.add(q, delay(time.Second))
			w.none(q)
			f.tick(time.Second)
			held := w.one(q)
			equal(f, "job", held.ID, j.ID)
			w.commit(f.failed(held))
			w.none(q)
			f.tick(10 * time.Second)
			w.commit(completed(w.one(q)))
			f.prune()
			got := f.ended(j.ID, job.Completed, "")
			equal(f, fmt.Sprint("finished_at in ", year), got.FinishedAt, f.now)
		}
	}},
	{"Now is the database's time", 0, func(f *fixture) {
		// The server of a test runs on this machine, so its time is this machine's.
		before := job.TimeOf(time.Now())
		now, err := f.store.Now(f.ctx)
		f.ok(err)
		if after := job.TimeOf(time.Now()); now < before-1000 || now > after+1000 {
			f.Fatalf("Now is %d, between %d and %d was expected", now, before, after)
		}
	}},
}
