package e2e

import (
	"testing"

	"github.com/slotq/slotq/test/e2e/system"
)

// TestJobs is everything that does not harm its neighbours, on one running system per database.
func TestJobs(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := whole(t, db)
		t.Run("executors", func(t *testing.T) { testExecutors(t, s) })
		t.Run("failures", func(t *testing.T) { testFailures(t, s) })
		t.Run("operations", func(t *testing.T) { testOperations(t, s) })
		d := newDocument(t, s)
		t.Run("routes", func(t *testing.T) { testRoutes(t, d) })
		t.Run("routes refuse", func(t *testing.T) { testRoutesRefuse(t, d) })
		t.Run("bad input", func(t *testing.T) { testBadInput(t, d) })
		t.Run("all that is documented was seen", func(t *testing.T) { d.complete(t) }) // of a run of all the others
		isolated(t, s)
	})
}
