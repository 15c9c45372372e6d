package storetest

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var finishTests = []Test{
	{"complete, discard and cancel end the job with what they bring", 0, func(f *fixture) {
		q := f.queue("finish")
		w := f.worker()
		for _, c := range []struct {
			outcome func(*job.Job) job.Outcome
			state   job.State
			reason  string
			errors  int
		}{
			{completed, job.Completed, "", 0},
			{f.discarded, job.Discarded, job.ReasonHandler, 1},
			{func(j *job.Job) job.Outcome {
				return job.Outcome{Job: j, Action: job.Cancel, Reason: job.ReasonCancelled}
			}, job.Cancelled, job.ReasonCancelled, 0},
		} {
			f.add(q)
			j := w.one(q)
			f.tick(time.Second)
			w.commit(c.outcome(j))
			got := f.ended(j.ID, c.state, c.reason)
			equal(f, "finished_at", got.FinishedAt, f.now)
			equal(f, "errors", len(got.Errors), c.errors)
			if c.state == job.Completed {
				equal(f, "output", string(got.Output), "done")
			}
		}
		f.noClaims(w)
		equal(f, "rows", f.rows(), 0)
	}},
	{"a failure counts an attempt, keeps its error and waits", 6, func(f *fixture) {
		q := f.queue("fail")
		f.add(q, maxAttempts(3))
		w := f.worker()
		for n := 1; n <= 3; n++ {
			j := w.one(q)
			equal(f, "attempt", j.Attempt, n)
			equal(f, "run", j.Run, n)
			o := f.failed(j)
			w.commit(o)
			if n == 3 {
				got := f.ended(j.ID, job.Discarded, job.ReasonMaxAttempts)
				equal(f, "errors", len(got.Errors), 3)
				equal(f, "last error", got.Errors[2].Message, "broken")
				equal(f, "its run", got.Errors[2].Run, 3)
				return
			}
			got := f.waiting(j.ID)
			equal(f, "attempt", got.Attempt, n+1)
			equal(f, "run_at", got.RunAt, f.now.Add(10*time.Second))
			equal(f, "errors", len(got.Errors), n)
			f.tick(10 * time.Second)
		}
	}},
	{"snoozes and releases count nothing towards a limit", 6, func(f *fixture) {
		q := f.queue("uncounted")
		j := f.add(q, maxAttempts(1), maxCrashes(1))
		w := f.worker()
		for n := 1; n <= 5; n++ {
			w.commit(f.snoozed(w.one(q)))
			f.tick(10 * time.Second)
			w.commit(released(w.one(q)))
			got := f.waiting(j.ID)
			equal(f, "attempt", got.Attempt, 1)
			equal(f, "crashes", got.Crashes, 0)
			equal(f, "snoozes", got.Snoozes, n)
			equal(f, "run", got.Run, 2*n)
		}
		w.commit(completed(w.one(q)))
	}},
	{"a released job keeps its place in the order", 0, func(f *fixture) {
		q := f.queue("release")
		first := f.add(q)
		f.tick(time.Second)
		f.add(q)
		w := f.worker()
		w.commit(released(w.one(q)))
		equal(f, "next", w.one(q).ID, first.ID)
	}},
	{"two finishes of one token at once commit one outcome", 4, func(f *fixture) {
		q := f.queue("two")
		w := f.worker()
		for round := range 20 {
			f.add(q)
			j := w.one(q)
			outcomes := []job.Outcome{completed(j), f.failed(j), f.discarded(j), released(j)}
			verdicts := make([]job.Verdict, 4)
			f.together(4, func(i int) error {
				v, err := f.store.Finish(f.ctx, w.id, outcomes[i:i+1], []job.Token{j.Token}, f.now)
				if err == nil {
					verdicts[i] = v[0]
				}
				return err
			})
			committed := 0
			for _, v := range verdicts {
				if v != job.Lost {
					committed++
				}
			}
			if committed != 1 {
				f.Fatalf("round %d: verdicts %v of complete, fail, discard, release: want one committed", round, verdicts)
			}
			got := f.get(j.ID)
			switch {
			case verdicts[0] == job.Committed:
				equal(f, "state", got.State, job.Completed)
			case verdicts[2] == job.Committed:
				equal(f, "state", got.State, job.Discarded)
			default:
				f.waiting(j.ID)
				_, err := f.store.Delete(f.ctx, j.ID)
				f.ok(err)
			}
			f.noClaims(w)
		}
	}},
	{"a second outcome of the same token changes nothing", 7, func(f *fixture) {
		q := f.queue("second")
		w := f.worker()
		f.add(q)
		j := w.one(q)
		w.commit(completed(j))
		f.tick(time.Minute)
		for _, o := range []job.Outcome{{Job: j, Action: job.Complete, Output: []byte("other")}, f.discarded(j), f.failed(j), f.snoozed(j), released(j)} {
			equal(f, fmt.Sprintf("verdict of action %d", o.Action), w.finish(o), job.Lost)
			got := f.ended(j.ID, job.Completed, "")
			equal(f, "output", string(got.Output), "done")
			equal(f, "finished_at", got.FinishedAt, f.now.Add(-time.Minute))
			equal(f, "errors", len(got.Errors), 0)
		}
		equal(f, "rows", f.rows(), 0)
	}},
	{"an outcome of a lost job is dropped, whoever holds the job now", 4, func(f *fixture) {
		q := f.queue("lost")
		late, w := f.worker(), f.worker()
		j := f.add(q, maxCrashes(9))
		old := late.one(q)
		f.crash(late)
		stale := func(when string) {
			f.Helper()
			before := f.get(j.ID)
			for _, o := range []job.Outcome{completed(old), f.discarded(old), f.failed(old), f.snoozed(old), released(old)} {
				equal(f, fmt.Sprintf("%s: verdict of action %d", when, o.Action), late.finish(o), job.Lost)
				after := f.get(j.ID)
				equal(f, when+": state", after.State, before.State)
				equal(f, when+": token", after.Token, before.Token)
				equal(f, when+": attempt", after.Attempt, before.Attempt)
				equal(f, when+": run_at", after.RunAt, before.RunAt)
				equal(f, when+": errors", len(after.Errors), len(before.Errors))
			}
		}
		stale("waiting")
		held := w.one(q, suspects)
		stale("held by another")
		w.commit(completed(held))
		stale("completed")
	}},
	{"the old outcome of a worker that has claimed the job again is dropped", 4, func(f *fixture) {
		// Two lists, ids and tokens, would match: the worker holds both of its tokens. The pair does not.
		q := f.queue("pair")
		w := f.worker()
		f.enqueue(f.jobs(q, 2)...)
		first := w.claim(q, 1)[0]
		w.commit(released(first))
		again := w.claim(q, 2)
		var second *job.Job
		for _, j := range again {
			if j.ID == first.ID {
				second = j
			}
		}
		var other *job.Job
		for _, j := range again {
			if j.ID != first.ID {
				other = j
			}
		}
		verdicts, err := w.store.Finish(f.ctx, w.id, []job.Outcome{completed(first), completed(other)}, nil, f.now)
		f.ok(err)
		equal(f, "old outcome", verdicts[0], job.Lost)
		equal(f, "other", verdicts[1], job.Committed)
		equal(f, "state", f.get(first.ID).State, job.Running)
		w.commit(completed(second))
	}},
	{"a large call for two claims commits what is held and drops what was lost", 4, func(f *fixture) {
		q := f.queue("large")
		w := f.worker()
		f.enqueue(f.jobs(q, 130)...)
		first, second := w.claim(q, 60), w.claim(q, 70)
		lost := map[job.ID]bool{}
		for _, j := range second[:10] {
			w.commit(released(j))
			lost[j.ID] = true
		}
		again := w.claim(q, 20)
		equal(f, "claimed again", len(again), len(lost))
		var outcomes []job.Outcome
		for i := range second { // in turn, as they end
			if i < len(first) {
				outcomes = append(outcomes, completed(first[i]))
			}
			outcomes = append(outcomes, completed(second[i]))
		}
		verdicts, err := w.store.Finish(f.ctx, w.id, outcomes, nil, f.now)
		f.ok(err)
		for i, o := range outcomes {
			want, state := job.Committed, job.Completed
			if lost[o.Job.ID] {
				want, state = job.Lost, job.Running
			}
			equal(f, fmt.Sprintf("verdict %d", i), verdicts[i], want)
			equal(f, fmt.Sprintf("state %d", i), f.get(o.Job.ID).State, state)
		}
		for _, j := range again {
			w.commit(completed(j))
		}
	}},
	{"outcomes of many kinds in one call get their verdicts in order", 0, mixedFinish},
	{"a claim stays until its last job has ended", 0, func(f *fixture) {
		q := f.queue("partly")
		f.enqueue(f.jobs(q, 3)...)
		w := f.worker()
		jobs := w.claim(q, 3)
		for i, j := range jobs {
			claims, err := f.store.Claims(f.ctx, w.id)
			f.ok(err)
			equal(f, "claims", len(claims), 1)
			equal(f, "ids", len(claims[0].IDs), 3-i)
			w.commit(completed(j))
		}
		f.noClaims(w)
	}},
	{"an outcome counts although its worker was declared dead, while the token stands", 4, func(f *fixture) {
		q := f.queue("dead")
		f.add(q)
		w := f.worker()
		j := w.one(q)
		f.kill(w)
		w.commit(completed(j))
		equal(f, "rescued", len(f.sweep()), 0)
		f.ended(j.ID, job.Completed, "")
	}},
	{"errors and outputs that are long are kept within their bounds", 0, func(f *fixture) {
		q := f.queue("long")
		j := f.add(q, maxAttempts(15))
		w := f.worker()
		for range 14 {
			held := w.one(q)
			w.commit(held.Failed(f.now, job.RunError{Type: "error", Worker: w.id, Message: string(make([]byte, 3000)) + "\u00e9\xff'\"\\"}, 0))
			f.tick(time.Minute)
		}
		got := f.get(j.ID)
		equal(f, "errors", len(got.Errors), job.MaxErrors)
		equal(f, "newest", got.Errors[job.MaxErrors-1].Attempt, 14)
		equal(f, "its worker", got.Errors[0].Worker, w.id)
		held := w.one(q)
		w.commit(job.Outcome{Job: held, Action: job.Complete, Output: make([]byte, 128<<10)})
		got = f.ended(j.ID, job.Completed, "")
		equal(f, "output", len(got.Output), 128<<10)
		equal(f, "errors", len(got.Errors), job.MaxErrors)
	}},
}

func mixedFinish(f *fixture) {
	q := f.queue("mixed")
	f.enqueue(f.jobs(q, 12, maxAttempts(5))...)
	w := f.worker()
	jobs := w.claim(q, 12)
	asked := jobs[10:]
	for _, j := range asked {
		_, err := f.store.Cancel(f.ctx, j.ID, f.now)
		f.ok(err)
	}
	_, err := w.store.Finish(f.ctx, w.id, []job.Outcome{completed(jobs[0])}, nil, f.now)
	f.ok(err)
	outcomes := []job.Outcome{
		f.failed(jobs[1]), completed(jobs[2]), f.discarded(jobs[0]), f.snoozed(jobs[3]), released(jobs[4]), f.failed(jobs[0]),
		f.discarded(jobs[5]), {Job: jobs[6], Action: job.Cancel, Reason: job.ReasonCancelled}, completed(jobs[7]), f.failed(jobs[8]), released(jobs[9]),
		f.failed(jobs[10]), completed(jobs[11]),
	}
	L, C, E := job.Lost, job.Committed, job.EndedCancelled
	want := []job.Verdict{C, C, L, C, C, L, C, C, C, C, C, E, C}
	got, err := w.settle(f.now, outcomes...)
	f.ok(err)
	equal(f, "verdicts", fmt.Sprint(got), fmt.Sprint(want))
	for i, state := range map[int]job.State{0: job.Completed, 2: job.Completed, 5: job.Discarded, 6: job.Cancelled, 7: job.Completed, 10: job.Cancelled, 11: job.Completed} {
		equal(f, fmt.Sprintf("state of job %d", i), f.get(jobs[i].ID).State, state)
	}
	for _, i := range []int{1, 3, 4, 8, 9} {
		f.waiting(jobs[i].ID)
	}
	equal(f, "rows", f.rows(), 5)
}
