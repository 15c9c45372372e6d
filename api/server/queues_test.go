package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestSettingsOfAQueueArePatchedOneByOneAndNullIsTheDefault(t *testing.T) {
	e := start(t)
	e.enqueue(`{"kind":"k","queue":"mail"}`)
	q, err := e.client.PatchQueue(t.Context(), "mail", wire.QueueSettings{
		Slots: new(6), Order: new(wire.LIFO), Priority: new(1), MaxAttempts: new(3), MaxCrashes: new(2), TimeoutSeconds: new(1.5),
		Backoff: &wire.Backoff{Kind: job.BackoffList, List: []float64{1, 2.5}}, KeepCompletedSeconds: new(0.0), KeepDiscardedSeconds: new(1.0), KeepCancelledSeconds: new(2.0),
	})
	if err != nil {
		t.Fatal(err)
	}
	if q.Slots != 6 || q.Order != wire.LIFO || q.Priority != 1 || q.MaxAttempts != 3 || q.MaxCrashes != 2 || q.TimeoutSeconds != 1.5 || q.Backoff.List[1] != 2.5 ||
		q.KeepCompletedSeconds != 0 || q.KeepDiscardedSeconds != 1 || q.KeepCancelledSeconds != 2 {
		t.Errorf("%+v", q)
	}
	e.want(200, "PATCH", "/v1/queues/mail", `{"slots":null,"backoff":null,"order":null}`, "Content-Type", "application/merge-patch+json")
	if q, err = e.client.Queue(t.Context(), "mail"); err != nil || q.Slots != 24 || q.Backoff.Kind != job.BackoffPolynomial || q.Order != wire.FIFO || q.Priority != 1 {
		t.Errorf("%+v, %v", q, err)
	}
	if q, err = e.client.PutQueue(t.Context(), "mail", wire.QueueSettings{Slots: new(2)}); err != nil || q.Slots != 2 || q.Priority != 2 || q.MaxAttempts != 25 {
		t.Errorf("after PUT: %+v, %v", q, err)
	}
	if _, err := e.client.PatchQueue(t.Context(), "nothing", wire.QueueSettings{Slots: new(2)}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("PATCH of a queue that is not there: %v", err)
	}
}

func TestABadSettingIsRefusedAndChangesNothing(t *testing.T) {
	e := start(t)
	e.want(201, "PUT", "/v1/queues/mail", `{}`)
	for body, pointer := range map[string]string{
		`{"slots":0}`: "#/slots", `{"slots":1025}`: "#/slots", `{"slots":"6"}`: "#/slots", `{"order":"random"}`: "#/order", `{"priority":5}`: "#/priority",
		`{"max_attempts":0}`: "#/max_attempts", `{"timeout_seconds":-1}`: "#/timeout_seconds", `{"backoff":{"kind":"exponential"}}`: "#/backoff",
		`{"keep_completed_seconds":1e18}`: "#/keep_completed_seconds", `{"name":"x"}`: "#/name", `{"paused":true}`: "#/paused", `{"slots":3,"slots":4}`: "#/slots",
	} {
		for _, method := range []string{"PATCH", "PUT"} {
			g := e.want(422, method, "/v1/queues/mail", body)
			if len(g.problem.Errors) != 1 || g.problem.Errors[0].Pointer != pointer {
				t.Errorf("%s %s: %s", method, body, g.body)
			}
		}
	}
	if q, err := e.client.Queue(t.Context(), "mail"); err != nil || q.Slots != 24 {
		t.Errorf("%+v, %v", q, err)
	}
	e.want(422, "PUT", "/v1/queues/a%2Fb", `{}`)
	e.want(422, "PUT", "/v1/queues/"+strings.Repeat("x", 129), `{}`)
}

func TestAChangeOfSlotsHoldsForTheNextJob(t *testing.T) {
	e := start(t)
	e.enqueue(`{"kind":"k"}`)
	e.want(200, "PATCH", "/v1/queues/default", `{"slots":1}`)
	for range 20 {
		if body := e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`).body; !strings.Contains(body, `"slot":1,`) {
			t.Fatalf("%s", body)
		}
	}
	slots, err := e.client.Slots(t.Context(), "default")
	if err != nil || len(slots) != 24 {
		t.Fatalf("%d slots, %v", len(slots), err)
	}
	var depth int64
	for _, s := range slots {
		depth += *s.Depth
		if s.Draining != (s.Slot > 1) {
			t.Errorf("slot %d: draining %v", s.Slot, s.Draining)
		}
	}
	if depth != 21 || *slots[0].Depth < 20 {
		t.Errorf("%d jobs in all, %d in slot 1", depth, *slots[0].Depth)
	}
}

func TestSlotsShowDepthByStateAndTheWorkerThatPrefersThem(t *testing.T) {
	e := start(t)
	e.want(201, "PUT", "/v1/queues/mail", `{"slots":1}`)
	running := e.enqueue(`{"kind":"k","queue":"mail"}`)
	w, _ := e.claim(running)
	e.enqueue(`{"kind":"k","queue":"mail"}`)
	e.enqueue(`{"kind":"k","queue":"mail","delay_seconds":60}`)
	e.enqueue(`{"kind":"k","queue":"mail","concurrency_key":"c","delay_seconds":60}`)
	g := e.want(200, "GET", "/v1/queues/mail/slots", "")
	slots, err := e.client.Slots(t.Context(), "mail")
	if err != nil {
		t.Fatal(err)
	}
	s := slots[0]
	if *s.Depth != 4 || *s.Running != 1 || *s.States != (wire.SlotStates{Scheduled: 2, Available: 1, Running: 1}) || s.OldestAvailableAt.IsZero() ||
		s.WorkerID != w.ID || s.WorkerName != w.Name || s.Paused || s.Draining || s.Capped {
		t.Errorf("%s", g.body)
	}
	e.want(404, "GET", "/v1/queues/nothing/slots", "")
}

func TestAPausedQueueHandsOutNothing(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k","queue":"mail"}`)
	if q, err := e.client.PauseQueue(t.Context(), "mail"); err != nil || !q.Paused {
		t.Fatalf("%+v, %v", q, err)
	}
	w := e.worker()
	parsed, _ := job.ParseID(id)
	j, err := e.store.Get(t.Context(), parsed)
	if err != nil {
		t.Fatal(err)
	}
	claim := job.ClaimRequest{Worker: w.ID, Token: job.NewToken(w.ID), Slot: j.InSlot(), Max: 10, Now: e.server.Clock.Now()}
	if c, err := e.store.Claim(t.Context(), claim); err != nil || len(c.Jobs) > 0 {
		t.Errorf("claimed %d jobs, %v", len(c.Jobs), err)
	}
	if q, err := e.client.ResumeQueue(t.Context(), "mail"); err != nil || q.Paused {
		t.Fatalf("%+v, %v", q, err)
	}
	if c, err := e.store.Claim(t.Context(), claim); err != nil || len(c.Jobs) != 1 {
		t.Errorf("after resume: claimed %d jobs, %v", len(c.Jobs), err)
	}
	for _, call := range []string{"pause", "resume", "purge"} {
		e.want(404, "POST", "/v1/queues/nothing/"+call, "")
	}
}

func TestAPurgeCancelsWhatWaitsAndNothingElse(t *testing.T) {
	e := start(t)
	running := e.enqueue(`{"kind":"k","queue":"mail"}`)
	e.claim(running)
	for range 3 {
		e.enqueue(`{"kind":"k","queue":"mail","delay_seconds":5}`)
	}
	other := e.enqueue(`{"kind":"k"}`)
	if p, err := e.client.PurgeQueue(t.Context(), "mail"); err != nil || p.Purged != 3 || p.More {
		t.Errorf("%+v, %v", p, err)
	}
	for id, state := range map[string]string{running: "running", other: "available"} {
		if body := e.want(200, "GET", "/v1/jobs/"+id, "").body; !strings.Contains(body, `"state":"`+state+`"`) {
			t.Errorf("%s", body)
		}
	}
}

func TestOnlyAnEmptyQueueIsDeleted(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k","queue":"mail"}`)
	if err := e.client.DeleteQueue(t.Context(), "mail"); !errors.Is(err, job.ErrNotEmpty) {
		t.Errorf("a queue with a job: %v", err)
	}
	e.want(409, "DELETE", "/v1/queues/mail", "")
	e.want(200, "POST", "/v1/jobs/"+id+"/cancel", "")
	if err := e.client.DeleteQueue(t.Context(), "mail"); err != nil {
		t.Errorf("an empty queue: %v", err)
	}
	e.want(404, "GET", "/v1/queues/mail", "")
	e.want(404, "DELETE", "/v1/queues/mail", "")
	if list, err := e.client.Queues(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	e.enqueue(`{"kind":"k","queue":"mail"}`) // it may come back
}

func TestWithoutAutoCreateOnlyPUTMakesQueues(t *testing.T) {
	e := start(t, func(o *Options) { o.NoCreate = true })
	if g := e.want(422, "POST", "/v1/jobs", `{"kind":"k","queue":"mail"}`); g.problem.Errors[0].Pointer != "#/queue" {
		t.Errorf("%s", g.body)
	}
	if g := e.want(422, "POST", "/v1/jobs/batch", `{"atomic":true,"jobs":[{"kind":"k","queue":"mail"}]}`); g.problem.Errors[0].Pointer != "#/jobs/0/queue" {
		t.Errorf("%s", g.body)
	}
	e.want(201, "PUT", "/v1/queues/mail", `{}`)
	e.want(201, "POST", "/v1/jobs", `{"kind":"k","queue":"mail"}`)
}

func TestThereIsALimitOfQueues(t *testing.T) {
	e := start(t)
	now := e.server.Clock.Now()
	for i := range job.MaxQueues {
		q := job.NewQueue(strings.Repeat("q", 1+i%100) + string(rune('a'+i/100)))
		q.Slots = 1
		if _, err := e.store.EnsureQueue(t.Context(), q, now); err != nil {
			t.Fatal(err)
		}
	}
	if g := e.want(422, "POST", "/v1/jobs", `{"kind":"k","queue":"one-more"}`); g.problem.Code() != wire.CodeLimit || g.problem.Errors[0].Pointer != "#/queue" {
		t.Errorf("%s", g.body)
	}
	if g := e.want(422, "PUT", "/v1/queues/one-more", `{}`); g.problem.Code() != wire.CodeLimit {
		t.Errorf("%s", g.body)
	}
}
