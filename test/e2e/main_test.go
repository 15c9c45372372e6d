// Package e2e tests the whole: the real binaries on each of the three databases, killed, frozen, cut off and
// misused. What one package promises is that package's to test; here it is what a user is promised, measured where a
// user would: at the HTTP API, in the logs and in what jobs leave behind.
package e2e

import (
	"flag"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) {
	// They wait most of the time, for leases to end and for databases to come back: two at once had 144 s of processor time in 212 s. Where a
	// time is promised the test is not among the parallel ones, but for its own databases: it has no others beside it.
	if err := flag.Set("test.parallel", strconv.Itoa(max(4, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(system.Cleaning{Tests: m})
}
