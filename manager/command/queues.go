package command

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type queuesCommand struct {
	List   queuesList   `cmd:"" default:"1" help:"List the queues with what waits in them."`
	Set    queuesSet    `cmd:"" help:"Change settings of a queue, which new jobs get; makes the queue when it is not there."`
	Pause  queuesPause  `cmd:"" help:"Hand out no more jobs of a queue; those that run go on."`
	Resume queuesResume `cmd:"" help:"Hand out jobs of a queue again."`
	Purge  queuesPurge  `cmd:"" help:"Cancel all waiting jobs of a queue."`
	Delete queuesDelete `cmd:"" help:"Delete an empty queue; its history stays."`
}

type queuesList struct{}

func (*queuesList) execute(c *call) error {
	queues, err := c.store.ListQueues(c.ctx, false)
	if err != nil {
		return err
	}
	list := wire.QueueList{Queues: []wire.Queue{}}
	for _, q := range queues {
		list.Queues = append(list.Queues, wire.QueueOf(q))
	}
	counts := make([]counted, len(queues))
	if !c.json { // the JSON is the api's, which has settings only: figures are in `manager slots` and in the metrics
		end := time.Now().Add(countLimit)
		for i, q := range queues {
			if counts[i], err = c.countQueue(q.ID, end); err != nil {
				return err
			}
		}
	}
	return c.print(list, func(t *table) {
		t.row("QUEUE", "AVAILABLE", "RUNNING", "SCHEDULED", "RETRYABLE", "OLDEST", "SLOTS", "ORDER", "PAUSED", "ATTEMPTS", "TIMEOUT")
		for i, q := range list.Queues {
			n := &counts[i]
			t.row(q.Name, n.show(n.Available+n.Blocked), n.show(n.Running), n.show(n.Scheduled), n.show(n.Retryable),
				c.ago(n.OldestAvailable), q.Slots, q.Order, yes(q.Paused, "paused"), q.MaxAttempts, queues[i].Timeout)
		}
	})
}

type queuesSet struct {
	Name string `arg:"" help:"The queue."`

	Slots         *int           `help:"How many slots new jobs are spread over, 1 to 1024; fewer: the others drain."`
	Order         *string        `enum:"fifo,lifo" help:"Order within a slot: fifo or lifo."`
	Priority      *int           `help:"1 first to 4 last."`
	MaxAttempts   *int           `help:"Failures before a job is discarded."`
	MaxCrashes    *int           `help:"Crashes before a job is discarded."`
	Timeout       *time.Duration `help:"Time limit of one run, such as 60s."`
	BackoffKind   *string        `enum:"polynomial,exponential,list" help:"Waits between attempts: polynomial, exponential or list."`
	BackoffBase   *time.Duration `help:"exponential: the first wait."`
	BackoffCap    *time.Duration `help:"exponential: the longest wait."`
	BackoffList   []float64      `help:"list: the waits in seconds, such as 1,5,60."`
	KeepCompleted *time.Duration `help:"How long completed jobs are kept, such as 24h; 0s = not at all."`
	KeepDiscarded *time.Duration `help:"How long discarded jobs are kept."`
	KeepCancelled *time.Duration `help:"How long cancelled jobs are kept."`
}

func (s *queuesSet) execute(c *call) error {
	if wrong := job.CheckName(s.Name); wrong != "" {
		return usage("the name of a queue %s", wrong)
	}
	var bad job.Invalid
	change := func(q *job.Queue) error {
		s.apply(q)
		if bad = q.Check(); len(bad) > 0 {
			return bad
		}
		return nil
	}
	q, err := c.store.UpdateQueue(c.ctx, s.Name, change)
	if errors.Is(err, job.ErrNotFound) {
		made := job.NewQueue(s.Name)
		if err = change(&made); err == nil {
			made.KeySlots = made.Slots
			if _, err = c.store.EnsureQueue(c.ctx, made, c.now); err == nil {
				q, err = c.store.UpdateQueue(c.ctx, s.Name, change) // somebody else may have made it in the meantime
			}
		}
	}
	switch {
	case len(bad) > 0:
		return usage("%s", flagNames(bad))
	case err != nil:
		return ofQueue(s.Name, err)
	}
	return c.showQueue(q)
}

func (s *queuesSet) apply(q *job.Queue) {
	set(&q.Slots, s.Slots)
	set(&q.Priority, s.Priority)
	set(&q.MaxAttempts, s.MaxAttempts)
	set(&q.MaxCrashes, s.MaxCrashes)
	set(&q.Timeout, s.Timeout)
	set(&q.KeepCompleted, s.KeepCompleted)
	set(&q.KeepDiscarded, s.KeepDiscarded)
	set(&q.KeepCancelled, s.KeepCancelled)
	if s.Order != nil {
		q.LIFO = *s.Order == wire.LIFO
	}
	if s.BackoffKind != nil && *s.BackoffKind != q.Backoff.Kind {
		q.Backoff = job.Backoff{Kind: *s.BackoffKind} // the parameters of another kind mean nothing
	}
	set(&q.Backoff.Base, s.BackoffBase)
	set(&q.Backoff.Cap, s.BackoffCap)
	if s.BackoffList != nil {
		q.Backoff.List = s.BackoffList
	}
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// flagNames turns the pointers of the JSON into flags.
func flagNames(bad job.Invalid) string {
	var parts []string
	for _, p := range bad {
		name := strings.TrimSuffix(strings.ReplaceAll(strings.TrimPrefix(p.Pointer, "/"), "_", "-"), "-seconds")
		if name == "backoff" {
			name = "backoff-kind and its companions: "
		}
		parts = append(parts, "--"+name+" "+p.Detail)
	}
	return strings.Join(parts, "; ")
}

type queuesPause struct {
	Name string `arg:"" help:"The queue."`
}

func (p *queuesPause) execute(c *call) error { return c.pauseQueue(p.Name, true) }

type queuesResume struct {
	Name string `arg:"" help:"The queue."`
}

func (r *queuesResume) execute(c *call) error { return c.pauseQueue(r.Name, false) }

func (c *call) pauseQueue(name string, paused bool) error {
	q, err := c.store.PauseQueue(c.ctx, name, paused)
	if err != nil {
		return ofQueue(name, err)
	}
	return c.showQueue(q)
}

type queuesPurge struct {
	Name string `arg:"" help:"The queue."`
	Yes  bool   `short:"y" help:"Do not ask."`
}

// purgeBatch is how many jobs one transaction cancels.
const purgeBatch = 500

func (p *queuesPurge) execute(c *call) error {
	if !p.Yes {
		ok, err := c.ask(fmt.Sprintf("Cancel all waiting jobs of the queue %s?", p.Name))
		if err != nil || !ok {
			return errors.Join(err, errors.New("nothing was purged"))
		}
	}
	result := wire.Purged{}
	progress := c.progress()
	defer progress.end()
	// Jobs that come while it works are not meant: the cut is the moment at which it was asked for.
	for more := true; more; {
		n, again, err := c.store.Purge(c.ctx, p.Name, c.now, purgeBatch, c.now)
		result.Purged += n
		if err != nil {
			return fmt.Errorf("after %d jobs were cancelled: %w", result.Purged, ofQueue(p.Name, err))
		}
		more = again
		progress.show("cancelled %d waiting jobs of %s", result.Purged, p.Name)
	}
	progress.end()
	return c.print(result, func(t *table) { t.line("cancelled", result.Purged, "waiting jobs of", p.Name) })
}

type queuesDelete struct {
	Name string `arg:"" help:"The queue."`
}

func (d *queuesDelete) execute(c *call) error {
	if err := c.store.DeleteQueue(c.ctx, d.Name); err != nil {
		return ofQueue(d.Name, err)
	}
	return c.print(struct {
		Deleted string `json:"deleted"`
	}{d.Name}, func(t *table) { t.line("deleted the queue", d.Name) })
}

func (c *call) showQueue(q job.Queue) error {
	w := wire.QueueOf(q)
	return c.print(w, func(t *table) {
		t.row("queue", q.Name)
		t.row("slots", q.Slots)
		t.row("order", w.Order)
		t.row("paused", w.Paused)
		t.row("priority", q.Priority)
		t.row("max_attempts", q.MaxAttempts)
		t.row("max_crashes", q.MaxCrashes)
		t.row("timeout", q.Timeout)
		t.row("backoff", backoffWords(q.Backoff))
		t.row("keep", fmt.Sprintf("completed %s, discarded %s, cancelled %s", q.KeepCompleted, q.KeepDiscarded, q.KeepCancelled))
	})
}

func backoffWords(b job.Backoff) string {
	switch b.Kind {
	case job.BackoffExponential:
		if b.Cap == 0 {
			return fmt.Sprintf("exponential from %s", b.Base)
		}
		return fmt.Sprintf("exponential from %s up to %s", b.Base, b.Cap)
	case job.BackoffList:
		return fmt.Sprintf("list %v seconds", b.List)
	default:
		return "polynomial"
	}
}

// ofQueue says which queue an error is about.
func ofQueue(name string, err error) error {
	switch {
	case errors.Is(err, job.ErrNotFound):
		return fmt.Errorf("there is no queue %s: %w", name, err)
	case errors.Is(err, job.ErrNotEmpty):
		return fmt.Errorf("the queue %s has unfinished jobs; purge it, and let those end that run: %w", name, err)
	}
	return fmt.Errorf("queue %s: %w", name, err)
}

// ask asks a question that only y or yes answers.
func (c *call) ask(question string) (bool, error) {
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(c.in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	if err != nil && answer == "" {
		return false, errors.New("no answer; --yes does not ask")
	}
	return answer == "y" || answer == "yes", nil
}
