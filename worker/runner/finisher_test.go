package runner

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/slotq/slotq/shared/job"
)

func TestOutcomesGatherWhileOthersRunAndDoNotWaitWhenNothingDoes(t *testing.T) {
	f := newFake(1)
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("a", func(_ context.Context, j *Job) (any, error) {
			time.Sleep(time.Duration(j.Priority) * time.Millisecond)
			return nil, nil
		})
	}, func(t *testing.T, r *Runner) {
		for n := range 3 {
			f.add("a", func(j *job.Job) { j.Priority = 100 + n })
		}
		time.Sleep(1100 * time.Millisecond)
		if got := f.count("finish"); got != 1 {
			t.Errorf("%d transactions for three jobs that ended within 2ms, want one", got)
		}
		j := f.add("a", func(j *job.Job) { j.Priority = 7 })
		r.Nudge(job.Slot{QueueID: 7, Slot: 1})
		time.Sleep(7 * time.Millisecond)
		synctest.Wait()
		if _, ok := f.outcome(j.ID); !ok {
			t.Error("the only job's outcome was not saved at once")
		}
	})
}

func TestAnOutcomeThatTheDatabaseRefusesFailsAloneAndHoldsNobodyBack(t *testing.T) {
	f := newFake(1)
	f.refuse = func(o job.Outcome) error {
		if strings.Contains(string(o.Output), "poison") {
			return errRefused
		}
		return nil
	}
	in(t, f, Options{}, func(r *Runner) {
		r.Handle("a", func(_ context.Context, j *Job) (any, error) { return j.Payload, nil })
	}, func(t *testing.T, r *Runner) {
		var jobs []*job.Job
		for n := range 20 {
			jobs = append(jobs, f.add("a", func(j *job.Job) {
				j.Payload = fmt.Append(nil, n)
				if n == 7 {
					j.Payload = []byte("poison")
				}
			}))
		}
		time.Sleep(5 * time.Second)
		for n, j := range jobs {
			o, ok := f.outcome(j.ID)
			switch {
			case !ok:
				t.Errorf("job %d has no outcome", n)
			case n == 7 && (o.Action != job.Retry || o.Errors[0].Type != "unstorable"):
				t.Errorf("the refused outcome became %+v, want a failure of type unstorable", o)
			case n != 7 && o.Action != job.Complete:
				t.Errorf("its neighbour %d ended as %+v", n, o)
			}
		}
	})
}

func TestALostJobsOutcomeIsDroppedAndCounted(t *testing.T) {
	f := newFake(1)
	registry := prometheus.NewRegistry()
	in(t, f, Options{Metrics: registry}, func(r *Runner) {
		r.Handle("a", func(context.Context, *Job) (any, error) { time.Sleep(2 * time.Second); return nil, nil })
	}, func(t *testing.T, r *Runner) {
		j := f.add("a")
		time.Sleep(1500 * time.Millisecond)
		f.with(func() { j.Token, j.RunAt = job.NewToken(1), j.RunAt.Add(time.Hour) }) // somebody else holds it
		time.Sleep(3 * time.Second)
		if _, ok := f.outcome(j.ID); ok {
			t.Error("an outcome was written over another's token")
		}
		if got := testutil.ToFloat64(r.metrics.lost); got != 1 {
			t.Errorf("slotq_claims_lost_total is %v, want 1", got)
		}
	})
}

func TestWhatTheWorkerHasForgottenIsGivenBackWithinALease(t *testing.T) {
	f, w := newFake(2), &waiter{}
	in(t, f, Options{Concurrency: 2}, func(r *Runner) { w.handle(r, "a") }, func(t *testing.T, r *Runner) {
		known := f.add("a", func(j *job.Job) { j.Timeout = time.Hour })
		<-w.started
		stray, ghost := f.add("b"), f.add("b", inSlot(2))
		f.with(func() {
			// A finish that was undone: the claim is known, the job is not. And a claim that nobody remembers.
			stray.Token = known.Token
			f.claims[0].IDs = append(f.claims[0].IDs, stray.ID)
			ghost.Token = job.NewToken(r.Worker())
			f.claims = append(f.claims, job.Claim{Worker: r.Worker(), Token: ghost.Token, Slot: job.Slot{QueueID: 7, Slot: 2}, IDs: []job.ID{ghost.ID}})
		})
		time.Sleep(21 * time.Second)
		f.with(func() {
			if !stray.Token.IsZero() || !ghost.Token.IsZero() {
				t.Errorf("still held: the forgotten job %v, the forgotten claim's %v", !stray.Token.IsZero(), !ghost.Token.IsZero())
			}
			if known.Token.IsZero() || len(f.claims) != 1 {
				t.Errorf("the running job's token stands: %v, claims %d; want true and 1", !known.Token.IsZero(), len(f.claims))
			}
		})
		close(w.release)
	})
}

func TestAClaimWithALostJobIsLeftForReconcile(t *testing.T) {
	f := newFake(1)
	var first, second *job.Job
	var started chan struct{}
	in(t, f, Options{Concurrency: 2, Claims: 1}, func(r *Runner) {
		first, second, started = f.add("a"), f.add("a"), make(chan struct{}, 3) // before it runs: one claim takes both
		r.Handle("a", func(_ context.Context, j *Job) (any, error) {
			started <- struct{}{}
			if j.ID == second.ID {
				time.Sleep(2 * time.Second)
			}
			time.Sleep(time.Second)
			return nil, nil
		})
	}, func(t *testing.T, _ *Runner) {
		<-started
		<-started
		var token job.Token
		f.with(func() {
			if token = first.Token; token.IsZero() || second.Token != token {
				t.Errorf("the jobs are held as %v and %v; this test is about one claim", token, second.Token)
			}
			first.Token = job.NewToken(1) // as on a node of a cluster that has not seen the claim yet
		})
		time.Sleep(1500 * time.Millisecond) // the first outcome finds no token
		f.with(func() { first.Token = token })
		time.Sleep(25 * time.Second) // the second one ends the claim; a lease
		for name, j := range map[string]*job.Job{"first": first, "second": second} {
			if o, ok := f.outcome(j.ID); !ok || o.Action != job.Complete {
				t.Errorf("the %s job has no outcome: %+v", name, o)
			}
		}
	})
}

func TestMetricsAreTheContracts(t *testing.T) {
	f := newFake(1)
	registry := prometheus.NewPedanticRegistry()
	in(t, f, Options{Metrics: registry}, func(r *Runner) {
		r.Handle("good", nothing)
		r.Handle("bad", func(context.Context, *Job) (any, error) { return nil, errRefused })
		r.Handle("later", func(context.Context, *Job) (any, error) { return nil, Snooze(time.Hour) })
		r.Handle("never", func(context.Context, *Job) (any, error) { return nil, Discard(nil) })
		r.Handle("slow", func(ctx context.Context, _ *Job) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
	}, func(t *testing.T, r *Runner) {
		for _, kind := range []string{"good", "good", "bad", "later", "never", "slow"} {
			f.add(kind, func(j *job.Job) {
				j.Timeout = time.Second
				j.Backoff = job.Backoff{Kind: job.BackoffList, List: []float64{3600}}
			})
		}
		time.Sleep(5 * time.Second)
		const attempts = `
# HELP slotq_job_attempts_total Runs that ended, by outcome. discarded: the job gave up with this run, by its handler's word or with its attempts used up.
# TYPE slotq_job_attempts_total counter
slotq_job_attempts_total{kind="bad",outcome="failed",queue="default"} 1
slotq_job_attempts_total{kind="good",outcome="completed",queue="default"} 2
slotq_job_attempts_total{kind="later",outcome="snoozed",queue="default"} 1
slotq_job_attempts_total{kind="never",outcome="discarded",queue="default"} 1
slotq_job_attempts_total{kind="slow",outcome="timed_out",queue="default"} 1
# HELP slotq_job_retries_total Failed runs after which the job waits for its next attempt.
# TYPE slotq_job_retries_total counter
slotq_job_retries_total{kind="bad",queue="default"} 1
slotq_job_retries_total{kind="slow",queue="default"} 1
# HELP slotq_jobs_running Jobs that this worker holds: running, or ended and not committed yet.
# TYPE slotq_jobs_running gauge
slotq_jobs_running{queue="default"} 0
# HELP slotq_worker_concurrency The most jobs that this worker runs at once.
# TYPE slotq_worker_concurrency gauge
slotq_worker_concurrency 24
# HELP slotq_claims_lost_total Outcomes dropped because the job was no longer this worker's.
# TYPE slotq_claims_lost_total counter
slotq_claims_lost_total 0
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(attempts), "slotq_job_attempts_total", "slotq_job_retries_total",
			"slotq_jobs_running", "slotq_worker_concurrency", "slotq_claims_lost_total"); err != nil {
			t.Error(err)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v %v", problems, err)
		}
		for _, name := range []string{"slotq_job_wait_seconds", "slotq_job_run_seconds"} {
			if n, err := testutil.GatherAndCount(registry, name); n == 0 || err != nil {
				t.Errorf("%s: %d series, %v", name, n, err)
			}
		}
	})
}
