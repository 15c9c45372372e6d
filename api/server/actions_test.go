package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// carryOut does what a manager does.
func (e *env) carryOut(id job.ID) wire.Action {
	e.Helper()
	for range 100 {
		a, err := e.store.StepAction(e.Context(), id, e.server.Clock.Now())
		if err != nil {
			e.Fatal(err)
		}
		if a.FinishedAt != 0 {
			got, err := e.client.Action(e.Context(), id)
			if err != nil {
				e.Fatal(err)
			}
			return got
		}
	}
	e.Fatal("the action does not end")
	return wire.Action{}
}

func TestAnActionIsAcceptedCarriedOutAndTold(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k","tags":["red"]}`)
	e.enqueue(`{"kind":"k"}`)
	g := e.want(202, "POST", "/v1/jobs/actions", `{"action":"cancel","filter":{"queue":"default","tag":"red","state":["available","scheduled"]}}`)
	at := g.header.Get("Location")
	if !strings.HasPrefix(at, "/v1/actions/") || !strings.Contains(g.body, `"state":"running"`) || !strings.Contains(g.body, `"matched":0`) {
		t.Errorf("Location %q, %s", at, g.body)
	}
	action, err := job.ParseID(strings.TrimPrefix(at, "/v1/actions/"))
	if err != nil {
		t.Fatal(err)
	}
	a := e.carryOut(action)
	if a.State != wire.ActionFinished || a.Matched != 1 || a.Done != 1 || a.Failed != 0 || a.FinishedAt.IsZero() || a.Filter.Tag != "red" {
		t.Errorf("%+v", a)
	}
	if g := e.want(200, "GET", "/v1/jobs/"+id, ""); !strings.Contains(g.body, `"state":"cancelled"`) {
		t.Error(g.body)
	}
	e.want(404, "GET", "/v1/actions/"+id, "")
	e.want(404, "GET", "/v1/actions/none", "")
}

func TestAnActionSentAgainWithItsKeyIsTheSame(t *testing.T) {
	e := start(t)
	n := wire.NewAction{Action: "delete", Filter: wire.ActionFilter{Queue: "q"}, DryRun: true, IdempotencyKey: "once"}
	first, err := e.client.Act(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	e.carryOut(first.ID)
	again, err := e.client.Act(t.Context(), n)
	if err != nil || again.ID != first.ID || again.State != wire.ActionFinished || !again.DryRun {
		t.Errorf("%+v, %v", again, err)
	}
	n.DryRun = false
	if _, err := e.client.Act(t.Context(), n); !errors.Is(err, job.ErrMismatch) || !strings.Contains(err.Error(), "Idempotency-Key") {
		t.Errorf("another body: %v", err)
	}
	n.IdempotencyKey = ""
	if other, err := e.client.Act(t.Context(), n); err != nil || other.ID == first.ID {
		t.Errorf("without a key: %+v, %v", other, err)
	}
}

func TestAnActionThatMeansEverythingOrNothingIsRefused(t *testing.T) {
	e := start(t)
	for body, pointer := range map[string]string{
		`{}`:                              "#/action",
		`{"action":"stop"}`:               "#/action",
		`{"action":1}`:                    "#/action",
		`{"action":"delete"}`:             "#/filter",
		`{"action":"delete","filter":{}}`: "#/filter",
		`{"action":"delete","filter":{"state":["discarded"]}}`:                                                         "#/filter",
		`{"action":"delete","filter":[]}`:                                                                              "#/filter",
		`{"action":"delete","filter":{"queue":""}}`:                                                                    "#/filter/queue",
		`{"action":"delete","filter":{"ids":[]}}`:                                                                      "#/filter/ids",
		`{"action":"delete","filter":{"ids":["x"]}}`:                                                                   "#/filter/ids",
		`{"action":"delete","filter":{"kinds":"k"}}`:                                                                   "#/filter/kinds",
		`{"action":"delete","filter":{"queue":"q","state":[]}}`:                                                        "#/filter/state",
		`{"action":"delete","filter":{"queue":"q","state":"discarded"}}`:                                               "#/filter/state",
		`{"action":"delete","filter":{"queue":"q","state":["running"]}}`:                                               "#/filter/state",
		`{"action":"retry","filter":{"queue":"q","state":["available"]}}`:                                              "#/filter/state",
		`{"action":"retry","filter":{"queue":"q","created_before":"yesterday"}}`:                                       "#/filter/created_before",
		`{"action":"retry","filter":{"created_after":"2030-01-02T00:00:00Z","created_before":"2030-01-01T00:00:00Z"}}`: "#/filter/created_before",
		`{"action":"retry","all":"yes"}`:                                                                               "#/all",
	} {
		g := e.want(422, "POST", "/v1/jobs/actions", body)
		if len(g.problem.Errors) != 1 || g.problem.Errors[0].Pointer != pointer {
			t.Errorf("%s: %s, want %s", body, g.body, pointer)
		}
	}
	ids := strings.Repeat(`"018f0000-0000-7000-8000-000000000001",`, 1001)
	e.want(422, "POST", "/v1/jobs/actions", `{"action":"retry","filter":{"ids":[`+ids[:len(ids)-1]+`]}}`)
	e.want(202, "POST", "/v1/jobs/actions", `{"action":"retry","all":true}`)
}

func TestTooManyActionsAtOnceAreRefused(t *testing.T) {
	e := start(t)
	for range job.MaxOpenActions {
		e.want(202, "POST", "/v1/jobs/actions", `{"action":"run","all":true}`)
	}
	if g := e.want(422, "POST", "/v1/jobs/actions", `{"action":"run","all":true}`); g.problem.Code() != wire.CodeLimit {
		t.Error(g.body)
	}
}
