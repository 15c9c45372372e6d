package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// fillStats makes an hour and a week of so many queues.
func (b *big) fillStats(ctx context.Context, c *counter, queues int) error {
	for q := range queues {
		var rows []string
		for _, span := range []job.Span{job.Minute, job.Hour} {
			for at := span.Oldest(b.now); at <= span.Begin(b.now); at = at.Add(time.Duration(span) * time.Second) {
				rows = append(rows, fmt.Sprintf("(%d, %d, %d, 1, '{}')", q+1, span, at))
			}
		}
		if _, err := c.raw.ExecContext(ctx, "INSERT INTO slotq_stats (queue_id, span, began_at, version, data) VALUES "+strings.Join(rows, ", ")); err != nil {
			return err
		}
	}
	return nil
}

// report reports stats of so many minutes of so many queues.
func (b *big) report(ctx context.Context, s store.Store, process job.WorkerID, seq int64, queues, minutes int) error {
	table := job.StatsTable{}
	for q := range queues {
		for m := range minutes {
			at := job.Minute.Begin(b.now.Add(-time.Duration(m) * time.Minute))
			table.Of(job.StatsKey{QueueID: int32(q + 1), Span: job.Minute, At: at}).Enqueued++
		}
	}
	r := job.StatsReport{Process: process, Parts: []job.StatsPart{{Seq: seq, Stats: table.List()}}, Now: b.now}
	_, err := s.ReportStats(ctx, r)
	return err
}
