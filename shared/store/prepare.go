package store

import (
	"context"
	"fmt"

	"github.com/slotq/slotq/shared/job"
)

// Prepare makes sure that a service can work with the database's schema. An empty database gets it from whoever comes
// first, an older one when migrate says so; a schema that is one version ahead is left as it is, since the services of
// two releases run side by side during an upgrade.
// ErrOldSchema, ErrNewerSchema: it cannot.
func Prepare(ctx context.Context, s Store, migrate bool) error {
	have, want, err := s.Schema(ctx)
	switch {
	case err != nil:
		return err
	case have == 0, have < want && migrate:
		return s.Migrate(ctx)
	case have < want:
		return fmt.Errorf("%w (it has version %d, this binary needs %d)", job.ErrOldSchema, have, want)
	case have > want+1:
		return fmt.Errorf("%w (it has version %d, this binary knows %d): use a newer one", job.ErrNewerSchema, have, want)
	}
	return nil
}
