// Package page tests the page as people use it: journeys through the real binaries in a headless Chromium. What a page shows is
// held against the tables, and a page that writes an error to the console fails its test.
package page

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(cleaning{m}) }

type cleaning struct{ *testing.M }

func (c cleaning) Run() int {
	defer system.Clean()
	defer func() { closeBrowser() }() // as it is by then
	return c.M.Run()
}
