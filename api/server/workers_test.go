package server

import (
	"errors"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestWorkersAreListedAndToldToStop(t *testing.T) {
	e := start(t)
	w := e.worker()
	for _, c := range []struct {
		tell  func() (wire.Worker, error)
		state string
	}{
		{func() (wire.Worker, error) {
			list, err := e.client.Workers(t.Context())
			return list[0], err
		}, wire.WorkerActive},
		{func() (wire.Worker, error) { return e.client.QuietWorker(t.Context(), w.ID) }, wire.WorkerQuiet},
		{func() (wire.Worker, error) { return e.client.StopWorker(t.Context(), w.ID) }, wire.WorkerStopping},
	} {
		if got, err := c.tell(); err != nil || got.ID != w.ID || got.State != c.state || got.Name != w.Name || got.LeaseSeconds != 20 || got.Concurrency != 24 {
			t.Errorf("%+v, %v, want %s", got, err, c.state)
		}
	}
	if b, err := e.store.Beat(t.Context(), w.ID, nil); err != nil || !b.Quiet || !b.Stop {
		t.Errorf("the worker hears %+v, %v", b, err)
	}
	if _, err := e.client.StopWorker(t.Context(), job.NewWorkerID()); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("an unknown worker: %v", err)
	}
	for _, path := range []string{"/v1/workers/0000000000000001/", "/v1/workers/nonsense/", "/v1/workers/ffffffffffffffff/"} {
		e.want(404, "POST", path+"quiet", "")
		e.want(404, "POST", path+"stop", "")
	}
}
