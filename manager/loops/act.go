package loops

import (
	"context"
	"errors"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// act carries out actions, a step of each in turn, so that a small one does not wait for a large one. Whether there is any is
// looked at before the turn is taken: nearly always there is none, and a turn is a write.
func (m *Manager) act(ctx context.Context) {
	m.every(ctx, "actions", 0, nil, func(ctx context.Context) (time.Duration, error) {
		begin := time.Now()
		open, err := m.Store.OpenActions(ctx, job.MaxOpenActions)
		if err != nil || len(open) == 0 {
			return m.Sweep, err
		}
		mine, err := m.Store.Turn(ctx, "actions", m.holder, m.Sweep, m.Now())
		if err != nil || !mine {
			return m.Sweep + m.Sweep/2, err
		}
		err = m.steps(ctx, open, begin.Add(m.Sweep/2))
		return max(m.Sweep+early-time.Since(begin), 0), err
	})
}

// steps does steps until all actions have ended or it is late, one of each at least. An action whose step fails is left for
// the next turn and holds no other up.
func (m *Manager) steps(ctx context.Context, open []job.ID, late time.Time) error {
	var errs []error
	for first := true; len(open) > 0 && ctx.Err() == nil && (first || time.Now().Before(late)); first = false {
		left := open[:0]
		for _, id := range open {
			a, err := m.Store.StepAction(ctx, id, m.Now())
			switch {
			case errors.Is(err, job.ErrUnavailable):
				return errors.Join(append(errs, err)...)
			case err != nil:
				errs = append(errs, err)
			case a.FinishedAt != 0:
				m.Log.Info("an action has ended", "action_id", id, "action", string(a.Verb), "matched", a.Matched, "done", a.Done, "failed", a.Failed)
			default:
				left = append(left, id)
			}
		}
		open = left
	}
	return errors.Join(errs...)
}
