package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// A schema that another process is making at this moment cannot always be read: the table of versions is there before
// its first row is. And it passes through all versions, so that only one that stands still is an old one. Prepare looks
// again for prepareLimit, every prepareAgain, and takes a version for settled after prepareSettled.
const (
	prepareLimit   = 10 * time.Second
	prepareAgain   = 100 * time.Millisecond
	prepareSettled = 3 * time.Second
)

// Prepare makes sure that a service can work with the database's schema. An empty database gets it from whoever comes
// first, an older one when migrate says so; a schema that is one version ahead is left as it is, since the services of
// two releases run side by side during an upgrade. Any number of processes may call it at once.
// ErrOldSchema, ErrNewerSchema: it cannot.
func Prepare(ctx context.Context, s Store, migrate bool) error {
	var seen int64
	since := time.Now()
	for end := since.Add(prepareLimit); ; {
		have, err := prepare(ctx, s, migrate)
		if have != seen {
			seen, since = have, time.Now()
		}
		final := err == nil || errors.Is(err, job.ErrNewerSchema) || errors.Is(err, job.ErrUnavailable) ||
			errors.Is(err, job.ErrOldSchema) && time.Since(since) >= prepareSettled
		if final || ctx.Err() != nil || !time.Now().Before(end) {
			return err
		}
		timer := time.NewTimer(prepareAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func prepare(ctx context.Context, s Store, migrate bool) (have int64, err error) {
	have, want, err := s.Schema(ctx)
	switch {
	case err != nil:
		return have, err
	case have == 0, have < want && migrate:
		return have, s.Migrate(ctx)
	case have < want:
		return have, fmt.Errorf("%w (it has version %d, this binary needs %d)", job.ErrOldSchema, have, want)
	case have > want+1:
		return have, fmt.Errorf("%w (it has version %d, this binary knows %d): use a newer one", job.ErrNewerSchema, have, want)
	}
	return have, nil
}
