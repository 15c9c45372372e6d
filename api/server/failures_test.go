package server

import (
	"testing"

	"github.com/slotq/slotq/shared/job"
)

func TestFailuresAreToldByKindAndMessage(t *testing.T) {
	e := start(t)
	for _, body := range []string{`{"kind":"a","max_attempts":1}`, `{"kind":"a","queue":"other"}`, `{"kind":"b"}`} {
		w, j := e.claim(e.enqueue(body))
		e.finish(w, j.Failed(e.server.Clock.Now(), job.RunError{Type: "exit", Message: "exit status 3: row " + j.ID.String()}, 0))
	}
	got, err := e.client.Failures(t.Context(), "", "", 0)
	if err != nil || len(got.Failures) != 2 || got.Capped || got.More {
		t.Fatalf("%+v, %v", got, err)
	}
	f := got.Failures[1]
	if f.Kind != "a" || f.Message != "exit status <n>: row <uuid>" || f.Type != "exit" || f.Count != 2 || f.Discarded != 1 || f.Retryable != 1 || f.FirstAt.IsZero() || f.LastAt.Before(f.FirstAt) {
		t.Errorf("%+v", f)
	}
	if _, err := e.client.Get(t.Context(), f.ExampleJobID); err != nil {
		t.Error(err)
	}
	if got, err := e.client.Failures(t.Context(), "other", "a", 1); err != nil || len(got.Failures) != 1 || got.Failures[0].Count != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?queue=", "?kind=a/b"} {
		e.want(422, "GET", "/v1/failures"+query, "")
	}
}
