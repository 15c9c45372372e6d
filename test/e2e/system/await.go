package system

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is how often Await looks: often enough to measure by, rarely enough to leave two cores to what is tested.
const pollEvery = 15 * time.Millisecond

// Await returns nil as soon as the condition does, or its last error when the limit is over.
func Await(ctx context.Context, limit time.Duration, condition func() error) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	again := time.NewTicker(pollEvery)
	defer again.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-end.C:
			return condition() // once more: a machine that stood still may have kept this from looking
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}
