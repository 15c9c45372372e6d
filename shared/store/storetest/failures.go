package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var failuresTests = []Test{
	{"failures are grouped by kind and general message, the newest first, with counts and an example", 0, func(f *fixture) {
		q, other := f.queue("mail"), f.queue("other")
		w := f.worker()
		f.fail(w, q, "send", 25, "host 10.0.0.1 is away")
		f.tick(time.Second)
		f.fail(w, q, "send", 1, "host 10.0.0.2 is away")
		last := f.now
		example := f.fail(w, q, "send", 25, "host 10.0.0.33 is away")
		f.tick(time.Second)
		f.fail(w, q, "fetch", 25, "host 10.0.0.1 is away")
		f.fail(w, other, "send", 1, "no such file")
		f.add(q, kind("send")) // waits, has not failed
		expired := f.add(q, kind("send"), expiresAt(f.now.Add(time.Second)))
		f.tick(2 * time.Second)
		_, err := f.store.Expire(f.ctx, 10, f.now)
		f.ok(err)
		f.ended(expired.ID, job.Discarded, job.ReasonExpired)

		l := f.failures(job.Filter{}, 10)
		equal(f, "groups", len(l.Failures), 3)
		got := l.Failures[2]
		equal(f, "kind", got.Kind, "send")
		equal(f, "message", got.Message, "host <n> is away")
		equal(f, "type", got.Type, "error")
		equal(f, "retryable", got.Retryable, 2)
		equal(f, "discarded", got.Discarded, 1)
		equal(f, "last", got.LastAt, last)
		equal(f, "first", got.FirstAt, last.Add(-time.Second))
		if got.Example != example.ID && f.get(got.Example).State != job.Discarded {
			f.Fatalf("the example %s is none of those that failed last", got.Example)
		}
		equal(f, "capped", l.Capped, false)
		equal(f, "in a queue", len(f.failures(job.Filter{Queue: "other"}, 10).Failures), 1)
		equal(f, "of a kind", len(f.failures(job.Filter{Kind: "send"}, 10).Failures), 2)
		equal(f, "in none", len(f.failures(job.Filter{Queue: "none"}, 10).Failures), 0)
		l = f.failures(job.Filter{}, 1)
		equal(f, "groups", len(l.Failures), 1)
		equal(f, "more", l.More, true)
	}},
	{"failing jobs are found behind any number of waiting ones, and what was not read is said", 0, func(f *fixture) {
		q := f.queue("backlog")
		w := f.worker()
		f.fail(w, q, "send", 25, "old and failing")
		for range 4 {
			f.enqueue(f.jobs(q, 1000)...)
		}
		l := f.failures(job.Filter{}, 10)
		equal(f, "groups", len(l.Failures), 1)
		equal(f, "capped", l.Capped, false)
		for range 3 {
			f.enqueue(f.jobs(q, 500, delay(time.Hour))...)
		}
		l = f.failures(job.Filter{}, 10)
		equal(f, "groups", len(l.Failures), 1)
		equal(f, "said that there is more", l.Capped || l.Rows > 5000, true)
		if l.Rows > 20_000 {
			f.Fatalf("%d rows were read", l.Rows)
		}
	}},
	{"a job that failed often gives its first such error", 0, func(f *fixture) {
		q := f.queue("often")
		f.add(q)
		w := f.worker()
		first := f.now
		for range 3 {
			w.commit(f.failed(w.one(q)))
			f.tick(time.Minute)
		}
		f.tick(-time.Minute) // it is retryable still
		l := f.failures(job.Filter{}, 10)
		equal(f, "groups", len(l.Failures), 1)
		equal(f, "jobs", l.Failures[0].Retryable, 1)
		equal(f, "first", l.Failures[0].FirstAt, first)
		equal(f, "last", l.Failures[0].LastAt, first.Add(2*time.Minute))
	}},
}

// fail lets a new job of a kind fail once.
func (f *fixture) fail(w *worker, q job.Queue, k string, attempts int, message string) *job.Job {
	f.Helper()
	f.add(q, kind(k), maxAttempts(attempts))
	j := w.one(q, serves(k))
	w.commit(j.Failed(f.now, job.RunError{Type: "error", Message: message}, 0))
	return j
}

func (f *fixture) failures(filter job.Filter, limit int) job.FailureList {
	f.Helper()
	l, err := f.store.Failures(f.ctx, filter, limit, f.now)
	f.ok(err)
	if fmt.Sprint(l.Failures) == "[]" && l.More {
		f.Fatal("more than nothing")
	}
	return l
}
