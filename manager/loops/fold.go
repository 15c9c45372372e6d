package loops

import (
	"context"
	"time"
)

// foldBatch is how many processes' reports one transaction takes.
const foldBatch = 50

// fold adds what processes have counted to the minutes and hours of their queues.
func (m *Manager) fold(ctx context.Context) {
	m.byTurns(ctx, "fold", foldSweeps*m.Sweep, func(ctx context.Context, budget time.Duration) error {
		return inBatches(ctx, foldBatch, budget, func() (int, error) {
			return m.Store.FoldStats(ctx, foldBatch, m.Now())
		})
	})
}
