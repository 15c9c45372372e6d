package loops

import (
	"context"
	"maps"
	"slices"
	"time"
)

// longestPause bounds the backoff of a loop whose database is in trouble: after an outage of an hour the work goes on
// within seconds.
const longestPause = 5 * time.Second

// every calls work until ctx ends: at once, then each time the pause has passed that work returned, or when wake says
// so. After an error the pause doubles from the last one up to longestPause; patience, when more than 0, bounds it
// further.
func (m *Manager) every(ctx context.Context, name string, patience time.Duration, wake <-chan struct{}, work func(context.Context) (time.Duration, error)) {
	longest := longestPause
	if patience > 0 {
		longest = min(longest, patience)
	}
	var failing time.Duration
	for {
		pause, err := work(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.trouble.begins(name, err)
			failing = min(max(2*failing, 100*time.Millisecond), longest)
			pause = failing
		} else {
			m.trouble.ends(name)
			failing = 0
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-wake:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// The loops that take turns. Expired jobs are never started, with or without the loop, and nobody notices history
// that is kept a few seconds longer: they run at a tenth of the sweeps.
const (
	expireSweeps  = 10
	pruneSweeps   = 10
	unblockSweeps = 10
	foldSweeps    = 10
	statsSweeps   = 5
)

// early is how much later than its own interval the holder of a turn comes back, so that small steps of the clock do
// not make it come before the turn is free; others wait half an interval longer. So a turn stays where it is while
// its holder lives, which keeps the stats in one process, and moves on within two intervals when it does not.
const early = 10 * time.Millisecond

// byTurns is every for a loop that one process at a time should run, once per interval. work gets the part of the
// interval that it may use.
func (m *Manager) byTurns(ctx context.Context, name string, interval time.Duration, work func(ctx context.Context, budget time.Duration) error) {
	m.every(ctx, name, 0, nil, func(ctx context.Context) (time.Duration, error) {
		mine, err := m.Store.Turn(ctx, name, m.holder, interval, m.Now())
		if err != nil {
			return 0, err
		}
		if !mine {
			return interval + interval/2, nil
		}
		begin := time.Now()
		if err := work(ctx, interval/2); err != nil {
			return 0, err
		}
		return max(interval+early-time.Since(begin), 0), nil
	})
}

// inBatches calls work until it has done less than a full batch, the budget is used up, or ctx ends.
func inBatches(ctx context.Context, batch int, budget time.Duration, work func() (int, error)) error {
	for end := time.Now().Add(budget); ctx.Err() == nil; {
		n, err := work()
		if err != nil {
			return err
		}
		if n < batch || !time.Now().Before(end) {
			return nil
		}
	}
	return nil
}

// Names are the loops that take turns.
func Names() []string { return slices.Sorted(maps.Keys(Intervals(0))) }

// Intervals says how often each of them runs where managers have the sweep.
func Intervals(sweep time.Duration) map[string]time.Duration {
	return map[string]time.Duration{
		"expire": expireSweeps * sweep, "fold": foldSweeps * sweep, "prune": pruneSweeps * sweep, "stats": statsSweeps * sweep, "unblock": unblockSweeps * sweep,
	}
}
