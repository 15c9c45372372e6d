package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type workersCommand struct {
	List  workersList  `cmd:"" default:"1" help:"List the workers."`
	Quiet workersQuiet `cmd:"" help:"Ask a worker to take no more jobs."`
	Stop  workersStop  `cmd:"" help:"Ask a worker to let its jobs end and to stop."`
}

type workersList struct{}

func (*workersList) execute(c *call) error {
	workers, err := c.store.Workers(c.ctx)
	if err != nil {
		return err
	}
	return c.showWorkers(workers)
}

type workersQuiet struct {
	ID string `arg:"" help:"The worker's id."`
}

func (q *workersQuiet) execute(c *call) error { return c.commandWorker(q.ID, true, false) }

type workersStop struct {
	ID string `arg:"" help:"The worker's id."`
}

func (s *workersStop) execute(c *call) error { return c.commandWorker(s.ID, true, true) }

func (c *call) commandWorker(text string, quiet, stop bool) error {
	id, err := job.ParseWorkerID(text)
	if err != nil {
		return usage("%q is %w: 16 hexadecimal digits, as `manager workers` shows them", text, err)
	}
	w, err := c.store.CommandWorker(c.ctx, id, quiet, stop)
	if errors.Is(err, job.ErrNotFound) {
		return fmt.Errorf("there is no worker %s that lives; `manager workers` lists them: %w", id, err)
	}
	if err != nil {
		return err
	}
	return c.print(wire.WorkerOf(w), func(t *table) {
		t.line(w.Name, "hears of it with its next heartbeat and is", wire.WorkerOf(w).State)
	})
}

func (c *call) showWorkers(workers []job.Worker) error {
	list := wire.WorkerList{Workers: []wire.Worker{}}
	for _, w := range workers {
		list.Workers = append(list.Workers, wire.WorkerOf(w))
	}
	return c.print(list, func(t *table) {
		t.row("ID", "NAME", "STATE", "RUNNING", "PLACES", "QUEUES", "SLOTS", "KINDS", "STARTED", "HEARTBEAT")
		for i, w := range list.Workers {
			t.row(w.ID, w.Name, w.State, w.Running, w.Concurrency, all(w.Queues), numbers(w.Slots), few(w.Kinds),
				c.ago(workers[i].StartedAt), c.ago(workers[i].BeatAt))
		}
	})
}

func all(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return few(names)
}

// few keeps a table narrow; JSON has all names.
func few(names []string) string {
	if len(names) > 4 {
		return fmt.Sprintf("%s, … %d in all", strings.Join(names[:3], ", "), len(names))
	}
	return orDash(strings.Join(names, ", "))
}

func numbers(slots []int) string {
	if len(slots) == 0 {
		return "all"
	}
	var names []string
	for i := 0; i < len(slots); {
		first := i
		for i++; i < len(slots) && slots[i] == slots[i-1]+1; i++ {
		}
		if i-first == 1 {
			names = append(names, fmt.Sprint(slots[first]))
		} else {
			names = append(names, fmt.Sprintf("%d-%d", slots[first], slots[i-1]))
		}
	}
	return strings.Join(names, ",")
}
