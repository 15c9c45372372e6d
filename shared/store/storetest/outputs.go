package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// outputsTests are about what jobs leave behind when many of them end in one call, which a store may write with one statement.
var outputsTests = []Test{
	{"each of many jobs of one claim keeps its own output", 2, func(f *fixture) {
		q := f.queue("outputs")
		f.spread(q, 300)
		f.tick(time.Second)
		w := f.worker()
		f.keepsOutputs(w, w.claim(q, 300))
	}},
	{"each of many jobs of small claims keeps its own output", 2, func(f *fixture) {
		q := f.queue("outputs")
		f.spread(q, 300)
		f.tick(time.Second)
		w := f.worker()
		var jobs []*job.Job
		for len(jobs) < 300 {
			jobs = append(jobs, w.claim(q, 1+len(jobs)%3)...)
		}
		f.keepsOutputs(w, jobs)
	}},
	{"where some of many jobs are lost, the others keep their own output", 4, func(f *fixture) {
		q := f.queue("outputs")
		f.spread(q, 90)
		f.tick(time.Second)
		w := f.worker()
		jobs := w.claim(q, 90)
		var outcomes []job.Outcome
		for i, j := range jobs {
			if i%30 == 3 {
				w.commit(job.Outcome{Job: j, Action: job.Complete, Output: []byte("first")})
			}
			outcomes = append(outcomes, job.Outcome{Job: j, Action: job.Complete, Output: []byte(fmt.Sprint(i))})
		}
		verdicts, err := w.settle(f.now, outcomes...)
		f.ok(err)
		for i, j := range jobs {
			verdict, output := job.Committed, fmt.Sprint(i)
			if i%30 == 3 {
				verdict, output = job.Lost, "first"
			}
			equal(f, "verdict", verdicts[i], verdict)
			equal(f, "output", string(f.ended(j.ID, job.Completed, "").Output), output)
		}
	}},
	{"what retention 0 leaves of a job has no output", 0, func(f *fixture) {
		q := f.queue("outputs", func(q *job.Queue) { q.KeepCompleted = 0 })
		f.enqueue(f.jobs(q, 2)...)
		w := f.worker()
		for _, j := range w.claim(q, 2) {
			w.commit(completed(j))
		}
		equal(f, "left", f.db.count(f, "SELECT COUNT(*) FROM slotq_history"), 2)
		equal(f, "outputs", f.db.count(f, "SELECT COUNT(*) FROM slotq_history WHERE LENGTH(output) > 0"), 0)
	}},
}

// keepsOutputs ends jobs in one call and in another order than that of their claim: every seventh leaves nothing, two a
// great deal.
func (f *fixture) keepsOutputs(w *worker, jobs []*job.Job) {
	f.Helper()
	outcomes := make([]job.Outcome, len(jobs))
	for i, j := range jobs {
		outcomes[i] = job.Outcome{Job: j, Action: job.Complete, Output: []byte(fmt.Sprintf("%d\x00'\\\xff", i))}
		switch {
		case i%7 == 0:
			outcomes[i].Output = nil
		case i == 20 || i == 21:
			outcomes[i].Output = slices.Repeat([]byte{byte(i)}, 1<<20)
		}
	}
	want := slices.Clone(outcomes)
	slices.Reverse(outcomes)
	f.allCommitted(w.settle(f.now, outcomes...))
	for _, o := range want {
		equal(f, "output of "+o.Job.ID.String(), string(f.ended(o.Job.ID, job.Completed, "").Output), string(o.Output))
	}
	f.noClaims(w)
}
