package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// answer is what the api said, as it came.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request past the client, which would not send most of what is wrong. A body is sent as JSON unless a
// header says otherwise; headers are "Name: value".
func ask(t testing.TB, s *system.System, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := send(s.API, method, path, body, headers...)
	check(t, err)
	return a
}

var plain = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: 5 * time.Second}}

func send(base, method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.ContentLength > 1<<20 {
		// As curl does: who is refused unread then reads the answer instead of finding the connection gone.
		req.Header.Set("Expect", "100-continue")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	res, err := plain.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, content}, err
}

func testOperations(t *testing.T, s *system.System) {
	ctx := t.Context()
	t.Run("cancel of a running subprocess answers 202, ends it, and it is cancelled", func(t *testing.T) {
		id := post(t, s, wire.NewJob{Kind: "w.run", Payload: orders{"ms": 60_000}.payload()})
		note := started(t, s, id, 1)
		inState(t, s, id, patience, job.Running)
		a := ask(t, s, http.MethodPost, "/v1/jobs/"+id.String()+"/cancel", "")
		if a.status != http.StatusAccepted {
			t.Fatalf("answer %d %s, want 202", a.status, a.body)
		}
		asked, stalled := time.Now(), stalls(t)
		wants(t, ended(t, s, id), job.Cancelled, job.ReasonCancelled)
		if took := time.Since(asked); took > s.Times.Heartbeat+4*time.Second+stalled() {
			t.Errorf("it took %s to stop", took)
		}
		if system.Alive(note.Pid) {
			t.Error("its process lives on")
		}
		if a := ask(t, s, http.MethodPost, "/v1/jobs/"+id.String()+"/cancel", ""); a.status != http.StatusOK {
			t.Errorf("cancel again: %d %s", a.status, a.body)
		}
	})
	t.Run("cancel of a waiting job ends it at once", func(t *testing.T) {
		id := post(t, s, wire.NewJob{Kind: "w.run", DelaySeconds: 3600})
		j := must(s.Client.Cancel(ctx, id))(t)
		wants(t, j, job.Cancelled, job.ReasonCancelled)
	})
	t.Run("retry of a discarded job grants its attempts anew and keeps its errors", func(t *testing.T) {
		j := ran(t, s, wire.NewJob{Kind: "w.run", MaxAttempts: 2, Backoff: quick(0), Payload: orders{"exit": 1, "exit_until": 4}.payload()})
		wants(t, j, job.Discarded, job.ReasonMaxAttempts)
		must(s.Client.Retry(ctx, j.ID))(t)
		j = ended(t, s, j.ID)
		wants(t, j, job.Completed, "")
		if n := len(s.Runs.Of(system.Started, j.ID)); n != 4 || j.Attempt != 2 || len(j.Errors) != 3 {
			t.Errorf("%d starts, attempt %d, errors %+v", n, j.Attempt, j.Errors)
		}
	})
	t.Run("run of a scheduled job makes it due now", func(t *testing.T) {
		id := post(t, s, wire.NewJob{Kind: "go.echo", RunAt: time.Now().Add(time.Hour)})
		inState(t, s, id, patience, job.Scheduled)
		must(s.Client.Run(ctx, id))(t)
		wants(t, ended(t, s, id), job.Completed, "")
		if _, err := s.Client.Run(ctx, id); !errors.Is(err, job.ErrState) {
			t.Errorf("run of a finished job: %v", err)
		}
	})
	t.Run("a job does not start before run_at", func(t *testing.T) {
		at := time.Now().Add(1200 * time.Millisecond)
		id := post(t, s, wire.NewJob{Kind: "w.run", RunAt: at})
		if note := started(t, s, id, 1); note.At.Before(at) {
			t.Errorf("it began %s early", at.Sub(note.At))
		}
	})
	t.Run("a job that has expired ends discarded and never starts", func(t *testing.T) {
		id := post(t, s, wire.NewJob{Kind: "nobody", ExpiresAt: time.Now().Add(500 * time.Millisecond)})
		wants(t, ended(t, s, id), job.Discarded, job.ReasonExpired)
	})
	t.Run("delete removes a job for good", func(t *testing.T) {
		for _, n := range []wire.NewJob{{Kind: "nobody"}, {Kind: "go.echo"}} {
			id := post(t, s, n)
			if n.Kind == "go.echo" {
				ended(t, s, id)
			}
			must(s.Client.Delete(ctx, id))(t)
			if _, err := s.Client.Get(ctx, id); !errors.Is(err, job.ErrNotFound) {
				t.Errorf("after delete: %v", err)
			}
		}
	})
	t.Run("a paused queue starts nothing until it is resumed", func(t *testing.T) {
		must(s.Client.PutQueue(ctx, "held", wire.QueueSettings{}))(t)
		if q := must(s.Client.PauseQueue(ctx, "held"))(t); !q.Paused {
			t.Errorf("%+v", q)
		}
		held := post(t, s, wire.NewJob{Queue: "held", Kind: "go.echo"})
		// Another queue's jobs that were enqueued later and have ended say that the workers have looked since.
		for range 3 {
			ran(t, s, wire.NewJob{Kind: "go.echo"})
		}
		if j := must(s.Client.Get(ctx, held))(t); j.State != job.Available || j.Run != 0 {
			t.Errorf("it is %v, run %d", j.State, j.Run)
		}
		must(s.Client.ResumeQueue(ctx, "held"))(t)
		wants(t, ended(t, s, held), job.Completed, "")
	})
	t.Run("purge cancels what waits and leaves alone what runs", func(t *testing.T) {
		running := post(t, s, wire.NewJob{Queue: "purged", Kind: "w.run", Payload: orders{"ms": 60_000}.payload()})
		started(t, s, running, 1)
		jobs := make([]wire.NewJob, 1500)
		for i := range jobs {
			jobs[i] = wire.NewJob{Queue: "purged", Kind: "nobody"}
		}
		ids := postAll(t, s, jobs)
		total := 0
		for more := true; more; {
			p := must(s.Client.PurgeQueue(ctx, "purged"))(t)
			total, more = total+p.Purged, p.More
		}
		if total != len(ids) {
			t.Errorf("%d purged, want %d", total, len(ids))
		}
		wants(t, must(s.Client.Get(ctx, ids[7]))(t), job.Cancelled, job.ReasonPurged)
		if err := s.Client.DeleteQueue(ctx, "purged"); !errors.Is(err, job.ErrNotEmpty) {
			t.Errorf("delete of a queue with a running job: %v", err)
		}
		wants(t, must(s.Client.Get(ctx, running))(t), job.Running, "")
		must(s.Client.Cancel(ctx, running))(t)
		wants(t, ended(t, s, running), job.Cancelled, job.ReasonCancelled)
		check(t, s.Client.DeleteQueue(ctx, "purged"))
	})
	t.Run("a unique_key makes one job while it is unfinished, an Idempotency-Key one for good", func(t *testing.T) {
		first := post(t, s, wire.NewJob{Kind: "nobody", UniqueKey: "u"})
		again := must(s.Client.Enqueue(ctx, wire.NewJob{Kind: "nobody", UniqueKey: "u"}))(t)
		if !again.Deduplicated || again.DeduplicatedBy != "unique_key" || again.ID != first {
			t.Errorf("%+v", again)
		}
		n := wire.NewJob{Kind: "go.echo", Payload: []byte(`"once"`), IdempotencyKey: "key " + t.Name()}
		done := ran(t, s, n)
		again = must(s.Client.Enqueue(ctx, n))(t)
		if !again.Deduplicated || again.DeduplicatedBy != "idempotency_key" || again.ID != done.ID {
			t.Errorf("%+v", again)
		}
		n.Payload = []byte(`"other"`)
		if _, err := s.Client.Enqueue(ctx, n); !errors.Is(err, job.ErrMismatch) {
			t.Errorf("the same key with another body: %v", err)
		}
	})
	t.Run("the list finds a job by each of its filters", func(t *testing.T) {
		n := wire.NewJob{Kind: "nobody", Queue: "listed", Tags: []string{"red", "green"}, ConcurrencyKey: "ck", UniqueKey: "uk"}
		id := post(t, s, n)
		post(t, s, wire.NewJob{Kind: "go.echo", Queue: "listed"})
		slot := must(s.Client.Get(ctx, id))(t).Slot
		for _, f := range []wire.JobFilter{
			{Queue: "listed", Kind: "nobody"}, {Queue: "listed", States: []job.State{job.Available}, Slot: slot, Kind: "nobody"}, {Tag: "green"},
			{ConcurrencyKey: "ck"}, {UniqueKey: "uk"},
		} {
			found := 0
			for j, err := range s.Client.List(ctx, f) {
				check(t, err)
				if found++; j.ID != id {
					t.Errorf("%+v finds %+v", f, j)
				}
			}
			if found != 1 {
				t.Errorf("%+v finds %d jobs", f, found)
			}
		}
	})
	t.Run("a quiet worker takes no more jobs, a stopped one ends by itself", func(t *testing.T) {
		w := s.StartWorker("--queues=alone")
		var mine wire.Worker
		eventually(t, patience, "the worker is listed", func() error {
			for _, x := range must(s.Client.Workers(ctx))(t) {
				if len(x.Queues) == 1 && x.Queues[0] == "alone" {
					mine = x
					return nil
				}
			}
			return fmt.Errorf("it is not")
		})
		if got := must(s.Client.QuietWorker(ctx, mine.ID))(t); got.State != wire.WorkerQuiet {
			t.Errorf("%+v", got)
		}
		must(s.Client.StopWorker(ctx, mine.ID))(t)
		if code := w.Exit(t, patience); code != 0 {
			t.Errorf("exit code %d", code)
		}
		eventually(t, patience, "the worker is gone from the list", func() error {
			for _, x := range must(s.Client.Workers(ctx))(t) {
				if x.ID == mine.ID {
					return fmt.Errorf("it is %s", x.State)
				}
			}
			return nil
		})
	})
}
