package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

type jobsCommand struct {
	List   jobsList   `cmd:"" default:"withargs" help:"List jobs, the newest first."`
	Show   jobsShow   `cmd:"" help:"Show all that is known of a job."`
	Cancel jobsCancel `cmd:"" help:"Cancel jobs, by their ids or all that a filter chooses; those that run are stopped."`
	Retry  jobsRetry  `cmd:"" help:"Put finished jobs back with their attempts granted anew, or let retryable ones run now; by ids or a filter (without --state: retryable and discarded ones)."`
	Run    jobsRun    `cmd:"" help:"Let scheduled or retryable jobs run now, by their ids or all that a filter chooses."`
	Delete jobsDelete `cmd:"" help:"Delete waiting or finished jobs without a trace, by their ids or all that a filter chooses."`
}

type jobsList struct {
	Queue          string   `help:"Only of this queue."`
	Kind           string   `help:"Only of this kind."`
	State          []string `help:"Only in these states: scheduled, available, running, retryable, completed, discarded, cancelled."`
	Slot           int      `help:"Only of this slot."`
	Tag            string   `help:"Only with this tag."`
	ConcurrencyKey string   `help:"Only with this concurrency_key."`
	UniqueKey      string   `help:"Only with this unique_key."`
	Limit          int      `default:"50" help:"How many, 1 to 1000."`
	Before         string   `placeholder:"ID" help:"Only jobs older than this one: the next page."`
}

func (l *jobsList) execute(c *call) error {
	filter := job.Filter{Queue: l.Queue, Kind: l.Kind, Slot: l.Slot, Tag: l.Tag, ConcurrencyKey: l.ConcurrencyKey, UniqueKey: l.UniqueKey}
	for _, name := range l.State {
		state, err := job.ParseState(name)
		if err != nil {
			return usage("--state: %w", err)
		}
		filter.States = append(filter.States, state)
	}
	if l.Limit < 1 || l.Limit > 1000 {
		return usage("--limit is %d; it must be between 1 and 1000", l.Limit)
	}
	page := job.Page{Limit: l.Limit}
	if l.Before != "" {
		id, err := job.ParseID(l.Before)
		if err != nil {
			return usage("--before: %w", err)
		}
		page.Before = id
	}
	list := wire.JobPage{Jobs: []wire.Job{}}
	var jobs []*job.Job
	// A page of the store reads a bounded number of rows and may be empty before the end; a person wants the jobs.
	for page.Limit > 0 {
		got, err := c.store.List(c.ctx, filter, page)
		if err != nil {
			return err
		}
		jobs = append(jobs, got.Jobs...)
		page.Limit -= len(got.Jobs)
		page.Before = got.Next
		if got.Next == (job.ID{}) {
			break
		}
	}
	for _, j := range jobs {
		list.Jobs = append(list.Jobs, wire.JobOf(j))
	}
	if page.Before != (job.ID{}) {
		list.NextCursor = page.Before.String()
	}
	return c.print(&list, func(t *table) {
		t.row("ID", "QUEUE", "SLOT", "KIND", "STATE", "ATTEMPT", "CREATED", "DUE OR ENDED", "")
		for i, w := range list.Jobs {
			j := jobs[i]
			at := j.RunAt
			if j.State.Finished() {
				at = j.FinishedAt
			}
			t.row(w.ID, w.Queue, w.Slot, w.Kind, w.State, fmt.Sprintf("%d/%d", w.Attempt, w.MaxAttempts), c.ago(j.CreatedAt), c.ago(at), note(j))
		}
		if list.NextCursor != "" {
			t.line("more with --before=" + list.NextCursor)
		}
	})
}

// note is what sticks out: why a job ended, or its last error.
func note(j *job.Job) string {
	text := wire.JobOf(j).StateReason
	if len(j.Errors) > 0 && j.State != job.Completed {
		last := j.Errors[len(j.Errors)-1]
		if text != "" {
			text += ": "
		}
		text += last.Message
	}
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

type jobsShow struct {
	ID string `arg:"" help:"The job's id."`
}

func (s *jobsShow) execute(c *call) error {
	ids, err := parseIDs([]string{s.ID})
	if err != nil {
		return err
	}
	j, err := c.store.Get(c.ctx, ids[0])
	if err != nil {
		return ofJob(ids[0], err)
	}
	w := wire.JobOf(j)
	return c.print(&w, func(t *table) { c.describeJob(t, j, &w) })
}

type jobsCancel struct {
	IDs []string `arg:"" optional:"" name:"id" help:"The jobs' ids; none = use a filter."`
	actionFlags
}

func (a *jobsCancel) execute(c *call) error {
	if len(a.IDs) == 0 || a.given() {
		return a.act(c, job.VerbCancel, a.IDs)
	}
	return c.change(a.IDs, func(ctx context.Context, id job.ID) (*job.Job, error) { return c.store.Cancel(ctx, id, c.now) },
		func(j *job.Job) string {
			if j.State == job.Running {
				return "is being stopped"
			}
			return "is cancelled"
		})
}

type jobsRetry struct {
	IDs []string `arg:"" optional:"" name:"id" help:"The jobs' ids; none = use a filter."`
	actionFlags
}

func (a *jobsRetry) execute(c *call) error {
	if len(a.IDs) == 0 || a.given() {
		return a.act(c, job.VerbRetry, a.IDs)
	}
	return c.change(a.IDs, func(ctx context.Context, id job.ID) (*job.Job, error) { return c.store.Retry(ctx, id, c.now) }, stateNow)
}

type jobsRun struct {
	IDs []string `arg:"" optional:"" name:"id" help:"The jobs' ids; none = use a filter."`
	actionFlags
}

func (a *jobsRun) execute(c *call) error {
	if len(a.IDs) == 0 || a.given() {
		return a.act(c, job.VerbRun, a.IDs)
	}
	return c.change(a.IDs, func(ctx context.Context, id job.ID) (*job.Job, error) { return c.store.RunNow(ctx, id, c.now) }, stateNow)
}

type jobsDelete struct {
	IDs []string `arg:"" optional:"" name:"id" help:"The jobs' ids; none = use a filter."`
	actionFlags
}

func (a *jobsDelete) execute(c *call) error {
	if len(a.IDs) == 0 || a.given() {
		return a.act(c, job.VerbDelete, a.IDs)
	}
	return c.change(a.IDs, c.store.Delete, func(*job.Job) string { return "is deleted" })
}

func stateNow(j *job.Job) string { return "is " + j.State.String() }

// change does something to each job, whatever becomes of the others; any failure is the command's.
func (c *call) change(texts []string, do func(context.Context, job.ID) (*job.Job, error), words func(*job.Job) string) error {
	ids, err := parseIDs(texts)
	if err != nil {
		return err
	}
	list := wire.JobPage{Jobs: []wire.Job{}}
	var done []*job.Job
	var errs []error
	for _, id := range ids {
		j, err := do(c.ctx, id)
		if err != nil {
			errs = append(errs, ofJob(id, err))
			if errors.Is(err, job.ErrUnavailable) {
				break
			}
			continue
		}
		done = append(done, j)
		list.Jobs = append(list.Jobs, wire.JobOf(j))
	}
	err = c.print(&list, func(t *table) {
		for _, j := range done {
			t.line(j.ID, words(j))
		}
	})
	return errors.Join(append(errs, err)...)
}

// parseIDs refuses all when one is wrong: half of a list that was pasted badly is not what was meant.
func parseIDs(texts []string) (ids []job.ID, err error) {
	for _, text := range texts {
		id, err := job.ParseID(text)
		if err != nil {
			return nil, usage("%q is no job's id: %w", text, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// ofJob says which job an error is about.
func ofJob(id job.ID, err error) error {
	if errors.Is(err, job.ErrNotFound) {
		return fmt.Errorf("there is no job %s, or its retention is over: %w", id, err)
	}
	return fmt.Errorf("job %s: %w", id, err)
}
