package ui

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// Source is the store, as far as the overview needs it.
type Source interface {
	ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error)
	Slots(ctx context.Context, queueID int32) ([]job.SlotRow, error)
	Count(ctx context.Context, s job.Slot, after job.Position, now job.Time) ([]job.Count, *job.Position, error)
	Workers(ctx context.Context) ([]job.Worker, error)
	Now(ctx context.Context) (job.Time, error)
}

// How much work one look at the overview may cause: it counts for countTime, queue by queue, and shows the rest
// without figures. All who look within a moment share one look.
const (
	countTime = 1500 * time.Millisecond
	lookTime  = 4 * time.Second
)

type overview struct {
	source Source
	door   Door
	log    *slog.Logger
	flight singleflight.Group
}

var overviewPage = parse("overview.html")

// view is what the template shows.
type view struct {
	Now     time.Time
	Queues  []queueView
	Workers []workerView
	Trouble bool // the store did not answer
	Host    string
	Signed  bool // in: it can sign out
}

type queueView struct {
	wire.Queue
	States  wire.SlotStates
	Counted bool
	Capped  bool // there is more than was counted
	Oldest  time.Time
}

type workerView struct {
	wire.Worker
	Serves string
}

func (o *overview) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	looking := o.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), lookTime)
		defer cancel()
		return o.look(ctx)
	})
	late := time.NewTimer(lookTime)
	defer late.Stop()
	shown, status := view{Trouble: true}, http.StatusServiceUnavailable
	select {
	case got := <-looking:
		if got.Err == nil {
			shown, status = got.Val.(view), http.StatusOK
		} else {
			o.log.Warn("the overview cannot be shown", "error", got.Err)
		}
	case <-late.C:
	case <-r.Context().Done():
		return
	}
	shown.Host = r.Host // one that the server answers to
	shown.Signed = o.door.SignedIn(r)
	if err := render(w, overviewPage, shown, status); err != nil {
		o.log.Error("render the overview", "error", err)
	}
}

func (o *overview) look(ctx context.Context) (view, error) {
	begun := time.Now()
	now, err := o.source.Now(ctx)
	if err != nil {
		return view{}, err
	}
	v := view{Now: now.Time()}
	workers, err := o.source.Workers(ctx)
	if err != nil {
		return v, err
	}
	for _, w := range workers {
		shown := workerView{Worker: wire.WorkerOf(w), Serves: "all queues"}
		if len(w.Queues) > 0 {
			shown.Serves = strings.Join(w.Queues, ", ")
		}
		v.Workers = append(v.Workers, shown)
	}
	queues, err := o.source.ListQueues(ctx, false)
	if err != nil {
		return v, err
	}
	for _, q := range queues {
		shown := queueView{Queue: wire.QueueOf(q)}
		if time.Since(begun) < countTime {
			if err := o.count(ctx, q, now, &shown); err != nil {
				return v, err
			}
		}
		v.Queues = append(v.Queues, shown)
	}
	return v, nil
}

func (o *overview) count(ctx context.Context, q job.Queue, now job.Time, into *queueView) error {
	slots, err := o.source.Slots(ctx, q.ID)
	if err != nil {
		return err
	}
	var sum job.Count
	for _, s := range slots {
		counts, next, err := o.source.Count(ctx, s.Slot, job.Position{}, now)
		if err != nil {
			return err
		}
		for _, c := range counts {
			sum.Add(c)
		}
		into.Capped = into.Capped || next != nil
	}
	var slot wire.Slot
	slot.SetCount(sum, into.Capped)
	into.States, into.Counted, into.Oldest = *slot.States, true, slot.OldestAvailableAt
	return nil
}
