package e2e

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// actionCalls are steps of actions of every verb, and what shows failures.
func (b *big) actionCalls() []call {
	var calls []call
	act := func(name string, a job.BulkAction) {
		calls = append(calls, call{name: "an action that " + name, do: func(ctx context.Context, s store.Store) error {
			a := a
			a.ID, a.CreatedAt, a.Digest = job.NewID(b.now), b.now, make([]byte, 16)
			if bad := a.Ready(true); len(bad) > 0 {
				return bad
			}
			a, err := s.Act(ctx, a)
			for n := 0; err == nil && n < 3 && a.FinishedAt == 0; n++ {
				a, err = s.StepAction(ctx, a.ID, b.now)
			}
			return err
		}})
	}
	act("retries what was cancelled", job.BulkAction{Verb: job.VerbRetry, Choice: job.Choice{Filter: job.Filter{Queue: "past", States: []job.State{job.Cancelled}}}})
	act("finds nothing to retry", job.BulkAction{Verb: job.VerbRetry})
	act("cancels jobs of a kind", job.BulkAction{Verb: job.VerbCancel, Choice: job.Choice{Filter: job.Filter{Kind: "kind1"}}})
	act("cancels jobs of a concurrency key", job.BulkAction{Verb: job.VerbCancel, Choice: job.Choice{Filter: job.Filter{ConcurrencyKey: "one"}}})
	act("runs scheduled jobs", job.BulkAction{Verb: job.VerbRun, Choice: job.Choice{Filter: job.Filter{Kind: "none"}}})
	act("deletes jobs of a queue", job.BulkAction{Verb: job.VerbDelete, Choice: job.Choice{Filter: job.Filter{Queue: "keyed"}}})
	act("counts all", job.BulkAction{Verb: job.VerbDelete, DryRun: true})
	failures := func(f job.Filter, now job.Time) func(context.Context, store.Store) error {
		return func(ctx context.Context, s store.Store) error { _, err := s.Failures(ctx, f, 100, now); return err }
	}
	return append(calls,
		call{name: "open actions", do: func(ctx context.Context, s store.Store) error {
			_, err := s.OpenActions(ctx, job.MaxOpenActions)
			return err
		}},
		call{name: "failures", do: failures(job.Filter{}, b.now)},
		call{name: "failures of a queue and kind", do: failures(job.Filter{Queue: "single", Kind: "kind1"}, b.now)},
		call{name: "failures with all jobs due later", do: failures(job.Filter{}, b.first.Add(-time.Hour))},
	)
}
