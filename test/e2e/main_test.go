// Package e2e tests the whole: the real binaries on each of the three databases, killed, frozen, cut off and
// misused. What one package promises is that package's to test; here it is what a user is promised, measured where a
// user would: at the HTTP API, in the logs and in what jobs leave behind.
package e2e

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(system.Cleaning{Tests: m}) }
