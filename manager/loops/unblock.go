package loops

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// unblockKeys is how many concurrency keys one call looks at.
const unblockKeys = 100

// unblock goes round all concurrency keys and repairs those whose next job was not let in. The end of a job does that
// itself; this is for what nobody foresaw, so finding anything is worth a warning.
func (m *Manager) unblock(ctx context.Context) {
	var after *job.Key // where the last turn stopped
	m.byTurns(ctx, "unblock", unblockSweeps*m.Sweep, func(ctx context.Context, budget time.Duration) error {
		// A tenth of its half: with a million keys a round takes long rather than the database's time.
		for end := time.Now().Add(budget / 10); ctx.Err() == nil; {
			next, freed, err := m.Store.Unblock(ctx, after, unblockKeys)
			if err != nil {
				return err
			}
			if freed > 0 {
				m.Log.Warn("repaired concurrency keys that had stopped", "places_freed", freed)
			}
			if after = next; after == nil || !time.Now().Before(end) {
				break
			}
		}
		return nil
	})
}
