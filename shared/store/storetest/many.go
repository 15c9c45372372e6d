package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// many is more than a store takes for few: jobs of one claim that it may look for together.
const many = 120

// manyTests are about claims of many jobs, which a store may end by where they stand in their slot. Only those that were
// said to have ended may end, whatever stands between them.
var manyTests = []Test{
	{"jobs with all the errors and output that they may have end together and are rescued together", 0, func(f *fixture) {
		const n = 80
		q := f.queue("bulky")
		f.spread(q, n)
		f.tick(time.Second)
		w := f.worker()
		outcomes, errs := bulky(w.claim(q, n))
		equal(f, "jobs", len(outcomes), n)
		f.allCommitted(w.settle(f.now, outcomes...))
		jobs := f.jobs(q, n)
		for _, j := range jobs {
			j.Slot, j.Errors = 1, errs
		}
		f.enqueue(jobs...)
		dead := f.worker()
		equal(f, "jobs", len(dead.claim(q, n)), n)
		equal(f, "rescued", len(f.crash(dead)), n)
		equal(f, "crashes", f.get(jobs[0].ID).Crashes, 1)
	}},
	{"of many jobs of a claim those end that are said to, and nothing that stands between them", 4, func(f *fixture) {
		for _, order := range []struct {
			name string
			lifo bool
		}{{"fifo", false}, {"lifo", true}} {
			q := f.queue("many-"+order.name, func(q *job.Queue) { q.LIFO = order.lifo })
			f.spread(q, many)
			f.tick(time.Second)
			w, other := f.worker(), f.worker()
			first := w.claim(q, many/2, newest(order.lifo))
			second := other.claim(q, many, newest(order.lifo))
			equal(f, "jobs of the two claims", len(first)+len(second), many)
			// Between those of the first claim: waiting ones that came later with a run_at in the past.
			late := f.between(q, first, 10)

			still := map[job.ID]bool{}
			var outcomes []job.Outcome
			for i, j := range first {
				if i%20 == 7 {
					still[j.ID] = true
					continue
				}
				outcomes = append(outcomes, completed(j))
			}
			f.allCommitted(w.settle(f.now, outcomes...))
			for _, j := range first {
				if still[j.ID] {
					equal(f, "state of a job that runs on", f.get(j.ID).State, job.Running)
				} else {
					f.ended(j.ID, job.Completed, "")
				}
			}
			for _, j := range second {
				equal(f, "state of a job of the other claim", f.get(j.ID).State, job.Running)
			}
			for _, j := range late {
				f.waiting(j.ID)
			}
			outcomes = nil
			for _, j := range first {
				if still[j.ID] {
					outcomes = append(outcomes, completed(j))
				}
			}
			f.allCommitted(w.settle(f.now, outcomes...))
			f.noClaims(w)
		}
	}},
	{"of many jobs of a claim each is given once, also those that were enqueued between them meanwhile", 4, func(f *fixture) {
		q := f.queue("between")
		jobs := f.spread(q, many)
		f.tick(time.Second)
		seen := map[job.ID]bool{}
		workers := make([]*worker, claimers)
		for i := range workers {
			workers[i] = f.worker()
		}
		enqueuer := f.again()
		taken := make([][]*job.Job, claimers)
		f.together(claimers+1, func(i int) error {
			if i == claimers {
				for n := range 50 {
					out, err := enqueuer.Enqueue(f.ctx, []*job.Job{f.dueAt(q, jobs[n].RunAt)}, false)
					if err != nil || out[0].Err != nil {
						return err
					}
				}
				return nil
			}
			for range 10 {
				c, err := workers[i].take(workers[i].request(q, 1, many/4, f.now))
				if err != nil {
					return err
				}
				taken[i] = append(taken[i], c.Jobs...)
			}
			return nil
		})
		for i, w := range workers {
			var outcomes []job.Outcome
			for _, j := range taken[i] {
				if seen[j.ID] {
					f.Fatalf("job %s was given twice", j.ID)
				}
				seen[j.ID] = true
				outcomes = append(outcomes, completed(j))
			}
			f.allCommitted(w.settle(f.now, outcomes...))
		}
		w := f.worker()
		for rest := w.claim(q, many); len(rest) > 0; rest = w.claim(q, many) {
			for _, j := range rest {
				seen[j.ID] = true
			}
		}
		equal(f, "jobs given", len(seen), many+50)
	}},
	{"when one of many jobs was ended before, the others end and it stays as it was", 4, func(f *fixture) {
		q := f.queue("one-gone")
		f.spread(q, many)
		f.tick(time.Second)
		w := f.worker()
		jobs := w.claim(q, many)
		gone, running := jobs[many/3], jobs[many/2] // as many stand there as are to end, but not the same
		w.commit(f.discarded(gone))
		var outcomes []job.Outcome
		for _, j := range jobs {
			if j != running {
				outcomes = append(outcomes, completed(j))
			}
		}
		verdicts, err := w.store.Finish(f.ctx, w.id, outcomes, nil, f.now)
		f.ok(err)
		f.committedBut(gone, outcomes, verdicts)
		f.ended(gone.ID, job.Discarded, job.ReasonHandler)
		equal(f, "state of the one that runs on", f.get(running.ID).State, job.Running)
	}},
	{"many jobs that fail beside many that complete go their own ways", 4, func(f *fixture) {
		q := f.queue("mixed")
		f.spread(q, 2*many)
		f.tick(time.Second)
		w := f.worker()
		jobs := w.claim(q, 2*many)
		equal(f, "jobs", len(jobs), 2*many)
		var outcomes []job.Outcome
		for i, j := range jobs {
			outcomes = append(outcomes, []func(*job.Job) job.Outcome{completed, f.failed, f.discarded}[i%3](j))
		}
		f.allCommitted(w.settle(f.now, outcomes...))
		for i, j := range jobs {
			switch i % 3 {
			case 0:
				f.ended(j.ID, job.Completed, "")
			case 1:
				equal(f, "attempt", f.waiting(j.ID).Attempt, 2)
			case 2:
				f.ended(j.ID, job.Discarded, job.ReasonHandler)
			}
		}
		f.noClaims(w)
	}},
	{"of the last jobs of a claim one that was lost is not made up for by one that is to run again", 4, func(f *fixture) {
		q := f.queue("last")
		f.spread(q, many)
		f.tick(time.Second)
		w := f.worker()
		jobs := w.claim(q, many)
		equal(f, "jobs", len(jobs), many)
		lost, again := jobs[many/3], jobs[many/2]
		verdicts, err := f.store.Finish(f.ctx, w.id, []job.Outcome{{Job: lost, Action: job.Release}}, nil, f.now)
		f.ok(err)
		equal(f, "verdict of the release", verdicts[0], job.Committed)
		outcomes := []job.Outcome{f.failed(again)}
		for _, j := range jobs {
			if j != again {
				outcomes = append(outcomes, completed(j))
			}
		}
		verdicts, err = f.store.Finish(f.ctx, w.id, outcomes, []job.Token{lost.Token}, f.now)
		f.ok(err)
		f.committedBut(lost, outcomes, verdicts)
		equal(f, "attempt of the one that failed", f.waiting(again.ID).Attempt, 2)
		equal(f, "attempt of the one that was lost", f.waiting(lost.ID).Attempt, 1)
	}},
	{"claims whose jobs stand in turn end at once, none lost", 4, func(f *fixture) {
		q := f.queue("in-turn")
		kinds := []string{"a", "b", "c", "d"}
		var jobs []*job.Job
		for n := range many * len(kinds) {
			jobs = append(jobs, f.dueAt(q, f.now.Add(time.Duration(n)*time.Millisecond), kind(kinds[n%len(kinds)])))
		}
		f.enqueue(jobs...)
		f.tick(time.Second)
		workers, taken := make([]*worker, len(kinds)), make([][]*job.Job, len(kinds))
		for i, k := range kinds {
			w, err := f.register(f.again())
			f.ok(err)
			workers[i] = w
			taken[i] = w.claim(q, many, serves(k))
			if len(taken[i]) < many/2 {
				f.Fatalf("claimed %d jobs of kind %s", len(taken[i]), k)
			}
		}
		f.together(len(kinds), func(i int) error {
			var outcomes []job.Outcome
			for _, j := range taken[i] {
				j.InRow = true // as if each had been alone when it was claimed
				outcomes = append(outcomes, completed(j))
			}
			verdicts, err := workers[i].settle(f.now, outcomes...)
			if err == nil {
				err = committed(verdicts)
			}
			return err
		})
	}},
	{"jobs end as themselves wherever their rows lie by then", 1, func(f *fixture) {
		q := f.queue("moved")
		f.enqueue(f.jobs(q, many)...)
		w := f.worker()
		jobs := w.claim(q, many)
		equal(f, "jobs", len(jobs), many)
		_, err := f.store.Cancel(f.ctx, jobs[many-1].ID, f.now) // writes its row anew
		f.ok(err)
		mislead(jobs)
		var outcomes []job.Outcome
		for _, j := range jobs {
			outcomes = append(outcomes, completed(j))
		}
		half := many / 2
		f.allCommitted(w.settle(f.now, outcomes[:half]...))
		for i, j := range jobs {
			if i < half {
				f.ended(j.ID, job.Completed, "")
			} else {
				equal(f, "state", f.get(j.ID).State, job.Running)
			}
		}
		f.allCommitted(w.settle(f.now, outcomes[half:]...))
		f.noClaims(w)
	}},
	{"jobs of several claims end as themselves wherever their rows lie by then", 1, func(f *fixture) {
		q := f.queue("moved-few")
		f.enqueue(f.jobs(q, 12)...)
		w := f.worker()
		var jobs []*job.Job
		for range 3 {
			jobs = append(jobs, w.claim(q, 4)...)
		}
		equal(f, "jobs", len(jobs), 12)
		mislead(jobs)
		var outcomes []job.Outcome
		for _, j := range []*job.Job{jobs[0], jobs[5], jobs[10]} { // where the next one lies, which runs on
			outcomes = append(outcomes, completed(j))
		}
		verdicts, err := w.store.Finish(f.ctx, w.id, outcomes, nil, f.now)
		f.ok(err)
		for i, v := range verdicts {
			equal(f, "verdict", v, job.Committed)
			f.ended(outcomes[i].Job.ID, job.Completed, "")
		}
		for i, j := range jobs {
			if i%5 != 0 {
				equal(f, "state", f.get(j.ID).State, job.Running)
			}
		}
	}},
	{"many jobs of several priorities are claimed and end together", 4, func(f *fixture) {
		q := f.queue("priorities")
		var jobs []*job.Job
		for n := range 2 * many {
			jobs = append(jobs, f.dueAt(q, f.now.Add(time.Duration(n)*time.Millisecond), priority(1+n%2)))
		}
		f.enqueue(jobs...)
		f.tick(time.Second)
		w := f.worker()
		taken := w.claim(q, 2*many)
		equal(f, "jobs", len(taken), 2*many)
		var outcomes []job.Outcome
		for _, j := range taken {
			outcomes = append(outcomes, completed(j))
		}
		f.allCommitted(w.settle(f.now, outcomes...))
		f.noClaims(w)
	}},
}

func newest(lifo bool) func(*job.ClaimRequest) {
	return func(r *job.ClaimRequest) { r.LIFO = lifo }
}

// dueAt makes a job with a run_at, in the past or not.
func (f *fixture) dueAt(q job.Queue, t job.Time, set ...func(*job.Spec)) *job.Job {
	j := f.job(q, set...)
	j.RunAt = t
	return j
}

// bulky are outcomes with as much error and output as a run may leave, all of it such as grows when it is written.
func bulky(jobs []*job.Job) (outcomes []job.Outcome, errs []job.RunError) {
	for n := range job.MaxErrors {
		errs = append(errs, job.RunError{Attempt: n, Type: "exit", Message: strings.Repeat("<", job.MaxErrorMessage)})
	}
	for _, j := range jobs {
		outcomes = append(outcomes, job.Outcome{Job: j, Action: job.Discard, Reason: job.ReasonMaxAttempts, Output: make([]byte, 64<<10), Errors: errs})
	}
	return outcomes, errs
}

// spread stores n jobs of slot 1 a millisecond apart.
func (f *fixture) spread(q job.Queue, n int) []*job.Job {
	f.Helper()
	jobs := make([]*job.Job, n)
	for i := range jobs {
		jobs[i] = f.dueAt(q, f.now.Add(time.Duration(i)*time.Millisecond))
	}
	f.enqueue(jobs...)
	return jobs
}

// between stores n jobs at the times of some that are there.
func (f *fixture) between(q job.Queue, there []*job.Job, n int) []*job.Job {
	f.Helper()
	jobs := make([]*job.Job, n)
	for i := range jobs {
		jobs[i] = f.dueAt(q, there[(1+i)*len(there)/(n+2)].RunAt)
	}
	f.enqueue(jobs...)
	return jobs
}

func (f *fixture) allCommitted(verdicts []job.Verdict, err error) {
	f.Helper()
	f.ok(err)
	f.ok(committed(verdicts))
}

func committed(verdicts []job.Verdict) error {
	for i, v := range verdicts {
		if v != job.Committed {
			return fmt.Errorf("verdict %d of %d is %v, want it committed", i, len(verdicts), v)
		}
	}
	return nil
}

// mislead makes jobs look as if each had moved to where its neighbour was.
func mislead(jobs []*job.Job) {
	first, last := jobs[0].Location, len(jobs)-1
	for i, j := range jobs[:last] {
		j.Location = jobs[i+1].Location
	}
	jobs[last].Location = first
}

// committedBut ends the test unless all outcomes were committed but the one of the lost job.
func (f *fixture) committedBut(lost *job.Job, outcomes []job.Outcome, verdicts []job.Verdict) {
	f.Helper()
	for i, v := range verdicts {
		want := job.Committed
		if outcomes[i].Job == lost {
			want = job.Lost
		}
		equal(f, "verdict", v, want)
	}
}
