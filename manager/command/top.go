package command

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/wire"
)

type topCommand struct {
	Once     bool          `help:"Look twice, an interval apart, print what was seen and end."`
	Interval time.Duration `default:"2s" help:"How often to look, at most; with very many slots it looks less often."`
}

// Help is what `manager top --help` says besides the flags.
func (*topCommand) Help() string {
	return "The longest queues come first. CLAIMS/S is how often jobs of a queue were handed out, several at once where many wait; " +
		"CHANGE/S is by how many its unfinished jobs grew or shrank. Ctrl-C ends it. Where stdout is no terminal it prints one table after the other."
}

// sample is one look.
type sample struct {
	Now     time.Time     `json:"now"`
	Queues  []sampleQueue `json:"queues"`
	Workers []wire.Worker `json:"workers"`

	at      time.Time // of this process
	workers []job.Worker
	epochs  map[int32]int64 // by queue: how often its slots were handed out, ever
	depths  map[int32]int64 // of those that were counted to their end
}

type sampleQueue struct {
	Queue             string    `json:"queue"`
	Available         int64     `json:"available"`
	Running           int64     `json:"running"`
	Scheduled         int64     `json:"scheduled"`
	Retryable         int64     `json:"retryable"`
	Least             bool      `json:"more,omitempty"` // the figures are lower bounds
	OldestAvailableAt time.Time `json:"oldest_available_at,omitzero"`
	Claims            float64   `json:"claims_per_second"`
	Change            float64   `json:"change_per_second"`
	Paused            bool      `json:"paused"`

	oldest job.Time
}

func (t *topCommand) execute(c *call) error {
	if t.Interval <= 0 {
		return usage("--interval is %s; it must be more than 0", t.Interval)
	}
	var screen *screen // nil = no terminal, or nobody who looks at it
	if !t.Once && !c.json && service.IsTerminal(c.out) {
		screen = newScreen(c.out)
		defer screen.close()
	}
	var before *sample
	for first := true; ; first = false {
		begin := time.Now()
		s, err := t.look(c, before)
		switch {
		case c.ctx.Err() != nil:
			return nil // Ctrl-C is how one leaves
		case err != nil && screen != nil && errors.Is(err, job.ErrUnavailable):
			screen.draw([]string{"the database does not answer; the last look was", "", printable(err.Error())})
		case err != nil:
			return err
		case screen != nil:
			screen.draw(c.frame(s, screen.rows()))
		case !t.Once || !first:
			if err := c.print(s, func(table *table) { c.rows(table, s, len(s.Queues), len(s.Workers)) }); err != nil {
				return err
			}
		}
		if t.Once && !first {
			return nil
		}
		if err == nil {
			before = s
		}
		// A view must not be what loads the database: looking may take a quarter of the time.
		timer := time.NewTimer(max(t.Interval, 3*time.Since(begin)))
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// look reads all figures; before is the look before, for what happened in between.
func (*topCommand) look(c *call, before *sample) (s *sample, err error) {
	if c.now, err = c.store.Now(c.ctx); err != nil {
		return nil, err
	}
	s = &sample{Now: c.now.Time(), at: time.Now(), Queues: []sampleQueue{}, Workers: []wire.Worker{}, epochs: map[int32]int64{}, depths: map[int32]int64{}}
	queues, err := c.store.ListQueues(c.ctx, false)
	if err != nil {
		return nil, err
	}
	end := s.at.Add(countLimit)
	for _, q := range queues {
		rows, err := c.store.Slots(c.ctx, q.ID)
		if err != nil {
			return nil, err
		}
		n, err := c.countRows(rows, end)
		if err != nil {
			return nil, err
		}
		line := sampleQueue{
			Queue: q.Name, Available: n.Available + n.Blocked, Running: n.Running, Scheduled: n.Scheduled, Retryable: n.Retryable,
			Least: n.least, OldestAvailableAt: n.OldestAvailable.Time(), Paused: q.Paused, oldest: n.OldestAvailable,
		}
		for _, row := range rows {
			s.epochs[q.ID] += row.Epoch
		}
		if !n.least {
			s.depths[q.ID] = n.Depth()
		}
		if before != nil {
			passed := s.at.Sub(before.at)
			line.Claims = rate(before.epochs, s.epochs, q.ID, passed)
			line.Change = rate(before.depths, s.depths, q.ID, passed)
		}
		s.Queues = append(s.Queues, line)
	}
	slices.SortStableFunc(s.Queues, func(a, b sampleQueue) int {
		return cmp.Compare(b.Available+b.Running+b.Retryable, a.Available+a.Running+a.Retryable)
	})
	if s.workers, err = c.store.Workers(c.ctx); err != nil {
		return nil, err
	}
	for _, w := range s.workers {
		s.Workers = append(s.Workers, wire.WorkerOf(w))
	}
	return s, nil
}

// rate is the change of a figure per second; 0 where it is not known of both times.
func rate(before, now map[int32]int64, id int32, passed time.Duration) float64 {
	a, first := before[id]
	b, second := now[id]
	if !first || !second {
		return 0
	}
	return float64(b-a) / passed.Seconds()
}

// rows makes the two tables, of so many queues and workers.
func (c *call) rows(t *table, s *sample, queues, workers int) {
	t.row("QUEUE", "AVAILABLE", "RUNNING", "SCHEDULED", "RETRYABLE", "OLDEST", "CLAIMS/S", "CHANGE/S", "")
	for _, q := range s.Queues[:queues] {
		n := counted{least: q.Least}
		t.row(q.Queue, n.show(q.Available), n.show(q.Running), n.show(q.Scheduled), n.show(q.Retryable), c.ago(q.oldest),
			fmt.Sprintf("%.1f", q.Claims), fmt.Sprintf("%+.1f", q.Change), yes(q.Paused, "paused"))
	}
	t.w.Flush()
	fmt.Fprintln(t.w)
	t.row("WORKER", "STATE", "RUNNING", "PLACES", "HEARTBEAT", "STARTED")
	for i, w := range s.Workers[:workers] {
		t.row(w.Name, w.State, w.Running, w.Concurrency, c.ago(s.workers[i].BeatAt), c.ago(s.workers[i].StartedAt))
	}
}

// frame is what fits into a number of rows: workers get what queues leave, and a third at least.
func (c *call) frame(s *sample, rows int) []string {
	const besides = 6 // the first line and the one after it, two heads, the line between, one that says what is left out
	room := max(rows-besides, 2)
	workers := min(len(s.Workers), max(room/3, room-len(s.Queues)))
	queues := min(len(s.Queues), room-workers)
	var text bytes.Buffer
	t := &table{w: tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)}
	c.rows(t, s, queues, workers)
	t.w.Flush()
	lines := []string{fmt.Sprintf("slotq  %s  %d queues, %d workers", s.Now.Format("15:04:05Z"), len(s.Queues), len(s.Workers)), ""}
	for line := range bytes.Lines(text.Bytes()) {
		lines = append(lines, string(bytes.TrimRight(line, "\n")))
	}
	if left := len(s.Queues) - queues + len(s.Workers) - workers; left > 0 {
		lines = append(lines, fmt.Sprintf("… %d more do not fit", left))
	}
	return lines
}
