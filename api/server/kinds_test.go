package server

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

func TestKindsSayWhoServesThemAndHowTheirJobsStand(t *testing.T) {
	e := start(t)
	w := job.Worker{ID: job.NewWorkerID(), Kinds: []string{"mail", "idle"}}
	quiet := job.Worker{ID: job.NewWorkerID(), Kinds: []string{"lost"}, Quiet: true}
	for _, w := range []job.Worker{w, quiet} {
		if err := e.store.Register(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	id := e.enqueue(`{"kind":"mail"}`)
	e.enqueue(`{"kind":"mail","queue":"later","delay_seconds":60}`)
	e.enqueue(`{"kind":"lost","queue":"other"}`)
	failed, j := e.claim(id) // by a worker that takes every kind, and is told to stop
	e.finish(failed, j.Failed(e.server.Clock.Now(), job.RunError{Type: "exit"}, 0))
	if _, err := e.store.CommandWorker(t.Context(), failed.ID, true, true); err != nil {
		t.Fatal(err)
	}
	got, err := e.client.Kinds(t.Context())
	if err != nil || got.Capped || got.CountedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	want := []string{
		fmt.Sprint("idle 1 ", []job.WorkerID{w.ID}, " 0 0 0 0"),
		fmt.Sprint("lost 0 ", []job.WorkerID{}, " 1 0 0 1"),
		fmt.Sprint("mail 1 ", []job.WorkerID{w.ID}, " 1 1 0 0"),
	}
	var have []string
	for _, k := range got.Kinds {
		have = append(have, fmt.Sprint(k.Kind, " ", k.Workers, " ", k.WorkerIDs, " ", k.Waiting, k.Failing, k.Running, k.Unserved))
	}
	if !slices.Equal(have, want) {
		t.Errorf("%v\nwant %v", have, want)
	}
}

// counted counts the calls of Count, and says that there is always more.
type counted struct {
	store.Store
	n atomic.Int64
}

func (c *counted) Count(ctx context.Context, s job.Slot, after job.Position, now job.Time) ([]job.Count, *job.Position, error) {
	c.n.Add(1)
	counts, _, err := c.Store.Count(ctx, s, after, now)
	return counts, &job.Position{Priority: 1}, err
}

func TestOneCountOfKindsServesAllWhoAskAndSaysThatItIsALowerBound(t *testing.T) {
	e := start(t)
	c := &counted{Store: e.store.Store}
	e.store.Store = c
	e.enqueue(`{"kind":"k"}`)
	var first wire.KindList
	for i := range 10 {
		got, err := e.client.Kinds(t.Context())
		if err != nil || !got.Capped {
			t.Fatalf("%+v, %v", got, err)
		}
		if i == 0 {
			first = got
		} else if got.CountedAt.Equal(first.CountedAt) && c.n.Load() == job.DefaultSlots {
			return // the count of another request
		}
	}
	t.Errorf("%d slots were counted for 10 requests", c.n.Load())
}
