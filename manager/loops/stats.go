package loops

import (
	"context"
	"time"
)

// statsShare is the part of a manager's time that counting may take.
const statsShare = 0.05

// stats counts what waits in every slot and keeps the figures for the cluster's gauges. One manager at a time does
// it, the leader; whoever loses the turn drops its figures and, should the turn come back, begins to count anew.
func (m *Manager) stats(ctx context.Context) {
	interval := statsSweeps * m.Sweep
	var counting *counting
	var last time.Time // the last turn
	defer func() { m.Metrics.lead(false, nil) }()
	m.every(ctx, "stats", 0, nil, func(ctx context.Context) (time.Duration, error) {
		begin := time.Now()
		mine, err := m.Store.Turn(ctx, "stats", m.holder, interval, m.Now())
		if !mine {
			// A leader that cannot reach the database may have lost its turn without a word.
			if err == nil || time.Since(last) > 2*interval {
				counting = nil
				m.Metrics.lead(false, nil)
			}
			return interval + interval/2, err
		}
		last = begin
		if counting == nil {
			counting = newCounting(m.Store, m.Now)
			m.Metrics.lead(true, nil)
		}
		figures, err := counting.round(ctx, time.Duration(statsShare*float64(interval)))
		if err != nil {
			return 0, err
		}
		m.Metrics.lead(true, figures)
		return max(interval+early-time.Since(begin), 0), nil
	})
}
