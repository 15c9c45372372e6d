package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
)

// check ends the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must is check for a call with a result: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// eventually ends the test unless the condition comes true in time.
func eventually(t testing.TB, limit time.Duration, what string, condition func() error) {
	t.Helper()
	if err := system.Await(t.Context(), limit, condition); err != nil {
		t.Fatalf("%s: not within %s: %v", what, limit, err)
	}
}

// ownServer starts a database server that the test has for itself.
func ownServer(t *testing.T, start func(context.Context, dbserver.Options) (*dbserver.Server, error), o dbserver.Options) *dbserver.Server {
	t.Helper()
	server, err := start(t.Context(), o)
	if errors.Is(err, dbserver.ErrNotInstalled) {
		system.Absent(t, err.Error())
	}
	check(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}
