package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// text decodes a JSON string.
func text(t testing.TB, raw json.RawMessage) (s string) {
	t.Helper()
	check(t, json.Unmarshal(raw, &s))
	return s
}

func testFailures(t *testing.T, s *system.System) {
	t.Run("a failing job goes through its retries to discarded and keeps its errors", func(t *testing.T) {
		j := ran(t, s, wire.NewJob{Kind: "w.run", MaxAttempts: 3, Backoff: quick(0.1, 0.2), Payload: orders{"exit": 3, "stderr": "boom"}.payload()})
		wants(t, j, job.Discarded, job.ReasonMaxAttempts)
		if len(j.Errors) != 3 || j.Run < 3 || j.Crashes != 0 {
			t.Fatalf("run %d, crashes %d, errors %+v", j.Run, j.Crashes, j.Errors)
		}
		for i, e := range j.Errors {
			if e.Attempt != i+1 || e.Run < i+1 || e.WorkerID == 0 || e.At.IsZero() || !strings.Contains(e.Message, "boom") || !strings.Contains(e.Message, "3") {
				t.Errorf("error %d: %+v", i, e)
			}
		}
		starts := s.Runs.Of(system.Started, j.ID)
		if len(starts) != 3 {
			t.Fatalf("%d starts, want 3", len(starts))
		}
		if wait := starts[2].At.Sub(starts[1].At); wait < 200*time.Millisecond {
			t.Errorf("the third attempt began %s after the second, its backoff is 200ms", wait)
		}
	})
	t.Run("a job that fails twice completes at its third attempt", func(t *testing.T) {
		j := ran(t, s, wire.NewJob{Kind: "w.run", Backoff: quick(0), Payload: orders{"fail_until": 3}.payload()})
		wants(t, j, job.Completed, "")
		if n := len(s.Runs.Of(system.Started, j.ID)); j.Attempt != 3 || n != 3 || len(j.Errors) != 2 {
			t.Errorf("attempt %d, %d starts, errors %+v", j.Attempt, n, j.Errors)
		}
	})
	check(t, setTimeout(t, s, "hasty", 0.3))
	for _, c := range []struct{ whose, kind, queue string }{
		{"job", "w.run", ""}, {"handler", "w.limited", ""}, {"queue", "w.run", "hasty"},
	} {
		t.Run("a timeout is a failure that says that it was the "+c.whose+"'s limit", func(t *testing.T) {
			n := wire.NewJob{Kind: c.kind, Queue: c.queue, MaxAttempts: 1, Payload: orders{"ms": 20_000}.payload()}
			if c.whose == "job" {
				n.TimeoutSeconds = 0.3
			}
			j := ran(t, s, n)
			wants(t, j, job.Discarded, job.ReasonMaxAttempts)
			if len(j.Errors) != 1 || j.Errors[0].Type != "timed_out" || !strings.Contains(j.Errors[0].Message, c.whose) || !strings.Contains(j.Errors[0].Message, "300ms") {
				t.Errorf("errors %+v", j.Errors)
			}
			if left := system.ProcessesOf(j.ID); len(left) > 0 {
				t.Errorf("processes of the job live on: %v", left)
			}
		})
	}
	t.Run("a job that ignores TERM and hides a process ends at its limit, with all that it started", func(t *testing.T) {
		id := post(t, s, wire.NewJob{Kind: "w.run", MaxAttempts: 1, TimeoutSeconds: 0.5, Payload: orders{"ms": 20_000, "ignore": true, "grandchild": true}.payload()})
		began, stalled := started(t, s, id, 1), stalls(t)
		j := ended(t, s, id)
		wants(t, j, job.Discarded, job.ReasonMaxAttempts)
		if took := j.FinishedAt.Sub(began.At); took > 4*time.Second+stalled() {
			t.Errorf("it took %s with a limit of 500ms and a grace of 300ms", took)
		}
		if left := system.ProcessesOf(id); len(left) > 0 {
			t.Errorf("processes of the job live on: %v", left)
		}
	})
	t.Run("exit 75 snoozes and counts no failure", func(t *testing.T) {
		j := ran(t, s, wire.NewJob{Kind: "w.run", MaxAttempts: 1, Backoff: quick(0.1), Payload: orders{"exit": 75, "exit_until": 4}.payload()})
		wants(t, j, job.Completed, "")
		if j.Attempt != 1 || j.Run != 4 || len(j.Errors) > 0 {
			t.Errorf("attempt %d, run %d, errors %+v", j.Attempt, j.Run, j.Errors)
		}
	})
	t.Run("exit 100 discards at once", func(t *testing.T) {
		j := ran(t, s, wire.NewJob{Kind: "w.run", Payload: orders{"exit": 100, "stderr": "hopeless"}.payload()})
		wants(t, j, job.Discarded, job.ReasonHandler)
		if j.Run != 1 || len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Message, "hopeless") {
			t.Errorf("run %d, errors %+v", j.Run, j.Errors)
		}
	})
	t.Run("output is cut to head and tail, and the job is not", func(t *testing.T) {
		j := ran(t, s, wire.NewJob{Kind: "w.run", Payload: orders{"output": "first" + strings.Repeat("x", 200_000) + "last"}.payload()})
		wants(t, j, job.Completed, "")
		out := text(t, j.Output)
		if len(out) > 140_000 || !strings.HasPrefix(out, "first") || !strings.HasSuffix(out, "last") {
			t.Errorf("%d bytes: %.10s … %s", len(out), out, out[len(out)-10:])
		}
	})
}

// setTimeout gives a queue a time limit; the queue is made by the call.
func setTimeout(t testing.TB, s *system.System, queue string, seconds float64) error {
	_, err := s.Client.PutQueue(t.Context(), queue, wire.QueueSettings{TimeoutSeconds: &seconds})
	if err != nil {
		return fmt.Errorf("set a queue's time limit: %w", err)
	}
	return nil
}
