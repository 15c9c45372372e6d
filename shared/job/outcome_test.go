package job_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slotq/slotq/shared/job"
)

func held() *job.Job {
	return &job.Job{ID: job.NewID(noon), Attempt: 1, MaxAttempts: 3, Run: 1, MaxCrashes: 3, Backoff: job.Backoff{Kind: job.BackoffList, List: []float64{10, 20}}}
}

func TestAFailedAttemptWaitsForItsBackoffAndTheLastOneDiscards(t *testing.T) {
	j := held()
	for attempt, wait := range map[int]time.Duration{1: 10 * time.Second, 2: 20 * time.Second} {
		j.Attempt = attempt
		o := j.Failed(noon, job.RunError{Type: "exit", Message: "no"}, 0)
		if o.Action != job.Retry || o.RunAt != noon.Add(wait) || len(o.Errors) != 1 || o.Errors[0].Attempt != attempt {
			t.Errorf("attempt %d: %+v", attempt, o)
		}
	}
	j.Attempt = 3
	if o := j.Failed(noon, job.RunError{}, 0); o.Action != job.Discard || o.Reason != job.ReasonMaxAttempts {
		t.Errorf("the last attempt: %+v", o)
	}
}

func TestAnEarliestStartThatTheHandlerAskedForIsKept(t *testing.T) {
	if o := held().Failed(noon, job.RunError{}, time.Hour); o.RunAt != noon.Add(time.Hour) {
		t.Errorf("again at %s", o.RunAt.Time())
	}
	if o := held().Failed(noon, job.RunError{}, time.Second); o.RunAt != noon.Add(10*time.Second) {
		t.Errorf("an earlier one must not shorten the backoff: %s", o.RunAt.Time())
	}
}

func TestTheHundredAndFirstSnoozeIsAFailure(t *testing.T) {
	j := held()
	j.Snoozes = job.MaxSnoozes - 1
	if o := j.Snoozed(noon, time.Minute); o.Action != job.Snooze || o.RunAt != noon.Add(time.Minute) || o.Errors != nil {
		t.Errorf("snooze 100: %+v", o)
	}
	j.Snoozes = job.MaxSnoozes
	if o := j.Snoozed(noon, time.Minute); o.Action != job.Retry || o.Errors[0].Type != job.ReasonMaxSnoozes {
		t.Errorf("snooze 101: %+v", o)
	}
}

func TestTheFirstCrashComesBackAtOnceLaterOnesWaitLonger(t *testing.T) {
	j := held()
	j.MaxCrashes = 10
	last := time.Duration(-1)
	for crashes := range 5 {
		j.Crashes = crashes
		o := j.Crashed(noon, 1, 10*time.Second, true)
		wait := o.RunAt.Sub(noon)
		if o.Action != job.Crash || crashes == 0 && wait != 0 || wait <= last {
			t.Errorf("crash %d: %v after %s", crashes+1, o.Action, wait)
		}
		last = wait
	}
	j.Crashes = 9
	if o := j.Crashed(noon, 1, time.Second, true); o.Action != job.Discard || o.Reason != job.ReasonMaxCrashes {
		t.Errorf("the last crash: %+v", o)
	}
}

func TestANeighbourOfASuspectCountsNothing(t *testing.T) {
	if o := held().Crashed(noon, 1, time.Second, false); o.Action != job.Release || o.Errors != nil {
		t.Errorf("%+v", o)
	}
}

func TestACancelledJobIsNotRescuedBackIntoTheQueue(t *testing.T) {
	j := held()
	j.CancelAt = noon
	if o := j.Crashed(noon, 1, time.Second, true); o.Action != job.Cancel {
		t.Errorf("%+v", o)
	}
}

func TestErrorsAreBoundedAndTheNewestStay(t *testing.T) {
	j := held()
	for run := range 30 {
		j.Errors = j.WithError(job.RunError{Run: run, Message: strings.Repeat("x", 10_000) + "cause"})
	}
	if len(j.Errors) != job.MaxErrors || j.Errors[job.MaxErrors-1].Run != 29 {
		t.Errorf("%d errors, the last of run %d", len(j.Errors), j.Errors[len(j.Errors)-1].Run)
	}
	if m := j.Errors[0].Message; len(m) > job.MaxErrorMessage+8 || !strings.HasSuffix(m, "cause") {
		t.Errorf("a message of %d bytes", len(m))
	}
}

func TestBackoffsStayWithinTheirBounds(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for name, b := range map[string]job.Backoff{
			"default":     {},
			"exponential": {Kind: job.BackoffExponential, Base: time.Second, Cap: time.Hour},
			"list":        {Kind: job.BackoffList, List: []float64{1, 2, 3}},
			"empty list":  {Kind: job.BackoffList},
		} {
			if w := b.Wait(n); w < 0 || w > job.MaxBackoff || name == "exponential" && w > time.Hour*105/100 {
				t.Errorf("%s, failure %d: %s", name, n, w)
			}
		}
	}
	if w := (job.Backoff{}).Wait(1); w < 15*time.Second || w > 17*time.Second {
		t.Errorf("the first default wait is %s, attempt⁴ + 15 s make 16 s", w)
	}
}

func TestALongErrorKeepsWhatHappenedAndWhatTheProgramSaidLast(t *testing.T) {
	for _, filler := range []string{"x", "é", "€", "😀"} {
		for shift := range 4 {
			said := "the handler's limit of 2s: stopped: " + strings.Repeat("x", shift) + strings.Repeat(filler, 8<<10) + "cause"
			m := held().WithError(job.RunError{Message: said})[0].Message
			if len(m) > job.MaxErrorMessage || !strings.HasPrefix(m, "the handler's limit of 2s: stopped: ") || !strings.HasSuffix(m, filler+"cause") || !utf8.ValidString(m) {
				t.Errorf("%d bytes, valid %v: %.60q … %q", len(m), utf8.ValidString(m), m, m[len(m)-20:])
			}
		}
	}
}
