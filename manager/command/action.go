package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// actionFlags choose jobs for an action.
type actionFlags struct {
	Queue          string    `help:"All of this queue."`
	Kind           string    `help:"All of this kind."`
	State          []string  `help:"Only in these states."`
	Tag            string    `help:"All with this tag."`
	ConcurrencyKey string    `help:"All with this concurrency_key."`
	CreatedAfter   time.Time `placeholder:"TIME" help:"All made at this time or later, such as 2030-01-31T08:00:00Z."`
	CreatedBefore  time.Time `placeholder:"TIME" help:"All made before this time."`
	All            bool      `help:"Jobs of all queues."`
	DryRun         bool      `help:"Count them and change nothing."`
	Yes            bool      `help:"Do not ask."`
}

// given says that a filter is.
func (f *actionFlags) given() bool {
	yes := *f
	yes.Yes = false
	return yes.Queue+yes.Kind+yes.Tag+yes.ConcurrencyKey != "" || len(yes.State) > 0 || !yes.CreatedAfter.IsZero() || !yes.CreatedBefore.IsZero() || yes.All || yes.DryRun
}

// act carries the action out here and now: it needs neither an api nor a manager. Should it be killed, a manager goes on.
func (f *actionFlags) act(c *call, verb job.Verb, ids []string) error {
	if len(ids) > 0 && f.given() {
		return usage("give ids or a filter, not both")
	}
	a := job.BulkAction{ID: job.NewID(c.now), Verb: verb, DryRun: f.DryRun, CreatedAt: c.now, Choice: job.Choice{
		Filter:       job.Filter{Queue: f.Queue, Kind: f.Kind, Tag: f.Tag, ConcurrencyKey: f.ConcurrencyKey},
		CreatedAfter: job.TimeOf(f.CreatedAfter), CreatedBefore: job.TimeOf(f.CreatedBefore),
	}}
	for _, name := range f.State {
		state, err := job.ParseState(name)
		if err != nil {
			return usage("--state: %w", err)
		}
		a.Choice.States = append(a.Choice.States, state)
	}
	if !f.given() {
		return usage("say which jobs: their ids, or a filter such as --queue or --kind")
	}
	if bad := a.Ready(f.All); len(bad) > 0 {
		switch bad[0].Pointer {
		case "/filter":
			return usage("this chooses jobs of all queues: add --queue, --kind or another filter, or --all when it is meant")
		case "/filter/state":
			return usage("--state %s", bad[0].Detail)
		default:
			return usage("--created-before must be later than --created-after")
		}
	}
	if !f.Yes && !f.DryRun {
		ok, err := c.ask(fmt.Sprintf("%s all jobs that this chooses (--dry-run counts them)?", verbWords[verb]))
		if err != nil || !ok {
			return errors.Join(err, errors.New("nothing was changed"))
		}
	}
	a, err := c.store.Act(c.ctx, a)
	if errors.Is(err, job.ErrLimit) {
		return fmt.Errorf("%d actions are under way; a manager that runs finishes them: %w", job.MaxOpenActions, err)
	}
	if err != nil {
		return fmt.Errorf("begin the action: %w", err)
	}
	if a, err = c.carryOut(a); err != nil {
		return fmt.Errorf("after %d jobs (a manager that runs goes on, as action %s): %w", a.Done, a.ID, err)
	}
	return c.print(wire.ActionOf(a), func(t *table) {
		if a.DryRun {
			t.line(a.Matched, "jobs are chosen, nothing was changed")
			return
		}
		t.line(a.Done, "of", a.Matched, "jobs", doneWords[verb])
		if a.Failed > 0 {
			t.line(a.Failed, "were left as they are: other jobs have their unique_keys by now")
		}
	})
}

func (c *call) carryOut(a job.BulkAction) (job.BulkAction, error) {
	for a.FinishedAt == 0 {
		now, err := c.store.Now(c.ctx)
		if err != nil {
			return a, err
		}
		next, err := c.store.StepAction(c.ctx, a.ID, now)
		if err != nil {
			return a, err
		}
		a = next
	}
	return a, nil
}

var (
	verbWords = map[job.Verb]string{job.VerbRetry: "Retry", job.VerbCancel: "Cancel", job.VerbRun: "Run", job.VerbDelete: "Delete"}
	doneWords = map[job.Verb]string{
		job.VerbRetry: "were put back", job.VerbCancel: "are cancelled or being stopped", job.VerbRun: "are due now", job.VerbDelete: "are deleted",
	}
)
