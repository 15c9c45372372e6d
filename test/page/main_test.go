// Package page tests the page as people use it: journeys through the real binaries in a headless Chromium. What a page shows is
// held against the tables, and a page that writes an error to the console fails its test.
package page

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(system.Cleaning{Tests: closing{m}}) }

// closing ends the browser when the tests have run.
type closing struct{ *testing.M }

func (c closing) Run() int {
	defer func() { closeBrowser() }() // as it is by then
	return c.M.Run()
}
