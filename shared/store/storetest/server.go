package storetest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// FreshOn makes databases on the server that a variable names. Without it the test is skipped, but fails where CI=true:
// a suite that did not run must not look green.
func FreshOn(t testing.TB, variable string) func(t testing.TB) string {
	t.Helper()
	server := os.Getenv(variable)
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set", variable)
		}
		t.Skipf("%s is not set: `make test` starts a server and sets it", variable)
	}
	return func(t testing.TB) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		url, drop, err := dbserver.Fresh(ctx, server)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(drop)
		return url
	}
}
