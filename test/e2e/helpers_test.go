package e2e

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // raw connections
	_ "modernc.org/sqlite"

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

// openRaw opens a way past the store to the tables.
func openRaw(t *testing.T, rawURL string) *sql.DB {
	t.Helper()
	scheme, rest, _ := strings.Cut(rawURL, ":")
	driver, source := "pgx", rawURL
	switch scheme {
	case "sqlite":
		driver, source = "sqlite", "file:"+rest+"?_pragma=busy_timeout(5000)"
	case "mysql":
		u, err := url.Parse(rawURL)
		check(t, err)
		c := mysql.NewConfig()
		c.User = u.User.Username()
		c.Passwd, _ = u.User.Password()
		c.Net, c.Addr, c.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		driver, source = "mysql", c.FormatDSN()
	}
	raw, err := sql.Open(driver, source)
	check(t, err)
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}
