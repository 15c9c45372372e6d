package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// payloads are values that a careless reader or writer of JSON would change.
var payloads = []string{
	`null`, `0`, `9007199254740993`, `1e400`, `-0.0`, `1.10`, `"<&>\u2028"`, `"\u003c\/"`, `{"z":1,"a":2,"z":3}`, "{ \"a\" :\t[1 , 2,\r\n3]}", `"\ud800"`, `"\u0000"`, `"ü€😀"`, `[]`, `{}`, `""`,
}

func TestPayloadsComeBackByteForByte(t *testing.T) {
	e := start(t)
	var items []string
	for _, p := range payloads {
		id := e.enqueue(`{"kind":"k","payload":` + p + `,"metadata":{"m" : 1e400}}`)
		if body := e.want(200, "GET", "/v1/jobs/"+id, "").body; !strings.Contains(body, `"payload":`+p) || !strings.Contains(body, `"metadata":{"m" : 1e400}`) {
			t.Errorf("payload %s: %s", p, body)
		}
		items = append(items, `{ "payload" : `+p+` ,"kind":"k"}`)
	}
	var out wire.BatchResult
	body := e.want(200, "POST", "/v1/jobs/batch", `{"jobs":[`+strings.Join(items, " ,\n")+`]}`).body
	if err := json.Unmarshal([]byte(body), &out); err != nil || out.Created != len(payloads) {
		t.Fatalf("%s: %v", body, err)
	}
	for i, p := range payloads {
		j, err := e.client.Get(t.Context(), out.Results[i].ID)
		if err != nil || string(j.Payload) != p {
			t.Errorf("payload %s of a batch: %q, %v", p, j.Payload, err)
		}
		// And through the client.
		n, err := e.client.Enqueue(t.Context(), wire.NewJob{Kind: "k", Payload: json.RawMessage(p)})
		if err != nil {
			t.Fatal(err)
		}
		if j, err = e.client.Get(t.Context(), n.ID); err != nil || string(j.Payload) != p {
			t.Errorf("payload %s by the client: %q, %v", p, j.Payload, err)
		}
	}
}

func TestAnEnqueuedJobIsAnsweredWithItsPlaceAndWithoutItsPayload(t *testing.T) {
	e := start(t)
	g := e.want(201, "POST", "/v1/jobs", `{"kind":"mail.send","queue":"mail","payload":"secret","priority":1,"max_attempts":3,"max_crashes":2,
		"timeout_seconds":1.5,"backoff":{"kind":"exponential","base_seconds":1,"cap_seconds":8},"run_at":"2099-12-31T23:59:59.5+01:00",
		"expires_at":"2099-12-31T23:59:59.999999Z","unique_key":"u","concurrency_key":"c","concurrency_limit":7,"tags":["a","b"],"metadata":{"by":"me"}}`)
	var j wire.Enqueued
	if err := json.Unmarshal([]byte(g.body), &j); err != nil {
		t.Fatal(err)
	}
	if g.header.Get("Location") != "/v1/jobs/"+j.ID.String() || strings.Contains(g.body, "secret") {
		t.Errorf("Location %q, body %s", g.header.Get("Location"), g.body)
	}
	if got, err := e.client.Get(t.Context(), j.ID); err != nil || string(got.Payload) != `"secret"` {
		t.Errorf("%q, %v", got.Payload, err)
	} else if got.Payload = nil; !reflect.DeepEqual(got, j.Job) {
		t.Errorf("the answer to POST and to GET differ:\n%+v\n%+v", j.Job, got)
	}
	if j.State != job.Scheduled || j.Queue != "mail" || j.Priority != 1 || j.MaxAttempts != 3 || j.MaxCrashes != 2 || j.TimeoutSeconds != 1.5 ||
		j.Backoff.CapSeconds != 8 || !j.RunAt.Equal(time.Date(2099, 12, 31, 22, 59, 59, 5e8, time.UTC)) || j.UniqueKey != "u" ||
		j.ConcurrencyLimit != 7 || !slices.Equal(j.Tags, []string{"a", "b"}) || string(j.Metadata) != `{"by":"me"}` {
		t.Errorf("%s", g.body)
	}
}

func TestAJobThroughItsLife(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k","delay_seconds":3600}`)
	parsed, _ := job.ParseID(id)
	if j, err := e.client.Run(t.Context(), parsed); err != nil || j.State != job.Available {
		t.Fatalf("run: %s, %v", j.State, err)
	}
	w, held := e.claim(id)
	if j, _ := e.client.Get(t.Context(), parsed); j.State != job.Running || j.Run != 1 || j.WorkerID != w.ID || j.StartedAt.IsZero() {
		t.Errorf("running: %+v", j)
	}
	for _, call := range []string{"POST /retry", "POST /run", "DELETE "} {
		method, path, _ := strings.Cut(call, " ")
		e.want(409, method, "/v1/jobs/"+id+path, "")
	}
	e.finish(w, held.Failed(e.server.Clock.Now(), job.RunError{Type: "exit", Message: "status 1 <b>", Worker: w.ID}, time.Hour))
	j, _ := e.client.Get(t.Context(), parsed)
	if j.State != job.Retryable || j.Attempt != 2 || len(j.Errors) != 1 || j.Errors[0].Message != "status 1 <b>" || j.Errors[0].WorkerID != w.ID || j.Errors[0].At.IsZero() {
		t.Errorf("after a failure: %+v", j)
	}
	if j, err := e.client.Retry(t.Context(), parsed); err != nil || j.State != job.Available {
		t.Errorf("retry of a retryable job: %s, %v", j.State, err)
	}
	w, held = e.claim(id)
	e.finish(w, job.Outcome{Job: held, Action: job.Complete, Output: []byte("{\"n\" : 1e400}\n")})
	if body := e.want(200, "GET", "/v1/jobs/"+id, "").body; !strings.Contains(body, `"output":{"n" : 1e400}`) || !strings.Contains(body, `"state":"completed"`) {
		t.Errorf("completed: %s", body)
	}
	if _, err := e.client.Cancel(t.Context(), parsed); !errors.Is(err, job.ErrState) {
		t.Errorf("cancel of a completed job: %v", err)
	}
	e.want(409, "POST", "/v1/jobs/"+id+"/cancel", "")
	if j, err := e.client.Retry(t.Context(), parsed); err != nil || j.State != job.Available || len(j.Errors) != 1 {
		t.Errorf("retry of a completed job: %+v, %v", j, err)
	}
	if j, err := e.client.Cancel(t.Context(), parsed); err != nil || j.State != job.Cancelled || j.StateReason != job.ReasonCancelled {
		t.Errorf("cancel: %+v, %v", j, err)
	}
	if j, err := e.client.Delete(t.Context(), parsed); err != nil || j.ID != parsed {
		t.Errorf("delete: %+v, %v", j, err)
	}
	if _, err := e.client.Get(t.Context(), parsed); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("after its deletion: %v", err)
	}
	for _, call := range []string{"GET ", "DELETE ", "POST /cancel", "POST /retry", "POST /run"} {
		method, path, _ := strings.Cut(call, " ")
		e.want(404, method, "/v1/jobs/"+id+path, "")
		e.want(404, method, "/v1/jobs/nonsense"+path, "")
	}
}

func TestCancelOfARunningJobIsAcceptedUntilItsWorkerStopsIt(t *testing.T) {
	e := start(t)
	id := e.enqueue(`{"kind":"k"}`)
	w, held := e.claim(id)
	if body := e.want(202, "POST", "/v1/jobs/"+id+"/cancel", "{}").body; !strings.Contains(body, `"cancel_requested_at":"2`) {
		t.Errorf("%s", body)
	}
	e.finish(w, job.Outcome{Job: held, Action: job.Cancel, Reason: job.ReasonCancelled, Output: []byte("no JSON: \xff<")})
	if body := e.want(200, "POST", "/v1/jobs/"+id+"/cancel", "").body; !strings.Contains(body, `"state":"cancelled"`) || !strings.Contains(body, `"output":"no JSON: \ufffd<"`) {
		t.Errorf("%s", body)
	}
}

func TestListsAreFilteredAndPagedWithoutLossOrDoubles(t *testing.T) {
	e := start(t)
	var ids []string
	for i := range 25 {
		ids = append(ids, e.enqueue(fmt.Sprintf(`{"kind":"k%d","queue":"q%d","tags":["t%d"],"payload":"secret","metadata":{"i" : %d},"delay_seconds":%d}`, i%2, i%3, i%5, i, i%2*1000)))
	}
	slices.Reverse(ids)
	var listed []string
	for j, err := range e.client.List(t.Context(), wire.JobFilter{Limit: 7}) {
		if err != nil {
			t.Fatal(err)
		}
		if j.Payload != nil {
			t.Error("a list shows a payload")
		}
		listed = append(listed, j.ID.String())
	}
	if !slices.Equal(listed, ids) {
		t.Errorf("25 jobs by 7, newest first: %v, want %v", listed, ids)
	}
	for name, c := range map[string]struct {
		filter wire.JobFilter
		want   int
	}{
		"queue":      {wire.JobFilter{Queue: "q1"}, 8},
		"kind":       {wire.JobFilter{Kind: "k1"}, 12},
		"tag":        {wire.JobFilter{Tag: "t4"}, 5},
		"state":      {wire.JobFilter{States: []job.State{job.Scheduled}}, 12},
		"two states": {wire.JobFilter{States: []job.State{job.Scheduled, job.Available}}, 25},
		"both":       {wire.JobFilter{Queue: "q0", Kind: "k0"}, 5},
		"none":       {wire.JobFilter{UniqueKey: "x", ConcurrencyKey: "y", Slot: 3}, 0},
	} {
		n := 0
		for _, err := range e.client.List(t.Context(), c.filter) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != c.want {
			t.Errorf("%s: %d jobs, want %d", name, n, c.want)
		}
	}
}

func TestACursorIsTakenOnlyByTheListThatGaveIt(t *testing.T) {
	e := start(t)
	for range 3 {
		e.enqueue(`{"kind":"k"}`)
	}
	var page wire.JobPage
	if err := json.Unmarshal([]byte(e.want(200, "GET", "/v1/jobs?limit=1&kind=k&state=available,scheduled", "").body), &page); err != nil || page.NextCursor == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	e.want(200, "GET", "/v1/jobs?kind=k&state=scheduled,available&cursor="+page.NextCursor, "")
	for _, query := range []string{
		"cursor=" + page.NextCursor, "kind=k&cursor=abc", "kind=k&cursor=", "cursor=" + strings.Repeat("A", 32), "kind=k&state=available,scheduled&cursor=" + page.NextCursor[1:] + "A",
	} {
		g := e.want(422, "GET", "/v1/jobs?"+query, "")
		if len(g.problem.Errors) != 1 || g.problem.Errors[0].Parameter != "cursor" {
			t.Errorf("%s: %s", query, g.body)
		}
	}
}
