package main

import "context"

// growth measures what more of something costs: waiting jobs, jobs for tomorrow, history, slots, queues, workers.
func growth(ctx context.Context, b *bench, db database) error {
	if db.name == "redis" {
		return nil
	}
	for _, part := range []func(context.Context, *bench, database) error{backlogs, beside, spreads} {
		if err := part(ctx, b, db); err != nil {
			return err
		}
	}
	return nil
}
