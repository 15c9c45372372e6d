package loops

import (
	"context"
	"time"
)

// pruneBatch is how many rows of each table one transaction deletes.
const pruneBatch = 1000

// prune deletes history, idempotency keys and dead workers whose time is over.
func (m *Manager) prune(ctx context.Context) {
	m.byTurns(ctx, "prune", pruneSweeps*m.Sweep, func(ctx context.Context, budget time.Duration) error {
		return inBatches(ctx, pruneBatch, budget, func() (int, error) {
			n, err := m.Store.Prune(ctx, pruneBatch, m.Now())
			m.Metrics.Pruned.Add(float64(n))
			return n, err
		})
	})
}
