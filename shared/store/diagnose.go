package store

import (
	"context"

	"github.com/slotq/slotq/shared/job"
)

// Diagnose is what an operator asks when something may be wrong. It changes nothing, and works beside all others.
type Diagnose interface {
	// Settings says which server this is, for people, and how what slotq's promises rest on is set: in a session of slotq's
	// own where a session has a say. Each setting is judged by what docs/databases.md asks for.
	Settings(ctx context.Context) (server string, settings []job.Setting, err error)

	// Turns returns the loops of managers that have ever run, by name.
	Turns(ctx context.Context) ([]job.Turn, error)

	// Strays returns up to limit slots that hold unfinished jobs and have no row of a slot or no queue, so that nobody
	// looks into them. No statement reads more than a few rows, however many jobs wait.
	Strays(ctx context.Context, limit int) ([]job.Slot, error)
}
