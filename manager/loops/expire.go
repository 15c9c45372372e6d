package loops

import (
	"context"
	"time"
)

// expireBatch is how many jobs one transaction ends.
const expireBatch = 500

// expire ends waiting jobs whose expires_at has passed. A claim never starts one; this clears away those that nobody
// comes to claim.
func (m *Manager) expire(ctx context.Context) {
	m.byTurns(ctx, "expire", expireSweeps*m.Sweep, func(ctx context.Context, budget time.Duration) error {
		return inBatches(ctx, expireBatch, budget, func() (int, error) {
			jobs, err := m.Store.Expire(ctx, expireBatch, m.Now())
			return len(jobs), err
		})
	})
}
